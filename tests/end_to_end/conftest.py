"""One tiny study on phantoms, run once, and small studies of tables for faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from simulations.cohort.cohort import make_cohort
from simulations.cohort.presets import PRESETS
from simulations.study.homes import Homes, enrol, publish
from simulations.study.run import FinishedRun, Options, run
from site_config.study.model import StudyLock

PHASES = ("admission", "clinical", "training", "fusion", "evaluation")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """The preset `tiny`, phantoms to report, with its pooled twin."""
    return run(Options(out=tmp_path_factory.mktemp("tiny") / "run", preset="tiny", workers=2))


@pytest.fixture
def tables(tmp_path: Path) -> Callable[..., tuple[Homes, StudyLock]]:
    """A small study without images, enrolled and published: `tables(development=(sites, patients), …)`."""

    def make(sites: tuple[int, int] = (6, 3), patients: tuple[int, int] = (60, 30), **study: object) -> tuple[Homes, StudyLock]:
        base = PRESETS["clinical-only"]
        survival = replace(base.survival, sites=sites, patients=patients)
        settings = {**base.study, "privacy": {"demonstration": True}, "deadlines": dict.fromkeys(PHASES, 10.0), **study}
        homes = Homes(tmp_path / "run")
        make_cohort(replace(base, survival=survival, study=settings), homes.cohort, seed=3)
        enrol(homes, 3)
        return homes, publish(homes)

    return make
