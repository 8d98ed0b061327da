"""Cohorts as hospitals hold them: public data sets and made-up ones, cut into sites with padded slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared_model.analyses.covariates_on_shares import Column, Continuous, Levels, SlotCovariates
from shared_model.analyses.patient_slots import PaddedPatients, Part, Rows, contribution, layout, plain_rows
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from tests.shared_model.survival.survival_data import Data


@dataclass(frozen=True)
class Cohort:
    x: np.ndarray
    day: np.ndarray
    event: np.ndarray
    site: np.ndarray
    columns: tuple[Column, ...]

    @property
    def n_days(self) -> int:
        return int(self.day.max()) + 1

    @property
    def covariates(self) -> SlotCovariates:
        return SlotCovariates(self.columns)

    def values(self) -> dict[str, np.ndarray]:
        """As patients carry them: a level's number, a continuous column's value."""
        return {
            column.name: np.searchsorted(column.values, self.x[:, j]).astype(float) if isinstance(column, Levels) else self.x[:, j]
            for j, column in enumerate(self.columns)
        }

    @property
    def slots(self) -> int:
        return int(np.bincount(self.site).max())

    @property
    def order(self) -> np.ndarray:
        """The patients site by site, as their slots follow each other."""
        return np.argsort(self.site, kind="stable")

    def sites(self, **more: np.ndarray) -> list[PaddedPatients]:
        values = {**self.values(), **more}
        return [
            PaddedPatients(self.day[mine].astype(np.int64), self.event[mine], {name: value[mine] for name, value in values.items()})
            for mine in (self.site == s for s in np.unique(self.site))
        ]

    def rows(self, a: PlainArithmetic, parts: Sequence[Part], **more: np.ndarray) -> Rows:
        parts = layout(parts)
        return plain_rows(a, parts, [contribution(parts, patients, self.slots) for patients in self.sites(**more)])


def of_data(data: Data, most_levels: int = 6) -> Cohort:
    """Columns of few values as levels, others within rounded bounds."""
    columns: list[Column] = []
    for j, name in enumerate(data.names):
        found = np.unique(data.x[:, j])
        if len(found) <= most_levels:
            columns.append(Levels(name, tuple(found.tolist())))
        else:
            margin = 0.05 * (found[-1] - found[0])
            columns.append(Continuous(name, float(np.floor(found[0] - margin)), float(np.ceil(found[-1] + margin))))
    return Cohort(data.x, data.day, np.asarray(data.event, dtype=bool), data.site, tuple(columns))


def made_up(n: int = 207, sites: int = 52, seed: int = 0, coarse: int = 1) -> Cohort:
    """Clinical columns as in the study this follows: a grade of four levels and six yes-or-no columns; days in steps of `coarse`."""
    rng = np.random.default_rng(seed)
    shares = np.array([0.3, 0.4, 0.5, 0.05, 0.75, 0.1])
    x = np.concatenate([rng.choice(4, n, p=[0.2, 0.45, 0.25, 0.1])[:, None], rng.random((n, 6)) < shares], axis=1).astype(float)
    x[:5, 4], x[5:, 4] = 1, 0  # five patients
    beta = np.array([0.25, 0.4, 0.5, -0.4, 0.6, -0.3, -0.2])
    death = rng.exponential(420 / np.exp(x @ beta - (x @ beta).mean()))
    end = rng.uniform(150, 1800, n)
    day = np.minimum(np.minimum(death, end) // coarse * coarse, 1990)
    names = ("grade", "nash", "pvtt", "surgery", "ebrt", "tace", "rfa")
    columns = (Levels("grade", (0.0, 1.0, 2.0, 3.0)), *(Levels(name) for name in names[1:]))
    return Cohort(x, day, death <= end, rng.integers(0, sites, n), columns)
