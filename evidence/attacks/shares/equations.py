"""Equations of what a study on shares opened, for how many patients of which pattern died or were lost in which interval.

Unknown are masses u on pattern × cell, where the cells of a set are the intervals of its own curve, once for deaths and once for
losses. Table 1, curves and restricted means of groups of the clinical score, sizes and mean predictions of calibration groups are
linear in them; the steps, variances and baseline of a Cox model are made linear at the last estimate (Gauss-Newton).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from evidence.attacks.attacked_cohorts import COLUMNS, LEVELS, Floats, Ints, encode, patterns
from evidence.attacks.claims_about_patients import Claims
from evidence.attacks.nonnegative_solver import System
from evidence.attacks.shares import curve_counts
from evidence.attacks.shares.attacked_study import IMAGE_SD, OpenedStudy, on_grid
from evidence.attacks.shares.curve_counts import CurveCells
from shared_model.analyses.groups.declared_days import MONTH
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierModel
from shared_model.analyses.phases.clinical_plan import ClinicalEstimate
from shared_model.analyses.phases.earlier_results import known_scores
from shared_model.analyses.phases.evaluation_circuit import EvaluationEstimate
from shared_model.analyses.phases.evaluation_openings import EvaluationModel
from shared_model.disclosure.limits import MONTHS_LOST_BITS, PREDICTED_BITS
from shared_model.survival.calibration import predicted_survival

SETS = 3
PRESENT = 0.5
LEAST_EXPECTED = 1 / 30
EXACT, NEAR = 1e-3, 1.0
FEW_MEAN, FEW_ERROR = 2.5, 1.2
"""Of a count that is opened as being from 1 to 4."""


@dataclass(frozen=True)
class SeenStudy:
    """What a reader knows of a study: the analyses' names, the estimates, and which rows Table 1 leaves possible."""

    opened: OpenedStudy

    @cached_property
    def model(self) -> EvaluationModel:
        """The evaluation's analyses."""
        earlier = {phase: opened for phase, opened in self.opened.opened.items() if phase != "evaluation"}
        return EvaluationModel(self.opened.lock.study, known_scores(self.opened.lock, earlier))

    @property
    def clinical(self) -> ClinicalEstimate:
        """The clinical phase."""
        found: ClinicalEstimate = self.opened.found["clinical"]
        return found

    @property
    def evaluation(self) -> EvaluationEstimate:
        """The evaluation phase."""
        found: EvaluationEstimate = self.opened.found["evaluation"]
        return found

    def counts(self, column: str, at: int) -> tuple[Floats, Ints]:
        """Table 1's counts of a column's levels in a set, and why each is hidden."""
        table = self.evaluation.table
        return table.counts[f"table.{column}"][:-1, at], table.hidden[f"table.{column}"][:-1, at]

    def cuts(self, model: str) -> list[float]:
        """The quarters of a model's training scores that were opened."""
        one = self.evaluation.models.get(model)
        return [] if one is None else [float(found.value) for found in one.quantiles if found.value is not None]

    def quarters(self, model: str) -> list[float | None]:
        """The three quarters of a model's training scores; None for a closed one, and for all of a model that is not there."""
        one = self.evaluation.models.get(model)
        return [None] * 3 if one is None else [None if found.value is None else float(found.value) for found in one.quantiles]

    def middle(self, model: str) -> float | None:
        """The cut-off; None where it is closed."""
        one = self.evaluation.models.get(model)
        return None if one is None or one.quantiles[1].value is None else float(one.quantiles[1].value)


def prior(seen: SeenStudy, at: int, rows: Floats) -> Floats:
    """Probability of each row (k, 7) were columns independent at the frequencies Table 1 shows; alike where it is closed."""
    chance = np.ones(len(rows))
    for column, levels in zip(COLUMNS, LEVELS, strict=True):
        counts, hidden = seen.counts(column, at)
        told = np.where(np.isfinite(counts) & (hidden == 0), counts, FEW_MEAN)
        share = told / told.sum() if told.sum() else np.full(levels, 1 / levels)
        chance *= share[rows[:, COLUMNS.index(column)].astype(np.int64)]
    return np.asarray(chance)


