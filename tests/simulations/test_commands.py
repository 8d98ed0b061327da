from __future__ import annotations

from pathlib import Path

import pytest

from simulations.cli import app
from site_config.problems.base import Exit
from tests.support import run_cli


@pytest.mark.parametrize("words", [("cohort", "made", "--preset"), ("run", "--out", "ran", "--preset")])
def test_a_misspelt_preset_is_answered_with_the_nearest_and_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_cli(app, *words, "tinny")
    assert ran.status == Exit.USAGE and ran.err.startswith("FH-902 there is no preset tinny")
    assert "Did you mean `tiny`? Choose from demo, tiny, paper, clinical-only." in ran.err
    assert "Did you mean" not in run_cli(app, *words, "nope").err
    assert list(tmp_path.iterdir()) == []


def test_hashes_of_models_are_lines_to_check_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = run_cli(app, "phantom-models", "list").out.splitlines()[1:]
    assert lines and all(len(line.split("  ")[0]) == 64 for line in lines)
