"""A whole study on phantoms through the apps a hospital runs."""

from __future__ import annotations

import json

import numpy as np

from client.cohort.prepared_cohort import load_patients
from client.statistics.study_patients import Bench
from server.phases.first_weights import initial_weights, start
from server.study.resume_state import StudyFolder, load_arrays
from simulations.study.simulated_study import FinishedRun, Options, run
from site_config.hash_chained_journal import read as read_journal


def test_the_study_completes_and_leaves_report_metrics_and_result(finished: FinishedRun) -> None:
    assert finished.result.label == "COMPLETE"
    assert finished.report.name == "report.html"
    page = finished.report.read_text()
    assert "SIMULATED" in page.upper()
    metrics = json.loads(finished.report.with_name("metrics.json").read_text())
    assert metrics


def test_counts_are_those_of_the_hospitals(finished: FinishedRun) -> None:
    lock, flow = finished.lock, finished.result.flow
    for split, role in (("train", "development"), ("validation", "development"), ("test", "evaluation")):
        n = 0
        for name in lock.names(role):
            patients = load_patients(finished.homes.config(name), lock.study, lock.study_id, role)
            n += len(Bench(lock.study, patients).split(split))
        assert flow[f"{split}.analysed"] == n


def test_the_interval_between_scans_is_the_hospitals(finished_exact: FinishedRun) -> None:
    finished, lock = finished_exact, finished_exact.lock
    for one in finished.result.characteristics:
        role = "evaluation" if one.set == "test" else "development"
        parts = []
        for name in lock.names(role):
            patients = load_patients(finished.homes.config(name), lock.study, lock.study_id, role)
            parts.append(Bench(lock.study, patients).split(one.set).scan_interval)
        days = np.concatenate(parts)
        days = days[~np.isnan(days)]
        if len(days) < 5:
            assert "interval_days" not in one.mean, "no mean of a few patients"
        else:
            assert one.known["interval_days"] == len(days)
            assert abs(one.mean["interval_days"] - days.mean()) <= 1
            assert abs(one.sd["interval_days"] - days.std(ddof=1)) <= 1


def test_every_sum_was_of_a_whole_block_or_all_of_them_and_masked(finished: FinishedRun) -> None:
    blocks = {frozenset(block) for group in finished.lock.blocks.values() for block in group}
    blocks |= {frozenset(finished.lock.names(role)) for role in ("development", "evaluation")}
    for entry in finished.result.ledger:
        assert entry.outcome == "opened"
        assert not entry.missing
        if entry.statistic.startswith("shares."):
            assert set(entry.roster) <= set(finished.lock.names("development")) | set(finished.lock.names("evaluation"))
            continue
        assert entry.masked
        assert frozenset(entry.roster) in blocks


def test_evaluation_sites_never_train(finished: FinishedRun) -> None:
    for name in finished.lock.names("evaluation"):
        entries = read_journal(finished.homes.config(name).state / "journal.jsonl")
        asked = {entry.data["context"]["statistic"] for entry in entries if entry.kind == "release"}
        assert asked
        assert not {statistic for statistic in asked if statistic.startswith(("training.", "cox."))}


def test_training_moves_the_weights_and_keeps_every_round(finished: FinishedRun) -> None:
    study = finished.lock.study
    rounds = [point for point in finished.result.rounds if point.model == "Rad-D"]
    assert len(rounds) == study.training.rounds
    assert all(point.loss is not None and np.isfinite(point.loss) for point in rounds)
    assert set(finished.result.weights) == {"Rad-S", "Rad-D"}
    seeds = {model: start(study, model, finished.homes.coordinator).seed for model in finished.result.weights}
    assert finished.result.first_seeds == seeds
    assert str(seeds["Rad-D"]) in finished.report.read_text()


def test_the_first_hazard_is_that_of_the_first_weights(finished: FinishedRun) -> None:
    """Oracle: e^score times days over a block's pooled patients."""
    lock, homes = finished.lock, finished.homes
    arrays = {"weights.Rad-D": initial_weights(lock.study, "Rad-D", homes.coordinator)}
    folder = StudyFolder(homes.coordinator / "studies" / lock.study_id / "run")
    stored = [load_arrays(path)[0] for path in (folder.root / "opened").glob("*.safetensors")]
    masses = [found["mass"].sum() for found in stored if {"mass", "event_score"} <= set(found)]
    for block in lock.blocks["development"]:
        expected = 0.0
        for name in block:
            bench = Bench(lock.study, load_patients(homes.config(name), lock.study, lock.study_id, "development"))
            train = bench.split("train")
            expected += float(np.exp(bench.radiology(train, "Rad-D", arrays)) @ train.event_day)
        assert min(abs(mass - expected) for mass in masses) < 0.01
    asked = [entry for entry in finished.result.ledger if entry.statistic == "training.hazard"]
    assert {entry.round for entry in asked} == {0}
    assert len(asked) == len(masses) == 2 * len(lock.blocks["development"])


def test_pooled_twin_and_truth_stand_beside_the_federated_model(finished: FinishedRun) -> None:
    assert finished.result.simulation is not None
    twin = finished.result.simulation.pooled[0]
    assert twin.n == finished.result.flow["test.analysed"]
    assert finished.result.simulation.oracle["evaluation"] > 0.5
    assert len(finished.result.simulation.cams) == 2


def test_running_again_opens_nothing_new(finished: FinishedRun) -> None:
    folder = StudyFolder(finished.homes.coordinator / "studies" / finished.lock.study_id / "run")
    before = len(finished.result.ledger)
    again = run(Options(out=finished.homes.root, preset="tiny", pooled=False))
    assert again.result.weights == finished.result.weights
    assert len(again.result.ledger) == before
    assert [t.model_dump() for t in again.result.tables] == [t.model_dump() for t in finished.result.tables]
    assert folder.result_file.exists()
