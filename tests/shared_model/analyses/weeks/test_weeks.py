"""Cox models by weeks: statsmodels on the same weeks, days within a stated error, the same on holders' shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import datasets
from statsmodels.duration.hazard_regression import PHReg

import fedhcc
from shared_model.analyses.patient_slots import PaddedPatients
from shared_model.analyses.weeks.week_cells import WEEK, week_digits
from site_config.problems.base import Problem

NAMES = {"site": "h", "time": "time", "event": "status"}
COLUMNS = ("age", "sex", "ph.ecog", "wt.loss")


@pytest.fixture(scope="module")
def lung() -> pd.DataFrame:
    return datasets.load_lung().dropna(subset=list(COLUMNS)).assign(h=lambda t: np.arange(len(t)) % 7)


def test_digits_tell_the_week() -> None:
    day = np.array([0, 6, 7, 699], dtype=np.int64)
    high, low = (one.of(PaddedPatients(day, np.ones(4, dtype=bool))) for one in week_digits(700))
    assert (high.argmax(1) * low.shape[1] + low.argmax(1)).tolist() == [0, 0, 1, 99]


def test_breslow_is_the_pooled_fit_of_the_same_weeks(lung: pd.DataFrame) -> None:
    found = fedhcc.cox(lung, **NAMES, covariates=COLUMNS, ties="breslow", resolution="shares", holders=0, grid="weeks").fit
    x = lung[list(COLUMNS)].to_numpy(float)
    scale = x.std(axis=0)
    exact = PHReg(lung["time"] // WEEK + 1, x / scale, status=lung["status"], ties="breslow").fit(disp=0, method="newton", tol=1e-14)
    np.testing.assert_allclose(found.coef * scale, exact.params, atol=1e-5)
    np.testing.assert_allclose(found.se * scale, exact.bse, atol=1e-4)


def test_efron_is_near_the_fit_by_days_and_says_that_it_is_by_weeks(lung: pd.DataFrame) -> None:
    days = fedhcc.cox(lung, **NAMES, covariates=COLUMNS, resolution="shares", holders=0)
    weeks = fedhcc.cox(lung, **NAMES, covariates=COLUMNS, resolution="shares", holders=0, grid="weeks")
    assert np.abs((weeks.fit.coef - days.fit.coef) / days.fit.se).max() < 0.05
    np.testing.assert_allclose(weeks.fit.se, days.fit.se, rtol=0.01)
    assert weeks.concordance is None
    assert any(text.startswith("FH-831") for text in weeks.findings)
    with pytest.raises(Problem, match="strata"):
        fedhcc.cox(lung, **NAMES, covariates="age", strata="sex", resolution="shares", holders=0, grid="weeks")


def test_holders_open_the_same_by_weeks(lung: pd.DataFrame) -> None:
    few = lung[["h", "time", "status", "age", "sex"]]
    twin, held = (
        fedhcc.cox(few, **NAMES, covariates=["age", "sex"], resolution="shares", holders=holders, grid="weeks").fit for holders in (0, 3)
    )
    np.testing.assert_allclose(held.coef, twin.coef, atol=4e-6)
    np.testing.assert_allclose(held.se, twin.se, atol=1e-5)


@pytest.mark.parametrize("events", ["none", "one", "all"])
def test_few_deaths_end_in_a_finding_or_a_fit(events: str) -> None:
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"h": np.arange(30) % 4, "time": rng.integers(1, 400, 30), "x": rng.normal(size=30)})
    table["status"] = {"none": 0, "one": np.arange(30) == 7, "all": 1}[events]
    table["status"] = table["status"].astype(int)
    found = fedhcc.cox(table, **NAMES, covariates="x", resolution="shares", holders=0, grid="weeks")
    assert all(text.startswith("FH-8") for text in found.findings)
    assert found.fit.kept.any() or len(found.findings) > 1


def test_a_strong_effect_by_weeks_ends_right_or_in_a_finding() -> None:
    """A range that the sums of a large cohort have no room for is a finding, not an error."""
    rng = np.random.default_rng(4)
    n = 1600
    x = rng.normal(size=n)
    for effect in (1.5, 4.0):
        death = rng.exponential(400 * np.exp(-effect * x))
        frame = pd.DataFrame({"h": np.arange(n) % 9, "x": x, "time": np.minimum(death, 2000).astype(int), "status": death < 2000})
        found = fedhcc.cox(frame, **NAMES, covariates=["x"], resolution="shares", holders=0, grid="weeks")
        exact = PHReg(frame["time"] // WEEK + 1, x[:, None], status=frame["status"].astype(int), ties="efron").fit(disp=0)
        if found.fit.kept.all():
            assert abs(found.fit.coef[0] - exact.params[0]) < 0.05 * found.fit.se[0] + 0.02
        else:
            assert any(text.startswith("FH-826") for text in found.findings)
