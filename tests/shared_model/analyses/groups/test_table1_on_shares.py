"""Table 1 on shared rows against counting; and what stays closed in it."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from shared_model.analyses.count_minimum import minimum_result
from shared_model.analyses.groups.hidden_counts import Hidden, suppressed
from shared_model.analyses.groups.means_and_medians_on_shares import GridVariable, Measure, Number
from shared_model.analyses.groups.patient_groups import Partition
from shared_model.analyses.groups.table1_on_shares import CharacteristicsEstimate, CharacteristicsModel, characteristics
from shared_model.analyses.patient_slots import OneHot, Rows
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration, Result
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from tests.shared_model.analyses.cohorts import Cohort, made_up
from tests.shared_model.analyses.holders import on_plain, on_shares

WEEKS = 30


def model(minimum: int = 20) -> CharacteristicsModel:
    return CharacteristicsModel(
        "table",
        Partition(OneHot("set", 3), minimum=minimum),
        levels=(OneHot("grade", 4), OneHot("ebrt", 2), OneHot("maker", 3)),
        measures=(Measure(Number("age", 120)), Measure(Number("afp", 400), low=-1.0, step=0.05)),
        grids=(GridVariable(OneHot("weeks", WEEKS), low=21, step=7),),
        minimum=minimum,
    )


def values(cohort: Cohort, seed: int = 0) -> dict[str, np.ndarray]:
    rng, n = np.random.default_rng(seed), len(cohort.day)
    return {
        "set": rng.choice(3, n, p=[0.6, 0.2, 0.2]).astype(float),
        "maker": rng.choice([-1, 0, 1, 2], n, p=[0.01, 0.5, 0.35, 0.14]).astype(float),
        "age": np.where(rng.random(n) < 0.03, -1, np.rint(rng.normal(60, 11, n)).clip(0, 120)),
        "afp": np.rint(rng.gamma(3, 40, n)).clip(0, 400),
        "weeks": rng.integers(0, WEEKS, n).astype(float),
    }


def run(cohort: Cohort, asked: CharacteristicsModel, m: int = 0, **more: np.ndarray) -> tuple[CharacteristicsEstimate, Any]:
    async def circuit(a: Arithmetic, rows: Rows) -> CharacteristicsEstimate:
        return await characteristics(a, rows, asked)

    sites = cohort.sites(**{**values(cohort), **more})
    inputs = (circuit, Declaration.of(asked.results), asked.parts(2000), sites, cohort.slots)
    return on_shares(*inputs, m) if m else on_plain(*inputs)


def expect(found: CharacteristicsEstimate, cohort: Cohort, minimum: int = 20) -> None:
    given = {**cohort.values(), **values(cohort)}
    for column in range(4):
        mine = given["set"] == column if column < 3 else np.ones(len(cohort.day), dtype=bool)
        assert found.patients[column] == mine.sum()
        for name, n in (("grade", 4), ("ebrt", 2), ("maker", 3)):
            counts = np.array([(given[name][mine] == level).sum() for level in (*range(n), -1)], dtype=float)
            small = (counts > 0) & (counts < 5)
            open_ = np.isfinite(found.counts[name][:, column])
            assert not open_[small].any() and (column == 3 or (found.hidden[name][small, column] == Hidden.SMALL).all())
            np.testing.assert_array_equal(found.counts[name][open_, column], counts[open_])
            assert (~open_).sum() != 1
        for name, low, step in (("age", 0.0, 1.0), ("afp", -1.0, 0.05)):
            known = low + step * given[name][mine & (given[name] >= 0)]
            if len(known) >= minimum:
                assert found.means[name][column] == pytest.approx(known.mean(), abs=step * 0.03)
                assert found.deviations[name][column] == pytest.approx(known.std(ddof=1), abs=step * 0.03)
        assert found.medians["weeks"][column] == np.median(21 + 7 * given["weeks"][mine])


@pytest.mark.parametrize("seed", range(4))
def test_equals_counting(seed: int) -> None:
    cohort = made_up(seed=seed)
    found, a = run(cohort, model())
    expect(found, cohort)
    assert a.openings <= 40 and found.findings == ()


def test_a_small_set_closes_its_column_and_the_total() -> None:
    cohort = made_up()
    sets = np.r_[np.zeros(150), np.ones(45), np.full(12, 2)]
    found, _ = run(cohort, model(), set=sets)
    assert np.isfinite(found.patients).tolist() == [True, True, False, False]
    assert np.isnan(found.counts["grade"][:, 2:]).all() and np.isnan(found.means["age"][2:]).all() and len(found.findings) == 1
    assert np.isfinite(found.medians["weeks"]).tolist() == [True, True, False, False]


def test_no_mean_of_few_values_is_opened_and_no_total_that_gives_it_away() -> None:
    """A set of 30 with three known ages: the sum of the three would be the total less the other sets."""
    cohort = made_up()
    sets = np.r_[np.zeros(140), np.ones(30), np.full(37, 2)]
    age = np.where((sets == 1) & (np.cumsum(sets == 1) > 3), -1, values(cohort)["age"])
    age[sets != 1] = np.where(age[sets != 1] < 0, 50, age[sets != 1])
    found, _ = run(cohort, model(), set=sets, age=age)
    assert np.isfinite(found.means["age"]).tolist() == [True, False, True, False]
    assert np.isfinite(found.deviations["age"]).tolist() == [True, False, True, False]
    assert np.isfinite(found.means["afp"]).all() and np.isfinite(found.medians["weeks"]).all()
    demonstration, _ = run(cohort, model(2), set=sets, age=age)
    assert np.isfinite(demonstration.means["age"]).tolist() == [True, False, True, False]


def test_shares_give_what_plain_numbers_give() -> None:
    cohort = made_up(n=90, sites=13, seed=3)
    found, cost = run(cohort, model(8), 3)
    expect(found, cohort, 8)
    assert cost.openings <= 40


def decided(total: int, shown: list[int], small: int, others: int) -> bool:
    """Whether what is shown of a column decides one of its small counts: hidden are so many small ones, and others (0 or from 5)."""
    left = total - sum(shown)
    fits = [counts for counts in product(range(1, 5), repeat=small) if ((rest := left - sum(counts)) >= 5 and others) or rest == 0]
    return any(len({counts[k] for counts in fits}) < 4 for k in range(small))


@pytest.mark.parametrize("seed", range(20))
def test_no_small_count_follows_from_what_is_shown(seed: int) -> None:
    """Any of 1 to 4 fits every small count that stays closed, in columns of 20 or more patients."""
    rng, levels = np.random.default_rng(seed), (3, 2, 6, 4)
    table = rng.poisson(rng.gamma(0.7, 14, (15, 6)))
    starts = np.cumsum([0, *levels])
    model_ = [minimum_result("t.covered", 90), Result("t.small", (15, 6), 0, 1.0, "", bit=True)]
    a = PlainArithmetic(Declaration.of(model_))
    hidden = a.run(suppressed(a, "t", a.secret(table.astype(float), 1000.0), levels))
    for start, stop in pairwise(starts):
        for column in range(6):
            counts, closed = table[start:stop, column], hidden[start:stop, column]
            small = int(((counts > 0) & (counts < 5)).sum())
            assert ((closed == Hidden.SMALL) == ((counts > 0) & (counts < 5))).all()
            assert small or (closed == Hidden.NO).all()
            if small and counts.sum() >= 4 * small + 5:
                assert not decided(counts.sum(), counts[closed == Hidden.NO].tolist(), small, int((closed == Hidden.COMPLEMENT).sum()))
