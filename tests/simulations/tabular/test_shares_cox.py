"""A person's own table on secret shares equals the fit of its pooled rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lifelines import datasets

from simulations.tabular.complete_rows import FitRows, Named
from simulations.tabular.fit_table import fit_cox, load_rows
from simulations.tabular.shares.table_cox_on_shares import fit_cox_on_shares

SETS = {
    "lung": (datasets.load_lung, "time", "status", ("age", "sex", "ph.ecog")),
    "rossi": (datasets.load_rossi, "week", "arrest", ("fin", "age", "prio")),
    "larynx": (datasets.load_larynx, "time", "death", ("age", "Stage_II", "Stage_III", "Stage_IV")),
}


def table(folder: Path, name: str, sites: int = 7) -> FitRows:
    """A public data set over made-up sites, some with a single row."""
    load, time, event, covariates = SETS[name]
    frame = load()
    rng = np.random.default_rng(5)
    frame["hospital"] = np.minimum(rng.geometric(0.35, len(frame)), sites)
    path = folder / f"{name}.csv"
    frame.to_csv(path, index=False)
    return load_rows(path, Named("hospital", time, event, covariates))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("name", list(SETS))
def test_the_plain_twin_is_the_pooled_fit(tmp_path: Path, name: str, ties: str) -> None:
    rows = table(tmp_path, name)
    exact = fit_cox(rows, ties=ties)  # type: ignore[arg-type]
    found = fit_cox_on_shares(rows, ties=ties, holders=0)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.coef, exact.coef, atol=1e-5)
    np.testing.assert_allclose(found.se, exact.se, atol=1e-4)
    assert found.concordance is not None
    assert exact.concordance is not None
    assert found.concordance.c == pytest.approx(exact.concordance.c, abs=1e-5)
    assert found.concordance.se == pytest.approx(exact.concordance.se, abs=1e-5)


def test_holders_in_this_process_open_the_same(tmp_path: Path) -> None:
    rows = table(tmp_path, "larynx")
    exact, found = fit_cox(rows), fit_cox_on_shares(rows, holders=3)
    np.testing.assert_allclose(found.coef, exact.coef, atol=1e-5)
    np.testing.assert_allclose(found.se, exact.se, atol=1e-4)
    shown = found.as_dict()
    assert shown["loglik"] is None
    assert shown["wald_test"]["chi2"] is None
    assert shown["score_test"]["chi2"] == pytest.approx(exact.score_test.chi2, abs=1e-3)


def test_strata_equal_the_pooled_stratified_fit(tmp_path: Path) -> None:
    load, time, event, _ = SETS["lung"]
    frame = load().assign(hospital=lambda t: [f"h{i % 5}" for i in range(len(t))])
    frame.to_csv(tmp_path / "t.csv", index=False)
    rows = load_rows(tmp_path / "t.csv", Named("hospital", time, event, ("age", "ph.ecog"), strata="sex"))
    exact, found = fit_cox(rows), fit_cox_on_shares(rows, holders=0)
    np.testing.assert_allclose(found.coef, exact.coef, atol=1e-5)
    np.testing.assert_allclose(found.se, exact.se, atol=1e-4)
    assert found.concordance is not None
    assert exact.concordance is not None
    assert found.concordance.c == pytest.approx(exact.concordance.c, abs=1e-6)
    assert len(found.baseline.time) == 0


def test_the_baseline_is_opened_at_the_horizons(tmp_path: Path) -> None:
    rows = table(tmp_path, "lung")
    exact, found = fit_cox(rows), fit_cox_on_shares(rows, holders=0)
    known = [exact.baseline.cumulative_hazard[exact.baseline.time <= day][-1] for day in (365, 730)]
    assert found.baseline.time.tolist() == [365, 730]
    np.testing.assert_allclose(found.baseline.cumulative_hazard, known, rtol=1e-4)
