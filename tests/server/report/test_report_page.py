"""What a reader of the page sees."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from server.report.common import figure_style
from server.report.report_page import build
from server.study.study_results import StudyResult
from tests.server.report.fixture_study import make


class Tags(HTMLParser):
    """Start tags with attributes, and the text of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def tags(study_page: Path) -> Tags:
    return Tags(study_page.read_text())


def test_every_picture_has_a_text_alternative(tags: Tags) -> None:
    pictures = tags.all("svg")
    assert len(pictures) > 30
    assert all(picture.get("role") == "img" and len(picture.get("aria-label") or "") > 30 for picture in pictures)
    assert all(image.get("alt") for image in tags.all("img"))


def test_every_figure_has_its_numbers_as_a_table(study_page: Path) -> None:
    html = study_page.read_text()
    figures = re.findall(r'<figure id="([^"]+)".*?</figure>', html, flags=re.DOTALL)
    without = [name for name in figures if "<table>" not in re.search(rf'<figure id="{name}".*?</figure>', html, re.DOTALL).group(0)]
    assert without in ([], ["glance-figure", "gradcam-pictures"])  # their numbers are Table 2, and pictures have none


def test_nothing_is_fetched_and_nothing_runs(study_page: Path) -> None:
    html = study_page.read_text()
    assert "<script" not in html
    for attribute in re.findall(r'(?:src|href|action)="([^"]*)"', html):
        assert attribute.startswith(("#", "data:")), attribute
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html


def test_a_label_with_dollars_is_drawn_as_it_was_written() -> None:
    """Matplotlib would take what stands between two dollars for mathematics, and fail where it is none."""
    words = r"Income ($) per $\frac{1}$ <b>"

    @figure_style.styled
    def drawn() -> figure_style.Picture:
        figure, axes = figure_style.panel()
        axes.set_xlabel(words)
        return figure_style.finish(figure, "label", words, simulated=True)

    assert r"Income ($) per $\frac{1}$ &lt;b&gt;" in drawn().svg


def test_ids_are_unique(tags: Tags) -> None:
    ids = [attributes["id"] for _, attributes in tags.found if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_simulated_is_said_on_top_and_on_every_figure(study_page: Path, tags: Tags) -> None:
    html = study_page.read_text()
    assert html.index("SIMULATED PATIENTS") < html.index("<main")
    for svg in re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL):
        assert "SIMULATED" in svg
    for title in re.findall(r'class="figure-title".*?</p>', html, flags=re.DOTALL):
        assert "SIMULATED" in title


def test_sections_stand_in_the_order_of_the_study(tags: Tags) -> None:
    names = [s["id"] for s in tags.all("section")]
    assert names == [
        "glance", "simulation", "patients", "clinical", "discrimination", "risk", "prediction", "subgroups", "gradcam", "training",
        "participation", "egress", "privacy", "limitations", "reproduce",
    ]  # fmt: skip


def test_training_figures_are_called_apparent(study_page: Path) -> None:
    assert "Training (apparent)" in study_page.read_text()


def test_suppression_is_explained(tags: Tags) -> None:
    words = " ".join(tags.words)
    assert "hides small groups from readers of this page, not from the coordinator" in words


def test_a_real_study_carries_no_banner_and_no_pictures_of_people(study_result: StudyResult, tmp_path: Path) -> None:
    real = make(seed=7, simulated=False)
    html = build(real, tmp_path).read_text()
    assert "SIMULATED" not in html
    assert "<img" not in html
    assert "never leaves a hospital" in html


def test_incomplete_is_said_on_top(study_result: StudyResult, tmp_path: Path) -> None:
    html = build(study_result.model_copy(update={"label": "INCOMPLETE"}), tmp_path).read_text()
    assert html.index("INCOMPLETE: not every planned hospital") < html.index("<main")
    assert "The study is INCOMPLETE" in html


def test_an_empty_study_is_a_page_of_reasons(study_result: StudyResult, tmp_path: Path) -> None:
    empty = StudyResult(
        study_id=study_result.study_id, title="Nothing <b>happened</b>", label="INCOMPLETE", simulated=False, created="2026-11-23",
        software="fedhcc", lock=study_result.lock, findings=[{"code": "FH-802", "what": "too few patients", "about": "CLN"}],
    )  # fmt: skip
    html = build(empty, tmp_path).read_text()
    assert "<b>happened" not in html
    assert "FH-802: CLN: too few patients" in html
    assert "No held-out hospital was evaluated" in html


def test_building_twice_gives_the_same_bytes(study_result: StudyResult, study_page: Path, tmp_path: Path) -> None:
    again = build(study_result, tmp_path)
    assert again.read_bytes() == study_page.read_bytes()
