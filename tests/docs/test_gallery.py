"""The gallery shows every command and every figure; the picture of the parties has the numbers of the committed evidence."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator

import click
import pytest
import typer

from client.cli import app as site
from server.cli import app as coordinator
from simulations.cli import app as sim
from tests.support import ROOT

APPS = {"fedhcc-site": site, "fedhcc-coordinator": coordinator, "fedhcc-sim": sim}
GALLERY = ROOT / "docs" / "gallery"


def commands(group: click.Command, path: str) -> Iterator[str]:
    if isinstance(group, click.Group):
        for name, one in group.commands.items():
            if not one.hidden:
                yield from commands(one, f"{path} {name}")
    else:
        yield path


def test_every_command_is_in_the_gallery() -> None:
    page = (GALLERY / "commands.md").read_text("utf-8")
    shown = set(re.findall(r"^### (.*)$", page, flags=re.MULTILINE))
    missing = {one for name, app in APPS.items() for one in commands(typer.main.get_command(app), name)} - shown
    assert not missing, "python docs/gallery/build.py"


def test_the_gallery_shows_every_command_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "TERM", "SOURCE_DATE_EPOCH"):
        monkeypatch.setenv(name, "")  # the builder sets them; they go back after the test
    built = runpy.run_path(str(GALLERY / "build.py"))["command_page"]()
    assert built == (GALLERY / "commands.md").read_text("utf-8"), "python docs/gallery/build.py"


def test_every_figure_is_there_and_shown() -> None:
    shown = set(re.findall(r"\]\(([a-z0-9-]+\.svg)\)", (GALLERY / "report.md").read_text("utf-8")))
    assert shown == {path.name for path in GALLERY.glob("*.svg")}
    assert len(shown) > 20


def test_the_picture_of_the_parties_has_the_evidences_numbers() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "pictures" / "parties.py"))
    picture = (ROOT / "docs" / "pictures" / "parties.svg").read_text("utf-8")
    for one in drawn["attacks"]():
        assert one.name in picture and f">{one.found:.2f}<" in picture, "python docs/pictures/parties.py"
    assert all(f">{auc:.2f}<" in picture for _, auc in drawn["outcomes"]())
    assert all(line in picture for *_, what, looked in drawn["seen"]() for line in (*what.splitlines(), looked))
