"""Two results a few patients apart: generations (o), one patient by name (t), and the positive controls of one patient."""

from __future__ import annotations

import numpy as np

from evidence.attacks.attacked_cohorts import COLUMNS, LEVELS, Floats, Ints, encode, patterns
from evidence.attacks.claims_about_patients import NEAR_DAYS, Claims, Score, score
from evidence.attacks.nonnegative_solver import System
from evidence.attacks.shares import curve_counts
from evidence.attacks.shares.attacked_study import SharesCase, StudyCohort, locked, opened_study
from evidence.attacks.shares.curve_counts import CurveCells
from evidence.attacks.shares.equations import NEAR, PRESENT, SeenStudy
from evidence.attacks.shares.reconstruct import WITHOUT_STEPS, masses
from shared_model.disclosure.limits import GROUP_PATIENTS
from shared_model.survival.calibration import predicted_survival

GENERATION = GROUP_PATIENTS.value
HAZARDS = (0.4, 0.9)
"""Cumulative baseline hazards of the control's two horizons."""


def without_new(cohort: StudyCohort, seed: int, new: int) -> tuple[StudyCohort, StudyCohort]:
    """The cohort before so many training patients joined, and these."""
    train = np.flatnonzero((cohort.set == 0) & (cohort.event if new == 1 else True))
    joined = np.isin(np.arange(cohort.n), np.random.default_rng([seed, 31]).permutation(train)[:new])
    return cohort.chosen(~joined), cohort.chosen(joined)


def _counted(seen: SeenStudy) -> CurveCells:
    return curve_counts.cells(seen.opened, seen.model.survival, 0)


def _difference(before: CurveCells, after: CurveCells) -> CurveCells:
    """Deaths and losses by interval of those who joined, on the intervals of the later curve."""

    def total(cells: CurveCells, counts: np.ndarray, end: float) -> int:
        return int(counts[cells.end <= end].sum())

    deaths = np.diff([total(after, after.deaths, end) - total(before, before.deaths, end) for end in after.end], prepend=0)
    lost = np.diff([total(after, after.lost, end) - total(before, before.lost, end) for end in after.end], prepend=0)
    return CurveCells(after.start, after.end, np.maximum(deaths, 0).astype(np.int64), np.maximum(lost, 0).astype(np.int64))


def from_generations(case: SharesCase, new: int) -> tuple[Claims, StudyCohort]:
    """Subtract Table 1 and the training curve of two studies; claims on those who joined, and who they are."""
    earlier, joined = without_new(case.cohort, case.seed, new)
    before, now = SeenStudy(opened_study(earlier, locked(earlier, lifted=case.lifted))), SeenStudy(case.opened)
    found = _difference(_counted(before), _counted(now))
    cells = np.flatnonzero(found.deaths)
    if not cells.size:
        return Claims.none(), joined
    if new == 1:
        return Claims(encode(_one_row(before, now)), found.middle[cells[:1]]), joined
    mass = _joined(before, now, found, cells, new).solve().reshape(256, len(cells))
    who, where = np.nonzero(mass >= PRESENT)
    return Claims(encode(patterns())[who], found.middle[cells[where]]), joined


def _grown(before: SeenStudy, now: SeenStudy, column: str) -> Floats:
    """By how much each level of a column has grown in the training set; NaN where Table 1 hides it."""
    (old, old_hidden), (new, new_hidden) = before.counts(column, 0), now.counts(column, 0)
    return np.where((old_hidden == 0) & (new_hidden == 0), new - old, np.nan)


def _one_row(before: SeenStudy, now: SeenStudy) -> Floats:
    """The row of the one patient who joined: the level that grew, else the first one that is hidden."""
    row = []
    for column in COLUMNS:
        grown = _grown(before, now, column)
        row.append(
            int(np.nanargmax(grown)) if (grown == 1).any() else int(np.flatnonzero(np.isnan(grown))[0]) if np.isnan(grown).any() else 0
        )
    return np.array([row], dtype=np.float64)


