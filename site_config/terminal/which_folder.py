"""What a folder is: the office's, a hospital's, one inside or above them; and the right one where a wrong one was given.

The two programs keep different folders, and a tired person stands in the wrong one. Nothing is guessed: a folder near by is named,
never used.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import typer

from site_config.problems import host, identity
from site_config.problems.base import Problem
from site_config.terminal.closed_folder import closed
from site_config.words_of_messages import clean

Side = Literal["office", "hospital"]
MARKS: Final[dict[Side, str]] = {"office": "register.json", "hospital": "site.yaml"}
WANTED: Final[dict[Side, str]] = {"office": "the office's folder (register.json)", "hospital": "a hospital's folder (site.yaml)"}
LOOKED_AT: Final = 200
"""Folders looked into below a wrong one."""
NAMED: Final = 3
SITE_NAME = re.compile(r"^site:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


def is_a(side: Side, folder: Path) -> bool:
    """Whether a folder is of a side."""
    return (folder / MARKS[side]).is_file()


def near(side: Side, folder: Path) -> list[Path]:
    """The folders of a side above a folder, and up to two levels below it."""
    here = folder.absolute()
    above = [one for one in here.parents if is_a(side, one)][:1]
    return above or [one for one in islice(_below(here), LOOKED_AT) if is_a(side, one)]


def _below(folder: Path) -> Iterator[Path]:
    first = _folders(folder)
    yield from first
    for one in first:
        yield from _folders(one)


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(Path(one.path) for one in os.scandir(folder) if one.is_dir() and not one.name.startswith("."))[:LOOKED_AT]
    except OSError:
        return []


def called(folder: Path) -> str:
    """What a folder is, in words; '' for one that is nothing of the program's.

    >>> called(Path("/"))
    ''
    """
    if is_a("office", folder):
        return "the office's folder"
    if is_a("hospital", folder):
        return f"the folder of the hospital {hospital_name(folder)}"
    for side in MARKS:
        above = next((one for one in folder.absolute().parents if is_a(side, one)), None)
        if above is not None:
            return f"a folder inside {called(above)}"
    offices, hospitals = near("office", folder), near("hospital", folder)
    holds = [f"{len(found)} {word}{'s' * (len(found) > 1)}" for found, word in ((offices, "office"), (hospitals, "hospital")) if found]
    return f"a folder above {' and '.join(holds)}" if holds else ""


def hospital_name(folder: Path) -> str:
    """The name in a folder's site.yaml, as far as it reads."""
    try:
        with (folder / MARKS["hospital"]).open(encoding="utf-8", errors="replace") as stream:
            found = SITE_NAME.search(stream.read(1 << 16))
    except OSError:
        found = None
    return clean(found[1]) if found else "(unnamed)"


def wrong_folder(side: Side, folder: Path) -> Problem | None:
    """FH-920 where a folder is not of the wanted side and is recognised as something else; None otherwise.

    A folder without anything of the program's is left to whoever reads it (FH-401, FH-910).
    """
    if is_a(side, folder):
        return None
    found = "a file" if folder.is_file() else called(folder)
    if not found:
        return None
    candidates = near(side, folder)
    if candidates:
        more = f" (and {len(candidates) - NAMED} more)" if len(candidates) > NAMED else ""
        fix = f"Type it again with {' or '.join(_option(one) for one in candidates[:NAMED])}{more}."
    else:
        fix = f"Name {WANTED[side]} with --home, or go there."
    if is_a("hospital", folder):
        fix += f" This hospital's own command: `fedhcc-site status {_option(folder)}`."
    if is_a("office", folder):
        fix += f" The office's own command: `fedhcc-coordinator status {_option(folder)}`."
    return host.WRONG_FOLDER.problem(f"{folder.absolute()} is {found}; the command wants {WANTED[side]}", fix=fix)


def _option(folder: Path) -> str:
    return f"--home {shlex.quote(str(folder))}"


def no_office(home: Path) -> Problem:
    """FH-920 or FH-401 for a folder in which no office is."""
    return wrong_folder("office", home) or identity.IDENTITY_MISSING.problem(
        "This folder is not a coordinator's home",
        why="There is no register in it. An office has one folder and one certificate authority; a second one is another office.",
        fix="Name the office's folder with --home. Only where there is no office yet: "
        "`fedhcc-coordinator init --address HOST:PORT --title TITLE`.",
    )


def an_office(context: typer.Context, home: Path | None) -> Path | None:
    """The callback of a `--home` that names the office's folder: FH-920 for another one, FH-401 for one without an office."""
    if home is not None and not context.resilient_parsing:
        _refuse_closed(Path(home))
        if not is_a("office", Path(home)):
            raise no_office(Path(home))
    return home


def a_hospital(context: typer.Context, home: Path | None) -> Path | None:
    """The callback of a `--home` that names a hospital's folder: FH-920 for another one."""
    if home is not None and not context.resilient_parsing:
        _refuse_closed(Path(home))
        if (problem := wrong_folder("hospital", Path(home))) is not None:
            raise problem
    return home


def _refuse_closed(home: Path) -> None:
    """FH-911 for a folder that is another account's."""
    if (problem := closed(home)) is not None:
        raise problem


def refuse_the_other(side: Side, home: Path) -> None:
    """FH-920 where a new folder would be made inside one of the other side: keys of two parties never lie in one folder."""
    other: Side = "hospital" if side == "office" else "office"
    if is_a(other, home):
        what = f"{home.absolute()} is {called(home)}; {WANTED[side]} is never made in it"
        raise host.WRONG_FOLDER.problem(what, fix="Name an empty folder with --home.")
