"""A simulated study on disk: what each hospital holds, what the study says, and that the truth stays apart."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulations.cohort.cohort_presets import PRESETS, CohortChange
from simulations.cohort.phantom_ct import PhantomOptions
from simulations.cohort.write_cohort import CohortSummary, make_cohort
from site_config.documents.read_yaml_documents import load_site, load_study
from site_config.problems.base import Problem

SMALL = PhantomOptions(matrix=32, slice_mm=12.0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> CohortSummary:
    return make_cohort(replace(PRESETS["tiny"], phantom=SMALL, truth_masks=True), tmp_path_factory.mktemp("cohort") / "c", 3)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_study_and_every_hospital_load_as_a_hospital_would_load_them(tiny: CohortSummary):
    study = load_study(tiny.folder / "study.yaml")
    assert study.simulated
    assert [site.name for site in study.sites] == list(tiny.sites)
    for name, size in tiny.sites.items():
        home = tiny.folder / "sites" / name
        site = load_site(home / "site.yaml")
        assert site.policy.simulated_patients
        assert site.policy.role == next(entry.role for entry in study.sites if entry.name == name)
        assert len(rows(home / "cohort.csv")) == size


def test_the_tables_pass_the_hospital_s_own_reader(tiny: CohortSummary):
    from site_config.tables.cohort_csv import load_cohort

    study = load_study(tiny.folder / "study.yaml")
    for name, size in tiny.sites.items():
        cohort = load_cohort(tiny.folder / "sites" / name / "cohort.csv", study)
        assert len(cohort.patients) == size
        assert all(patient.time_days > 90 for patient in cohort.patients)


def test_every_scan_of_the_table_exists_and_missing_follow_up_chests_are_not_listed(tiny: CohortSummary):
    listed = 0
    for name in tiny.sites:
        home = tiny.folder / "sites" / name
        for row in rows(home / "scans.csv"):
            assert (home / "images" / row["path"]).exists()
            assert (home / "images" / (row["mask_liver"] or row["mask_lung"])).exists()
            listed += 1
    assert listed == tiny.scans <= 4 * tiny.patients


def test_the_truth_lies_apart_and_is_marked(tiny: CohortSummary):
    truth = json.loads((tiny.folder / "truth.json").read_text())
    assert truth["simulated"] is True
    assert truth["oracle"]["evaluation"]["c_index"] == tiny.oracle["evaluation"].c_index
    assert {site: len(patients) for site, patients in truth["patients"].items()} == tiny.sites
    inside = [path.name for path in (tiny.folder / "sites").rglob("*") if "truth" in path.name]
    assert not inside
    assert len(list((tiny.folder / "truth").rglob("*.nii.gz"))) == tiny.scans


def test_the_same_seed_writes_the_same_files(tiny: CohortSummary, tmp_path: Path):
    again = make_cohort(replace(PRESETS["tiny"], phantom=SMALL), tmp_path / "c", 3, workers=2)
    for name in tiny.sites:
        for file in ("cohort.csv", "scans.csv", "site.yaml"):
            assert (again.folder / "sites" / name / file).read_bytes() == (tiny.folder / "sites" / name / file).read_bytes()
    path = next(iter((again.folder / "sites").rglob("*abdomen.nii.gz")))
    assert path.read_bytes() == (tiny.folder / path.relative_to(again.folder)).read_bytes()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(FileExistsError):
        make_cohort("clinical-only", tmp_path, 1)


def test_clinical_only_has_no_images_and_the_demo_has_what_the_demonstration_needs(tmp_path: Path):
    made = make_cohort("clinical-only", tmp_path / "c", 1)
    assert (made.scans, made.patients, len(made.sites)) == (0, 207, 52)
    assert not list(made.folder.rglob("scans.csv"))
    assert load_study(made.folder / "study.yaml").models == ("CLN",)
    demo = PRESETS["demo"].survival
    assert demo.sites == (12, 3)
    assert demo.patients[0] >= 48
    assert demo.patients[1] >= 36
    assert demo.lone_sites >= 3


def test_dicom_with_tilt_and_gaps_on_request(tmp_path: Path):
    options = CohortChange(format="dicom", masks=True, tilt=1, gaps=1, sites=(2, 0), patients=(2, 0)).applied("tiny", 1)
    made = make_cohort(replace(options, phantom=SMALL), tmp_path / "c", 1)
    first = rows(made.folder / "sites/hospital-01/scans.csv")[0]
    assert first["series_uid"].startswith("1.2.")
    assert (made.folder / "sites/hospital-01/images" / first["path"] / "IM0000").exists()


@pytest.mark.parametrize(
    "change", [CohortChange(tilt=1), CohortChange(format="jpeg"), CohortChange(patients=(2, 1), sites=(5, 1)), CohortChange(sites=(3, 0))]
)
def test_wishes_that_cannot_be_are_numbered_problems(change: CohortChange):
    with pytest.raises(Problem):
        change.applied("tiny", 1)


def test_the_command_prints_the_oracle(tmp_path: Path):
    from simulations.cli import app

    found = CliRunner().invoke(app, ["cohort", str(tmp_path / "c"), "--preset", "clinical-only", "--json"])
    assert found.exit_code == 0
    assert 0.5 < json.loads(found.stdout)["oracle"]["all"]["c_index"] < 0.8
