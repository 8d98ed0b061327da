"""`fedhcc-site data`: every step of a hospital's way from scans to slices, as a person meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.commands import data
from site_config.problems.base import Exit
from tests.client.made_scans import SITES, a_study, body, write_nifti, write_series, write_site
from tests.support import app_of, run_cli

APP = app_of(data.register)


def home_of(folder: Path, **options: Any) -> Path:
    """A site folder with site.yaml and study.yaml beside the tables."""
    import yaml

    site = write_site(folder, **options)
    (folder / "site.yaml").write_text(yaml.safe_dump(site.model_dump(mode="json", exclude_defaults=True)))
    (folder / "study.yaml").write_text(yaml.safe_dump(a_study().model_dump(mode="json", exclude_defaults=True)))
    return folder


def test_prepare_show_and_withdraw(tmp_path: Path) -> None:
    home = home_of(tmp_path, scans=lambda key, visit, region: (key, visit, region) != ("P001", "followup", "chest"))
    ran = run_cli(APP, "data", "prepare", "--home", home, "--study", home / "study.yaml", "--json")
    assert ran.status == Exit.FINDINGS
    assert (ran.data["patients"], ran.data["with_images"], ran.data["carried_forward"]) == (3, 3, 1)
    again = run_cli(APP, "data", "prepare", "--home", home, "--study", home / "study.yaml")
    assert "0 prepared now, 3 kept" in again.out and "FH-330" in again.out
    assert "P001: the baseline slices of the lung stand in" in " ".join(again.out.split())

    cohort = run_cli(APP, "data", "show", "--home", home, "--json")
    page = Path(cohort.data["page"]).read_text()
    assert page.count("<article") == 3 and page.count("data:image/png;base64,") == 6  # slices, and outlines that can be switched off
    assert "http" not in page.replace("http-equiv", "") and "P001" in page and "stays in the hospital" in page
    assert 'id="outlines"' in page and "<script" not in page

    one = run_cli(APP, "data", "show", "P001", "--home", home, "--picture", tmp_path / "p.png", "--json")
    assert one.data["usable"] and one.data["organs"]["followup"]["lung"]["source"] == "carried forward"
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")

    gone = run_cli(APP, "data", "withdraw", one.data["key"][:10], "--home", home, "--yes", "--json")
    assert gone.status == 0 and gone.data["key"] == one.data["key"]
    assert not list((tmp_path / "state" / "prepared").glob(f"{one.data['key']}*"))
    unknown = run_cli(APP, "data", "show", "P999", "--home", home)
    assert unknown.status == Exit.CONTENT and "FH-352" in unknown.err


def test_scan_suggests_rows_and_review_lists_what_a_person_must_choose(tmp_path: Path) -> None:
    home = home_of(tmp_path, patients=2, scans=lambda *_: False)
    (home / "scans.csv").unlink()
    cohort = (
        (home / "cohort.csv")
        .read_text()
        .replace(
            "treatment_day,baseline_ct_day,followup_ct_day,last_contact_day",
            "treatment_date,baseline_ct_date,followup_ct_date,last_contact_date",
        )
    )
    cohort = cohort.replace(",0,-3,60,300,", ",2024-03-04,2024-03-01,2024-05-03,2024-12-29,").replace(
        ",0,-3,60,301,", ",2024-03-04,2024-03-01,2024-05-03,2024-12-30,"
    )
    (home / "cohort.csv").write_text(cohort)
    hu, _ = body((20, 48, 48))
    images = home / "images"
    for number, (name, date) in enumerate((("base", "20240301"), ("follow", "20240504"), ("later", "20240801"))):
        write_series(
            images / "P000" / name,
            hu + 5 * number,
            SeriesInstanceUID=f"1.{number}",
            AcquisitionDate=date,
            SeriesDescription="Abdomen portal",
        )
    write_series(
        images / "P001" / "one",
        hu,
        SeriesInstanceUID="2.1",
        AcquisitionDate="20240301",
        SeriesDescription="Abdomen portal B30",
        StudyInstanceUID="1.3",
    )
    write_series(
        images / "P001" / "two",
        hu,
        SeriesInstanceUID="2.2",
        AcquisitionDate="20240301",
        SeriesDescription="Abdomen portal B31",
        StudyInstanceUID="1.3",
    )
    write_series(
        images / "P001" / "tilted",
        hu,
        SeriesInstanceUID="2.3",
        StudyInstanceUID="1.3",
        ImageOrientationPatient=[1, 0, 0, 0, 0.9659, 0.2588],
    )
    (images / "stray.txt").write_text("no scan")

    ran = run_cli(APP, "data", "scan", "--home", home, "--json")
    assert ran.status == Exit.FINDINGS
    assert [(row["patient"], row["visit"], row["path"]) for row in ran.data["rows"]] == [
        ("P000", "baseline", "P000/base"),
        ("P000", "followup", "P000/follow"),
    ]
    assert [question["patient"] for question in ran.data["questions"]] == ["P001"]
    assert [problem["code"] for problem in ran.data["problems"]] == ["FH-308", "FH-236", "FH-378", "FH-362", "FH-362", "FH-362"]
    review = run_cli(APP, "data", "review", "--home", home)
    assert "P001" in review.out and "P001/two" in review.out.replace("\n", "")
    assert "data:image/png;base64," in (home / "state/review/index.html").read_text()
    assert run_cli(APP, "data", "choose", "9a", "--home", home).status == Exit.CONFIGURATION
    chosen = run_cli(APP, "data", "choose", "1b:portal", "--home", home, "--json")
    assert chosen.data["open"] == 0 and chosen.data["rows"][-1]["patient"] == "P001"
    accepted = run_cli(APP, "data", "review", "--home", home, "--accept")
    assert accepted.status == Exit.FINDINGS and {"P000/follow", "P001/two"} <= set(
        (home / "scans.csv").read_text().replace("\n", ",").split(",")
    )
    again = run_cli(APP, "data", "review", "--home", home, "--accept")
    assert again.status == Exit.CONTENT and "FH-238" in again.err


def test_try_takes_one_scan_with_its_masks_to_a_score_and_a_picture(tmp_path: Path) -> None:
    hu, masks = body()
    image = write_nifti(tmp_path / "ct.nii.gz", hu)
    labels = masks["liver"] * 5 + masks["lung"] * 6
    mask = write_nifti(tmp_path / "labels.nii.gz", labels)
    (tmp_path / "study.yaml").write_text(
        "title: try\nsites: ["
        + ", ".join(f"{{name: {name}, role: development}}" for name in SITES)
        + "]\nimaging: {size: 32}\nnetwork: {backbone: small}\n"
    )
    words = ["data", "try", "--image", image, "--masks", f"liver={mask}:5", "--masks", f"lung={mask}:6", "--study", tmp_path / "study.yaml"]
    first = run_cli(APP, *words, "--picture", tmp_path / "slices.png", "--json")
    assert first.status == 0 and np.isfinite(first.data["score"])
    assert set(first.data["organs"]) == {"baseline liver", "baseline lung"} and "random" in first.data["warning"]
    assert (tmp_path / "slices.png").read_bytes().startswith(b"\x89PNG")
    again = run_cli(APP, *words, "--picture", tmp_path / "slices.png", "--json")
    assert again.data["score"] == first.data["score"]
    assert run_cli(APP, *words, "--seed", "8", "--picture", tmp_path / "s.png", "--json").data["score"] != first.data["score"]


@pytest.mark.parametrize(
    ("image", "masks", "region"),
    [
        ("example_ct_sm.nii.gz", ["liver=example_seg.nii.gz:5", "lung=example_seg.nii.gz:10,11,12,13,14"], "whole"),
        ("example_ct_dicom", ["liver=example_seg_dicom.nii.gz:5"], "abdomen"),
    ],
)
def test_real_ct_goes_to_a_score(shared_data: Path, tmp_path: Path, image: str, masks: list[str], region: str) -> None:
    ts = shared_data / "ct" / "ts"
    options = [word for mask in masks for word in ("--masks", mask.replace("=", f"={ts}/"))]
    ran = run_cli(APP, "data", "try", "--image", ts / image, *options, "--region", region, "--picture", tmp_path / "p.png", "--json")
    assert ran.status == 0 and np.isfinite(ran.data["score"])
    assert len(ran.data["organs"]["baseline liver"]["slices"]) == 3
    assert str(ts) not in str(ran.data["findings"])
