"""The first screen says what the code gives: the picture's numbers, and the four lines."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from simulations.compare.lung_comparison import compare_lung
from tests.support import ROOT, run_cli

README = (ROOT / "README.md").read_text("utf-8")
FIRST = README.partition("## Why this exists")[0]


def test_the_picture_and_the_sentence_hold() -> None:
    found = compare_lung()
    lost, everybody = sum(not one.estimable for one in found.alone), len(found.alone)
    assert found.largest_difference < 1e-9
    picture = (ROOT / "docs" / "pictures" / "lung.svg").read_text("utf-8")
    assert f"Alone: {lost} of {everybody} institutions cannot fit the model" in picture
    assert f"Of {everybody} institutions of the NCCTG lung cancer data, {lost} cannot fit" in FIRST


def test_four_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    block = re.findall(r"```python\n(.*?)```", FIRST, flags=re.DOTALL)[0]
    assert len(block.strip().splitlines()) == 4
    names: dict[str, object] = {}
    exec(block, names)
    assert "ph.ecog" in capsys.readouterr().out and (tmp_path / "cox.png").stat().st_size > 1000, "a script shows something too"
    plt.close("all")


def test_it_says_what_is_not_protected_and_nothing_that_is_not_true() -> None:
    assert "can tell something about a patient whose scans an attacker already has" in FIRST
    assert "othing but masked sums" not in README


def test_every_command_offers_completion() -> None:
    for package in ("client", "server", "simulations"):
        shown = run_cli(import_module(f"{package}.cli").app, "--help")
        assert shown.status == 0 and "--install-completion" in shown.out


def test_every_file_it_names_is_there() -> None:
    """`folder/` and `folder/file.py`; beside a folder, files in it by their names alone."""
    where = README.partition("## Where things are")[2].partition("## More")[0]
    gone: list[str] = []
    for row in (line for line in where.splitlines() if line.startswith("|")):
        folder = ROOT
        for name in re.findall(r"`([\w./]+(?:/|\.py))`", row):
            path = ROOT / name if "/" in name else folder / name
            folder = path if name.endswith("/") else folder
            gone += [name] if not path.exists() and name != "measure.py" else []
    assert gone == []
