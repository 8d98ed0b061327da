"""What a program of many hospitals warns of again and again is said once, with its count."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

import fedhcc
from simulations.commands import run
from site_config.log_lines import said_once
from tests.support import app_of, run_cli


def test_a_warning_that_comes_again_is_said_once_with_its_count() -> None:
    told: list[str] = []
    log = logging.getLogger("fedhcc.site")
    with said_once("fedhcc", told.append):
        for _ in range(3):
            log.warning("precounts %s", "FH-511 too few")
        log.warning("rows FH-237")
        log.info("not told")
        assert told == ["precounts FH-511 too few", "rows FH-237"]
    assert told[2:] == ["3 times: precounts FH-511 too few"]
    log.warning("after it")
    assert len(told) == 3


def test_a_run_says_what_its_hospitals_refuse_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def simulate(*_words: object, **_named: object) -> SimpleNamespace:
        for _ in range(12):
            logging.getLogger("fedhcc.site").warning("model FH-511: too few")
        return SimpleNamespace(study_id="ab" * 32, label="STALLED", simulated=True, report=tmp_path / "report.html", findings=())

    monkeypatch.setattr(fedhcc, "simulate", simulate)
    ran = run_cli(app_of(run.register), "run", "--out", tmp_path / "out")
    said = [line for line in ran.err.splitlines() if "FH-511" in line]
    assert said == ["model FH-511: too few", "12 times: model FH-511: too few"]
