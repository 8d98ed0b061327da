"""The comparison: what should be equal is equal, what masks leave is the sum, and one's own table works."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shared_model.secure_sum import pairwise_masks
from simulations.compare import compared_cohorts as compare_data
from simulations.compare import comparison as compare
from simulations.compare.compared_cohorts import ComparedCohort
from simulations.compare.compared_methods import METHODS, Federation, Method, TrainingPlan, methods_of, train
from simulations.compare.comparison_page import write_comparison
from simulations.compare.private_training_compared import share_of
from simulations.compare.tabular_models import Architecture, Padded, PooledLikelihood, local_partial_likelihood

BY_NAME = {method.name: method for method in METHODS}
SHORT = TrainingPlan(rounds=25)


@pytest.fixture(scope="module")
def small_cohort() -> Iterator[ComparedCohort]:
    options = replace(compare_data.SCENARIOS["skewed"], patients=(60, 80), sites=(16, 16))
    original = compare_data.SCENARIOS["skewed"]
    compare_data.SCENARIOS["skewed"] = options
    yield compare_data.simulated("skewed", 3)
    compare_data.SCENARIOS["skewed"] = original


@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_one_exact_step_a_round_is_pooled_full_batch(small_cohort: ComparedCohort, model: str) -> None:
    architecture = Architecture(model, small_cohort.held_x.shape[1])
    pooled = train(small_cohort, BY_NAME["pooled-full"], architecture, SHORT, 1).weights
    ours = train(small_cohort, BY_NAME["ours-1-exact"], architecture, SHORT, 1).weights
    assert np.abs(ours - pooled).max() < 1e-8
    local = train(small_cohort, BY_NAME["local-1"], architecture, SHORT, 1).weights
    assert np.abs(local - pooled).max() > 0.01


def test_pooled_likelihood_is_efrons(small_cohort: ComparedCohort) -> None:
    from statsmodels.duration.hazard_regression import PHReg

    x, days, event = (np.concatenate([site[k] for site in small_cohort.sites]) for k in range(3))
    days = np.ceil(days / 60)  # many ties
    beta = np.linspace(-0.4, 0.5, x.shape[1])
    expected = PHReg(days, x, status=event.astype(int), ties="efron").loglike(beta)
    found = PooledLikelihood.of(torch.from_numpy(days), torch.from_numpy(event)).loss(torch.from_numpy(x @ beta))
    assert float(found) == pytest.approx(-expected, rel=1e-10)


def test_local_risk_sets_are_nothing_for_one_patient(small_cohort: ComparedCohort) -> None:
    data = Padded.of(small_cohort.sites)
    leaf = torch.zeros((len(small_cohort.sites), data.x.shape[2]), dtype=torch.float64, requires_grad=True)
    score = Architecture("linear", data.x.shape[2]).score(leaf, data.x)
    losses = local_partial_likelihood(score, data)
    losses.sum().backward()
    lone = data.sizes == 1
    assert lone.any()
    assert leaf.grad[torch.from_numpy(lone)].abs().max() == 0
    assert torch.isfinite(leaf.grad).all()


def test_real_masks_leave_exactly_the_sum_that_is_compared(small_cohort: ComparedCohort) -> None:
    architecture = Architecture("linear", small_cohort.held_x.shape[1])
    federation = Federation(small_cohort, BY_NAME["ours-1"], architecture, SHORT)
    updates = np.random.default_rng(0).normal(0, 2, (4, architecture.size))
    segment = federation.segments()[0]
    names = [f"site-{k}" for k in range(4)]
    total = np.zeros(segment.size, pairwise_masks.dtype(segment))
    for name, update in zip(names, updates, strict=True):
        vector = {segment.name: pairwise_masks.quantise(segment, federation.scale.divide(update), 4)}
        keys = {
            peer: bytes([min(names.index(name), names.index(peer)), max(names.index(name), names.index(peer))] * 16)
            for peer in names
            if peer != name
        }
        pairwise_masks.add_pair_masks(vector, name, keys)
        total += vector[segment.name]
    masked = federation.scale.multiply(pairwise_masks.dequantise(segment, total, 4))
    assert np.array_equal(masked, federation._sum(updates))
    assert np.abs(masked - updates.sum(0)).max() < 1e-4


def test_masked_and_clear_train_the_same_model(small_cohort: ComparedCohort) -> None:
    architecture = Architecture("linear", small_cohort.held_x.shape[1])
    masked, clear = (train(small_cohort, replace(BY_NAME["ours-1"], masked=m), architecture, SHORT, 1).weights for m in (True, False))
    assert 0 < np.abs(masked - clear).max() < 1e-3


def test_every_method_counts_its_bytes(small_cohort: ComparedCohort) -> None:
    architecture = Architecture("linear", small_cohort.held_x.shape[1])
    sent = {m.name: train(small_cohort, m, architecture, TrainingPlan(rounds=2), 1).bytes_up for m in METHODS}
    assert sent["alone"] == 0
    assert sent["local-1"] < sent["ours-1-piecewise"] < sent["ours-1"] < sent["ours-1-exact"]


def test_the_mean_interval_is_students() -> None:
    from scipy import stats

    values = np.random.default_rng(1).normal(0, 1, 20)
    low, high = compare.mean_interval(values)
    expected = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
    assert (low, high) == pytest.approx(expected, rel=1e-3)
    assert compare.mean_interval(values[:1]) == (None, None)


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    from simulations.commands import compare as command
    from simulations.commands import tabular
    from tests.support import app_of, run_cli

    rng = np.random.default_rng(2)
    path = tmp_path / "own.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["hospital", "months", "died", "age", "stage"])
        for row in range(120):
            age, stage = rng.normal(60, 9), rng.integers(1, 4)
            writer.writerow(
                [f"h{row % 9}", round(rng.exponential(30 / np.exp(0.5 * stage)), 1), int(rng.uniform() < 0.7), round(age), stage]
            )
    out = tmp_path / "out"
    ran = run_cli(
        app_of(tabular.register, command.register), "compare", "tabular", "--csv", path, "--site", "hospital", "--time", "months",
        "--event", "died", "--covariates", "age,stage", "--seeds", "2", "--rounds", "30", "--out", out, "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    rows = {row["method"]: row for row in ran.data["summary"]}
    assert abs(rows["ours-1-exact"]["difference"]) < 1e-9
    html = (out / "compare.html").read_text()
    assert "SIMULATED" not in html and "<script" not in html
    assert len((out / "compare.csv").read_text().splitlines()) == 1 + 2 * len(METHODS)


def test_a_misspelt_choice_is_named() -> None:
    from simulations.commands import compare as command
    from simulations.commands import tabular
    from tests.support import app_of, run_cli

    app = app_of(tabular.register, command.register)
    assert "FH-902" in run_cli(app, "compare", "tabular", "--scenario", "skewd").err
    assert "FH-902" in run_cli(app, "compare", "tabular", "--csv", "x.csv").err


def test_the_page_marks_simulated_cohorts(small_cohort: ComparedCohort, tmp_path: Path) -> None:
    methods: list[Method] = [BY_NAME[name] for name in ("pooled-full", "alone", "local-1", "ours-1")]
    outcomes = compare.one_cohort(small_cohort, "skewed", 3, "linear", TrainingPlan(rounds=5), methods)
    found = compare.MethodComparison(
        "linear", TrainingPlan(rounds=5), (3,), tuple(outcomes), tuple(compare._summaries(outcomes, methods)), ("a",), True
    )
    html = write_comparison(found, tmp_path)[0].read_text()
    assert "SIMULATED PATIENTS" in html
    assert "Broadcast hazard" in html


def test_epsilon_is_an_axis_and_little_noise_changes_little(small_cohort: ComparedCohort) -> None:
    plan = TrainingPlan(rounds=20, epsilons=(0.1, 64.0))
    methods = methods_of(plan)
    assert len(methods) == len(METHODS) + 4
    architecture = Architecture("linear", small_cohort.held_x.shape[1])
    private = [method for method in methods if method.kind == "private"]
    found = {method.name: train(small_cohort, method, architecture, plan, 1).weights for method in private}
    assert np.array_equal(found["private-64-distributed"], train(small_cohort, private[2], architecture, plan, 1).weights)
    other = train(small_cohort, replace(private[2], epsilon=6400.0), architecture, plan, 1).weights
    close, far = (np.linalg.norm(found[name] - other) for name in ("private-64-distributed", "private-0.1-local"))
    assert 0 < close < 0.1 < far
    share, local = share_of(4.0, "distributed", 30, 52), share_of(4.0, "local", 30, 52)
    assert local.deviation == pytest.approx(share.deviation * 26**0.5, rel=1e-3) and local.deviation == pytest.approx(5.92, rel=0.01)