@dataclass(frozen=True)
class Unknowns:
    """Patterns (P, 7) × cells of one set (C): interval, and whether deaths or losses are counted there."""

    x: Floats
    pattern: Ints
    found: CurveCells
    interval: Ints
    dies: NDArray[np.bool_]

    @classmethod
    def of(cls, seen: SeenStudy, at: int) -> Unknowns:
        """Of one set: rows that Table 1 leaves likely enough, and cells in which the curve tells of somebody.

        A row of which fewer than a thirtieth of a patient is expected, were columns independent, is left out.
        """
        rows = patterns()
        found = curve_counts.cells(seen.opened, seen.model.survival, at)
        possible = prior(seen, at, rows) * float(found.deaths.sum() + found.lost.sum()) >= LEAST_EXPECTED
        intervals, dies = [], []
        for k in range(len(found.end)):
            for event, count in ((True, found.deaths[k]), (False, found.lost[k])):
                if count:
                    intervals.append(k)
                    dies.append(event)
        rows = rows[possible]
        return cls(rows, encode(rows), found, np.array(intervals, dtype=np.int64), np.array(dies, dtype=np.bool_))

    @property
    def size(self) -> tuple[int, int]:
        """Patterns, cells."""
        return len(self.x), len(self.interval)

    def of_pattern(self, feature: Floats) -> Floats:
        """A feature of the pattern alone (P,) as one of the unknowns (P, C)."""
        return np.repeat(np.asarray(feature, dtype=np.float64)[:, None], self.size[1], axis=1)

    @property
    def end(self) -> Floats:
        """The end of every cell's interval (C,)."""
        return self.found.end[self.interval]

    @property
    def at_risk(self) -> Floats:
        """(intervals, C): the share of a cell's patients at risk at a death of an interval; one half within the same one."""
        first = np.arange(len(self.found.end))[:, None]
        return np.where(self.interval[None, :] > first, 1.0, np.where(self.interval[None, :] == first, 0.5, 0.0))

    def claims(self, mass: Floats) -> Claims:
        """A claim for every cell of a pattern with at least half a patient: the middle of its interval."""
        u = mass.reshape(self.size)
        who, where = np.nonzero(u >= PRESENT)
        return Claims(self.pattern[who], self.found.middle[self.interval[where]])


def add_curve(system: System, unknowns: Unknowns) -> None:
    """Deaths of every interval, and about so many losses."""
    ones = np.ones(unknowns.size[0])
    for cell, (interval, dies) in enumerate(zip(unknowns.interval, unknowns.dies, strict=True)):
        feature = np.zeros(unknowns.size)
        feature[:, cell] = ones
        count = unknowns.found.deaths[interval] if dies else unknowns.found.lost[interval]
        system.add(feature, float(count), EXACT if dies else NEAR)
    system.add(np.ones(unknowns.size), float(unknowns.found.deaths.sum() + unknowns.found.lost.sum()), EXACT)


def add_table(system: System, unknowns: Unknowns, seen: SeenStudy, at: int) -> None:
    """Table 1's counts; a small one is between 1 and 4."""
    for column, levels in zip(COLUMNS, LEVELS, strict=True):
        counts, hidden = seen.counts(column, at)
        for value in range(levels):
            feature = unknowns.of_pattern((unknowns.x[:, COLUMNS.index(column)] == value).astype(np.float64))
            if hidden[value] == 0 and np.isfinite(counts[value]):
                system.add(feature, float(counts[value]), EXACT)
            elif hidden[value] == 1:
                system.add(feature, FEW_MEAN, FEW_ERROR)


def beyond(seen: SeenStudy, unknowns: Unknowns, model: str, cut: float) -> tuple[Floats, float]:
    """Probability (P,) that a patient of a pattern scores above a cut; 0 or 1 of the clinical score. And whether it is that."""
    spec = seen.model.known.specs[model]
    score = on_grid(spec, unknowns.x)
    if not spec.radiology:
        return (score > cut).astype(np.float64), 0.0
    noise = abs(spec.mix[0] if spec.mix else 1.0) * IMAGE_SD
    chance = ndtr((score - cut) / noise)
    return np.asarray(chance), 1.0


def _group_error(chance: Floats, unsure: float, count: float) -> float:
    """Of a count in a group whose members are known by chance only."""
    return max(EXACT, unsure * float(np.sqrt(max(count, 1.0) * np.mean(chance * (1 - chance)))))


