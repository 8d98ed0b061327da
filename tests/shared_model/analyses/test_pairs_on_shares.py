"""Pairs of patients from digits, against comparing the days themselves."""

from __future__ import annotations

import numpy as np
import pytest

from shared_model.analyses.pairs_on_shares import compared, day_parts, level_parts, make_pairs, mirrored
from shared_model.analyses.patient_slots import PaddedPatients, contribution
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from site_config.problems.base import Problem
from tests.shared_model.analyses.cohorts import Cohort


def small(seed: int, n: int = 40, days: int = 17) -> Cohort:
    rng = np.random.default_rng(seed)
    return Cohort(np.zeros((n, 0)), rng.integers(0, days, n).astype(float), rng.random(n) < 0.6, rng.integers(0, 7, n), ())


@pytest.mark.parametrize("days", [2, 17, 400])
def test_pairs_equal_comparisons(days: int) -> None:
    cohort = small(days, days=days)
    a = PlainArithmetic(Declaration.of())
    rows = cohort.rows(a, day_parts(cohort.n_days))
    found = a.run(make_pairs(a, rows))
    filled = np.flatnonzero(found.present.data)
    order = cohort.order
    day, event = cohort.day[order], cohort.event[order]
    at_risk, tied = np.zeros((2, len(found.died), len(found.died)))
    at_risk[np.ix_(filled, filled)] = (day[None, :] >= day[:, None]) & event[:, None]
    tied[np.ix_(filled, filled)] = (day[None, :] == day[:, None]) & event[:, None] & event[None, :]
    np.testing.assert_array_equal(found.at_risk.data, at_risk)
    np.testing.assert_array_equal(found.tied.data, tied)
    np.testing.assert_array_equal(found.n_tied.data, tied.sum(1))
    np.testing.assert_array_equal(found.rank.data, np.tril(tied, -1).sum(1))
    assert a.openings == 2


@pytest.mark.parametrize(("levels", "openings"), [(2, 2), (150, 2), (100_000, 3)])
def test_values_are_compared_digit_by_digit(levels: int, openings: int) -> None:
    cohort = small(3)
    level = np.random.default_rng(0).integers(0, levels, len(cohort.day))
    level[:4] = [0, levels - 1, levels - 1, 0]
    a = PlainArithmetic(Declaration.of())
    parts = level_parts("score", levels)
    rows = cohort.rows(a, [*day_parts(cohort.n_days), *parts], score=level.astype(float))
    n = len(rows["day.0"])
    found = np.triu(a.run(compared(a, [rows[part.name] for part in parts])).data[mirror(n)])
    filled = np.flatnonzero(rows["day.0"].data.sum(1))
    ordered = level[cohort.order]
    expected = np.triu(1 + np.sign(ordered[:, None] - ordered[None, :]))
    np.testing.assert_array_equal(found[np.ix_(filled, filled)], expected)
    assert found.sum() == expected.sum() and a.openings == openings


def mirror(n: int) -> np.ndarray:
    a = PlainArithmetic(Declaration.of())
    size = n * (n + 1) // 2
    return mirrored(a.secret(np.arange(size), size), n).data.astype(int)


def test_what_the_declaration_does_not_allow_is_refused_at_the_hospital() -> None:
    parts = day_parts(10)
    one = PaddedPatients(np.array([3]), np.array([True]))
    assert contribution(parts, one, 2)["died.1"].sum() == 1
    with pytest.raises(Problem, match="not one of its 10 declared values"):
        contribution(parts, PaddedPatients(np.array([10]), np.array([True])), 2)
    with pytest.raises(Problem, match="2 patients for 1 slots"):
        contribution(parts, PaddedPatients(np.array([1, 2]), np.array([True, False])), 1)
