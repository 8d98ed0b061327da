"""`predict` and `heatmaps` on a phantom hospital: what is missing is said, and a page a clinician can read is written."""

from __future__ import annotations

import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from client.cohort.prepared_cohort import prepare
from client.commands.predict_and_heatmaps import register
from client.prediction.clinician_page import overlay
from simulations.cohort.cohort_presets import CohortChange
from simulations.cohort.write_cohort import make_cohort
from site_config.documents.read_yaml_documents import load_site, load_study
from tests.shared_model.bundle_support import bundle_for, lock_for
from tests.support import Ran, app_of, run_cli

APP = app_of(register)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `bundle/` and the hospital's home; patient 01-001 has everything."""
    root = tmp_path_factory.mktemp("predict")
    options = CohortChange(sites=(1, 1), patients=(4, 4)).applied("tiny", 5)
    make_cohort(replace(options, study={**options.study, "resolution": "exact"}), root / "made", 5, workers=1)
    study = load_study(root / "made" / "study.yaml")
    bundle_for(lock_for(study), root / "bundle")
    home = root / "made" / "sites" / "hospital-01"
    prepare(load_site(home / "site.yaml"), study)
    home.rename(root / "home")
    return root


def run(hospital: Path, *words: str | Path) -> Ran:
    command, *rest = words
    return run_cli(APP, command, hospital / "bundle", "--home", hospital / "home", *rest)


def keys(hospital: Path) -> list[str]:
    return [line.split(",")[0] for line in (hospital / "home" / "cohort.csv").read_text().splitlines()[1:]]


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.images = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "img":
            self.images += 1
            assert found.get("alt")
        for name in ("src", "href"):
            assert (found.get(name) or "data:").startswith("data:"), "the page loads nothing"


def test_a_patient_with_everything_gets_all_models_and_a_page(hospital: Path, tmp_path: Path) -> None:
    ran = run(hospital, "predict", "--patient", keys(hospital)[0], "--out", tmp_path / "page.html", "--json")
    assert ran.status == 0, ran.err
    assert [one["model"] for one in ran.data["models"]] == ["RadCLN-D", "RadCLN-S", "Rad-D", "Rad-S", "CLN"]
    first = ran.data["models"][0]
    assert first["group"] in ("high", "low")
    assert 0 < first["survival"]["730"] < first["survival"]["365"] < 1
    assert ran.data["research_only"] is True
    page = (tmp_path / "page.html").read_text()
    for words in (
        "For research only",
        "simulated patients",
        "Risk group",
        "Survival at 1 year",
        "Nomogram",
        "Grad-CAM",
        "stays in the hospital",
    ):
        assert words in page
    assert keys(hospital)[0] not in page
    reader = Text()
    reader.feed(page)
    assert reader.images == 8  # two organs, two visits, plain and warm
    assert (tmp_path / "page.html").stat().st_mode & 0o077 == 0


def test_without_follow_up_the_baseline_models_remain(hospital: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(hospital, changed)
    table = changed / "home" / "scans.csv"
    rows = [row for row in table.read_text().splitlines() if not (row.startswith(keys(hospital)[0]) and ",followup," in row)]
    table.write_text("\n".join(rows) + "\n")
    ran = run(changed, "predict", "--patient", keys(hospital)[0], "--out", tmp_path / "page.html", "--json")
    assert ran.status == 0, ran.err
    assert [one["model"] for one in ran.data["models"]] == ["RadCLN-S", "Rad-S", "CLN"]
    assert ran.data["missing"]["RadCLN-D"] == ["baseline and follow-up CT"]
    everything = run(hospital, "predict", "--patient", keys(hospital)[0], "--out", tmp_path / "other.html", "--json", "--no-heatmaps")
    by_name = {one["model"]: one["score"] for one in everything.data["models"]}
    assert ran.data["models"][0]["score"] == pytest.approx(by_name["RadCLN-S"], abs=1e-6)


def test_values_given_by_hand_are_enough_for_the_clinical_model(hospital: Path, tmp_path: Path) -> None:
    values = [f"--value={name}=1" for name in ("differentiation", "nash", "pvtt", "surgery", "ebrt", "tace", "rfa")]
    ran = run(hospital, "predict", "--patient", "somebody new", *values, "--out", tmp_path / "page.html", "--json")
    assert ran.status == 0, ran.err
    assert [one["model"] for one in ran.data["models"]] == ["CLN"]
    fewer = run(hospital, "predict", "--patient", "somebody new", *values[1:], "--out", tmp_path / "page.html", "--json")
    assert fewer.status == 0, fewer.err
    assert fewer.data["models"] == []
    assert "No model applies" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("words", "code"), [(("--value=pvtt=7",), "FH-612"), (("--value=height=1",), "FH-612"), (("--value=pvtt",), "FH-612"), ((), "FH-352")]
)
def test_what_cannot_be_meant_is_refused(hospital: Path, tmp_path: Path, words: tuple[str, ...], code: str) -> None:
    ran = run(hospital, "predict", "--patient", "nobody", *words, "--out", tmp_path / "page.html")
    assert ran.status != 0
    assert code in ran.err
    assert not (tmp_path / "page.html").exists()


def test_another_bundle_than_the_one_named_is_refused(hospital: Path, tmp_path: Path) -> None:
    ran = run(hospital, "predict", "--patient", "x", "--sha256", "0" * 64, "--out", tmp_path / "page.html")
    assert ran.status == 11
    assert "FH-610" in ran.err


def test_heat_maps_show_both_ends_of_the_scale(hospital: Path, tmp_path: Path) -> None:
    ran = run(hospital, "heatmaps", "--extremes", "2", "--out", tmp_path / "page.html", "--json")
    assert ran.status == 0, ran.err
    scores = [one["score"] for one in ran.data["patients"]]
    assert [one["risk"] for one in ran.data["patients"]] == ["highest risk"] * 2 + ["lowest risk"] * 2
    assert min(scores[:2]) >= max(scores[2:])
    assert scores[0] == max(scores)
    page = (tmp_path / "page.html").read_text()
    assert not any(key in page for key in keys(hospital))
    too_many = run(hospital, "heatmaps", "--extremes", "3", "--out", tmp_path / "page.html")
    assert "FH-613" in too_many.err


def test_export_writes_programs_that_agree(hospital: Path, tmp_path: Path) -> None:
    ran = run_cli(APP, "export", hospital / "bundle", tmp_path / "out", "--json")
    assert ran.status == 0, ran.err
    assert max(one["difference"] for one in ran.data["files"]) <= 1e-4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "monai",
        *(f"network_{model}.{kind}" for model in ("Rad-D", "Rad-S") for kind in ("onnx", "pt2")),
    ]
    assert sorted(path.name for path in (tmp_path / "out" / "monai").iterdir()) == ["Rad-D", "Rad-S"]


def test_the_overlay_is_brightest_where_the_map_is() -> None:
    heat = np.zeros((8, 8), dtype=np.float32)
    heat[2, 5] = 2.0
    rgb = overlay(np.full((8, 8), 100, dtype=np.uint8), heat, 2.0)
    assert rgb.shape == (8, 8, 3)
    assert tuple(rgb[0, 0]) == (100, 100, 100)
    assert rgb[2, 5, 0] > 150
