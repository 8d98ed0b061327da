"""The live page in a real browser while a real study runs: it follows, complains of nothing, and says when the program is gone."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evidence.faults.faulty_federation import SMOKE, Stage, StageRun
from server.watch.live_page import LivePage
from server.watch.office_run import connected_hospitals
from server.watch.study_events import events_of

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ROUNDS, FURTHER = 20, 8
"""Rounds of training, and the round at which the page is looked at for the second time."""
LIMIT_S = 120.0
"""The machine may be busy; how far the page is behind is measured and printed, not asserted."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    found = Stage(tmp_path_factory.mktemp("live") / "stage", replace(SMOKE, rounds=ROUNDS, deadline_s=240.0), seed=7)
    found.federation.start()
    yield found
    found.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("no Chromium on this machine: install the Debian package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


class Screen:
    """A page of a browser with everything it asked for and complained about."""

    def __init__(self, browser: Any, address: str, width: int) -> None:
        self.asked, self.complaints = list[str](), list[str]()
        self.page = browser.new_page(viewport={"width": width, "height": 800})
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)

    def text(self, name: str) -> str:
        return str(self.page.inner_text(f"#{name}"))

    def until(self, name: str, what: str) -> float:
        began = time.monotonic()
        while what not in self.text(name):
            assert time.monotonic() - began < LIMIT_S, (name, self.text(name), self.complaints)
            self.page.wait_for_timeout(100)
        return time.monotonic() - began


def test_the_page_follows_a_study_and_says_when_its_program_is_gone(stage: Stage, browser: Any, tmp_path: Path) -> None:
    live = LivePage(stage.homes.coordinator, stage.lock.study_id, lambda: connected_hospitals(stage.homes.coordinator))
    live.start()
    run = stage.begin()
    stage.until_round(run, 3)
    run.process.send_signal(signal.SIGSTOP)  # a study that goes on would be ahead of every question
    narrow, wide = Screen(browser, live.address, 375), Screen(browser, live.address, 1280)
    last = [one for one in events_of(stage.folder) if one.get("phase") == "training Rad-D"][-1]
    for screen in (narrow, wide):
        screen.until("count", "6 of 6 connected")
        screen.until("where", f"training Rad-D {last['done']}/{ROUNDS}")
    run.process.send_signal(signal.SIGCONT)
    behind = _behind(wide, stage, run)
    narrow.page.screenshot(path=tmp_path / "narrow.png", full_page=True)
    wide.page.screenshot(path=tmp_path / "wide.png", full_page=True)
    assert narrow.page.evaluate("document.documentElement.scrollWidth") <= 375
    assert wide.page.evaluate("document.querySelectorAll('#plots polyline').length") >= 1
    assert "training.update" in wide.text("opened") and "running" in wide.text("state")
    wide.page.keyboard.press("Tab")
    assert wide.page.evaluate("document.activeElement.parentElement.id") == "sites", "hospitals are reached with the keyboard"
    wide.page.wait_for_timeout(2500)
    assert wide.page.evaluate("document.activeElement.parentElement.id") == "sites", "and stay in focus when the page is drawn anew"
    run.kill()
    for screen in (narrow, wide):
        screen.until("state", "LOST")
    again = stage.begin("resume")
    stage.until_round(again, FURTHER + 2)
    again.process.send_signal(signal.SIGSTOP)  # before its end on any machine
    wide.until("state", "running")
    again.process.send_signal(signal.SIGCONT)
    assert again.wait() == 0, again.output
    for screen in (narrow, wide):
        screen.until("state", "COMPLETE")
        assert screen.complaints == [] and all(url.startswith((live.address, "data:")) for url in screen.asked)
        screen.page.close()
    live.close()
    print(f"at most {behind:.1f} s behind")


def _behind(screen: Screen, stage: Stage, run: StageRun) -> float:
    """Seconds from the moment a study stands still until the page shows its last event; it is left standing."""
    stage.until_round(run, FURTHER)
    run.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    done = max(int(one["done"]) for one in events_of(stage.folder) if one.get("phase") == "training Rad-D")
    screen.until("where", f"training Rad-D {done}/{ROUNDS}")
    return time.monotonic() - began
