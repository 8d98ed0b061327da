"""The officer's folder: complete, at most four A4 pages, and true to the lock."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client import keys_kit_and_decisions as at_site
from client.officer import officer_folder
from client.release.site_policy import expected_statistics
from server import hospital_register as at_office
from server import office_setup
from shared_model.analyses.trust_in_words import trust_lines
from shared_model.statistics.statistic_declaration import REGISTRY
from site_config.keys_and_signatures import CoordinatorIdentity, SiteIdentity
from site_config.site_yaml import Policy, SiteConfig
from site_config.study.lock_study import lock_study, resolve_roles
from site_config.study.plan_and_lock import StudyLock, StudySite
from site_config.study.study_presets import preset

NAMES = [f"hospital-{number:02d}" for number in range(1, 53)]
CASES = {"paper": 52, "cox": 52, "tiny": 6}


class Hospital:
    """The first hospital of a study of a preset over so many hospitals, with real keys."""

    def __init__(self, root: Path, name: str, sites: int, **changes: object) -> None:
        office = root / "office"
        office_setup.init(office, "Trial office", "fed.example.org:8443")
        for one in NAMES[:sites]:
            at_office.enrol(office, at_site.init(root / one, one).request().model_dump_json().encode())
        plan = preset(name, [StudySite(name=one) for one in NAMES[:sites]]).model_copy(update=changes)
        roles = resolve_roles(plan)
        key = CoordinatorIdentity.load(office).public_key
        self.lock: StudyLock = lock_study(plan, at_office.roster(office, roles), code_digest="c" * 64, coordinator_key=key)
        first = self.lock.names("development")[0]
        self.site = SiteConfig(site=first, home=root / first, policy=Policy())
        self.identity = SiteIdentity.load(root / first)
        self.kit = at_office.kit(office, first)

    def page(self) -> str:
        return officer_folder.page(self.site, self.lock, self.identity, self.kit, "2026-11-26")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("no Chromium on this machine: install the Debian package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.mark.parametrize(("name", "resolution"), [("paper", "shares"), ("paper", "exact"), ("cox", "shares"), ("tiny", "exact")])
def test_at_most_four_pages_and_everything_is_in_them(tmp_path: Path, browser: Any, name: str, resolution: str) -> None:
    hospital = Hospital(tmp_path, name, CASES[name], resolution=resolution)
    text = hospital.page()
    path = tmp_path / "page.html"
    path.write_text(text)
    page = browser.new_page(viewport={"width": 375, "height": 800})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    page.close()
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 4
    role = hospital.lock.entry(hospital.site.site).role
    for one in expected_statistics(hospital.lock.study, role):
        assert REGISTRY[one].title.split("'")[0] in text
    for line in trust_lines(hospital.lock.holders) if hospital.lock.holders else ():
        assert line.split("'")[0] in text
    assert ("no update leaves" in text) != hospital.lock.study.reads_scans
    assert ("Loss of the validation patients" in text) == hospital.lock.study.reads_scans
    assert ("AUC 0.92" in text) == hospital.lock.study.reads_scans
    for one in hospital.lock.roster:
        assert one.name in text
        if one.name != hospital.site.site:
            assert one.fingerprint[:8] not in text, "digits of others are heard, not read"
    assert hospital.lock.study_id in text


def test_it_is_written_into_a_folder(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, "tiny", 6)
    path = officer_folder.write(tmp_path / "new" / "folder", hospital.site, hospital.lock, hospital.identity, hospital.kit, "today")
    assert path.name == officer_folder.PAGE and "For the data-protection officer" in path.read_text()
