"""A clinical model on secret shares between real processes over TLS: what the holders open is what they open in one process."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace

import numpy as np
import pytest

from server.asking.effects import Effects
from server.study.results import StudyResult
from server.study.run import run_study
from simulations.cohort.cohort import make_cohort
from simulations.cohort.presets import PRESETS
from simulations.study.homes import Homes, approve_everywhere, enrol, publish
from simulations.study.run import Options, carrier
from site_config.study.model import StudyLock

pytest.importorskip("grpc_health")
TWO_UNITS = 2 * 2.0**-20


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Homes, StudyLock]:
    """Four hospitals with tables, of whom three hold shares; enrolled, approved and published, never run."""
    base = PRESETS["clinical-only"]
    survival = replace(base.survival, sites=(4, 0), patients=(60, 0))
    settings = {**base.study, "privacy": {"demonstration": True}, "resolution": "shares", "models": ("CLN",)}
    homes = Homes(tmp_path_factory.mktemp("shares") / "base")
    make_cohort(replace(base, survival=survival, study=settings), homes.cohort, seed=3)
    enrol(homes, 3)
    lock = publish(homes)
    approve_everywhere(homes, lock)
    return homes, lock


def run(study: tuple[Homes, StudyLock], engine: str) -> StudyResult:
    """The whole study on an engine, in a copy of its homes."""
    homes, lock = study
    copy = Homes(homes.root.with_name(engine))
    shutil.copytree(homes.root, copy.root)
    with carrier(Options(copy.root, engine=engine), copy) as transport:  # type: ignore[arg-type]
        return run_study(copy.coordinator, lock.study_id, transport, effects=Effects(time.monotonic, time.sleep))


def test_loopback_opens_what_local_opens(study: tuple[Homes, StudyLock]) -> None:
    local, loopback = run(study, "local"), run(study, "loopback")
    assert local.clinical is not None
    assert loopback.clinical is not None
    assert local.clinical["resolution"] == loopback.clinical["resolution"] == "shares"
    for name in ("coef", "se"):
        np.testing.assert_allclose(loopback.clinical[name], local.clinical[name], atol=TWO_UNITS * 50)
    steps = [entry for entry in loopback.ledger if entry.statistic == "shares.steps"]
    assert [(entry.phase, entry.outcome) for entry in steps] == [(phase, "opened") for phase in ("clinical", "fusion", "evaluation")]
