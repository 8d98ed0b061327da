"""A Cox fit whose holders are killed at every tenth opening: what was opened stays, nothing opens twice, the fit is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared_model.analyses.covariates_on_shares import Levels, SlotCovariates
from shared_model.analyses.cox_on_shares import CoxEstimate, CoxModel, cox
from shared_model.analyses.newton_on_shares import FINE
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import PaddedPatients, Rows, contribution, layout
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.holder.holder_session import Finished
from shared_model.shares.holder.in_one_process import run
from shared_model.shares.messages.coordinator_relay import Relay
from tests.shared_model.shares.shares_support import House

MODEL = CoxModel("cln", SlotCovariates((Levels("a"), Levels("b"))), minimum_patients=10, events_a_column=2)
DAYS, SLOTS = 40, 14
TWO_UNITS = 2 * 2.0**-FINE


async def circuit(a: Arithmetic, rows: Rows) -> CoxEstimate:
    return await cox(a, rows, await make_pairs(a, rows), MODEL)


def house() -> House:
    """Two hospitals with 12 and 14 patients. No step is near a size that ends the fit, where rounding alone adds or saves one."""
    rng = np.random.default_rng(4)
    parts, sites = layout(MODEL.parts(DAYS)), []
    for n in (12, 14):
        values = {"a": rng.integers(0, 2, n).astype(float), "b": rng.integers(0, 2, n).astype(float)}
        day = np.minimum(rng.exponential(12 / np.exp(0.7 * values["a"]), n), DAYS - 1).astype(np.int64)
        sites.append(contribution(parts, PaddedPatients(day, rng.random(n) < 0.7, values), SLOTS))
    vectors = {part.name: np.concatenate([one[part.name] for one in sites]) for part in parts}
    return House(parts, vectors, Declaration.of(MODEL.results), circuit)  # type: ignore[arg-type]


def broken_off(home: House, attempt: int, exchanges: int) -> None:
    """Drive to so many exchanges, then drop every holder."""
    sessions, relay = home.sessions(attempt), Relay(3)
    out: list[Any] = [session.start() for session in sessions]
    for _ in range(exchanges):
        assert not any(isinstance(one, Finished) for one in out)
        out = [session.step(data) for session, data in zip(sessions, relay.exchange(out), strict=True)]


def test_a_fit_killed_at_every_tenth_opening_is_the_same_fit() -> None:
    relay, whole = Relay(3), house()
    finished = run(whole.sessions(), relay)[0]
    estimate, names = finished.returned, set(finished.results)
    assert estimate.coefficient is not None and finished.openings > 30
    for at in range(10, relay.exchanges, 10):
        home = house()
        broken_off(home, 1, at)
        before = [dict(journal.results) for journal in home.journals]
        again = run(home.sessions(2), Relay(3))[0]
        assert set(again.results) == names and home.opened == names
        for journal, earlier in zip(home.journals, before, strict=True):
            assert all(journal.results[name] == opened for name, opened in earlier.items())
            assert len(journal.lines) == len(set(journal.lines))
        assert again.returned.coefficient == pytest.approx(estimate.coefficient, abs=TWO_UNITS)
        assert again.returned.se == pytest.approx(estimate.se, abs=1e-5)
