"""What the evaluation phase may open: every analysis of it with its names, grids and minima, from the study and earlier results."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.cindex_on_shares import ConcordanceModel
from shared_model.analyses.count_minimum import minimum_result
from shared_model.analyses.groups.calibration_on_shares import CalibrationModel, Predicted
from shared_model.analyses.groups.declared_days import MONTH, grid
from shared_model.analyses.groups.hazard_ratio_on_shares import RatioModel
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierModel
from shared_model.analyses.groups.patient_groups import Partition
from shared_model.analyses.groups.table1_on_shares import CharacteristicsModel
from shared_model.analyses.pairs_on_shares import day_parts
from shared_model.analyses.patient_slots import OneHot, Part, layout
from shared_model.analyses.phases.earlier_results import KnownScores
from shared_model.analyses.phases.phase_plan import group_minimum
from shared_model.analyses.phases.table1_slots import HELD_MANUFACTURER, HELD_RESPONSE, counted, held_parts, measured, set_part, sets_of
from shared_model.analyses.scores.cutoff_on_shares import CutoffModel
from shared_model.analyses.scores.roc_on_shares import RocModel
from shared_model.analyses.scores.score_levels import LEVELS, LOW, STEP, score_levels
from shared_model.analyses.scores.score_test_on_shares import ScoreTestModel
from shared_model.shares.circuits.declared_results import Result
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS

QUANTILES = ((1, 4), (1, 2), (3, 4))
SPECIFICITIES = tuple(range(10, 100, 10))
"""In per cent: at these the sensitivity of every model is opened."""
HELD_ENOUGH = "held.enough"
"""The bits that say which of the sets that did not train are large enough."""


def split_sets(sets: int, groups: int) -> tuple[tuple[int, ...], ...]:
    """The families of so many groups in every set: those of one set stand together."""
    return tuple(tuple(range(groups * at, groups * (at + 1))) for at in range(sets))


def near(days: tuple[int, ...], horizons: tuple[int, ...]) -> tuple[int, ...]:
    """A grid whose points are moved onto the horizons they lie next to: two points a day apart would show who died between them."""
    moved = (next((horizon for horizon in horizons if abs(day - horizon) < MONTH / 2), day) for day in days)
    return tuple(sorted(set(moved)))


@dataclass(frozen=True)
class EvaluationModel:
    """Everything that may be opened in the evaluation phase of a study."""

    study: Study
    known: KnownScores

    @property
    def scores(self) -> tuple[str, ...]:
        """The models that have a score."""
        return tuple(self.known.specs)

    @property
    def primary(self) -> str | None:
        """The preferred one of them."""
        return next((one.name for one in MODELS.preferred(self.scores)), None)

    @property
    def minimum(self) -> int:
        """Patients of a group, and of the rest of its set."""
        return group_minimum(self.study)

    @property
    def read(self) -> tuple[str, ...]:
        """The sets whose patients are read."""
        return sets_of(self.study)

    @property
    def horizons(self) -> tuple[int, ...]:
        """Within the declared days."""
        return tuple(day for day in self.study.evaluation.horizons if 1 < day < self.study.shares.longest_days - 1)

    def days(self, months: int) -> tuple[int, ...]:
        """Every so many months, to the last declared day."""
        return near(grid(months, self.study.shares.longest_days - 1), self.horizons)

    @property
    def sets(self) -> Partition:
        """The sets themselves."""
        return Partition(set_part(self.study), minimum=self.minimum)

    @property
    def concordance(self) -> ConcordanceModel:
        """Within every set."""
        scores = tuple((name, LEVELS) for name in self.scores)
        return ConcordanceModel("concordance", scores, set_part(self.study), self.minimum, rest=True)

    @property
    def manufacturers(self) -> ConcordanceModel | None:
        """Of the preferred model, within the makers of validation and test."""
        if self.primary is None or not self.study.reads_scans:
            return None
        part = next(part for part in held_parts(self.study) if part.name == HELD_MANUFACTURER)
        return ConcordanceModel("manufacturer-concordance", ((self.primary, LEVELS),), part, self.minimum, rest=True)

    @property
    def roc(self) -> RocModel:
        """At every horizon, within every set."""
        scores = tuple((name, LEVELS) for name in self.scores)
        return RocModel("roc", scores, self.horizons, self.sets, specificities=SPECIFICITIES)

    @property
    def score_test(self) -> ScoreTestModel:
        """Of every score, within every set, beside its C-index and under the same name."""
        return ScoreTestModel("concordance", self.scores, len(self.read), self.study.training.ties, self.minimum)

    def curves(self, name: str, partition: Partition, months: int, *, logrank: bool = True) -> KaplanMeierModel:
        """Curves every so many months, in sets of few patients half-yearly; restricted means until the horizons among these."""
        coarse = self.days(6)
        days = tuple(sorted({*self.days(months), *coarse}))
        means = tuple(day for day in self.horizons if day in days) if logrank else ()
        return KaplanMeierModel(name, partition, days, coarse, coarse, logrank=logrank, sets=partition == self.sets, means=means)

    @property
    def survival(self) -> KaplanMeierModel:
        """Of the sets."""
        return self.curves("survival", self.sets, 1)

    @property
    def set_ratio(self) -> RatioModel:
        """The sets two by two, the later one against the earlier."""
        return RatioModel("set-ratio", tuple(combinations(range(len(self.read)), 2)), self.study.training.ties, 2 * self.minimum)

    @property
    def follow_up(self) -> KaplanMeierModel:
        """Of the sets, with the end of follow-up as the event."""
        return self.curves("follow-up", self.sets, 3, logrank=False)

    def risk(self, model: str) -> KaplanMeierModel:
        """Of low and high risk in every set."""
        families = split_sets(len(self.read), 2)
        part = OneHot(f"risk.{model}", 2 * len(families))
        return self.curves(f"{model}-risk", Partition(part, families, self.minimum), 1 if model == self.primary else 3)

    def risk_ratio(self, model: str) -> RatioModel:
        """High against low risk."""
        families = tuple((2 * at, 2 * at + 1) for at in range(len(self.read)))
        return RatioModel(f"{model}-ratio", families, self.study.training.ties, 2 * self.minimum)

    @property
    def response(self) -> KaplanMeierModel | None:
        """By RECIST progression, of validation and test together."""
        if not self.study.reads_scans:
            return None
        part = next(part for part in held_parts(self.study) if part.name == HELD_RESPONSE)
        return self.curves("response", Partition(part, minimum=self.minimum), 3)

    @property
    def held_sets(self) -> tuple[str, ...]:
        """The sets that did not train and have patients."""
        empty = "validation" if self.study.validation_fraction == 0 else ""
        return tuple(name for name in self.read if name not in ("train", empty))

    @property
    def held(self) -> NDArray[np.int64]:
        """(sets, held sets): which set is which of those."""
        return np.array([[one == other for other in self.held_sets] for one in self.read], dtype=np.int64)

    @property
    def response_ratio(self) -> RatioModel:
        """Progression against none known."""
        return RatioModel("response-ratio", ((0, 1),), self.study.training.ties, 2 * self.minimum)

    def calibrated(self, model: str) -> CalibrationModel | None:
        """At the horizons at which the model's baseline was opened; None where there are none."""
        hazards = self.known.hazards.get(model, {})
        days = tuple(day for day in self.horizons if day in hazards)
        if not days:
            return None
        predicted = Predicted(f"predicted.{model}", score=f"lp.{model}", hazards=tuple(hazards[day] for day in days))
        families = split_sets(len(self.read), 4)
        part = OneHot(f"quarter.{model}", 4 * len(families))
        return CalibrationModel(f"{model}-calibration", Partition(part, families, self.minimum), days, predicted)

    def quantiles(self, model: str) -> tuple[CutoffModel, ...]:
        """Quarters of the training scores, where they are not known yet; the second is the cut-off."""
        if model in self.known.quartiles:
            return ()
        return tuple(
            CutoffModel(
                f"{model}-quantile-{a}-{b}",
                model,
                LEVELS,
                LOW,
                STEP,
                (a, b),
                minimum_patients=self.minimum,
                most=self.known.training_patients,
            )
            for a, b in QUANTILES
        )

    @property
    def table(self) -> CharacteristicsModel:
        """Table 1."""
        levels = tuple(one.part for one in counted(self.study))
        return CharacteristicsModel("table", self.sets, levels, measured(self.study), minimum=self.minimum)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What a hospital contributes."""
        found: list[Part] = [*day_parts(self.study.shares.longest_days), *self.table.parts(0), *held_parts(self.study)]
        for name in self.scores:
            found += score_levels(name)
            calibrated = self.calibrated(name)
            if calibrated:
                found.append(calibrated.predicted)
        return layout(found)

    @property
    def results(self) -> list[Result]:
        """What may be revealed."""
        found = [*self.survival.results, *self.set_ratio.results, *self.follow_up.results, *self.table.results]
        if self.scores:
            found += [*self.concordance.results, *(self.roc.results if self.horizons else ()), *self.score_test.results]
        found += self.manufacturers.results if self.manufacturers else ()
        if self.response:
            found += [minimum_result(HELD_ENOUGH, len(self.held_sets)), *self.response.results, *self.response_ratio.results]
        for name in self.scores:
            found += [one for model in self.quantiles(name) for one in model.results]
            found += [*self.risk(name).results, *self.risk_ratio(name).results]
            calibrated = self.calibrated(name)
            if calibrated:
                found += [groups_result(name, len(self.read)), *calibrated.results]
        return found

    @property
    def all_days(self) -> tuple[int, ...]:
        """Every point that some curve or weight needs."""
        beside = {horizon + step for horizon in self.horizons for step in (-1, 0, 1)}
        return tuple(sorted({*self.survival.days, *self.follow_up.days, *self.days(3), *beside}))


def groups_result(model: str, sets: int) -> Result:
    """The bits that say which calibration groups are large enough: quarters and halves of every set."""
    return minimum_result(f"{model}-groups.enough", 6 * sets)


def merged_quarters(enough: np.ndarray) -> np.ndarray:
    """(quarters, groups) for one set: 1 where a quarter goes into a group; the finest nested groups that all have the minimum.

    enough: bits of the four quarters and of the two halves. A half stays split where both its quarters are large enough, the set stays
    split where both halves are, so that no two groupings of the report differ by less than the minimum.
    """
    found = np.zeros((4, 4), dtype=np.int64)
    if not enough[4:].all():
        found[:, 0] = 1
        return found
    for half in (0, 2):
        if enough[half : half + 2].all():
            found[half, half] = found[half + 1, half + 1] = 1
        else:
            found[half : half + 2, half] = 1
    return found
