"""A wrong folder is called by its name, with the right one where it is near; nothing of one side is made in a folder of the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.cli import app as site_app
from server import office_setup
from server.cli import app as office_app
from site_config.terminal.which_folder import Side, called, wrong_folder
from tests.support import run_cli

OFFICE = (
    ["status"],
    ["sites"],
    ["run"],
    ["resume"],
    ["list"],
    ["serve"],
    ["leave"],
    ["stop"],
    ["live"],
    ["repair"],
    ["study", "lock", "x.yaml"],
)
HOSPITAL = (
    ["status"],
    ["check"],
    ["run"],
    ["studies"],
    ["egress", "summary"],
    ["data", "prepare"],
    ["join", "x.kit.json"],
    ["logs"],
    ["pause"],
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An office and two hospitals beside each other."""
    here = tmp_path_factory.mktemp("place")
    office_setup.init(here / "office", "An office", "127.0.0.1:9447")
    for name in ("north", "south"):
        (here / name / "state").mkdir(parents=True)
        (here / name / "site.yaml").write_text(f"site: {name}\n")
    return here


def test_what_a_folder_is(place: Path) -> None:
    assert called(place / "office") == "the office's folder"
    assert called(place / "north") == "the folder of the hospital north"
    assert called(place / "north" / "state") == "a folder inside the folder of the hospital north"
    assert called(place / "office" / "tls") == "a folder inside the office's folder"
    assert called(place) == "a folder above 1 office and 2 hospitals"


@pytest.mark.parametrize("words", OFFICE, ids=" ".join)
def test_every_command_of_the_office_names_a_hospitals_folder(place: Path, words: list[str]) -> None:
    ran = run_cli(office_app, *words, "--home", place / "north")
    assert ran.status == 12
    assert ran.err.startswith(f"FH-920 {place / 'north'} is the folder of the hospital north; the command wants the office's folder")
    assert "init" not in ran.err, "a second office is never advised"
    assert f"`fedhcc-site status --home {place / 'north'}`" in ran.err


@pytest.mark.parametrize("words", HOSPITAL, ids=" ".join)
def test_every_command_of_a_hospital_names_the_offices_folder(place: Path, words: list[str]) -> None:
    ran = run_cli(site_app, *words, "--home", place / "office")
    assert ran.status == 12
    assert ran.err.startswith(f"FH-920 {place / 'office'} is the office's folder; the command wants a hospital's folder")
    assert "init" not in ran.err
    assert f"`fedhcc-coordinator status --home {place / 'office'}`" in ran.err


@pytest.mark.parametrize(
    ("side", "inside", "fix"),
    [("office", "office/kits", "--home {}/office."), ("hospital", "north/state", "--home {}/north."), ("office", ".", "--home {}/office.")],
)
def test_the_right_folder_above_or_below_is_named(place: Path, side: Side, inside: str, fix: str) -> None:
    (place / "office" / "kits").mkdir(exist_ok=True)
    problem = wrong_folder(side, place / inside)
    assert problem is not None and fix.format(place) in problem.fix


def test_several_hospitals_below_are_named(place: Path) -> None:
    problem = wrong_folder("hospital", place)
    assert problem is not None and f"--home {place / 'north'} or --home {place / 'south'}" in problem.fix


def test_neither_side_is_made_in_a_folder_of_the_other(place: Path) -> None:
    ran = run_cli(office_app, "init", "--address", "127.0.0.1:9448", "--title", "Another", "--home", place / "north")
    assert ran.status == 12 and ran.err.startswith("FH-920") and not (place / "north" / "register.json").exists()
    ran = run_cli(site_app, "init", "--name", "west", "--home", place / "office")
    assert ran.status == 12 and ran.err.startswith("FH-920") and not (place / "office" / "site.yaml").exists()


def test_an_empty_folder_is_left_to_the_command(tmp_path: Path) -> None:
    assert wrong_folder("office", tmp_path) is None
    assert run_cli(office_app, "sites", "--home", tmp_path).err.startswith("FH-401")
    assert run_cli(site_app, "status", "--home", tmp_path).err.startswith("FH-910")


def test_help_needs_no_folder(place: Path) -> None:
    assert run_cli(office_app, "status", "--home", place / "north", "--help").status == 0
