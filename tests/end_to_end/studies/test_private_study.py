"""A whole study under differential privacy, from phantoms to COMPLETE, in the local engine."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from client.cli import app as site_app
from client.holder.holder_records import REVEALED
from client.release.earlier_releases import RELEASE
from client.release.epsilon_spent import CHARGE, EpsilonLedger, study_cost
from client.release.journal_entries import COUNTED, OPEN
from server.phases.first_weights import initial_weights
from shared_model.analyses.phases.noised_plan import noised_results
from shared_model.analyses.trust_in_words import opened_lines
from shared_model.networks.rad_networks import build
from shared_model.networks.trainable_under_privacy import trained_places
from shared_model.networks.weight_vector import Schema
from shared_model.privacy.price_in_words import price_lines
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.study.simulated_study import FinishedRun, Options, run
from site_config import hash_chained_journal
from site_config.console import invoke
from site_config.study.prognostic_models import RAD_S

ROUNDS = 3
DP = {"epsilon": 2.0, "honest": 3, "patients": 8, "clip_norm": 0.5, "results": 0.4}


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    root = tmp_path_factory.mktemp("private")
    base = PRESETS["tiny"]
    settings = {**base.study, "models": (RAD_S.name,), "validation_fraction": 0.0}
    settings["privacy"] = {**settings["privacy"], "dp": DP}
    settings["training"] = {**settings["training"], "rounds": ROUNDS}
    settings["blocks"] = {"minimum_sites": 4, "minimum_patients": 2}
    survival = replace(base.survival, patients=(9, 5), sites=(4, 2))
    make_cohort(replace(base, survival=survival, study=settings), root / "run" / "cohort", seed=3)
    return run(Options(out=root / "run", workers=1, pooled=False))


def entries(finished: FinishedRun, site: str) -> tuple[hash_chained_journal.Entry, ...]:
    return hash_chained_journal.read(finished.homes.config(site).state / "journal.jsonl")


def test_it_ends_complete_and_opens_nothing_but_noised_sums(private: FinishedRun) -> None:
    assert private.result.label == "COMPLETE"
    shares = {"shares.keys", "shares.rows", "shares.steps"}
    assert {entry.statistic for entry in private.result.ledger} == {"private.update", "private.hazard"} | shares
    assert private.result.flow == {} and private.result.tables == []
    assert [point.loss for point in private.result.rounds] == [None] * ROUNDS
    baseline = private.result.baseline[RAD_S.name]["cumulative_hazard"]
    assert np.all(np.diff(baseline) >= 0)


def test_every_hospital_released_those_two_with_noise_and_nothing_else(private: FinishedRun) -> None:
    for entry in private.lock.roster:
        released = [one.data for one in entries(private, entry.name) if one.kind == RELEASE]
        if entry.role == "evaluation":
            assert released == []
            continue
        assert {one["context"]["statistic"] for one in released} == {"private.update", "private.hazard"}
        assert all(one["noise"].startswith("discrete Gaussian") and one["counts"] is None for one in released)


def test_a_round_masks_with_the_key_that_came_with_the_opening_before(private: FinishedRun) -> None:
    for entry in private.lock.names("development"):
        found = [one for one in entries(private, entry) if one.data.get("context", {}).get("statistic") == "private.update"]
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
    """Training and results together; a held-out patient pays for results alone."""
    for entry in private.lock.roster:
        found = entries(private, entry.name)
        ledger = EpsilonLedger.of(found)
        charged = [one for one in found if one.kind == CHARGE]
        assert len(charged) == (1 if entry.role == "evaluation" else ROUNDS + 2)
        patients = [row for one in found if one.kind == "cohort" for row in one.data["patients"]]
        if patients:
            spent, whole = ledger.spent(patients), study_cost(private.lock, entry.role)
            assert spent.epsilon == pytest.approx(whole.epsilon, abs=1e-6) and np.isinf(spent.epsilon_alone)
            assert whole.epsilon == pytest.approx(DP["epsilon"], abs=2e-3) if entry.role == "development" else whole.epsilon < 1.3


def test_holders_opened_counts_with_their_noise_and_nothing_else(private: FinishedRun) -> None:
    opened = {
        name
        for holder in private.lock.holders
        for one in entries(private, holder)
        if one.kind == REVEALED
        for name in [one.data["result"]["name"]]
    }
    assert opened == {result.name for result in noised_results(private.lock.study)}
    for entry in private.lock.roster:
        (counted,) = [one.data for one in entries(private, entry.name) if one.kind == COUNTED]
        assert counted["slots"] == private.lock.study.shares.slots and set(counted["results"]) == opened
    kept = private.result.analyses
    assert kept is not None and kept.noise is not None
    assert [one.set for one in kept.sets] == ["train", "test"] and kept.concordance == [] and kept.roc == []
    assert {one.reason for one in kept.closed} == {"noise"} and all("FH-540" in one.text for one in kept.closed)
    wide = 5 * kept.noise.survival_deviation * 3
    assert all(abs((one.n or 0) - true) < wide for one, true in zip(kept.sets, (9, 5), strict=True))


def test_the_words_a_hospital_reads_name_the_noise(private: FinishedRun) -> None:
    lines = opened_lines(private.lock)
    assert len(lines) == 1 and "noise of every holder" in lines[0]
    assert any("Kaplan-Meier curves are computed from them" in line for line in price_lines(private.lock.study, 1))
    page = private.report.read_text()
    assert "40 % of the budget" in page and "carries a formal guarantee" not in page


def test_the_report_and_the_bundle_are_written(private: FinishedRun) -> None:
    assert private.report.exists()
    assert json.loads(private.report.with_name("metrics.json").read_text())


def test_privacy_tells_an_officer_what_was_spent_as_data_too(private: FinishedRun, capsys: pytest.CaptureFixture[str]) -> None:
    for role in ("development", "evaluation"):
        site = private.lock.names(role)[-1]  # type: ignore[arg-type]
        home = private.homes.config(site).home
        assert invoke(site_app, ["privacy", "--home", str(home), "--opacus", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["spent"]["without_secure_sum"] is None and told["spent"]["with_secure_sum"] <= DP["epsilon"] + 1e-3
        assert float(told["studies"][0]["opacus"]["Opacus PRV"]) == pytest.approx(
            told["studies"][0]["would_spend"]["with_secure_sum"], rel=0.03
        )
        assert invoke(site_app, ["privacy", "--home", str(home)]) == 0
        assert "without bound" in capsys.readouterr().out
