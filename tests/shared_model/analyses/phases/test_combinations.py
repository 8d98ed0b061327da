"""No combination of a study's own groupings is a group below the minimum: sums over groups that are shown, added and subtracted.

What is summed over patients can be subtracted where groups lie within each other: a set without its two groups, two groups of
validation and test without the test set. Two models' groups lie within each other by chance only; they are not in this (threat model).
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from evidence.attacks.shares.attacked_study import StudyCohort, draw_study, locked, opened_study
from evidence.attacks.shares.equations import SeenStudy
from shared_model.analyses.phases.evaluation_circuit import EvaluationEstimate
from shared_model.disclosure.limits import GROUP_PATIENTS
from shared_model.statistics.statistic_parameters import RESPONSES

Members = NDArray[np.int64]
LEAST = GROUP_PATIENTS.value


def study_of(n: int, seed: int) -> tuple[StudyCohort, SeenStudy]:
    cohort = draw_study(n, seed)
    return cohort, SeenStudy(opened_study(cohort, locked(cohort)))


def sets(cohort: StudyCohort, found: EvaluationEstimate) -> list[Members]:
    """The sets with a curve."""
    return [(cohort.set == s).astype(np.int64) for s in np.flatnonzero(np.isfinite(found.survival.patients))]


def by_response(cohort: StudyCohort, found: EvaluationEstimate) -> list[Members]:
    """The groups with a curve: of the sets that make up the number of patients that was opened."""
    if found.response is None:
        return []
    opened, progressed = found.response.curves.patients, cohort.response == RESPONSES.index("PD")
    groups = [np.zeros(0, dtype=np.int64)] * 2
    for wanted in ((1, 2), (2,), (1,)):
        inside = np.isin(cohort.set, wanted)
        groups = [(inside & ~progressed).astype(np.int64), (inside & progressed).astype(np.int64)]
        if sorted(one.sum() for one in groups) == sorted(opened):
            return groups
    assert not np.isfinite(opened).any()
    return []


def of_model(cohort: StudyCohort, seen: SeenStudy, name: str) -> list[Members]:
    """Risk groups and calibration groups of a model that are shown."""
    one, groups = seen.evaluation.models[name], []
    if one.risk is None:
        return []
    score = cohort.score(seen.model.known.specs[name])
    cuts = [found.value if found.value is not None else seen.middle(name) for found in one.quantiles]
    quarter = (score[:, None] > np.array(cuts, dtype=np.float64)[None, :]).sum(axis=1)
    for s in range(3):
        for group in range(2):
            if np.isfinite(one.risk.curves.patients[2 * s + group]):
                groups.append(((cohort.set == s) & ((quarter >= 2) == bool(group))).astype(np.int64))
        for group in range(4) if one.calibration is not None and one.quarters is not None else ():
            if np.isfinite(one.calibration.patients[4 * s + group]):
                groups.append((cohort.set == s) * one.quarters[s][:, group][quarter])
    return groups


def smallest(groups: list[Members]) -> int:
    """Patients of the smallest group that sums of up to four shown ones, added and subtracted, are the sum of; 0 for none."""
    distinct = [np.array(one) for one in {tuple(group.tolist()) for group in groups}]
    found = []
    for k in range(1, 5):
        for chosen in itertools.combinations(distinct, k):
            for signs in itertools.product((1, -1), repeat=k - 1):
                total = chosen[0] + sum(sign * one for sign, one in zip(signs, chosen[1:], strict=True))
                if total.any() and ((total >= 0).all() or (total <= 0).all()):
                    found.append(int(np.count_nonzero(total)))
    return min(found, default=0)


@pytest.mark.parametrize(("n", "seed"), [(207, 1), (150, 2), (120, 3), (110, 4), (90, 5)])
def test_no_combination_of_shown_groups_is_a_small_one(n: int, seed: int) -> None:
    cohort, seen = study_of(n, seed)
    whole = sets(cohort, seen.evaluation)
    assert whole
    groupings = [by_response(cohort, seen.evaluation), *(of_model(cohort, seen, name) for name in seen.evaluation.models)]
    for grouping in groupings:
        least = smallest([*whole, *grouping])
        assert least == 0 or least >= LEAST, least


def test_a_small_validation_set_is_not_in_the_curves_by_progression() -> None:
    """19 patients of validation are closed, 27 of test are shown: both groups of 46 without the test set would be the 19."""
    cohort, seen = study_of(120, 3)
    assert np.bincount(cohort.set).tolist() == [74, 19, 27]
    curves = seen.evaluation.response.curves
    assert np.isfinite(seen.evaluation.survival.patients).tolist() == [True, False, True]
    assert np.nansum(curves.patients) in (0, 27)
    assert any("validation set" in finding.what for finding in curves.findings)


def test_the_check_finds_what_was_open() -> None:
    """Positive control."""
    three = [np.repeat([[1, 1, 0], [0, 0, 1]], 20, axis=1)[0], np.ones(60, dtype=np.int64)]
    assert smallest(three) == 20
    assert smallest([*three, np.arange(60) < 25, np.arange(60) < 30]) == 5  # type: ignore[list-item]
