"""What an attack says about patients, and how often that is right.

A claim names all seven covariates and a day. It is correct when a patient has this pattern and died or was last seen
within 15 days of it. Correct claims about patients whose pattern is unique in the cohort are held against the same claims
on control cohorts: what is right there is right by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evidence.attacks.attacked_cohorts import AttackedCohort, Floats, Ints

NEAR_DAYS = 15.0
NOT_PROOF = "Absence of a successful attack is not proof of privacy; only differential privacy is a guarantee."


@dataclass(frozen=True)
class Claims:
    """Patterns (k,) and days (k,) an attack claims."""

    pattern: Ints
    day: Floats

    @classmethod
    def none(cls) -> Claims:
        """Nothing was opened, so nothing is claimed."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0))


@dataclass(frozen=True)
class Score:
    """One cohort's result: claims, patients hit, unique-pattern patients hit here and on average in control cohorts."""

    patients: int
    unique: int
    claims: int
    correct_claims: int
    hit: int
    unique_hit: int
    control_unique_hit: float
    control_hits: tuple[int, ...] = ()
    """The same of every control cohort."""
    independent_hit: float = float("nan")
    """The same on average of cohorts that share nothing with this one, where the controls do."""

    @property
    def precision(self) -> float:
        """Correct claims among claims; 0 without claims."""
        return self.correct_claims / self.claims if self.claims else 0.0

    @property
    def excess(self) -> float:
        """Unique-pattern patients hit beyond what chance hits."""
        return self.unique_hit - self.control_unique_hit


def _matches(claims: Claims, cohort: AttackedCohort) -> NDArray[np.bool_]:
    """Claim (rows) against patient (columns)."""
    same = claims.pattern[:, None] == cohort.pattern[None, :]
    near = np.abs(claims.day[:, None] - cohort.day[None, :]) <= NEAR_DAYS
    return np.asarray(same & near)


def unique_hits(claims: Claims, cohort: AttackedCohort) -> int:
    """Patients with a unique pattern whom a claim describes."""
    return int((_matches(claims, cohort).any(axis=0) & cohort.unique).sum())


def score(claims: Claims, cohort: AttackedCohort, others: Sequence[AttackedCohort]) -> Score:
    """Hold claims against the cohort they are about and against control cohorts."""
    matches = _matches(claims, cohort)
    hits = tuple(unique_hits(claims, other) for other in others)
    return Score(
        patients=cohort.n,
        unique=int(cohort.unique.sum()),
        claims=len(claims.day),
        correct_claims=int(matches.any(axis=1).sum()),
        hit=int(matches.any(axis=0).sum()),
        unique_hit=unique_hits(claims, cohort),
        control_unique_hit=float(np.mean(hits)) if hits else 0.0,
        control_hits=hits,
    )


def chance_probability(scores: Sequence[Score]) -> float:
    """How likely the sum of hits is at least what it is, were the cohort attacked any one of itself and its controls.

    If a claim knows nothing of its cohort, hits on it and on independent cohorts are exchangeable: the sum over cohorts is then a
    sum of independent draws, each from one cohort's hits and its controls' alike, whose distribution is exact.
    """
    chance = np.ones(1)
    for one in scores:
        hits = np.array([one.unique_hit, *one.control_hits])
        chance = np.convolve(chance, np.bincount(hits) / len(hits))
    return float(min(chance[sum(one.unique_hit for one in scores) :].sum(), 1.0))


def summary(scores: Sequence[Score]) -> dict[str, float]:
    """Means over cohorts, the excess over control with its standard error, and how likely chance does as well."""
    excess = np.array([one.excess for one in scores])
    se = float(excess.std(ddof=1) / np.sqrt(len(excess))) if len(excess) > 1 else float("nan")
    mean = float(excess.mean())
    unique = sum(one.unique for one in scores)
    figures = {
        "cohorts": len(scores),
        "patients": float(np.mean([one.patients for one in scores])),
        "unique_patients": unique / len(scores),
        "claims": float(np.mean([one.claims for one in scores])),
        "precision": float(np.mean([one.precision for one in scores])),
        "patients_hit_share": float(np.mean([one.hit / one.patients for one in scores])),
        "unique_hit": float(np.mean([one.unique_hit for one in scores])),
        "control_unique_hit": float(np.mean([one.control_unique_hit for one in scores])),
        "unique_hit_share": sum(one.unique_hit for one in scores) / unique if unique else 0.0,
        "excess": mean,
        "excess_se": se,
        "p": chance_probability(scores),
    }
    independent = float(np.mean([one.independent_hit for one in scores]))
    return figures | ({"independent_unique_hit": independent} if np.isfinite(independent) else {})
