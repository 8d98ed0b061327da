"""A whole study under differential privacy, from phantoms to COMPLETE, in the local engine."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from client.release.epsilon import CHARGE, EpsilonLedger
from client.release.ledger import RELEASE
from client.release.records import OPEN
from server.phases.first_weights import initial_weights
from shared_model.networks.rad import build
from shared_model.networks.trainable import trained_places
from shared_model.networks.weights import Schema
from shared_model.privacy.schedule import NoiseSchedule
from simulations.cohort.cohort import make_cohort
from simulations.cohort.presets import PRESETS
from simulations.study.run import FinishedRun, Options, run
from site_config import journal
from site_config.study.prognostic_models import RAD_S

ROUNDS = 3
DP = {"epsilon": 2.0, "honest": 3, "patients": 8, "clip_norm": 0.5}


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    root = tmp_path_factory.mktemp("private")
    base = PRESETS["tiny"]
    settings = {**base.study, "models": (RAD_S.name,), "validation_fraction": 0.0}
    settings["privacy"] = {**settings["privacy"], "dp": DP}
    settings["training"] = {**settings["training"], "rounds": ROUNDS}
    settings["blocks"] = {"minimum_sites": 4, "minimum_patients": 2}
    survival = replace(base.survival, patients=(9, 0), sites=(4, 0))
    make_cohort(replace(base, survival=survival, study=settings), root / "run" / "cohort", seed=3)
    return run(Options(out=root / "run", workers=1, pooled=False))


def entries(finished: FinishedRun, site: str) -> tuple[journal.Entry, ...]:
    return journal.read(finished.homes.config(site).state / "journal.jsonl")


def test_it_ends_complete_and_opens_nothing_but_noised_sums(private: FinishedRun) -> None:
    assert private.result.label == "COMPLETE"
    assert {entry.statistic for entry in private.result.ledger} == {"private.update", "private.hazard"}
    assert private.result.flow == {} and private.result.tables == []
    assert [point.loss for point in private.result.rounds] == [None] * ROUNDS
    baseline = private.result.baseline[RAD_S.name]["cumulative_hazard"]
    assert np.all(np.diff(baseline) >= 0)


def test_every_hospital_released_those_two_with_noise_and_nothing_else(private: FinishedRun) -> None:
    for entry in private.lock.roster:
        released = [one.data for one in entries(private, entry.name) if one.kind == RELEASE]
        assert {one["context"]["statistic"] for one in released} == {"private.update", "private.hazard"}
        assert all(one["noise"].startswith("discrete Gaussian") and one["counts"] is None for one in released)


def test_a_round_masks_with_the_key_that_came_with_the_opening_before(private: FinishedRun) -> None:
    for entry in private.lock.roster:
        found = [one for one in entries(private, entry.name) if one.data.get("context", {}).get("statistic") == "private.update"]
        ahead = [one.data["ahead"] for one in found if one.kind == OPEN]
        used = [one.data["context"]["attempt"] for one in found if one.kind == RELEASE]
        assert len(ahead) == ROUNDS and ahead[:-1] == used[1:] and ahead[-1] == 0


def test_only_the_head_moved(private: FinishedRun) -> None:
    study = private.lock.study
    places = trained_places(Schema.of(build(study, RAD_S.name)), "head")
    folder = private.homes.coordinator / "studies" / private.lock.study_id / "run"
    final = load_file(folder / "training" / f"{RAD_S.name}.final.safetensors")["weights"]
    moved = final != initial_weights(study, RAD_S.name, folder)
    assert not moved[~places].any() and moved[places].all()


def test_each_patient_was_charged_what_the_study_declares(private: FinishedRun) -> None:
    schedule = NoiseSchedule.of(private.lock.study, 1)
    for entry in private.lock.roster:
        found = entries(private, entry.name)
        ledger = EpsilonLedger.of(found)
        charged = [one for one in found if one.kind == CHARGE]
        assert len(charged) == ROUNDS + 1
        patients = [row for one in found if one.kind == "cohort" for row in one.data["patients"]]
        if patients:
            assert ledger.spent(patients).epsilon == pytest.approx(DP["epsilon"], abs=2e-3)
            assert ledger.spent(patients).epsilon_alone == pytest.approx(schedule.epsilon(secure_sum=False), abs=2e-3)


def test_the_report_and_the_bundle_are_written(private: FinishedRun) -> None:
    assert private.report.exists()
    assert json.loads(private.report.with_name("metrics.json").read_text())
