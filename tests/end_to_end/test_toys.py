"""What can be added by one file is added here and goes through a whole study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_model.bundle.manifest import load_bundle
from simulations.study.run import FinishedRun, Options, run
from site_config.documents.load import dump_yaml
from site_config.study.prognostic_models import CLN, MODELS, RAD_S
from tests.toys.fused_model import TOY


@pytest.fixture
def toy_model() -> Iterator[None]:
    MODELS.add(TOY)
    yield
    MODELS.remove(TOY)


def test_a_fused_model_is_added_by_one_value(finished: FinishedRun, tmp_path: Path, toy_model: None) -> None:
    study = finished.lock.study.model_copy(update={"models": (CLN.name, RAD_S.name, TOY.name), "title": "With a toy"})
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "study.yaml").write_text(dump_yaml(study))
    for site in study.sites:
        shutil.copytree(finished.homes.site(site.name), folder / "sites" / site.name, ignore=shutil.ignore_patterns("state"))
    found = run(Options(out=tmp_path / "run", folder=folder, workers=1, pooled=False))
    assert found.result.label == "COMPLETE"
    assert found.result.fusion[TOY.name]["covariates"] == [RAD_S.name, CLN.name]
    metrics = json.loads(found.report.with_name("metrics.json").read_text())
    assert metrics["primary"] == TOY.name
    tabled = {table.model for table in found.result.tables if table.variable == "all"}
    assert tabled == set(study.models), (tabled, found.result.findings)
    assert f"{TOY.name} risk groups" in found.report.read_text(), metrics["risk_groups"]
    bundle = load_bundle(found.homes.root / "model")
    assert bundle.manifest.models[TOY.name].spec.radiology == RAD_S.name
