"""The cut-off on shared rows splits as the pooled median does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared_model.analyses.patient_slots import PaddedPatients, Rows
from shared_model.analyses.scores.cutoff_on_shares import CutoffEstimate, CutoffModel, cutoff
from shared_model.analyses.scores.score_levels import LEVELS, level_of, score_of
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.survival.cutoff import counts_above, median_cutoff
from tests.shared_model.analyses.holders import on_shares
from tests.shared_model.analyses.recorded import on_record

SITES = (0, 1, 1, 2, 4)


class Pooled:
    """Answers the pooled cut-off from all scores."""

    def __init__(self, score: np.ndarray) -> None:
        self.score = score

    def counts_above(self, thresholds: np.ndarray) -> np.ndarray:
        return counts_above(self.score, thresholds)


def sites_of(score: np.ndarray) -> list[PaddedPatients]:
    """Hospitals with 0, 1, 1, 2, 4 patients, and one with the others."""
    cuts = np.cumsum([size for size in SITES if size])
    pieces = [np.zeros(0), *np.split(score, np.minimum(cuts, len(score)))]
    return [PaddedPatients(np.zeros(len(one), np.int64), np.zeros(len(one), bool), {"score": one}) for one in pieces]


def run(score: np.ndarray, model: CutoffModel, m: int = 0) -> tuple[CutoffEstimate, Any]:
    async def circuit(a: Arithmetic, rows: Rows) -> CutoffEstimate:
        return await cutoff(a, rows, model)

    inputs = (circuit, Declaration.of(model.results), model.parts(0), sites_of(score), len(score))
    return on_shares(*inputs, m) if m else on_record(*inputs)


def of(levels: int, **more: Any) -> CutoffModel:
    return CutoffModel("cutoff", "score", levels, **more)


@pytest.mark.parametrize("levels", [5, 12, 300, 1 << 20])
@pytest.mark.parametrize("n", [40, 41, 67])
def test_splits_as_the_pooled_median(levels: int, n: int) -> None:
    score = np.rint(np.random.default_rng(levels + n).beta(3, 4, n) * (levels - 1))
    found, a = run(score, of(levels, low=-1.0, step=0.25, minimum_patients=3))
    assert found.level is not None
    assert found.findings == ()
    pooled = median_cutoff(Pooled(score), n, float(score.mean()), float(score.std()), minimum=3, steps=60, relative=2.0**-30)
    assert ((score > found.level) == (score > pooled.value)).all()
    assert found.level == np.sort(score)[n - n // 2 - 1] and found.value == -1.0 + 0.25 * found.level
    assert a.openings <= 60 and sum(len(bits) for bits in a.opened.values()) <= levels + 320


@pytest.mark.parametrize("quantile", [(1, 3), (2, 3), (1, 4)])
def test_other_quantiles(quantile: tuple[int, int]) -> None:
    score = np.random.default_rng(1).permutation(60).astype(float) * 3
    found, _ = run(score, of(200, quantile=quantile, minimum_patients=10))
    assert found.level is not None
    assert (score > found.level).sum() == 60 - 60 * quantile[0] // quantile[1]


def test_too_few_patients_open_nothing_but_that() -> None:
    found, a = run(np.arange(39.0), of(50))
    assert (found.level, found.value, set(a.opened)) == (None, None, {"cutoff.enough"})
    assert found.findings[0].code == "FH-812"
    assert run(np.arange(40.0), of(50))[0].level == 19


@pytest.mark.parametrize("top", [19, 20, 40])
def test_ties_that_leave_too_few_above_keep_no_cutoff(top: int) -> None:
    score = np.where(np.arange(50) < top, 9.0, 4.0)
    found, _ = run(score, of(10))
    assert found.level == (4 if top == 20 else None)
    assert bool(found.findings) == (top != 20)


def test_all_at_the_lowest_level_keep_no_cutoff() -> None:
    assert run(np.zeros(50), of(10))[0].level is None


def test_shares_give_what_plain_numbers_give() -> None:
    score = np.rint(np.random.default_rng(2).normal(3000, 700, 44))
    found, cost = run(score, of(1 << 13), 3)
    assert found.level == np.sort(score)[21] and cost.openings <= 50


def test_scores_keep_their_order_on_the_grid_and_those_beyond_it_are_its_ends() -> None:
    score = np.array([-1e9, -31.0, -1e-5, 0.0, 1e-5, 31.9, 1e9])
    level = level_of(score)
    assert (np.diff(level) > 0).all() and level[0] == 0 and level[-1] == LEVELS - 1
    assert [score_of(one) for one in level[1:-1]] == pytest.approx(score[1:-1], abs=2.0**-19)
    assert level_of(np.array([np.nan, np.inf])).tolist() == [0, LEVELS - 1], "a refusal would tell which hospital has such a scan"
