"""Rows of the paper's table: an item, what of it, the value opened on shares, the pooled one, their difference, or why it is closed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evidence.accuracy.shares.paper_cohort import PaperStudy
from evidence.accuracy.shares.pooled_oracles import PooledRows
from shared_model.analyses.groups.declared_days import MONTH
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierEstimate
from shared_model.disclosure.limits import (
    FEW,
    GROUP_PATIENTS,
    MONTHS_LOST_BITS,
    MONTHS_LOST_VARIANCE_BITS,
    POINT_PATIENTS,
    ROC_PATIENTS,
)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
SMALL_GROUP = f"the group or its complement has fewer than {GROUP_PATIENTS.value} patients"
FEW_AT_RISK = f"fewer than {POINT_PATIENTS.value} are at risk"
FEW_COMPARED = f"fewer than {ROC_PATIENTS.value} died before the horizon or are at risk beyond it"
SMALL_COUNT = f"from 1 to {FEW.value} patients have it, or the count would give such a one away"
UNEXPLAINED = "UNEXPLAINED"
"""No reason of the list holds: a defect."""


@dataclass(frozen=True)
class PaperRow:
    """One number. `tolerance` is the largest permitted difference; a closed number has a reason instead of a value."""

    item: str
    what: str
    value: float | None
    pooled: float | None
    tolerance: float
    reason: str = ""

    @property
    def difference(self) -> float | None:
        """Opened less pooled."""
        return None if self.value is None or self.pooled is None else self.value - self.pooled

    @property
    def right(self) -> bool:
        """Equal, or closed for a reason."""
        if self.difference is None:
            return bool(self.reason) and self.reason != UNEXPLAINED
        return abs(self.difference) <= self.tolerance


@dataclass
class PaperRows:
    """The rows under way, and the pooled rows they are compared with."""

    study: PaperStudy
    rows: list[PaperRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        cohort = self.study.cohort
        self.pooled = PooledRows(cohort.day, cohort.event)
        self.sets = [cohort.set == s for s in range(3)]

    def add(self, item: str, what: str, value: float | None, pooled: float | None, tolerance: float, reason: str = "") -> None:
        """A number that is open where it is finite; a closed one is given its reason."""
        known = value is not None and bool(np.isfinite(value))
        self.rows.append(
            PaperRow(
                item,
                what,
                float(value) if known and value is not None else None,
                None if pooled is None or not np.isfinite(pooled) else float(pooled),
                tolerance,
                "" if known else reason or UNEXPLAINED,
            )
        )

    def curve(self, item: str, name: str, found: KaplanMeierEstimate, at: int, days: tuple[int, ...], members: tuple[Bools, Bools]) -> None:
        """A group's curve: size, one and two years with intervals, the median, and the largest difference over all open points.

        members: the group and the rest of its family.
        """
        mine, rest = members
        small = 0 < mine.sum() < GROUP_PATIENTS.value or 0 < rest.sum() < GROUP_PATIENTS.value
        reason = SMALL_GROUP if small else ""
        rows = self.pooled.where(mine)
        self.add(item, f"{name}: patients", float(found.patients[at]), float(mine.sum()), 0, reason)
        self.add(
            item,
            f"{name}: deaths",
            float(found.deaths[at]),
            float(rows.event.sum()),
            0,
            reason or (SMALL_COUNT if 0 < rows.event.sum() < 5 else ""),
        )
        for day in (365, 730):
            place = days.index(day)
            why = reason or (FEW_AT_RISK if (rows.day >= day).sum() < POINT_PATIENTS.value else "")
            known = rows.curve(day)
            for part, values, pooled in zip(("survival", "lower", "upper"), (found.survival, found.low, found.high), known, strict=True):
                self.add(item, f"{name}: {part} at day {day}", float(values[at, place]), pooled, 1e-4, why)
        self._means(item, name, found, at, rows, reason)
        open_ = np.flatnonzero(np.isfinite(found.survival[at]))
        gaps = [found.survival[at, place] - rows.curve(days[place])[0] for place in open_]
        if len(open_):
            self.add(item, f"{name}: all {len(open_)} open points, the largest difference", float(np.abs(gaps).max()), 0.0, 1e-4)
        median = found.median[at][0]
        exact = rows.median()
        if small or median is not None:
            # A median is opened as the two declared points around it: within these the months may differ.
            wide = (median.by - median.after) / MONTH + 0.5 if median else 0.0
            inside = f", between day {median.after} and {median.by}" if median else ""
            self.add(item, f"{name}: median in months{inside}", float(median.months) if median else None, exact / MONTH, wide, reason)

    def _means(self, item: str, name: str, found: KaplanMeierEstimate, at: int, rows: PooledRows, reason: str) -> None:
        """Restricted means until one and two years and their errors, to two units of the declared grids."""
        if found.means is None:
            return
        for place, day in enumerate((365, 730)):
            why = reason or (FEW_AT_RISK if (rows.day >= day).sum() < POINT_PATIENTS.value else "")
            mean, se = (value / MONTH for value in rows.restricted_mean(day))
            opened, error = (float(value[at, place]) for value in (found.means.mean, found.means.se))
            unit, square = 2.0 ** (1 - MONTHS_LOST_BITS.value), 2.0 ** (1 - MONTHS_LOST_VARIANCE_BITS.value)
            self.add(item, f"{name}: restricted mean until day {day}, months", opened, mean, unit, why)
            self.add(item, f"{name}: its variance", error**2, se**2, square, why)

    def tested(self, item: str, name: str, chi2: float | None, ratio: tuple[float, float] | None, members: tuple[Bools, Bools]) -> None:
        """Log-rank χ², hazard ratio of the second group and its standard error."""
        first, second = members
        both = first | second
        small = min(first.sum(), second.sum()) < GROUP_PATIENTS.value
        reason = SMALL_GROUP if small else ""
        rows = self.pooled.where(both)
        self.add(item, f"{name}: log-rank χ²", chi2, rows.logrank(second[both]), 1e-4, reason)
        b, se = rows.cox(second[both].astype(float)[:, None])
        self.add(item, f"{name}: hazard ratio", float(np.exp(ratio[0])) if ratio else None, float(np.exp(b[0])), 1e-4, reason)
        self.add(item, f"{name}: standard error of its logarithm", ratio[1] if ratio else None, float(se[0]), 1e-4, reason)
