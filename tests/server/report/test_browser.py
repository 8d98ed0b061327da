"""The page in a real browser: no errors, no requests, nothing cut off at 375 and 1400 pixels, printable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REASON = "no Chromium on this machine: install the Debian package chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail(REASON)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def seen(browser: Any, study_page: Path) -> dict[int, dict[str, Any]]:
    """By width: what was asked for, what was complained about, and how wide the page became."""
    told = {}
    for width in (375, 1400):
        page = browser.new_page(viewport={"width": width, "height": 900})
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, complaints=complaints: complaints.append(message.text))
        page.on("pageerror", lambda error, complaints=complaints: complaints.append(str(error)))
        page.goto(study_page.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        told[width] = {
            "asked": [url for url in asked if not url.startswith("data:")], "complaints": complaints,
            "scroll": page.evaluate("document.documentElement.scrollWidth"),
            "cut": page.evaluate(
                "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1"
                " && !e.closest('.scroll') && !e.closest('svg')).map(e => e.outerHTML.slice(0, 80))"
            ),
            "text": page.evaluate(
                "Math.min(...[...document.querySelectorAll('figure svg text')]"
                ".map(e => e.getBoundingClientRect().height).filter(h => h > 0))"
            ),
            "shown": page.evaluate("[...document.querySelectorAll('.panel svg')].filter(e => e.getBoundingClientRect().width > 0).length"),
        }  # fmt: skip
        page.close()
    return told


@pytest.mark.parametrize("width", [375, 1400])
def test_no_console_message_and_no_outside_request(seen: dict[int, dict[str, Any]], study_page: Path, width: int) -> None:
    assert seen[width]["asked"] == [study_page.as_uri()]
    assert seen[width]["complaints"] == []


@pytest.mark.parametrize("width", [375, 1400])
def test_nothing_is_cut_off_or_too_small(seen: dict[int, dict[str, Any]], width: int) -> None:
    assert seen[width]["scroll"] <= width
    assert seen[width]["cut"] == []
    assert seen[width]["text"] >= 7
    assert seen[width]["shown"] > 25


def test_it_prints(browser: Any, study_page: Path, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(study_page.as_uri())
    page.emulate_media(media="print")
    hidden = page.evaluate("getComputedStyle(document.querySelector('nav.contents')).display")
    pdf = page.pdf(path=str(tmp_path / "report.pdf"), prefer_css_page_size=True)
    page.close()
    assert hidden == "none"
    assert pdf.startswith(b"%PDF")
    assert 8 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type/Page") <= 60
