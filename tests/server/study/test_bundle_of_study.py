"""A finished study becomes a bundle that scores as the study did; a validation study takes it up again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from server.study.bundle_of_study import adopt, bundle_result, formulas
from server.study.study_results import Characteristics, Cutoff, StudyResult
from shared_model.bundle.bundle_manifest import load_bundle
from shared_model.networks.rad_networks import build
from shared_model.networks.weight_vector import to_vector
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import NetworkName
from tests.shared_model.bundle_support import lock_of

CLINICAL = {"columns": ("nash", "pvtt"), "coefficients": (0.4, 0.5)}
SCORES = [
    ScoreSpec(model="CLN", **CLINICAL),
    ScoreSpec(model="Rad-S", radiology="Rad-S"),  # asked, and then not calibrated: it has no place in a bundle
    ScoreSpec(model="Rad-D", radiology="Rad-D"),
    ScoreSpec(model="RadCLN-D", radiology="Rad-D", mix=(1.2, 0.8), **CLINICAL),
]
TIME = {"time": [365.0, 730.0, 1095.0], "cumulative_hazard": [0.4, 0.9, 1.3]}
WEIGHTS: tuple[NetworkName, ...] = ("Rad-S", "Rad-D")


def finished(lock: StudyLock) -> StudyResult:
    return StudyResult(
        study_id=lock.study_id,
        title=lock.study.title,
        label="COMPLETE",
        simulated=True,
        created="2026-11-23T08:00:00+00:00",
        software="fedhcc 0.1.0",
        lock=lock.model_dump(mode="json"),
        clinical={"covariates": ["nash", "pvtt", "rfa"], "coef": [0.4, 0.5, None]},
        fusion={"Rad-D": {"covariates": ["Rad-D"], "coef": [1.3]}, "RadCLN-D": {"covariates": ["Rad-D", "CLN"], "coef": [1.2, 0.8]}},
        baseline={"CLN": TIME, "Rad-D": TIME, "RadCLN-D": TIME},
        scores=SCORES,
        score_ranges={"Rad-D": [-1.0, 1.0]},
        cutoffs=[Cutoff(model="RadCLN-D", value=0.2, patients_above=20, patients_below=20)],
        characteristics=[Characteristics(set="train", n=40, events=25, sites=12)],
    )


def bundle_of(folder: Path) -> tuple[StudyLock, StudyResult, str]:
    lock = lock_of()
    result = finished(lock)
    weights = {model: to_vector(build(lock.study, model, seed=4)) for model in WEIGHTS}
    return lock, result, bundle_result(result, lock, weights, folder)


def test_formulas_are_those_of_the_study_and_what_was_not_fitted_is_not_there() -> None:
    found = formulas(finished(lock_of()))
    assert set(found) == {"CLN", "Rad-D", "RadCLN-D"}
    assert found["CLN"].spec.columns == ("nash", "pvtt")
    assert found["Rad-D"].slope == 1.3
    assert found["RadCLN-D"].spec.mix == (1.2, 0.8)
    assert found["RadCLN-D"].cutoff == 0.2
    assert formulas(finished(lock_of()).model_copy(update={"scores": SCORES[1:3]})).keys() == {"Rad-D"}


def test_a_bundle_gives_every_score_back_as_the_study_asked_for_it(tmp_path: Path) -> None:
    _, result, sha256 = bundle_of(tmp_path)
    frozen = {model: formula.spec for model, formula in load_bundle(tmp_path, sha256=sha256).manifest.models.items()}
    assert frozen == {spec.model: spec for spec in result.scores if spec.model != "Rad-S"}


def test_the_bundle_of_a_study_is_complete(tmp_path: Path) -> None:
    lock, _, sha256 = bundle_of(tmp_path)
    bundle = load_bundle(tmp_path, sha256=sha256)
    assert bundle.lock == lock
    assert bundle.manifest.cohort == {"train": {"patients": 40, "events": 25, "sites": 12}}
    np.testing.assert_array_equal(to_vector(bundle.network("Rad-D")), to_vector(build(lock.study, "Rad-D", seed=4)))


def validation(lock: StudyLock, sha256: str, **changes: Any) -> Any:
    study = lock.study.model_copy(update={"kind": "validate", "bundle_sha256": sha256, "resolution": "exact", **changes})
    return SimpleNamespace(
        study=study, result=finished(lock).model_copy(update={"fusion": {}, "cutoffs": [], "notes": []}), specs={}, weights={}
    )


def test_a_validation_study_takes_scores_cutoffs_and_weights_of_its_bundle(tmp_path: Path) -> None:
    lock, _, sha256 = bundle_of(tmp_path)
    running = validation(lock, sha256)
    adopt(running, tmp_path)
    assert running.specs["RadCLN-D"].mix == (1.2, 0.8)
    assert running.result.cutoffs[0].value == 0.2
    np.testing.assert_array_equal(running.weights["Rad-D"], to_vector(build(lock.study, "Rad-D", seed=4)))
    assert sha256 in running.result.notes[0]


def test_another_bundle_or_another_instrument_is_refused(tmp_path: Path) -> None:
    lock, _, sha256 = bundle_of(tmp_path)
    with pytest.raises(Problem, match="FH-610"):
        adopt(validation(lock, "0" * 64), tmp_path)
    imaging = lock.study.imaging.model_copy(update={"size": 96})
    with pytest.raises(Problem, match="FH-614 the study differs from the bundle in imaging"):
        adopt(validation(lock, sha256, imaging=imaging), tmp_path)
