"""A frozen bundle at new hospitals: admission, evaluation, report, and nothing fitted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shared_model.bundle.bundle_manifest import load_bundle
from simulations.study.simulated_study import FinishedRun, Options, run
from site_config.documents.read_yaml_documents import dump_yaml
from site_config.problems.base import Problem


def new_hospitals(finished_exact: FinishedRun, folder: Path, **changes: object) -> Path:
    study = finished_exact.lock.study
    bundle = load_bundle(finished_exact.homes.root / "model")
    sites = tuple(site for site in study.sites if site.role == "evaluation")
    validate = {"kind": "validate", "bundle_sha256": bundle.sha256, "sites": sites, "title": "New hospitals"}
    folder.mkdir()
    (folder / "study.yaml").write_text(dump_yaml(study.model_copy(update=validate | changes)))
    shutil.copytree(finished_exact.homes.root / "model", folder / "bundle")
    for site in sites:
        shutil.copytree(finished_exact.homes.site(site.name), folder / "sites" / site.name, ignore=shutil.ignore_patterns("state"))
    return folder


def test_a_frozen_model_gives_the_same_table_at_the_same_patients(finished_exact: FinishedRun, tmp_path: Path) -> None:
    folder = new_hospitals(finished_exact, tmp_path / "new")
    again = run(Options(out=tmp_path / "run", folder=folder, workers=1, pooled=False))
    assert again.result.label == "COMPLETE"
    assert not [entry for entry in again.result.ledger if entry.statistic.startswith(("cox.", "training."))]
    before = {t.model: t.events for t in finished_exact.result.tables if t.set == "test" and t.variable == "all"}
    after = {t.model: t.events for t in again.result.tables if t.set == "test" and t.variable == "all"}
    assert set(after) == set(before)
    assert {model: sum(map(sum, events)) for model, events in after.items()} == {m: sum(map(sum, e)) for m, e in before.items()}


def test_another_bundle_than_the_named_one_is_refused(finished_exact: FinishedRun, tmp_path: Path) -> None:
    folder = new_hospitals(finished_exact, tmp_path / "new", bundle_sha256="0" * 64)
    with pytest.raises(Problem) as refused:
        run(Options(out=tmp_path / "run", folder=folder, workers=1, pooled=False))
    assert refused.value.code == "FH-610"
