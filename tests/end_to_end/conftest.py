"""One tiny study on phantoms, run once, and small studies of tables for faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from server import office_setup
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.loopback_engine import loopback_address
from simulations.study.simulated_study import FinishedRun, Options, run
from simulations.study.site_folders import Homes, enrol, publish
from site_config.study.clinical_variables import seven_variables
from site_config.study.plan_and_lock import StudyLock

PHASES = ("admission", "clinical", "training", "fusion", "evaluation")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """The preset `tiny`, phantoms to report, with its pooled twin."""
    return run(Options(out=tmp_path_factory.mktemp("tiny") / "run", preset="tiny", workers=1))


@pytest.fixture(scope="session")
def finished_exact(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A study whose hospitals permit `exact`: 38 patients and two clinical variables, so that every model is estimable from sums."""
    root, base = tmp_path_factory.mktemp("exact"), PRESETS["tiny"]
    survival = replace(base.survival, patients=(28, 10), sites=(5, 2))
    variables = tuple(one for one in seven_variables() if one.name in ("tace", "surgery"))
    settings = {**base.study, "resolution": "exact", "clinical": variables, "title": "A small study from sums"}
    settings["training"] = {"rounds": 4, "batch": 16, "server": {"name": "adam", "rate": 5e-3}, "intervals": 3}
    make_cohort(replace(base, survival=survival, study=settings), root / "cohort", seed=5)
    return run(Options(out=root / "run", folder=root / "cohort", workers=1, pooled=False))


@pytest.fixture
def tables(tmp_path: Path) -> Callable[..., tuple[Homes, StudyLock]]:
    """A small study without images, enrolled and published: `tables(development=(sites, patients), …)`; from sums, which is quick."""

    def make(sites: tuple[int, int] = (6, 3), patients: tuple[int, int] = (60, 30), **study: object) -> tuple[Homes, StudyLock]:
        base = PRESETS["clinical-only"]
        survival = replace(base.survival, sites=sites, patients=patients)
        settings = {
            **base.study,
            "resolution": "exact",
            "privacy": {"demonstration": True},
            "deadlines": dict.fromkeys(PHASES, 10.0),
            **study,
        }
        homes = Homes(tmp_path / "run")
        make_cohort(replace(base, survival=survival, study=settings), homes.cohort, seed=3)
        address, superlink = loopback_address()  # other programs may have the usual ports
        office_setup.init(homes.coordinator, homes.study().title, address, superlink_port=superlink)
        enrol(homes, 3)
        return homes, publish(homes)

    return make