def _joined(before: SeenStudy, now: SeenStudy, found: CurveCells, cells: Ints, new: int) -> System:
    """Patterns × intervals with a death, of those who joined."""
    rows, system = patterns(), System()
    deaths = float(found.deaths.sum())
    for k, cell in enumerate(cells):
        feature = np.zeros((256, len(cells)))
        feature[:, k] = 1.0
        system.add(feature, float(found.deaths[cell]), NEAR)
    for column, levels in zip(COLUMNS, LEVELS, strict=True):
        grown = _grown(before, now, column)
        for value in range(levels):
            if np.isfinite(grown[value]):
                members = (rows[:, COLUMNS.index(column)] == value).astype(np.float64)
                system.add(np.repeat(members[:, None], len(cells), axis=1), float(grown[value]) * deaths / new, NEAR)
    return system


def generation_score(case: SharesCase, new: int) -> Score:
    """Those who joined against as many of control cohorts."""
    claims, joined = from_generations(case, new)
    others = [without_new(other, case.seed + k, new)[1] for k, other in enumerate(case.strangers)]
    return score(claims, joined, others)


def _days_of(seen: SeenStudy, wanted: np.ndarray) -> Floats:
    """For each pattern (k,) the middle of the interval in which the training set's reconstruction has most of it."""
    unknowns, mass = masses(seen, 0, WITHOUT_STEPS)
    if not mass.size:
        return np.full(len(wanted), np.nan)
    u = mass.reshape(unknowns.size)
    overall = u.sum(axis=0)
    days = []
    for pattern in wanted:
        rows = u[unknowns.pattern == pattern].sum(axis=0)
        best = int((rows if rows.any() else overall).argmax())
        days.append(float(unknowns.found.middle[unknowns.interval[best]]))
    return np.array(days)


def target_score(case: SharesCase) -> Score:
    """Family t: somebody knows that a patient with these covariates trains, and asks for the day.

    The controls' patients with these covariates have the day of another patient of the same stratum.
    """
    train = case.cohort.set == 0
    own = case.cohort.chosen(train)
    targets = np.flatnonzero(own.unique)
    days = _days_of(SeenStudy(case.opened), own.pattern[targets])
    right, *hits = (_near(days, one.chosen(train), own.pattern[targets]) for one in (case.cohort, *case.others))
    return Score(own.n, len(targets), int(np.isfinite(days).sum()), right, right, right, float(np.mean(hits)), tuple(hits))


def _near(days: Floats, cohort: StudyCohort, wanted: Ints) -> int:
    """Claimed days within the tolerance of the patient of each pattern."""
    true = np.array([cohort.day[np.flatnonzero(cohort.pattern == pattern)[0]] for pattern in wanted])
    return int((np.abs(days - true) <= NEAR_DAYS).sum())


def one_apart(case: SharesCase) -> Claims:
    """Positive control of m and n: two groups one patient apart, sizes, deaths by month and mean predictions of each.

    n₁ mean₁ − n₂ mean₂ is that patient's own prediction, which names the pattern; the curves' difference is the month.
    """
    c, rows = case.cohort, patterns()
    beta = np.array([0.4503, -0.5527, 0.3241, -0.3129, -0.6251, 0.3297, -0.3711])
    predicted = np.stack([predicted_survival(rows @ beta, hazard) for hazard in HAZARDS], axis=1)
    mine = predicted[c.pattern]
    day = []
    found = []
    for patient in range(c.n):
        total = np.rint(mine.mean(axis=0) * 2**18) / 2**18 * c.n
        rest = np.rint(np.delete(mine, patient, axis=0).mean(axis=0) * 2**18) / 2**18 * (c.n - 1)
        found.append(int(np.abs(predicted - (total - rest)).sum(axis=1).argmin()))
        day.append((c.day[patient] // 30.4375 + 0.5) * 30.4375)
    return Claims(np.array(found, dtype=np.int64), np.array(day))
