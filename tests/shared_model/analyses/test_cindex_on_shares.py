"""The C-index on shared rows against lifelines and this project's own (which is held against R's printed values)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lifelines.utils import concordance_index

from shared_model.analyses.cindex_on_shares import ConcordanceEstimate, ConcordanceModel, concordance
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import OneHot, Rows
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.survival.concordance import concordance as pooled
from shared_model.survival.evaluation_table import patient_cells
from tests.shared_model.analyses.cohorts import Cohort, made_up
from tests.shared_model.analyses.holders import on_plain, on_shares

FINE, COARSE = 1 << 20, 12


def scores(cohort: Cohort, seed: int = 0) -> dict[str, np.ndarray]:
    """A fine score and a coarse one with many ties, and a group of three (−1: in none)."""
    rng = np.random.default_rng(seed)
    risk = cohort.x @ np.array([0.25, 0.4, 0.5, -0.4, 0.6, -0.3, -0.2])
    return {
        "fine": np.rint((risk + rng.normal(0, 1, len(risk)) + 8) / 16 * (FINE - 1)).clip(0, FINE - 1),
        "coarse": np.rint((risk + rng.normal(0, 0.3, len(risk)) + 3) * 2).clip(0, COARSE - 1),
        "maker": rng.integers(-1, 3, len(risk)).astype(float),
    }


def model(groups: bool = False, minimum: int = 20) -> ConcordanceModel:
    return ConcordanceModel("c", (("fine", FINE), ("coarse", COARSE)), OneHot("maker", 3) if groups else None, minimum)


def run(cohort: Cohort, asked: ConcordanceModel, m: int = 0, **more: np.ndarray) -> tuple[ConcordanceEstimate, Any]:
    async def circuit(a: Arithmetic, rows: Rows) -> ConcordanceEstimate:
        return await concordance(a, rows, await make_pairs(a, rows), asked)

    inputs = (circuit, Declaration.of(asked.results), asked.parts(cohort.n_days), cohort.sites(**{**scores(cohort), **more}), cohort.slots)
    return on_shares(*inputs, m) if m else on_plain(*inputs)


def expect(found: ConcordanceEstimate, cohort: Cohort, group: int | None = None, **more: np.ndarray) -> None:
    values = {**scores(cohort), **more}
    mine = np.ones(len(cohort.day), bool) if group is None else values["maker"] == group
    at, influence = group or 0, []
    for name in ("fine", "coarse"):
        cells = patient_cells(values[name][mine], cohort.day[mine], cohort.event[mine])
        oracle = pooled(cells)
        assert oracle is not None
        assert found.c[name][at] == pytest.approx(oracle.c, abs=1e-6)
        assert found.se[name][at] == pytest.approx(oracle.se, abs=1e-5)
        assert found.c[name][at] == pytest.approx(concordance_index(cohort.day[mine], -values[name][mine], cohort.event[mine]), abs=2e-2)
        of = dict(zip(zip(cells.time, cells.event, cells.score, strict=True), oracle.influence, strict=True))
        influence.append([of[key] for key in zip(cohort.day[mine], cohort.event[mine], values[name][mine], strict=True)])
    difference = np.array(influence[0]) - np.array(influence[1])
    assert found.c["fine-coarse"][at] == pytest.approx(found.c["fine"][at] - found.c["coarse"][at], abs=1e-12)
    assert found.se["fine-coarse"][at] == pytest.approx(np.sqrt((difference**2).sum()), abs=1e-5)


@pytest.mark.parametrize("coarse", [1, 90])
def test_equals_the_pooled_index_and_its_error(coarse: int) -> None:
    cohort = made_up(seed=coarse, coarse=coarse)
    found, a = run(cohort, model())
    expect(found, cohort)
    assert a.openings <= 35 and found.findings == ()


def test_without_tied_scores_it_is_lifelines() -> None:
    cohort = made_up(seed=5)
    unique = np.argsort(np.argsort(scores(cohort)["fine"])).astype(float)
    found, _ = run(cohort, model(), fine=unique)
    days = cohort.day + np.where(cohort.event, 0, 0.5)
    assert found.c["fine"][0] == pytest.approx(concordance_index(days, -unique, cohort.event), abs=2e-3)


def test_within_groups_it_is_each_groups_own() -> None:
    cohort = made_up()
    found, _ = run(cohort, model(groups=True))
    for group in range(3):
        expect(found, cohort, group)


def test_a_group_below_the_minimum_and_one_without_pairs_stay_closed() -> None:
    cohort = made_up()
    maker = np.where(np.arange(207) < 12, 0, np.where(cohort.event, 1, 2)).astype(float)
    found, a = run(cohort, model(groups=True), maker=maker)
    shown = np.isfinite(found.c["fine"])
    assert shown.tolist() == [False, True, False] and len(found.findings) == 1
    expect(found, cohort, 1, maker=maker)
    assert isinstance(a, PlainArithmetic)


@pytest.mark.parametrize("m", [3, 5])
def test_shares_give_what_plain_numbers_give(m: int) -> None:
    cohort = made_up(n=80, sites=14, seed=3, coarse=10)
    found, cost = run(cohort, model(groups=True, minimum=5), m)
    for group in range(3):
        expect(found, cohort, group)
    assert cost.openings <= 35
