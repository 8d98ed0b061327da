"""The paper held against the software: no item without a place, no difference without its reason, no silent random start."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.report.paper_items import METHODS, SHOWN
from server.report.paper_page import PAGE, ROOT, page
from server.report.parts.conduct.deviations_section import PAPER
from server.report.parts.part import ReportedStudy
from server.study.study_results import StudyResult
from site_config.documents.read_yaml_documents import dump_yaml
from site_config.study.deviations_from_paper import RANDOM_START, differences, warning
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import PAPER_MODELS
from site_config.study.study_presets import preset


def with_network(**network: object) -> Study:
    study = preset("paper")
    return study.model_copy(update={"network": study.network.model_copy(update=network)})


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page()


@pytest.mark.parametrize("row", [*METHODS, *SHOWN], ids=lambda row: row.item)
def test_every_item_has_a_place_or_a_reason(row) -> None:
    assert row.verdict == "not applicable" or (ROOT / row.file).exists()
    assert row.remark or row.verdict != "not applicable"
    assert bool(row.test) or row.verdict != "equal"


@pytest.mark.parametrize("held", sorted({row.test for row in [*METHODS, *SHOWN] if row.test}))
def test_what_holds_an_item_exists(held: str) -> None:
    file, _, name = held.partition("::")
    if name:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text("utf-8")
    else:
        assert (ROOT / (file.removeprefix("python -m ").replace(".", "/") + ".py")).exists()


def test_the_preset_holds_the_papers_settings() -> None:
    paper = preset("paper")
    assert (len(paper.sites), paper.draw and paper.draw.evaluation, paper.models) == (52, 15, PAPER_MODELS)
    assert (paper.endpoint.name, paper.endpoint.time_zero, paper.evaluation.horizons) == ("overall_survival", "treatment", (365, 730))
    assert [one.name for one in paper.clinical] == ["differentiation", "nash", "pvtt", "surgery", "ebrt", "tace", "rfa"]
    net, training, imaging = paper.network, paper.training, paper.imaging
    assert (net.backbone, net.dropout) == ("efficientnet-b0", {"Rad-S": 0.25, "Rad-D": 0.1})
    assert (training.batch, training.flips, training.server.name, training.server.rate) == (16, 0.5, "adam", 5e-5)
    assert training.rounds == 200 * 128 // training.batch  # 200 epochs over 128 training patients
    assert (imaging.spacing_mm, imaging.slices, imaging.size) == (5.0, 3, 224)
    windows = {organ.name: (organ.window.width, organ.window.level) for organ in paper.organs}
    assert windows == {"liver": (400, 0), "lung": (1200, -600)}


def test_a_random_start_is_said_and_imagenet_ends_it() -> None:
    said = {one.what: one for one in differences(preset("paper"))}
    assert said["first weights"].here == RANDOM_START
    assert warning(preset("paper")).startswith(RANDOM_START)
    imagenet = with_network(pretrained_sha256="ab" * 32, norm="frozen")
    assert "first weights" not in {one.what for one in differences(imagenet)}
    assert warning(imagenet) == ""
    assert warning(preset("cox")) == ""


def test_study_check_and_the_report_say_it(tmp_path, study_result: StudyResult) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(dump_yaml(preset("paper")))
    found = CliRunner().invoke(app, ["study", "check", str(path)])
    assert RANDOM_START in found.output
    rows = ReportedStudy(study_result).of(PAPER)
    assert RANDOM_START in {row.here for row in rows}
    assert all(row.why and row.paper and row.here for row in rows)