def add_groups(system: System, unknowns: Unknowns, seen: SeenStudy, at: int, model: str) -> None:
    """Sizes, deaths by interval and numbers left of low and high risk."""
    cut = seen.middle(model)
    if cut is None:
        return
    high, unsure = beyond(seen, unknowns, model, cut)
    asked: KaplanMeierModel = seen.model.risk(model)
    for group, chance in ((2 * at, 1 - high), (2 * at + 1, high)):
        size = float(seen.opened.opened["evaluation"][f"{asked.name}.patients"][group])
        found = curve_counts.cells(seen.opened, asked, group)
        if not size or not len(found.end):
            continue
        system.add(unknowns.of_pattern(chance), size, _group_error(chance, unsure, size))
        for start, end, deaths, lost in zip(found.start, found.end, found.deaths, found.lost, strict=True):
            inside = (unknowns.found.start[unknowns.interval] >= start) & (unknowns.end <= end)
            for dies, count, least in ((True, deaths, EXACT), (False, lost, NEAR)):
                cells = (inside & (unknowns.dies == dies)).astype(np.float64)
                if cells.any():
                    system.add(chance[:, None] * cells, float(count), max(least, _group_error(chance, unsure, float(count))))
        add_means(system, unknowns, seen, asked, group, (chance, unsure))


def add_means(
    system: System, unknowns: Unknowns, seen: SeenStudy, asked: KaplanMeierModel, group: int, of_group: tuple[Floats, float]
) -> None:
    """The time lost until a day: a sum over deaths of the days that were left, each times what a curve falls by at one.

    of_group: probability that a patient of a pattern is in the group, and whether it is only that.
    """
    opened, (chance, unsure) = seen.opened.opened["evaluation"], of_group
    found = curve_counts.cells(seen.opened, asked, group)
    middle = (unknowns.found.start[unknowns.interval] + unknowns.end) / 2
    width = unknowns.end - unknowns.found.start[unknowns.interval]
    place = np.clip(np.searchsorted(found.end, unknowns.end), 0, max(len(found.end) - 1, 0))
    for h, day in enumerate(asked.means):
        lost = float(opened[f"{asked.name}.months_lost"][h, group]) * MONTH
        if not lost or not len(found.end):
            continue
        fall = np.where(unknowns.dies & (unknowns.end <= day), found.steps[place], 0.0)
        feature = chance[:, None] * (fall * (day - middle))[None, :]
        within = float(np.sqrt(np.sum(found.deaths[place] * (fall * width) ** 2 / 12)))
        grid = MONTH * 2.0**-MONTHS_LOST_BITS.value
        error = within + grid + _group_error(chance, unsure, float(found.deaths.sum())) * float(fall.max(initial=0.0)) * day / 2
        system.add(feature, lost, error)


def calibration_groups(seen: SeenStudy, unknowns: Unknowns, at: int) -> Iterator[tuple[int, Floats]]:
    """The clinical score's calibration groups of a set that are open: number, and who is in it (P,)."""
    one = seen.evaluation.models.get("CLN")
    if one is None or one.calibration is None or one.quarters is None:
        return
    cuts = [float(found.value) if found.value is not None else seen.middle("CLN") or 0.0 for found in one.quantiles]
    score = on_grid(seen.model.known.specs["CLN"], unknowns.x)
    quarter = (score[:, None] > np.array(cuts)[None, :]).sum(axis=1)
    for group in range(4):
        members = one.quarters[at][:, group][quarter].astype(np.float64)
        number = 4 * at + group
        if members.any() and np.isfinite(one.calibration.patients[number]):
            yield number, members


def add_calibration(system: System, unknowns: Unknowns, seen: SeenStudy, at: int) -> None:
    """Sizes, deaths until the horizons, and mean predictions: a sum of known numbers, one a patient, to 18 bits."""
    asked = seen.model.calibrated("CLN")
    if asked is None:
        return
    one = seen.evaluation.models["CLN"].calibration
    opened = seen.opened.opened["evaluation"]
    score = on_grid(seen.model.known.specs["CLN"], unknowns.x) * seen.model.known.slopes.get("CLN", 1.0)
    for number, members in calibration_groups(seen, unknowns, at):
        assert one is not None
        size = float(one.patients[number])
        system.add(unknowns.of_pattern(members), size, EXACT)
        hazard, greenwood = opened[f"{asked.name}.hazard"][:, number], opened[f"{asked.name}.greenwood"][:, number] / size
        shown = np.isfinite(one.observed[number])
        deaths, _ = curve_counts.falls(hazard[shown], greenwood[shown])
        for day, total in zip(np.array(asked.horizons)[shown], np.cumsum(deaths), strict=True):
            inside = ((unknowns.end <= day) & unknowns.dies).astype(np.float64)
            system.add(members[:, None] * inside, float(np.rint(total)), NEAR)
        for at_day, mean in enumerate(one.predicted[number]):
            if np.isfinite(mean):
                predicted = np.asarray(predicted_survival(score, asked.predicted.hazards[at_day]))
                error = max(2e-5, size * 2.0 ** -(PREDICTED_BITS.value + 1))
                system.add(unknowns.of_pattern(members * predicted), size * float(mean), error)
