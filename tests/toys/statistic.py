"""A statistic in one file: the days for which a split's patients were followed, summed. What declares it and what computes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from client.statistics.study_patients import Arrays, Bench, Values
from shared_model.statistics.statistic_declaration import Parameters, Split, Statistic, no_covariates
from shared_model.statistics.vector_segments import amount, count

LONGEST_DAYS = 10_000.0


class FollowUp(Parameters):
    """Whose follow-up is summed."""

    split: Split


def compute(bench: Bench, p: FollowUp, _arrays: Arrays) -> Values:
    """Days of follow-up and patients of a hospital."""
    patients = bench.split(p.split)
    days = np.clip(patients.event_day, 0, LONGEST_DAYS)
    return {"days": np.array([float(days.sum())]), "patients": np.array([float(len(patients))])}


def _split(p: Any) -> Split:
    split: Split = p.split
    return split


TOY_STATISTIC = Statistic(
    name="toy.followup",
    title="Days of follow-up",
    reads="days",
    parameters=FollowUp,
    segments=lambda _p: (amount("days", resolution=1.0), count("patients")),
    resolution=lambda _p: "counts",
    split=_split,
    sensitivity=lambda _p: {"days": LONGEST_DAYS, "patients": 1.0},
    covariates=no_covariates,
    roles=frozenset({"development", "evaluation"}),
    phases=frozenset({"evaluation"}),
    asked_in=lambda _study: True,
)
