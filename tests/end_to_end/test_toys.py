"""What can be added by one file is added here and goes through a whole study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.report.contents import CONTENTS
from server.report.metrics import metrics_schema
from server.report.page import build
from shared_model.bundle.manifest import load_bundle
from simulations.study.run import FinishedRun, Options, run
from site_config.documents.load import dump_yaml
from site_config.study.prognostic_models import CLN, MODELS, RAD_S
from tests.toys.fused_model import TOY
from tests.toys.report_part import TOY_PART


@pytest.fixture
def toy_model() -> Iterator[None]:
    MODELS.add(TOY)
    yield
    MODELS.remove(TOY)


def test_a_fused_model_is_added_by_one_value(finished_exact: FinishedRun, tmp_path: Path, toy_model: None) -> None:
    study = finished_exact.lock.study.model_copy(update={"models": (CLN.name, RAD_S.name, TOY.name), "title": "With a toy"})
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "study.yaml").write_text(dump_yaml(study))
    for site in study.sites:
        shutil.copytree(finished_exact.homes.site(site.name), folder / "sites" / site.name, ignore=shutil.ignore_patterns("state"))
    found = run(Options(out=tmp_path / "run", folder=folder, workers=1, pooled=False))
    assert found.result.label == "COMPLETE"
    assert found.result.fusion[TOY.name]["covariates"] == [RAD_S.name, CLN.name]
    metrics = json.loads(found.report.with_name("metrics.json").read_text())
    assert metrics["primary"] == TOY.name
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
