"""The paper held against the software: no item without a place, no difference without its reason, no silent random start."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.report.paper_items import METHODS, SHOWN
from server.report.paper_page import PAGE, ROOT, page
from server.report.parts.conduct.paper import PAPER
from server.report.parts.part import ReportedStudy
from server.study.results import StudyResult
from site_config.documents.load import dump_yaml
from site_config.study.model import Study
from site_config.study.paper import RANDOM_START, differences, warning
from site_config.study.presets import preset


def with_network(**network: object) -> Study:
    study = preset("paper")
    return study.model_copy(update={"network": study.network.model_copy(update=network)})


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page()


@pytest.mark.parametrize("row", [*METHODS, *SHOWN], ids=lambda row: row.item)
def test_every_item_has_a_place_or_a_reason(row) -> None:
    assert row.verdict == "not applicable" or (ROOT / row.file).exists()
    assert row.remark or row.verdict != "not applicable"


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
