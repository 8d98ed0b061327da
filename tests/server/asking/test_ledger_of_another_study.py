"""A ledger, or its side file, that is whole and another study's is refused by number, and `repair` is the way back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from server.asking.office_ledger import Kept, StudyLedger, check_files
from server.study.repair_folder import repair
from site_config.problems.base import Problem

LEDGER = ("ledger.jsonl", "ledger.head")


def run_folder(home: Path, study: str, folder: str = "run") -> Path:
    """A study's folder with one kept file."""
    root = home / "studies" / study / folder
    (root / "opened").mkdir(parents=True)
    ledger = StudyLedger(root / "ledger.jsonl")
    ledger.claim()
    kept = Kept(root, ledger)
    kept.save(root / "opened" / f"{study}.safetensors", study.encode())
    kept.close()
    ledger.close()
    return root


def resumed(root: Path) -> str:
    """`''`, or the code with which going on is refused."""
    try:
        ledger = StudyLedger(root / "ledger.jsonl")
    except Problem as problem:
        return problem.code
    try:
        ledger.claim()
        check_files(root, ledger.files)
    except Problem as problem:
        return problem.code
    finally:
        ledger.close()
    return ""


@pytest.mark.parametrize("other", [("b", "run"), ("a", "canary")])
@pytest.mark.parametrize("names", [LEDGER, LEDGER[:1], LEDGER[1:]], ids=["both", "ledger", "head"])
def test_another_ones_ledger_or_head_is_refused_and_repaired(tmp_path: Path, other: tuple[str, str], names: tuple[str, ...]) -> None:
    root, strange = run_folder(tmp_path, "a"), run_folder(tmp_path, *other)
    assert resumed(root) == ""
    for name in names:
        shutil.copy(strange / name, root / name)
    assert resumed(root) == "FH-762"
    assert repair(root)
    assert resumed(root) == ""
    assert list(root.glob("ledger.*.damaged-1"))


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_a_ledger_cut_at_a_line_together_with_its_head_is_refused_and_repaired(tmp_path: Path, lines: int) -> None:
    root = run_folder(tmp_path, "a")
    path = root / "ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))
    path.with_suffix(".head").unlink()
    assert resumed(root) in ("FH-762", "FH-763")
    assert repair(root)
    assert resumed(root) == ""


def test_a_ledger_taken_away_while_the_office_works_takes_no_entry(tmp_path: Path) -> None:
    root = run_folder(tmp_path, "a")
    ledger = StudyLedger(root / "ledger.jsonl")
    (root / "ledger.jsonl").unlink()
    with pytest.raises(Problem, match="FH-762"):
        ledger.note("remark", words="something")
    ledger.close()
