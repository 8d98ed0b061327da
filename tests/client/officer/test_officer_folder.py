"""The officer's folder: complete, at most four A4 pages, and true to the lock."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import pytest

from client import keys_kit_and_decisions as at_site
from client.officer import officer_folder
from client.officer.opened_in_words import opened_groups
from client.officer.what_leaves import TITLES, categories, in_words, total_line
from client.officer.who_could_read import glossary, names_in_short, readers
from client.release.known_hospitals import wanted, wanted_holders
from client.release.site_policy import expected_statistics, floor
from server import hospital_register as at_office
from server import office_setup
from shared_model.analyses.trust_in_words import results_by_kind
from shared_model.networks.rad_networks import build
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
        assert TITLES.get(one, REGISTRY[one].title).split("'")[0] in text
    for one in hospital.lock.holders:
        assert one in text
    assert ("no update leaves" in text) != hospital.lock.study.reads_scans
    assert ("fits the validation patients" in text) == hospital.lock.study.reads_scans
    assert ("AUC 0.92" in text) == hospital.lock.study.reads_scans
    assert names_in_short(sorted(one.name for one in hospital.lock.roster)) in text
    for one in hospital.lock.roster:
        if one.name != hospital.site.site:
            assert one.fingerprint[:8] not in text, "digits of others are heard, not read"
    assert hospital.lock.study_id[:12] in text


def test_it_is_written_into_a_folder(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, "tiny", 6)
    path = officer_folder.write(tmp_path / "new" / "folder", hospital.site, hospital.lock, hospital.identity, hospital.kit, "today")
    assert path.name == officer_folder.PAGE and "For the data-protection officer" in path.read_text()


def text_of(page: str) -> str:
    """A page as its reader sees it, without what stands in its head."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("<body>", 1)[1]))


def test_it_answers_what_an_officer_asks(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, "paper", 52)
    text = text_of(hospital.page())
    lock = hospital.lock
    for words in (
        "controller",
        "joint controllers",
        "processor",
        "Medical research",
        "GDPR Articles 6 and 9",
        "In a breach",
        "cannot be undone",
        "Whom it lists later, the same yes covers",
        "fedhcc-site decline : nothing more leaves from the next message on",
        "by the office after",
        "who pool what they hold",
        "Basis of a transfer outside the EEA",
        "What is not protected",
        "DPIA, GDPR Article 35",
        "Patients informed (Articles 13, 14)",
        "not hidden from who has the patient's data",
        "no proven limit",
        "when messages go and how large they are",
        f"with code {lock.code_digest[:12]}",
        "research software, not a medical device",
        "To be fixed in the contract",
        "confirmed in writing",
        "The management's permission to approve",
        "Access (15): its tables and slices",
        f"it counts once {floor(hospital.site.policy, lock.study).patients} or more rows changed",
        "For instance: this machine",
        "Patients stand in it as pseudonyms",
        "no independent audit",
        "counts them",
    ):
        assert words in text
    groups = opened_groups(lock)
    opened = sum(prod(result.shape) for _, _, members in results_by_kind(lock) for result in members)
    assert sum(one.numbers for one in groups) == opened, "every result that may be opened is in a group"
    assert f"{opened:,} numbers of results at most" in text
    assert (
        f"at least {max(wanted(hospital.site.policy), wanted_holders(lock, hospital.site.site))} other hospital" in text
        and "Doing nothing is a no" in text
    )
    assert f"{lock.collusion + 1} of the {len(lock.holders)} holders" in text
    assert not re.search(r"\b[Mm]ask(s|ed)?\b", text.split("Words", 1)[0]), "one word for blinding, another for outlines of organs"


def test_numbers_that_leave_are_counted(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, "paper", 52)
    lock, site = hospital.lock, hospital.site.site
    found = categories(lock, site)
    update = next(one for one in found if one.what.startswith("Model updates"))
    turns = -(-lock.study.training.rounds // len(lock.blocks["development"]))
    weights = {name: sum(one.numel() for one in build(lock.study, name).parameters()) for name in ("Rad-S", "Rad-D")}
    assert update.total is not None and update.total / turns == pytest.approx(sum(weights.values()), rel=1e-3)
    assert f"about {float(f'{sum(one.total or 0 for one in found) / 1e6:.3g}'):,.0f} million numbers" in total_line(found, lock)
    assert [in_words(count) for count in (1, 1234, 2_500_000)] == ["1 number", "1,234 numbers", "about 2.5 million numbers"]


@pytest.mark.parametrize("masks", [True, False])
def test_who_would_have_to_act_together(tmp_path: Path, masks: bool) -> None:
    hospital = Hospital(tmp_path, "paper", 52)
    study = hospital.lock.study
    lock = hospital.lock.model_copy(
        update={"study": study.model_copy(update={"privacy": study.privacy.model_copy(update={"masks": masks})})}
    )
    block = next(block for block in lock.blocks["development"] if hospital.site.site in block)
    vector = next(one for one in readers(lock, hospital.site.site) if one.what.startswith("One hospital's"))
    assert (f"the other {len(block) - 1} hospitals" in vector.together) == masks
    assert ("does not blind" in vector.together) != masks
    assert any(word == "blinded" for word, _ in glossary(lock)) == masks


def test_runs_of_names_are_drawn_together() -> None:
    assert names_in_short(["a-1", "a-2", "a-3", "b", "c-7", "c-9"]) == "a-1 to a-3, b, c-7, c-9"
    assert names_in_short(["a-1", "a-2"]) == "a-1, a-2"
