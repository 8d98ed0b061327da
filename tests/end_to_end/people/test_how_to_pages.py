"""The pages of whoever keeps a study running: every command on them is run, here or in the test that the page's source names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from client.cli import app as site
from server import hospital_register as enrol
from server.cli import app as office
from simulations.study.site_folders import Homes
from site_config.console import invoke
from site_config.study.plan_and_lock import StudyLock
from tests.support import ROOT

NAMES = (
    "add-a-hospital-later", "a-new-study-with-old-kits", "renew-and-rotate", "upgrade-in-mid-study", "back-up-and-restore",
    "leave-a-hospital-out", "behind-a-proxy", "what-alarms-mean", "hand-over-to-a-colleague",
)  # fmt: skip
BLOCK = re.compile(r"(?:<!-- (run|elsewhere)(?:: ([^>]*?))? -->\n)?```bash\n(.*?)```", re.DOTALL)
APPS = {"fedhcc-coordinator": office, "fedhcc-site": site}


def blocks(name: str) -> list[tuple[str, str, list[str]]]:
    """Every block of commands on a page: whether it is run here or elsewhere, its remark, its lines."""
    text = (ROOT / "docs" / "how-to" / f"{name}.md").read_text()
    return [(kind, remark or "", lines.strip().splitlines()) for kind, remark, lines in BLOCK.findall(text)]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_a_page_runs(
    name: str, tables: Callable[..., tuple[Homes, StudyLock]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes, lock = tables()
    own = lock.names("development")[0]
    monkeypatch.setenv("FEDHCC_HOME", str(homes.coordinator))
    monkeypatch.setenv("FEDHCC_SITE_HOME", str(homes.site(own)))
    place = tmp_path / "desk"
    place.mkdir()
    monkeypatch.chdir(place)
    enrol.load(homes.coordinator)
    (place / f"{own}.lock.json").write_text("{}")
    invoke(site, ["approve", str(homes.coordinator / "studies" / lock.study_id / "lock.json"), "--yes"])
    assert blocks(name), "a page has commands"
    for kind, remark, lines in blocks(name):
        if kind == "elsewhere":
            assert (ROOT / remark).exists(), "the test that runs it"
            continue
        assert kind == "run", f"nobody runs {lines}"
        allowed = {int(one) for one in re.findall(r"\d+", remark)} or {0}
        for line in lines:
            words = [_filled(word, homes, lock, own) for word in shlex.split(line)]
            status = invoke(APPS[words[0]], words[1:])
            assert status in allowed, (line, status)


def _filled(word: str, homes: Homes, lock: StudyLock, own: str) -> str:
    for placeholder, value in (("STUDY", lock.study_id[:12]), ("OFFICE", str(homes.coordinator)), ("HOSPITAL", own)):
        word = word.replace(placeholder, value)
    return word
