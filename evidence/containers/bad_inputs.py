"""What goes wrong on the first day: the numbered problem as the last lines, a documented exit status, no restart storm."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from evidence.containers.container_federation import SITES, ContainerStage
from evidence.containers.podman import Ended

WATCHED_S: Final = 40.0
"""How long an engine that starts a failing container again at once is watched."""
MOST_STARTS: Final = 2


@contextmanager
def changed(path: Path, change: Callable[[str], str]) -> Iterator[None]:
    """A text file changed for a while."""
    before = path.read_text(encoding="utf-8")
    path.write_text(change(before), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


@contextmanager
def mode(path: Path, bits: int, owner: int) -> Iterator[None]:
    """A file's mode and owner changed for a while."""
    before = path.stat()
    os.chown(path, owner, owner)
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before.st_mode)
        os.chown(path, before.st_uid, before.st_gid)


def _run(stage: ContainerStage, *extra: str, without: str = "") -> Ended:
    """The program as the compose file runs it, with other words beside, its pause shortened."""
    options = list(stage.service(SITES[0]))
    if without:
        options = [word.replace(without, without + ":ro") if word.endswith(without) else word for word in options]
    return stage.podman.once(stage.site_image, [*options, "--env", "FEDHCC_RESTART_PAUSE=1", *extra], "run")


def _told(ended: Ended, code: str, status: int) -> dict[str, Any]:
    """Whether the last lines are the problem's, with its exit status."""
    last = "\n".join(ended.last)
    return {"as_documented": code in last and ended.status == status and "Traceback" not in ended.output, "last": ended.last[0][:160]}


def measure(stage: ContainerStage) -> dict[str, Any]:
    """Each in turn."""
    home = stage.home(SITES[0])
    site, cohort = home / "site.yaml", home / "cohort.csv"
    figures: dict[str, Any] = {}
    with changed(site, lambda text: set_field(text, "paths", "images", "/mnt/pacs")):
        figures["wrong host path"] = _told(_run(stage), "FH-910", 12)
    with mode(cohort, 0o600, 0):
        figures["unreadable data"] = _told(_run(stage), "FH-911", 12)
    with changed(site, lambda text: set_field(text, "compute", "device", "cuda")):
        figures["no GPU where one is asked for"] = _told(_run(stage), "FH-605", 12)
        figures["starts_in_40_s_where_the_engine_restarts_at_once"] = starts = _starts(stage)
        figures["no_restart_storm"] = starts <= MOST_STARTS
    figures["missing secret"] = _told(_run(stage, "--env", "FEDHCC_PROXY_FILE=/run/secrets/proxy"), "FH-910", 12)
    figures["read-only state"] = _told(_run(stage, without=":/site/state"), "FH-913", 12)
    return figures


def set_field(text: str, section: str, name: str, value: str) -> str:
    """A YAML document with one field of a section set."""
    document = yaml.safe_load(text)
    document.setdefault(section, {})[name] = value
    return yaml.safe_dump(document, sort_keys=False)


def _starts(stage: ContainerStage) -> int:
    """How often the program begins in a while, under an engine that starts it again without waiting."""
    name = "restarted"
    stage.podman.call("rm", "--force", "--time", "1", name)
    stage.podman.call("run", "--detach", "--name", name, "--restart", "always", *stage.service(SITES[0]), stage.site_image, "run")
    time.sleep(WATCHED_S)
    said = stage.podman.call("logs", name).output
    stage.podman.call("rm", "--force", "--time", "1", name)
    return max(1, said.count("FH-605 "))
