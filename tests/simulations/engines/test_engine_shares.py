"""A clinical model on secret shares between real processes over TLS: what the holders open is what they open in one process."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from server.asking.clocks_and_waiting import Effects
from server.link.transport import Exchange, Transport
from server.study.run_study import run_study
from server.study.study_results import StudyResult
from shared_model.secure_sum.federation_messages import Message
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.loopback_engine import Loopback
from simulations.study.simulated_study import Options, carrier
from simulations.study.site_folders import Homes, approve_everywhere, enrol, publish
from site_config.study.plan_and_lock import StudyLock

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


class Killing:
    """A transport that ends a holder's processes at one counted step, as a power cut does, and starts the program again."""

    def __init__(self, loopback: Loopback, holder: str, at: int) -> None:
        self.inner, self.loopback, self.holder, self.left = loopback.transport(), loopback, holder, at

    def sites(self) -> Mapping[str, bool]:
        return self.inner.sites()

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        self.left -= any(request.kind == "hold" for request in requests.values())
        if self.left == 0:
            self.left = -1
            self.loopback.sites[self.holder].kill()
            self.loopback.sites[self.holder].start()
        return self.inner.exchange(requests, deadline_s)


def copied(study: tuple[Homes, StudyLock], engine: str) -> Homes:
    copy = Homes(study[0].root.with_name(engine))
    shutil.copytree(study[0].root, copy.root)
    return copy


def ended(homes: Homes, lock: StudyLock, transport: Transport) -> StudyResult:
    return run_study(homes.coordinator, lock.study_id, transport, effects=Effects(time.monotonic, time.sleep))


def opened(result: StudyResult) -> list[float]:
    """C-indices, areas and points of curves."""
    found = result.analyses
    assert found is not None and found.concordance and found.roc and found.kaplan_meier
    curves = [curve for family in found.kaplan_meier for curve in family.groups]
    return [one.c for one in found.concordance] + [one.auc for one in found.roc] + [value for one in curves for value in one.survival]


def test_loopback_opens_what_local_opens_though_a_holder_is_killed(study: tuple[Homes, StudyLock]) -> None:
    lock, local_homes, loopback_homes = study[1], copied(study, "local"), copied(study, "loopback")
    with carrier(Options(local_homes.root, engine="local"), local_homes) as transport:
        local = ended(local_homes, lock, transport)
    with Loopback(loopback_homes.coordinator, loopback_homes.sites()) as programs:
        loopback = ended(loopback_homes, lock, Killing(programs, lock.holders[1], 40))
    np.testing.assert_allclose(opened(loopback), opened(local), atol=TWO_UNITS)
    assert local.clinical is not None
    assert loopback.clinical is not None
    assert local.clinical["resolution"] == loopback.clinical["resolution"] == "shares"
    for name in ("coef", "se"):
        np.testing.assert_allclose(loopback.clinical[name], local.clinical[name], atol=TWO_UNITS * 50)
    steps = [entry for entry in loopback.ledger if entry.statistic == "shares.steps"]
    assert {entry.outcome for entry in steps} == {"opened", "retried"}
    assert [entry.phase for entry in steps if entry.outcome == "opened"] == ["clinical", "fusion", "evaluation"]
