"""Which analyses on shares the scores, groups and horizons of a person's table lead to, and the circuit of all of them."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.cindex_on_shares import ConcordanceModel, concordance
from shared_model.analyses.cox_on_shares import CoxEstimate
from shared_model.analyses.groups.calibration_on_shares import CalibrationModel, Predicted, calibration
from shared_model.analyses.groups.declared_days import censored, make_points
from shared_model.analyses.groups.hazard_ratio_on_shares import FamilySize, RatioModel, hazard_ratios
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierEstimate, KaplanMeierModel, kaplan_meier
from shared_model.analyses.groups.patient_groups import Partition
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import OneHot, Part, Rows, layout
from shared_model.analyses.phases.evaluation_openings import SPECIFICITIES
from shared_model.analyses.scores.roc_on_shares import RocModel, roc
from shared_model.disclosure.limits import ROC_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.shares.circuits.declared_results import Result
from simulations.tabular.shares.predicted_by_score import ScorePrediction, minima
from simulations.tabular.shares.table_in_slots import SharedTable, leveled
from simulations.tabular.table_as_study import Settings

Floats = NDArray[np.float64]
GROUP, QUARTER, PREDICTOR = "group", "quarter", "predictor"


@dataclass(frozen=True)
class OpenedMetrics:
    """What the holders open of a table's scores; None for what there is nothing of."""

    found: dict[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> Any:
        """One analysis."""
        return self.found.get(name)


@dataclass(frozen=True)
class MetricsPlan:
    """Which analyses a table's scores, groups and horizons lead to."""

    table: SharedTable
    horizons: tuple[float, ...]
    settings: Settings | None
    prediction: ScorePrediction

    @property
    def names(self) -> tuple[str, ...]:
        """Of the scores."""
        return self.table.rows.names

    @property
    def minimum(self) -> int:
        """Patients of a group and of the rest."""
        return minima(self.settings)[2]

    @property
    def days(self) -> tuple[int, ...]:
        """Places of the declared points."""
        return self.table.places(self.table.points)

    @cached_property
    def levels(self) -> dict[str, tuple[Floats, Floats]]:
        """By score its distinct values, and every patient's level."""
        return {name: leveled(self.table.rows.x[:, j]) for j, name in enumerate(self.names)}

    @property
    def scores(self) -> tuple[tuple[str, int], ...]:
        """Parts of the scores with their numbers of levels."""
        return tuple((f"score.{name}", len(self.levels[name][0])) for name in self.names)

    @property
    def concordance(self) -> ConcordanceModel:
        """Of all scores and their differences."""
        return ConcordanceModel("concordance", self.scores, minimum_patients=self.minimum)

    @property
    def roc(self) -> RocModel | None:
        """At the horizons within follow-up."""
        if not self.horizons:
            return None
        least = ROC_PATIENTS.value if self.settings else 1
        days = self.table.places(self.horizons)
        return RocModel("roc", self.scores, days, Partition(minimum=self.minimum), minimum=least, specificities=SPECIFICITIES)

    @property
    def overall(self) -> KaplanMeierModel:
        """The curve of everybody."""
        return KaplanMeierModel("overall", Partition(minimum=self.minimum), self.days, self.days, logrank=False)

    @property
    def follow_up(self) -> KaplanMeierModel:
        """The same with the end of follow-up as the event."""
        return KaplanMeierModel("follow-up", Partition(minimum=self.minimum), self.days, self.days, logrank=False)

    @property
    def groups(self) -> KaplanMeierModel | None:
        """Curves and test of the groups named."""
        labels = self.table.rows.groups
        if not labels:
            return None
        return KaplanMeierModel(GROUP, Partition(OneHot(GROUP, len(labels)), minimum=self.minimum), self.days, self.days)

    @property
    def ratio(self) -> RatioModel | None:
        """The second of two groups against the first."""
        if len(self.table.rows.groups) != 2:
            return None
        return RatioModel("ratio", ((0, 1),), minimum_patients=2 * self.minimum, minimum_deaths=minima(self.settings)[1])

    @property
    def calibration(self) -> CalibrationModel | None:
        """Groups of the first score's quarters, at the horizons where its baseline was opened."""
        known = self.prediction
        if known.slope is None or not known.cuts or not known.hazards:
            return None
        part = OneHot(QUARTER, len(known.cuts) + 1)
        predicted = Predicted("predicted", score=PREDICTOR, hazards=tuple(known.hazards.values()))
        return CalibrationModel("calibration", Partition(part, minimum=self.minimum), self.table.places(known.hazards), predicted)

    @property
    def models(self) -> tuple[Any, ...]:
        """All of them that there are."""
        found = (self.concordance, self.roc, self.overall, self.follow_up, self.groups, self.calibration)
        return tuple(model for model in found if model is not None)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return layout(part for model in self.models for part in model.parts(len(self.table.times)))

    @property
    def results(self) -> list[Result]:
        """What may be revealed."""
        return [one for model in (*self.models, *((self.ratio,) if self.ratio else ())) for one in model.results]

    def values(self) -> dict[str, Floats]:
        """What patients carry: levels of scores, groups, the quarter of the first score and its linear predictor."""
        rows = self.table.rows
        found = {f"score.{name}": self.levels[name][1] for name in self.names}
        if rows.groups:
            found[GROUP] = np.array([rows.groups.index(label) for label in rows.group], dtype=np.float64)
        first = rows.x[:, 0]
        found[QUARTER] = np.searchsorted(np.asarray(self.prediction.cuts), first, side="left").astype(np.float64)
        found[PREDICTOR] = first * (self.prediction.slope or 0.0)
        return found

    async def circuit(self, a: Arithmetic, rows: Rows) -> OpenedMetrics:
        """All analyses side by side."""
        reverse = censored(rows)
        days = tuple(sorted({*self.days, *(self.roc.days if self.roc else ()), *(self.calibration.horizons if self.calibration else ())}))
        first: list[Awaitable[Any]] = [
            make_pairs(a, rows),
            make_points(a, rows, days),
            make_pairs(a, reverse),
            make_points(a, reverse, self.days),
        ]
        pairs, points, back, back_points = await together(*first)
        wanted: dict[str, Awaitable[Any]] = {
            "concordance": concordance(a, rows, pairs, self.concordance),
            "overall": kaplan_meier(a, rows, pairs, points, self.overall),
            "follow_up": kaplan_meier(a, reverse, back, back_points, self.follow_up),
        }
        if self.roc:
            wanted["roc"] = roc(a, rows, pairs, points, self.roc)
        if self.calibration:
            wanted["calibration"] = calibration(a, rows, pairs, points, self.calibration)
        if self.groups:
            wanted["groups"] = self._grouped(a, rows, pairs, points, self.groups)
        return OpenedMetrics(dict(zip(wanted, await together(*wanted.values()), strict=True)))

    async def _grouped(
        self, a: Arithmetic, rows: Rows, pairs: Any, points: Any, curves: KaplanMeierModel
    ) -> tuple[KaplanMeierEstimate, CoxEstimate | None]:
        found = await kaplan_meier(a, rows, pairs, points, curves)
        known = np.isfinite(found.patients).all() and np.isfinite(found.deaths).all()
        if not (self.ratio and known):
            return found, None
        size = FamilySize(int(found.patients.sum()), int(found.deaths.sum()))
        (fit,) = await hazard_ratios(a, pairs, rows[GROUP], [size], self.ratio)
        return found, fit
