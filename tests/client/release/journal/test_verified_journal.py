"""What vouches for a hospital's journal: gone, from another day, by a clock that went back, beside a state that went back."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from client.cohort.withdrawal import WITHDRAWN, withdraw
from client.release.verified_journal import WENT_BACK, WentBack, check_seen, last_hash, open_journal, withdrawals_known
from evidence.attacks.attacked_federation import NOON
from site_config.hash_chained_journal import CLOCK, Journal
from site_config.problems.base import Problem


def code(call) -> str:
    with pytest.raises(Problem) as refused:
        call()
    assert refused.value.fix
    return refused.value.code


def begun(state: Path, more: int = 3) -> str:
    with open_journal(state) as journal:
        for number in range(more):
            journal.append("admission", {"number": number})
        return last_hash(journal)


def test_a_journal_that_was_begun_and_is_gone_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    for name in ("journal.jsonl", "journal.head"):
        (tmp_path / name).unlink()
    assert code(lambda: open_journal(tmp_path)) == "FH-534"
    (tmp_path / "journal.jsonl").touch()
    assert code(lambda: open_journal(tmp_path)) == "FH-534"


def test_without_the_mark_too_a_kept_table_tells_that_a_journal_was_begun(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "generations").mkdir()
    (tmp_path / "generations" / "0001.csv").write_text("patient")
    for name in ("journal.jsonl", "journal.head", "identity/journal-begun"):
        (tmp_path / name).unlink()
    assert code(lambda: open_journal(tmp_path)) == "FH-534"
    assert not (tmp_path / "journal.jsonl").exists()


def test_cut_to_its_first_line_without_the_head_it_is_refused(tmp_path: Path) -> None:
    """The first line alone fits the mark; the entries that are gone are those that rules compare with."""
    begun(tmp_path)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    path.with_suffix(".head").unlink()
    assert code(lambda: open_journal(tmp_path)) == "FH-524"


def test_another_journal_is_refused(tmp_path: Path) -> None:
    begun(tmp_path / "a")
    begun(tmp_path / "b", 5)
    shutil.copy(tmp_path / "a" / "secret", tmp_path / "b" / "secret")
    for name in ("journal.jsonl", "journal.head"):
        shutil.copy(tmp_path / "b" / name, tmp_path / "a" / name)
    assert code(lambda: open_journal(tmp_path / "a")) in ("FH-534", "FH-917")


def test_an_old_backup_is_found_at_the_next_admission_and_a_person_may_go_on(tmp_path: Path) -> None:
    begun(tmp_path)
    shutil.copytree(tmp_path, tmp_path.with_name("backup"))
    with open_journal(tmp_path) as journal:
        journal.append("release", {"number": 9})
        seen = last_hash(journal)
        check_seen(journal, seen)
        check_seen(journal, "")
    shutil.rmtree(tmp_path)
    shutil.copytree(tmp_path.with_name("backup"), tmp_path)
    with open_journal(tmp_path) as journal:
        assert code(lambda: check_seen(journal, seen)) == "FH-529"
        journal.append(WENT_BACK, WentBack(seen=seen, note="head of IT").model_dump())
        check_seen(journal, seen)
        assert code(lambda: check_seen(journal, "ab" * 32)) == "FH-529"


def test_another_secret_or_a_withdrawal_that_went_back_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    withdraw(tmp_path, tmp_path / "prepared", "aa" * 16, ())
    with open_journal(tmp_path) as journal:
        assert withdrawals_known(journal) == {"aa" * 16}
    (tmp_path / WITHDRAWN).unlink()
    assert code(lambda: open_journal(tmp_path)) == "FH-917"
    withdraw(tmp_path, tmp_path / "prepared", "aa" * 16, ())
    open_journal(tmp_path).close()
    (tmp_path / "secret").write_bytes(bytes(32))
    assert code(lambda: open_journal(tmp_path)) == "FH-917"


def test_a_clock_that_went_back_stands_in_the_journal() -> None:
    now = [NOON]

    def clock() -> datetime:
        return now[0]

    journal = Journal(None, clock=clock)
    journal.append("a", {})
    now[0] = NOON + timedelta(hours=1)
    journal.append("b", {})
    now[0] = NOON - timedelta(days=2)
    journal.append("c", {})
    journal.append("d", {})
    assert [entry.kind for entry in journal] == ["a", "b", CLOCK, "c", "d"]
    assert journal.entries[2].data["before"] > journal.entries[2].data["now"]
