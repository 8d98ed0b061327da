"""Days at which results were opened: two studies a day apart would show who died in between, where one study may not.

A study declares its horizons, follows the months with its curves, and cuts its training hazard at days of its own. Within one
study these lie far apart (FH-532). Over all studies of a hospital the same holds: a new study's days are those of earlier results, or
lie half a month or more beside every one of them; and cuts of training hazards as far apart as the hospital asks within one study.
Horizons, at which groups of few patients are opened too, lie half a year apart, as within one study: monthly ones of several studies
would make the curve of a small group a monthly one. All studies count from the same moment: day 365 from enrolment and day 365 from a
treatment that began a day later are a day apart.

The journal keeps each study's days from its first result on, so that a lock that is gone, or a second office, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import floor

from client.release.journal_entries import DoorRecord
from client.release.site_policy import demonstration
from shared_model.analyses.groups.declared_days import MONTH, grid
from shared_model.analyses.phases.evaluation_openings import near
from shared_model.statistics.day_grids import training_cuts
from site_config.hash_chained_journal import Entry, Journal
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.horizon_spacing import APART_DAYS, WEEK
from site_config.study.plan_and_lock import Study, StudyLock
from site_config.study.time_points import zero_column

DAYS = "days"
OPENS = ("clinical", "training", "fusion", "evaluation")
"""Phases in which results at days are opened."""
HALF_MONTH = MONTH / 2
TREATMENT = zero_column(None)


class StudyDays(DoorRecord):
    """The days at which a study's curves and predictions are opened, its horizons among them, and the cuts of its training hazard."""

    study: str
    results: tuple[int, ...]
    cuts: tuple[int, ...]
    zero: str = TREATMENT
    horizons: tuple[int, ...] = ()


def days_of(lock: StudyLock) -> StudyDays:
    """Those that follow from a lock; none where a hospital permits results by the day, by name, nor under noise."""
    study = lock.study
    if study.privacy.dp is not None or study.resolution != "shares":
        return StudyDays(study=lock.study_id, results=(), cuts=(), zero=zero_column(study))
    last = study.shares.longest_days - 1
    horizons = tuple(sorted(day for day in study.evaluation.horizons if 1 < day < last))
    results = tuple(sorted({*near(grid(1, last), horizons), *horizons}))
    return StudyDays(study=lock.study_id, results=results, cuts=_cuts(study), zero=zero_column(study), horizons=horizons)


def _cuts(study: Study) -> tuple[int, ...]:
    """The last whole days before the cuts: 91 and 91.31 part the same patients."""
    opened = study.kind == "develop" and study.reads_scans and study.training.hazard_resolution != "exact"
    return tuple(floor(cut) for cut in training_cuts(study.training)) if opened else ()


def _nearest(now: Iterable[float], before: Iterable[float], apart: float) -> tuple[float, float] | None:
    """The first two days that are other days and nearer than `apart`; None where there are none."""
    earlier = sorted(set(before))
    return next(((one, day) for one in now for day in earlier if 0 < abs(one - day) < apart), None)


@dataclass
class DaysOpened:
    """Every study's days from the journal, and the rule over them."""

    journal: Journal
    of_studies: dict[str, StudyDays] = field(default_factory=dict)

    @classmethod
    def of(cls, journal: Journal) -> DaysOpened:
        """Those of a journal."""
        return cls(journal, days_in(journal))

    def faults(self, policy: Policy, lock: StudyLock, consented: bool) -> list[Problem]:
        """FH-532 for days beside those of earlier studies, in words."""
        return [] if consented else [*own_faults(policy, lock), *day_faults(policy, lock, self.of_studies)]

    def wants(self, lock: StudyLock, phase: str) -> bool:
        """Whether a phase opens results at days, and those of the study are not written down yet."""
        return phase in OPENS and lock.study_id not in self.of_studies

    def take(self, policy: Policy, lock: StudyLock, phase: str, consented: bool) -> None:
        """Refuse (FH-532) days beside those of earlier results; write down this study's own, once."""
        if not self.wants(lock, phase):
            return
        for problem in self.faults(policy, lock, consented):
            raise problem
        mine = days_of(lock)
        if (mine.results or mine.cuts) and not demonstration(policy, lock.study):
            self.journal.append(DAYS, mine.model_dump(mode="json"))
            self.of_studies[lock.study_id] = mine


def days_in(entries: Iterable[Entry]) -> dict[str, StudyDays]:
    """Study → its days, from a journal's entries."""
    found = (StudyDays.model_validate(entry.data) for entry in entries if entry.kind == DAYS)
    return {one.study: one for one in found}


def own_faults(policy: Policy, lock: StudyLock) -> list[Problem]:
    """A cut of a study's training hazard beside a point of its own curves: who trained and died between them is told by both."""
    mine = days_of(lock)
    two = None if demonstration(policy, lock.study) else _nearest(mine.cuts, mine.results, WEEK)
    return [] if two is None else [_own_fault(*two)]


def day_faults(policy: Policy, lock: StudyLock, known: Mapping[str, StudyDays]) -> list[Problem]:
    """What a study opens too near to what earlier ones opened; a study under way is not held against itself."""
    if demonstration(policy, lock.study) or lock.study_id in known:
        return []
    mine, earlier = days_of(lock), known.values()
    found: list[Problem] = []
    zeros = {one.zero for one in earlier if one.results or one.cuts}
    if (mine.results or mine.cuts) and zeros - {mine.zero}:
        found.append(_other_zero(mine.zero, min(zeros - {mine.zero})))
    if two := _nearest(mine.results, (day for one in earlier for day in one.results), HALF_MONTH):
        found.append(_fault("results", *two))
    elif two := _nearest(mine.horizons, (day for one in earlier for day in one.horizons), APART_DAYS):
        found.append(_fault("horizons", *two))
    if two := _nearest(mine.cuts, (cut for one in earlier for cut in one.cuts), policy.minimum_cell_days):
        found.append(_fault("cut points of the training hazard", *two))
    cuts = [cut for one in earlier for cut in one.cuts]
    if not found and (two := _nearest(mine.results, cuts, WEEK)):
        found.append(_fault("results", *two))
    if not found and (two := _nearest(mine.cuts, (day for one in earlier for day in one.results), WEEK)):
        found.append(_fault("cut points of the training hazard", *two))
    return found


def _own_fault(cut: float, day: float) -> Problem:
    return privacy.OUTSIDE_LOCK.problem(
        f"a cut of the training hazard at day {cut:g} and results at day {day:g}: together they show who died between",
        fix=f"Give the study a horizon at day {cut:g}, or cuts at the days of its results (`training.cut_days`). If the hospital agrees: "
        "`fedhcc-site egress allow STUDY`.",
    )


def _other_zero(now: str, before: str) -> Problem:
    return privacy.OUTSIDE_LOCK.problem(
        f"days counted from {now}, and those of an earlier study from {before}: results at the same days together show who died between",
        fix="Count from where the earlier study does. If the hospital agrees to that difference: `fedhcc-site egress allow STUDY`.",
    )


def _fault(what: str, now: float, before: float) -> Problem:
    return privacy.OUTSIDE_LOCK.problem(
        f"{what} at day {now:g}, and those of an earlier study at day {before:g}: together they show who died between",
        fix="Give the study the days of the earlier one. If the hospital agrees to that difference: `fedhcc-site egress allow STUDY`.",
    )
