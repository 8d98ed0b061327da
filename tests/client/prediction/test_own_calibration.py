"""A frozen clinical model at one hospital's own patients, held against lifelines and closed forms."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from lifelines import KaplanMeierFitter

from client.commands.predict_and_heatmaps import register
from simulations.cohort.cohort_presets import PRESETS, CohortChange
from simulations.cohort.write_cohort import make_cohort
from site_config.documents.read_yaml_documents import load_site, load_study
from site_config.tables.cohort_csv import load_cohort
from tests.shared_model.bundle_support import bundle_for, lock_for
from tests.support import app_of, run_cli

APP = app_of(register)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of CLN, and one hospital of 60 patients without scans."""
    root = tmp_path_factory.mktemp("calibration")
    assert "clinical-only" in PRESETS
    make_cohort(CohortChange(sites=(6, 0), patients=(300, 0), lone_sites=0).applied("clinical-only", 5), root / "made", 5, workers=1)
    bundle_for(lock_for(load_study(root / "made" / "study.yaml")), root / "bundle")
    (root / "made" / "sites" / "hospital-01").rename(root / "home")
    return root


def test_predicted_survival_stands_beside_what_was_seen(hospital: Path) -> None:
    ran = run_cli(APP, "calibration", hospital / "bundle", "--home", hospital / "home", "--json")
    assert ran.status == 0, ran.err
    study = load_study(hospital / "made" / "study.yaml")
    site = load_site(hospital / "home" / "site.yaml")
    patients = load_cohort(site.path(site.paths.cohort), study).patients
    complete = [one for one in patients if all(value is not None for value in one.clinical.values())]
    found = {(one["model"], one["horizon"]): one for one in ran.data["calibration"]}
    assert {horizon for _, horizon in found} == set(study.evaluation.horizons) and {model for model, _ in found} == {"CLN"}
    each = [
        run_cli(APP, "predict", hospital / "bundle", "--home", hospital / "home", "--patient", one.key, "--no-heatmaps", "--out",
                hospital / "page.html", "--json").data["models"][0]["survival"]
        for one in complete
    ]  # fmt: skip
    for (_, horizon), one in found.items():
        assert one["n"] == len(complete) >= 30
        assert one["predicted"] == pytest.approx(np.mean([survival[str(horizon)] for survival in each]), abs=1e-9)
        if one["observed"] is not None:
            assert one["low"] <= one["observed"] <= one["high"]


def test_the_curve_is_kaplan_meiers_and_few_patients_are_not_judged(hospital: Path, tmp_path: Path) -> None:
    from client.prediction.own_calibration import _compared

    rng = np.random.default_rng(3)
    day, event = rng.integers(30, 1500, 50).astype(float), rng.random(50) < 0.6
    one = _compared("CLN", 365, dict.fromkeys(range(50), 0.5), day, event)
    oracle = KaplanMeierFitter().fit(day, event)
    assert one.observed == pytest.approx(float(oracle.predict(365)), abs=1e-12)
    bands = oracle.confidence_interval_survival_function_.loc[:365].iloc[-1]
    assert (one.low, one.high) == pytest.approx((float(bands.iloc[0]), float(bands.iloc[1])), abs=1e-9)
    verdicts = {one.note: one.low <= 0.5 <= one.high}
    assert verdicts in ({"within the interval": True}, {"survival is overstated": False}, {"survival is understated": False})
    assert _compared("CLN", 365, dict.fromkeys(range(29), 0.5), day, event).note == "fewer than 30 patients"
    assert _compared("CLN", 4000, dict.fromkeys(range(50), 0.5), np.minimum(day, 700), np.zeros(50, bool)).observed is None

    few = tmp_path / "few"
    shutil.copytree(hospital / "home", few)
    lines = (few / "cohort.csv").read_text().splitlines()
    (few / "cohort.csv").write_text("\n".join(lines[:21]) + "\n")
    ran = run_cli(APP, "calibration", hospital / "bundle", "--home", few, "--json")
    assert {one["note"] for one in ran.data["calibration"]} == {"fewer than 30 patients"}
    assert all(one["observed"] is None and one["predicted"] is None for one in ran.data["calibration"])
