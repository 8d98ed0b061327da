"""Noise of the holders: what is opened carries all of it, nobody sees the sum before, and a second attempt opens the same."""

from __future__ import annotations

import hashlib
from math import sqrt
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from scipy import stats

from shared_model.analyses.noised.noise_budget import UNIT_BITS
from shared_model.privacy.epsilon_accounting import delta_of
from shared_model.privacy.holder_noise import WIDEST, drawn, own_noise
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.circuit_requests import Reveal
from shared_model.shares.circuits.declared_results import Declaration, Result
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.shares.holder.in_one_process import run
from shared_model.shares.messages.coordinator_relay import Relay
from shared_model.shares.messages.step_frames import Step
from site_config.problems.base import Problem
from tests.shared_model.privacy.test_noise import seeded
from tests.shared_model.shares.shares_support import CONTEXT, House, Liar, Numbers, shifted

DRAWS = 45_000
COUNTS = np.array([[3, 0, 40], [2, 0, 1], [0, 0, 0], [0, 1, 7]], dtype=np.int64)
TOTAL = COUNTS.sum(axis=0)
COLUMN = Numbers("counts", 3, 64.0)


def result(variance: int = 9, size: int = 3) -> Result:
    return Result("sum", (size,), 0, 1e6, "noise of every holder", noise=variance)


async def summed(a: Arithmetic, rows: Any) -> np.ndarray:
    return await a.reveal("sum", rows["counts"].sum(0), 0)


def house(m: int = 3, variance: int = 9, circuit: Any = summed) -> House:
    return House([COLUMN], {"counts": COUNTS}, Declaration.of(result(variance)), circuit, m)


@pytest.mark.parametrize("m", [3, 5])
def test_what_is_opened_holds_the_noise_of_every_holder(m: int) -> None:
    one = house(m)
    relay = Relay(m)
    found = run(one.sessions(), relay, [0.0] * m)[0]
    every = [own_noise(one.private[k], CONTEXT, one.rows[0].content, [result()]) for k in one.private]
    assert all(noise.any() for noise in every)
    assert np.array_equal(found.returned, TOTAL + np.sum(every, axis=0))
    assert relay.exchanges == found.exchanges


def test_a_second_attempt_opens_the_very_same_numbers_and_other_rows_open_none() -> None:
    one = house()
    first = run(one.sessions(), Relay(3), [0.0] * 3)[0].returned
    for journal in one.journals:
        journal.results.clear()  # nobody put it on record, somebody may have seen it
    assert np.array_equal(run(one.sessions(2), Relay(3), [0.0] * 3)[0].returned, first)
    for journal in one.journals:
        journal.results.clear()
    other = house()
    one.rows = [other.rows[k - 1] for k in one.private]
    with pytest.raises(Problem, match="FH-558"):
        run(one.sessions(3), Relay(3), [0.0] * 3)


def test_nothing_that_declares_noise_is_opened_without_it() -> None:
    async def bare(_a: Arithmetic, rows: Any) -> Any:
        return await Reveal("sum", rows["counts"].sum(0), 0)

    one = house(circuit=bare)
    with pytest.raises(Problem, match="FH-554"):
        run(one.sessions(), Relay(3), [0.0] * 3)
    assert one.opened == set()


def test_a_changed_opening_of_a_noised_sum_is_found() -> None:
    one = house()
    with pytest.raises(Problem, match="FH-551"):
        run(one.sessions(), Liar(3, 1, after=lambda frames: [shifted(frame) for frame in frames], kind=Step.OPEN), [0.0] * 3)  # type: ignore[arg-type]


def test_the_plain_twin_adds_as_much() -> None:
    declaration = Declaration.of(result(100, 4000))
    twin = PlainArithmetic(declaration)
    rows = {"counts": twin.secret(np.zeros((1, 4000)), 1.0)}
    assert np.var(twin.run(summed(twin, rows))) == pytest.approx(300, rel=0.1)
    twin = PlainArithmetic(declaration)
    twin.noise_holders = 0
    assert not twin.run(summed(twin, {"counts": twin.secret(np.zeros((1, 4000)), 1.0)})).any()


