"""The charges of differential privacy after kill -9 at any byte of the journal: whatever left is charged, and nothing reads damaged."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from client.release.epsilon_spent import CHARGE, EpsilonLedger, release_cost, schedule_of
from site_config import hash_chained_journal
from site_config.hash_chained_journal import FIRST, Entry, Journal, parse
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import canonical
from tests.client.release.test_epsilon_spent import ROUNDS, Site, ask, lock

PATIENTS = ("p", "q")


@pytest.fixture
def written(tmp_path: Path) -> bytes:
    """The journal of a hospital that released every round of a study."""
    site, study = Site(tmp_path / "whole"), lock()
    for round in range(ROUNDS):
        site.release(study, ask(study, round))
    site.journal.close()
    return (tmp_path / "whole" / "journal.jsonl").read_bytes()


def heads(entries: list[Entry], whole: int) -> list[bytes | None]:
    """What the side file may say after a kill with so many whole entries: the last one, or the one before it; it is there before them."""
    said = [canonical({"number": n, "hash": entries[n - 1].hash if n else FIRST}) for n in {whole, max(whole - 1, 0)}]
    return [*said, None] if not whole else list(said)


def test_whatever_left_is_charged_wherever_the_process_was_killed(written: bytes, tmp_path: Path) -> None:
    study = lock()
    schedule = schedule_of(study)
    assert schedule is not None
    one = release_cost(schedule, ask(study, 0).parameters).squared
    ends, entries = [place + 1 for place, byte in enumerate(written) if byte == 10], parse(written)[0]
    path = tmp_path / "killed" / "journal.jsonl"
    path.parent.mkdir()
    spent = []
    for cut in range(len(written) + 1):
        whole = sum(end <= cut for end in ends)
        near = any(abs(cut - end) <= 2 for end in (0, *ends))
        for head in heads(entries, whole) if near else heads(entries, whole)[:1]:
            path.write_bytes(written[:cut])
            path.with_suffix(".head").unlink(missing_ok=True)
            if head is not None:
                path.with_suffix(".head").write_bytes(head)
            found = EpsilonLedger.of(hash_chained_journal.read(path)).spent(PATIENTS).squared
            # a vector leaves only after its charge is whole on the disk
            left = sum(entry.kind == CHARGE for entry in entries[:whole])
            assert found == pytest.approx(left * one)
        spent.append(found)
    assert all(later >= earlier for earlier, later in pairwise(spent)) and spent[-1] == pytest.approx(ROUNDS * one)


def test_the_program_goes_on_after_a_kill_at_each_lines_end_and_middle(written: bytes, tmp_path: Path) -> None:
    """Opened for writing again, the study spends what it declares and no more, whatever the kill cost it."""
    ends = [0, *(place + 1 for place, byte in enumerate(written) if byte == 10)]
    cuts = sorted({*ends, *(end - 1 for end in ends if end), *((a + b) // 2 for a, b in pairwise(ends))})
    for number, cut in enumerate(cuts):
        state, whole = tmp_path / f"cut-{number}", sum(end <= cut for end in ends[1:])
        state.mkdir()
        (state / "journal.jsonl").write_bytes(written[:cut])
        (state / "journal.head").write_bytes(heads(parse(written)[0], whole)[0] or b"")
        site, study = Site(state), lock()
        before = site.charges()
        for round in range(before, ROUNDS):
            site.release(study, ask(study, round))
        assert site.charges() == ROUNDS
        with pytest.raises(Problem) as refused:
            site.release(study, ask(study, 0, state="again at other weights"))
        assert refused.value.code == "FH-541"
        site.journal.close()


def test_an_edited_charge_and_an_older_copy_are_found(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "edited" / "journal.jsonl"
    path.parent.mkdir()
    ends = [0, *(place + 1 for place, byte in enumerate(written) if byte == 10)]
    head = heads(parse(written)[0], len(ends) - 1)[0]
    assert head is not None
    path.with_suffix(".head").write_bytes(head)
    random = np.random.default_rng(5)
    for _ in range(200):
        data, place = bytearray(written), int(random.integers(len(written)))
        data[place] ^= 1 << int(random.integers(7))
        path.write_bytes(bytes(data))
        with pytest.raises(Problem) as found:
            Journal(path)
        assert found.value.code in ("FH-523", "FH-524")
    for end in ends[:-1]:  # an older copy of the journal beside the newer side file
        path.write_bytes(written[:end])
        with pytest.raises(Problem) as found:
            Journal(path)
        assert found.value.code == "FH-524"
