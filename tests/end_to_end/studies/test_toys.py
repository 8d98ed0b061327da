"""What can be added by one file is added here and goes through a whole study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client.statistics import count_statistics
from server.phases import evaluation_phase
from server.phases.phase_context import Running
from server.phases.score_sums import role_of
from server.report.list_of_parts import CONTENTS
from server.report.metrics_json import metrics_schema
from server.report.report_page import build
from server.study.study_results import Characteristics
from shared_model.bundle.bundle_manifest import load_bundle
from shared_model.statistics.statistic_declaration import REGISTRY, Split
from simulations.engines.local_engine import local_transport
from simulations.study.simulated_study import FinishedRun, Options, run
from simulations.study.site_folders import Homes
from site_config.documents.read_yaml_documents import dump_yaml
from site_config.study.plan_and_lock import ClinicalVariable, StudyLock
from site_config.study.prognostic_models import CLN, MODELS, RAD_S
from site_config.tables.cohort_csv import load_cohort
from tests.end_to_end.faults.test_faults_local import go
from tests.toys.fused_model import TOY
from tests.toys.report_part import TOY_PART
from tests.toys.statistic import TOY_STATISTIC, FollowUp, compute


@pytest.fixture
def toy_model() -> Iterator[None]:
    MODELS.add(TOY)
    yield
    MODELS.remove(TOY)


AFP = ClinicalVariable(name="afp", label="AFP", kind="continuous", unit="ng/ml", bounds=(1, 100_000), log=True)


def with_afp(cohort: Path) -> None:
    """A further column in a hospital's table: what the study asks for by its declaration alone."""
    head, *rows = cohort.read_text().splitlines()
    cohort.write_text("\n".join([f"{head},afp", *(f"{row},{3.5 * 2**k:.1f}" for k, row in enumerate(rows))]) + "\n")


def test_a_fused_model_is_added_by_one_value_and_a_number_by_its_declaration(
    finished_exact: FinishedRun, tmp_path: Path, toy_model: None
) -> None:
    plain = finished_exact.lock.study
    changed = {"models": (CLN.name, RAD_S.name, TOY.name), "title": "With a toy", "clinical": (AFP, plain.clinical[0])}
    study = plain.model_copy(update=changed)
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "study.yaml").write_text(dump_yaml(study))
    for site in study.sites:
        own = finished_exact.homes.root.parent / "cohort" / "sites" / site.name
        shutil.copytree(own, folder / "sites" / site.name, ignore=shutil.ignore_patterns("state"))
        with_afp(folder / "sites" / site.name / "cohort.csv")
    found = run(Options(out=tmp_path / "run", folder=folder, workers=1, pooled=False))
    assert found.result.label == "COMPLETE"
    assert found.result.fusion[TOY.name]["covariates"] == [RAD_S.name, CLN.name]
    metrics = json.loads(found.report.with_name("metrics.json").read_text())
    assert metrics["primary"] == TOY.name
    assert "afp" in [row["covariate"] for row in metrics["clinical"]["coefficients"]]
    named = "AFP, ng/ml (log)"
    assert [row["set"] for row in metrics["characteristics"] if row["label"] == named and row["mean"]]
    if metrics["nomogram"] is None:  # two rounds may leave a network's score one value; then there is no radiological axis to draw
        assert "one value only" in metrics["absent"]["importance"]
    else:
        assert named in [axis["label"] for axis in metrics["nomogram"]["variables"]["axes"]]
    tabled = {table.model for table in found.result.tables if table.variable == "all"}
    assert {CLN.name, TOY.name} <= tabled, (tabled, found.result.findings)
    assert f"{TOY.name} risk groups" in found.report.read_text(), metrics["risk_groups"]
    bundle = load_bundle(found.homes.root / "model")
    assert bundle.manifest.models[TOY.name].spec.radiology == RAD_S.name


@pytest.fixture
def toy_part() -> Iterator[None]:
    CONTENTS.append(TOY_PART)
    yield
    CONTENTS.remove(TOY_PART)


def test_a_part_of_the_report_is_added_by_one_value(finished_exact: FinishedRun, tmp_path: Path, toy_part: None) -> None:
    page = build(finished_exact.result, tmp_path / "with").read_text()
    assert '<section id="toy"' in page
    assert "How long the toy looks" in page
    metrics = json.loads((tmp_path / "with" / "metrics.json").read_text())
    assert [row["days"] > 0 for row in metrics["toy_part"]] == [True] * len(metrics["set_survival"]["curves"])
    assert "toy_part" in metrics_schema()["properties"]
    empty = build(finished_exact.result.model_copy(update={"tables": []}), tmp_path / "without").read_text()
    assert "The toy has no curves to look at." in empty
    assert "toy_part" in json.loads((tmp_path / "without" / "metrics.json").read_text())


def test_the_toy_part_is_gone_without_its_value(finished_exact: FinishedRun, tmp_path: Path) -> None:
    assert '<section id="toy"' not in build(finished_exact.result, tmp_path).read_text()
    assert "toy_part" not in metrics_schema()["properties"]


@pytest.fixture
def toy_statistic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    REGISTRY.add(TOY_STATISTIC)
    monkeypatch.setitem(count_statistics.FUNCTIONS, TOY_STATISTIC.name, compute)
    yield
    REGISTRY.remove(TOY_STATISTIC)


def test_a_statistic_is_added_by_one_file(
    tables: Callable[..., tuple[Homes, StudyLock]], monkeypatch: pytest.MonkeyPatch, toy_statistic: None
) -> None:
    """Declared, computed, asked in a phase, masked, released by the door of every hospital, opened: the sum over all hospitals."""
    homes, lock = tables()
    ordinary, opened = evaluation_phase.characteristics, {}

    def asks_too(running: Running, split: Split) -> Characteristics:
        opened[split] = running.total(TOY_STATISTIC.name, FollowUp(split=split), "evaluation", role_of(split))
        return ordinary(running, split)

    monkeypatch.setattr(evaluation_phase, "characteristics", asks_too)
    result = go(homes, lock, local_transport(homes.sites()))
    assert result.label == "COMPLETE" and set(opened) == {"train", "validation", "test"}
    held_out = [site for site in lock.study.sites if site.role == "evaluation"]
    patients = [one for site in held_out for one in load_cohort(homes.site(site.name) / "cohort.csv", lock.study).patients]
    assert opened["test"]["patients"][0] == len(patients) == result.flow["test.analysed"]
    assert opened["test"]["days"][0] == pytest.approx(sum(one.time_days for one in patients), abs=len(held_out))
    for site in held_out:
        journal = next(homes.site(site.name).rglob("journal.jsonl"))
        assert TOY_STATISTIC.name in journal.read_text()
