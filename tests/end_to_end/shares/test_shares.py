"""A study whose clinical model is fitted on secret shares, by the code of hospitals: the pooled fit, and nothing else opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from statsmodels.duration.hazard_regression import PHReg

from client.app import forget_agents
from evidence.accuracy.shares.killed_office import DeathMoment, OfficeTransport, pooled
from evidence.accuracy.shares.opened_numbers import journals, opened_twice
from server.asking.clocks_and_waiting import Effects
from server.link.transport import Exchange, Failure, Transport
from server.study.run_study import run_study
from server.study.study_results import StudyResult
from shared_model.secure_sum.federation_messages import Message
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes, approve_everywhere
from site_config.hash_chained_journal import read as read_journal
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock

Tables = Callable[..., tuple[Homes, StudyLock]]
SHARES = {"resolution": "shares", "models": ("CLN",)}


def study(homes: Homes, lock: StudyLock, transport: Transport | None = None, **effects: object) -> StudyResult:
    """Run or resume it in this process."""
    if transport is None:
        transport = local_transport(homes.sites())
    try:
        return run_study(homes.coordinator, lock.study_id, transport, effects=Effects(time.monotonic, lambda _s: None, **effects))  # type: ignore[arg-type]
    finally:
        forget_agents()


def oracle(homes: Homes, lock: StudyLock) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients and standard errors of the pooled rows (Efron)."""
    x, day, event = pooled(homes, lock)
    fit = PHReg(day, x, status=event.astype(int), ties="efron").fit(disp=0)
    return np.asarray(fit.params), np.asarray(fit.bse)


def close(result: StudyResult, homes: Homes, lock: StudyLock) -> None:
    assert result.clinical is not None
    beta, se = oracle(homes, lock)
    np.testing.assert_allclose(np.array(result.clinical["coef"]), beta, atol=1e-5)
    np.testing.assert_allclose(np.array(result.clinical["se"]), se, atol=1e-4)


def test_a_fit_on_shares_is_the_pooled_one_and_every_holder_has_it_on_record(tables: Tables) -> None:
    homes, lock = tables(sites=(8, 2), patients=(90, 20), **SHARES)
    approve_everywhere(homes, lock)
    result = study(homes, lock)
    close(result, homes, lock)
    records = {}
    for name in lock.names("development"):
        entries = list(read_journal(homes.config(name).state / "journal.jsonl"))
        shared = [entry.data for entry in entries if entry.kind == "shared-rows"]
        assert [one["phase"] for one in shared] == ["clinical", "fusion", "evaluation"]
        assert all(one["holders"] == list(lock.holders) for one in shared)
        assert not [entry for entry in entries if entry.kind == "release" and entry.data["context"]["statistic"].startswith("cox.")]
        revealed = {entry.data["result"]["name"]: entry.data["result"]["units"] for entry in entries if entry.kind == "revealed"}
        if name in lock.holders:
            records[name] = revealed
    assert len(records) == sum(holder in lock.names("development") for holder in lock.holders)
    assert len({str(sorted(revealed.items())) for revealed in records.values()}) == 1


def test_a_resumed_study_opens_nothing_again(tables: Tables) -> None:
    homes, lock = tables(sites=(8, 2), patients=(90, 20), **SHARES)
    approve_everywhere(homes, lock)
    first = study(homes, lock)
    before = sum(len(list(read_journal(homes.config(name).state / "journal.jsonl"))) for name in homes.sites())
    again = study(homes, lock)
    assert again.clinical == first.clinical
    after = sum(
        len([e for e in read_journal(homes.config(name).state / "journal.jsonl") if e.kind != "admission"]) for name in homes.sites()
    )
    assert after <= before