@pytest.mark.parametrize(("m", "variance"), [(3, 6), (5, 4)])
def test_all_carry_more_and_any_honest_ones_the_whole(m: int, variance: int) -> None:
    """σ² is what the honest ones carry together; t others may know their own."""
    honest = m - (m - 1) // 2
    sigma2 = honest * variance
    every = np.stack([drawn(result(variance, DRAWS), seeded(f"holder {m} {k}")) for k in range(m)])
    assert np.var(every.sum(axis=0)) == pytest.approx(m / honest * sigma2, rel=0.02)
    for first in range(m):
        some = [(first + k) % m for k in range(honest)]
        assert np.var(every[some].sum(axis=0)) >= 0.98 * sigma2
    support = np.arange(-60, 61)
    one = np.exp(-(support**2) / (2 * variance))
    law = one / one.sum()
    for _ in range(m - 1):
        law = np.convolve(law, one / one.sum())
    middle = len(law) // 2
    inner = np.arange(-12, 13)
    expected = np.append(law[middle + inner], 1 - law[middle + inner].sum()) * DRAWS
    total = every.sum(axis=0)
    counted = np.array([*(np.count_nonzero(total == x) for x in inner), np.count_nonzero(np.abs(total) > 12)])
    assert stats.chisquare(counted, expected * counted.sum() / expected.sum()).pvalue > 0.001


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.5, 20.0])
def test_the_closed_form_holds_on_the_grid_in_use(sigma: float) -> None:
    """δ(ε) of one patient more in one count, by summing over the law of the honest holders' noise in units of 2^-10 patients."""
    unit = 2**UNIT_BITS
    spread = sigma * unit
    support = np.arange(-int(9 * spread), int(9 * spread) + unit)
    law = np.exp(-((support / spread) ** 2) / 2)
    law /= law.sum()
    moved = np.exp(-(((support - unit) / spread) ** 2) / 2)
    moved /= moved.sum()
    for epsilon in (0.1, 0.5, 1.0, 4.0):
        delta = np.maximum(moved - np.exp(epsilon) * law, 0.0).sum()
        assert delta == pytest.approx(delta_of(epsilon, 1 / sigma), rel=2e-3, abs=1e-12)


def test_a_draw_depends_on_key_context_rows_and_name_and_stays_in_its_room() -> None:
    key, wide = X25519PrivateKey.generate(), result(4, 50)
    own = own_noise(key, b"c", b"r", [wide])
    assert np.array_equal(own, own_noise(key, b"c", b"r", [wide]))
    others = [
        own_noise(X25519PrivateKey.generate(), b"c", b"r", [wide]),
        own_noise(key, b"d", b"r", [wide]),
        own_noise(key, b"c", b"s", [wide]),
    ]
    others.append(own_noise(key, b"c", b"r", [Result("other", (50,), 0, 1e6, "", noise=4)]))
    assert all(not np.array_equal(own, other) for other in others)
    assert np.abs(own).max() <= WIDEST * 2


def test_the_widest_noise_of_everybody_opens_without_wrapping(monkeypatch: pytest.MonkeyPatch) -> None:
    most = int(WIDEST * sqrt(9))
    monkeypatch.setattr("shared_model.shares.holder.holder_session.own_noise", lambda *_: np.array([most, -most, most]))
    found = run(house().sessions(), Relay(3), [0.0] * 3)[0].returned
    assert np.array_equal(found, TOTAL + 3 * np.array([most, -most, most]))


RUNS = 500


def canary(variance: int, holders: int) -> float:
    """99 % lower limit of the mean shift, in standard deviations, of everything opened with one patient more, against without."""
    seen = []
    for present in (0, 1):
        noise = sum(drawn(result(variance, RUNS), seeded(f"count {present} {k}")) for k in range(holders)) if holders else np.zeros(RUNS)
        seen.append(noise + present)
    spread = sqrt((np.var(seen[0], ddof=1) + np.var(seen[1], ddof=1)) / 2) or 1e-9
    shift = (np.mean(seen[1]) - np.mean(seen[0])) / spread
    return float(shift - stats.norm.ppf(0.99) * sqrt(2 / RUNS + shift**2 / (4 * RUNS)))


def test_a_patient_more_is_within_the_account_and_mutants_are_not() -> None:
    mu = 1 / sqrt(2 * 6)
    assert canary(6, 2) <= 1.05 * mu
    assert canary(1, 2) > 1.05 * mu  # a holder's noise of a sixth
    assert canary(6, 0) > 1.05 * mu  # none at all


def test_streams_are_of_a_cryptographic_generator() -> None:
    """The key of a stream is HKDF of the holder's private key: nothing public determines it."""
    key = X25519PrivateKey.generate()
    public = hashlib.sha256(key.public_key().public_bytes_raw()).digest()
    assert not np.array_equal(own_noise(key, b"", b"", [result(100, 20)]), drawn(result(100, 20), seeded(public.hex())))
