"""A training state on the disk: bit for bit again, only what is new is written, and nothing is believed that was changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import server.study.array_files
from server.asking.office_ledger import Kept, StudyLedger, check_files
from server.phases.update_scale import ScaleState
from server.study.array_files import part_file, part_folder
from server.study.repair_folder import repair
from server.study.resume_state import BlockSums, StudyFolder, TrainingState, arrays_bytes, load_arrays
from server.study.study_results import RoundPoint
from site_config.atomic_files import write_atomic
from site_config.problems.base import Problem

D = 400


def first_state(random: np.random.Generator) -> TrainingState:
    weights = random.standard_normal(D).astype(np.float32)
    return TrainingState(
        next_round=0,
        weights=weights,
        accepted=weights,
        optimiser={},
        rate_factor=0.5,
        scale=ScaleState((D - 3, 3), np.array([0.5, 0.25])),
        deaths=np.array([3.0, 1.0]),
        blocks={2: BlockSums(np.array([1.5, 2.5]), -0.75, 9, 4, 0.1)},
        best_loss=np.inf,
        best_validation=0.3,
        best_weights=weights,
    )


def step(state: TrainingState, random: np.random.Generator) -> None:
    """A round: the weights move on, the moments too, the best weights stay."""
    state.accepted, state.next_round = state.weights, state.next_round + 1
    state.weights = random.standard_normal(D).astype(np.float32)
    state.optimiser = {"step": np.array([float(state.next_round)]), "exp_avg": random.standard_normal(D), "rate": np.array([1e-3])}
    state.points.append(RoundPoint(model="Rad-D", round=state.next_round, block=0, patients=9))


def as_plain(state: TrainingState) -> dict[str, object]:
    found = {name: value for name, value in vars(state).items() if name not in ("_known", "scale", "blocks", "optimiser")}
    found |= {f"optimiser.{name}": value for name, value in state.optimiser.items()}
    found |= {"lengths": state.scale.lengths, "largest": state.scale.largest} | {str(b): vars(one) for b, one in state.blocks.items()}
    return found


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "home" / "studies" / "s" / "run")


@pytest.fixture
def kept(folder: StudyFolder) -> Iterator[Kept]:
    ledger = StudyLedger(folder.ledger_file)
    kept = Kept(folder.root, ledger)
    yield kept
    kept.close()
    ledger.close()


def faults(folder: StudyFolder) -> str:
    ledger = StudyLedger(folder.ledger_file)
    try:
        check_files(folder.root, ledger.files)
    except Problem as problem:
        return problem.code
    finally:
        ledger.close()
    return ""


def trained(folder: StudyFolder, kept: Kept, rounds: int = 3) -> TrainingState:
    random = np.random.default_rng(7)
    state = first_state(random)
    for _ in range(rounds):
        step(state, random)
        kept.save_behind(folder.training_file("Rad-D"), *state.as_file())
    kept.settle()
    return state


def test_a_state_comes_back_bit_for_bit(folder: StudyFolder, kept: Kept) -> None:
    state = trained(folder, kept)
    assert kept.load(folder.training_file("Rad-D")) is not None
    np.testing.assert_equal(as_plain(TrainingState.load(folder.training_file("Rad-D"))), as_plain(state))


def test_only_what_is_new_is_written(folder: StudyFolder, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    state, written = trained(folder, kept), list[str]()

    def noted(path: Path, data: bytes | memoryview) -> None:
        written.append(path.name)
        write_atomic(path, data)

    monkeypatch.setattr(server.study.array_files, "write_atomic", noted)
    before = {path.stem for path in part_folder(folder.training_file("Rad-D")).iterdir()}
    step(state, np.random.default_rng(8))
    kept.save_behind(folder.training_file("Rad-D"), *state.as_file())
    kept.settle()
    after = {path.stem for path in part_folder(folder.training_file("Rad-D")).iterdir()}
    assert len(written) == 3 and written[-1] == "Rad-D.safetensors"  # weights and one moment; accepted and best lie there already
    assert (len(before), len(after), len(after - before)) == (4, 4, 2)  # weights, accepted, best, moment


def test_a_start_that_was_cut_short_goes_on_from_a_whole_state(folder: StudyFolder, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    state = trained(folder, kept)
    path, whole = folder.training_file("Rad-D"), as_plain(TrainingState.load(folder.training_file("Rad-D")))
    for stop_at in range(3):  # before the first part, the second, the state itself
        calls = iter(range(9))

        def cut(path: Path, data: bytes | memoryview, calls: Iterator[int] = calls, stop_at: int = stop_at) -> None:
            if next(calls) == stop_at:
                raise KeyboardInterrupt
            write_atomic(path, data)

        monkeypatch.setattr(server.study.array_files, "write_atomic", cut)
        step(state, np.random.default_rng(20 + stop_at))
        kept.save_behind(path, *state.as_file())
        with pytest.raises(KeyboardInterrupt):
            kept.settle()
        assert kept.load(path) is not None
        np.testing.assert_equal(as_plain(TrainingState.load(path)), whole)


@pytest.mark.parametrize("earlier", [0, 1, 2])
def test_a_start_that_ended_before_its_last_file_hides_nothing_from_what_is_kept_next(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch, earlier: int
) -> None:
    first, second = folder.weights_file("Rad-S"), folder.training_file("Rad-D")

    def started() -> tuple[StudyLedger, Kept]:
        ledger = StudyLedger(folder.ledger_file)
        check_files(folder.root, ledger.files)
        return ledger, Kept(folder.root, ledger)

    ledger, kept = started()
    kept.save(first, b"weights")
    for version in range(earlier):
        kept.save(second, b"state %d" % version)
    monkeypatch.setattr("server.asking.office_ledger.write_with_parts", lambda *_: None)  # killed in between
    kept.save(second, b"never written")
    monkeypatch.undo()
    kept.close()
    ledger.close()

    ledger, kept = started()
    kept.save(first, b"weights")  # a resumed study finishes its first network again before it comes to the second
    assert kept.load(second) == (b"state %d" % (earlier - 1) if earlier else None)
    kept.save(second, b"state")
    assert kept.load(second) == b"state"
    kept.close()
    ledger.close()
    assert faults(folder) == ""


@pytest.mark.parametrize("way", ["flip", "cut", "gone", "another"])
def test_a_changed_array_is_not_believed_and_repair_leads_on(folder: StudyFolder, kept: Kept, way: str) -> None:
    state = trained(folder, kept)
    path = folder.training_file("Rad-D")
    part = sorted(part_folder(path).iterdir())[1]
    data = bytearray(part.read_bytes())
    if way == "gone":
        part.unlink()
    elif way == "another":
        part.write_bytes(sorted(part_folder(path).iterdir())[0].read_bytes())
    else:
        data[5] ^= 4
        part.write_bytes(bytes(data if way == "flip" else data[:-4]))
    with pytest.raises(Problem) as refused:
        kept.load(path)
    with pytest.raises(Problem) as unread:
        TrainingState.load(path)
    assert (refused.value.code, unread.value.code) == ("FH-763", "FH-752")
    kept.close()
    kept._ledger.close()
    assert faults(folder) == "FH-763" and repair(folder.root) and faults(folder) == ""
    ledger = StudyLedger(folder.ledger_file)
    again = Kept(folder.root, ledger)
    assert again.load(path) is None  # training begins anew, and writes every array anew
    again.save_behind(path, *state.as_file())
    again.close()
    ledger.close()
    assert faults(folder) == ""
    np.testing.assert_equal(as_plain(TrainingState.load(path)), as_plain(state))


def test_an_array_that_no_state_names_is_harmless(folder: StudyFolder, kept: Kept) -> None:
    state = trained(folder, kept)
    stray = part_file(folder.training_file("Rad-D"), "0" * 64)
    stray.write_bytes(b"stray")
    assert kept.load(folder.training_file("Rad-D")) is not None
    kept.save_behind(folder.training_file("Rad-D"), *state.as_file())
    kept.settle()
    assert not stray.exists()


def test_a_state_of_an_earlier_version_is_read(folder: StudyFolder, kept: Kept) -> None:
    state = trained(folder, kept)
    path = folder.training_file("Rad-D")
    small, meta = load_arrays(path)
    plain = {name: value for name, value in json.loads(meta["state"]).items() if name != "parts"}
    long = {"weights": state.weights, "accepted": state.accepted, "best_weights": state.best_weights}
    moments = {f"optimiser.{name}": value for name, value in state.optimiser.items()}
    kept.save(path, arrays_bytes(small | long | moments, {"state": json.dumps(plain)}))
    assert kept.load(path) is not None
    np.testing.assert_equal(as_plain(TrainingState.load(path)), as_plain(state))
