"""Cohorts to attack: the paper's marginals, dealt to hospitals, with an independent control cohort beside each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulations.cohort.simulated_patients import SurvivalOptions, simulate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEVELS = (4, 2, 2, 2, 2, 2, 2)
COLUMNS = ("differentiation", "nash", "pvtt", "surgery", "ebrt", "tace", "rfa")
PATIENTS_A_SITE = 4
CONTROL_SEED = 1_000_003


@dataclass(frozen=True)
class AttackedCohort:
    """Covariates x (n, 7), event day (n,), event (n,) and hospital number (n,) of patients that do not exist."""

    x: Ints
    day: Floats
    event: NDArray[np.bool_]
    site: Ints

    @property
    def n(self) -> int:
        """Patients."""
        return len(self.day)

    @property
    def pattern(self) -> Ints:
        """Each patient's covariate pattern as one number (n,)."""
        return encode(self.x)

    @property
    def unique(self) -> NDArray[np.bool_]:
        """Patients whose covariate pattern nobody else in the cohort has (n,)."""
        values, inverse, counts = np.unique(self.pattern, return_inverse=True, return_counts=True)
        del values
        return np.asarray(counts[inverse] == 1)

    def at(self, site: int) -> NDArray[np.bool_]:
        """The patients of one hospital (n,)."""
        return np.asarray(self.site == site)

    @property
    def sites(self) -> range:
        """Hospital numbers."""
        return range(int(self.site.max()) + 1)


def encode(x: NDArray[np.generic]) -> Ints:
    """Rows of covariates (n, 7) as pattern numbers in [0, 256)."""
    code = np.zeros(len(x), dtype=np.int64)
    for column, levels in enumerate(LEVELS):
        code = code * levels + np.asarray(x)[:, column].astype(np.int64)
    return code


def patterns() -> Floats:
    """All 256 possible rows (256, 7), in the order of their pattern numbers."""
    grid = np.meshgrid(*[np.arange(levels) for levels in LEVELS], indexing="ij")
    return np.stack([axis.ravel() for axis in grid], axis=1).astype(np.float64)


def draw(n: int, seed: int) -> AttackedCohort:
    """A cohort of n patients in n/4 hospitals of 1 to 8, from the survival model of the simulations."""
    sites = max(3, round(n / PATIENTS_A_SITE))
    # The survival model wants held-out patients too; they are not part of what is attacked.
    population = simulate(SurvivalOptions(patients=(n, 8), sites=(sites, 2), lone_sites=min(3, sites // 4)), seed)
    people_of = [people for name, people in population.sites.items() if population.roles[name] == "development"]
    rows = [(number, patient) for number, people in enumerate(people_of) for patient in people]
    return AttackedCohort(
        x=np.array([[patient.clinical[name] for name in COLUMNS] for _, patient in rows], dtype=np.int64),
        day=np.array([patient.event_day for _, patient in rows], dtype=np.float64),
        event=np.array([patient.event for _, patient in rows], dtype=bool),
        site=np.array([number for number, _ in rows], dtype=np.int64),
    )


def controls(n: int, seed: int, count: int = 8) -> tuple[AttackedCohort, ...]:
    """Independent cohorts of the same kind: what a claim hits by chance."""
    return tuple(draw(n, CONTROL_SEED + 1_000 * seed + k) for k in range(count))
