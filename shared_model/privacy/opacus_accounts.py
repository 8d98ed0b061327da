"""The same schedules by Opacus' accountants, beside the closed form: PRV within a percent, RDP 7 to 9 % above.

Opacus' state has no cohort and no δ, so nothing of it is kept: the ledger holds our own events, and this is a second opinion.
A noise multiplier is σ over the sensitivity. Importing Opacus takes seconds, so only whoever asks for it does.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from opacus.accountants import PRVAccountant, RDPAccountant
from opacus.accountants.utils import get_noise_multiplier

Schedule = Sequence[tuple[float, int]]
"""(noise multiplier, releases) of everybody's full participation."""


def prv_epsilon(schedule: Schedule, delta: float) -> float:
    """ε by the privacy random variable accountant (Gopi, Lee and Wutschitz, NeurIPS 2021); 0 for no release at all."""
    return _epsilon(PRVAccountant(), schedule, delta)


def rdp_epsilon(schedule: Schedule, delta: float) -> float:
    """ε by Rényi differential privacy (Mironov 2017); an upper bound that is not tight."""
    return _epsilon(RDPAccountant(), schedule, delta)


def planned_multiplier(epsilon: float, delta: float, releases: int) -> float:
    """Opacus' own plan: the noise multiplier with which that many releases cost ε."""
    with _quiet():
        found = get_noise_multiplier(target_epsilon=epsilon, target_delta=delta, sample_rate=1.0, steps=releases, accountant="prv")
    return float(found)


def _epsilon(accountant: PRVAccountant | RDPAccountant, schedule: Schedule, delta: float) -> float:
    accountant.history = [(multiplier, 1.0, releases) for multiplier, releases in schedule if releases]
    with _quiet():
        return float(accountant.get_epsilon(delta=delta)) if accountant.history else 0.0


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Opacus' remarks: full participation makes it take log 0, and its grid of Rényi orders ends early, which only loosens RDP."""
    with np.errstate(divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
