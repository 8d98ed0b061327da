"""The live page's results so far in a browser: rows and curves, at the width of a telephone, by keyboard, without a complaint."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from server.study.study_results import StudyResult
from server.watch import opened_so_far, study_status
from server.watch.live_page import LivePage
from tests.server.watch.test_live_page import home, study  # noqa: F401  fixtures

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def result_of(study_id: str) -> StudyResult:
    shown = {"low": ([0.9, 0.8, 0.7], 6), "high": ([0.7, 0.5, 0.3], 15)}
    groups = [{"value": name, "day": [90, 180, 365], "survival": survival, "n": 23, "events": n} for name, (survival, n) in shown.items()]
    concordance = {"model": "CLN", "set": "test", "c": 0.71, "se": 0.04, "n": 46, "events": 21}
    curves = {"grouping": "risk", "set": "test", "model": "CLN", "groups": groups}
    plain = {"title": "t", "label": "INCOMPLETE", "simulated": True, "created": "", "software": "", "lock": {}}
    analyses = {"concordance": [concordance], "kaplan_meier": [curves]}
    return StudyResult.model_validate({"study_id": study_id, **plain, "flow": {"test.analysed": 46}, "analyses": analyses})


def test_rows_and_curves_at_the_width_of_a_telephone(home: Path, study: str) -> None:  # noqa: F811
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("no Chromium on this machine: install the Debian package chromium")
    from playwright.sync_api import sync_playwright

    opened_so_far.keep(study_status.folder_of(home, study), result_of(study))
    page = LivePage(home, study, lambda: {"alpha", "beta"})
    page.start()
    complaints: list[str] = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            screen = browser.new_page(viewport={"width": 375, "height": 700})
            screen.on("console", lambda message: complaints.append(message.text))
            screen.on("pageerror", lambda error: complaints.append(str(error)))
            screen.goto(page.address)
            screen.wait_for_selector("#values tr")
            assert "0.710 ± 0.078" in screen.inner_text("#values") and not screen.is_visible("#none")
            label = screen.get_attribute("#curves svg", "aria-label") or ""
            assert label == "CLN: risk groups, test: low 0.70 at day 365, high 0.30 at day 365", "the picture in words"
            assert screen.locator("#curves svg path").count() == 3, "axes and two curves"
            assert screen.evaluate("document.documentElement.scrollWidth") <= 375
            reached = set()
            for _ in range(12):
                screen.keyboard.press("Tab")
                reached.add(screen.evaluate("document.activeElement.getAttribute('aria-labelledby') || document.activeElement.id"))
            assert "figures" in reached, "the table scrolls by keyboard"
            browser.close()
    finally:
        page.close()
    assert not complaints