class Losing:
    """A transport on which one holder forgets everything at some step, as a killed process does."""

    def __init__(self, homes: Homes, holder: str, at: int) -> None:
        self.homes, self.holder, self.at = homes, holder, at
        self.steps = 0
        self.inner = local_transport(homes.sites())

    def sites(self) -> Mapping[str, bool]:
        return self.inner.sites()

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        if any(request.kind == "hold" for request in requests.values()):
            self.steps += 1
            if self.steps == self.at:
                forget_agents()
                self.inner = local_transport(self.homes.sites())
                silent = Failure(federation.SITE_SILENT.label, "silent")
                rest = {site: request for site, request in requests.items() if site != self.holder}
                done = self.inner.exchange(rest, deadline_s)
                return Exchange(done.replies, {**done.failures, self.holder: silent})
        return self.inner.exchange(requests, deadline_s)


@pytest.mark.parametrize("at", [1, 12, 60])
def test_a_holder_that_is_killed_costs_an_attempt_and_changes_nothing(tables: Tables, at: int) -> None:
    homes, lock = tables(sites=(8, 2), patients=(90, 20), **SHARES)
    approve_everywhere(homes, lock)
    transport = Losing(homes, lock.holders[1], at)
    result = study(homes, lock, transport)
    close(result, homes, lock)
    assert [entry for entry in result.ledger if entry.statistic == "shares.steps" and entry.outcome == "retried"]
    entries = list(read_journal(homes.config(lock.holders[0]).state / "journal.jsonl"))
    names = [entry.data["result"]["name"] for entry in entries if entry.kind == "revealed"]
    assert len(names) == len(set(names))


def test_a_hospital_that_is_missing_is_named_and_nothing_is_opened(tables: Tables) -> None:
    homes, lock = tables(sites=(8, 2), patients=(90, 20), deadlines=dict.fromkeys(("admission", "clinical"), 3.0), **SHARES)
    approve_everywhere(homes, lock)
    lost = next(name for name in lock.names("development") if name not in lock.holders)

    class Without(Losing):
        def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
            if any(request.kind == "rows" for request in requests.values()) and lost in requests:
                done = self.inner.exchange({site: r for site, r in requests.items() if site != lost}, deadline_s)
                return Exchange(done.replies, {**done.failures, lost: Failure(federation.SITE_SILENT.label, "silent")})
            return self.inner.exchange(requests, deadline_s)

    with pytest.raises(Problem) as caught:
        study(homes, lock, Without(homes, lost, 0))
    assert caught.value.kind == federation.STUDY_STALLED
    assert lost in str(caught.value)
    for name in lock.holders:
        assert not [entry for entry in read_journal(homes.config(name).state / "journal.jsonl") if entry.kind == "revealed"]


class OfficeDiedError(Exception):
    """The office's process ends here."""


def test_an_office_that_dies_goes_on_with_the_same_numbers_and_opens_nothing_twice(tables: Tables) -> None:
    """Hospitals live on; `python -m evidence.accuracy.shares.killed_office` kills both by SIGKILL at more moments."""
    homes, lock = tables(sites=(8, 2), patients=(90, 20), **SHARES)
    approve_everywhere(homes, lock)

    def die(_moment: DeathMoment) -> None:
        raise OfficeDiedError

    transport = local_transport(homes.sites())
    moments = (
        ("clinical", "rows", 1, True),
        ("clinical", "hold", 25, True),
        ("evaluation", "hold", 1, True),
        ("evaluation", "hold", 60, False),
    )
    for moment in moments:
        with pytest.raises(OfficeDiedError):
            run_study(
                homes.coordinator,
                lock.study_id,
                OfficeTransport(transport, DeathMoment(*moment), die),
                effects=Effects(time.monotonic, lambda _s: None),
            )
    result = study(homes, lock, transport)
    close(result, homes, lock)
    assert opened_twice(journals(homes, lock.holders)) == []
    for name in homes.sites():
        kinds = [entry.data["phase"] for entry in read_journal(homes.config(name).state / "journal.jsonl") if entry.kind == "shared-rows"]
        again = [phase for phase in set(kinds) if kinds.count(phase) > 1]
        assert again in ([], ["clinical"]) and kinds.count("clinical") <= 2, "once a phase, and again where the office never kept them"
