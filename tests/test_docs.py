"""The documentation's links lead somewhere, and every command it shows exists with the options it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import typer

from client.cli import app as site
from server.cli import app as coordinator
from simulations.cli import app as sim
from tests.support import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
APPS = {"fedhcc-site": site, "fedhcc-coordinator": coordinator, "fedhcc-sim": sim}
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?<!-t )(?:\.venv/bin/)?(fedhcc-(?:site|coordinator|sim)\b(?![:@\x22])[^`\n]*)")  # -t, : and @: an image; a quote: R


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target.strip()).exists()]
    assert not missing


def shown(page: Path) -> list[str]:
    """Commands in code blocks and in back-ticks, without comments and shell beyond them."""
    text = page.read_text()
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", text)
    lines = [line for block in blocks for line in block.splitlines()] + inline
    found = [match.group(1) for line in lines for match in [COMMAND.search(line)] if match]
    return [re.split(r"\s+#|\s*[|>&;]\s|…", command)[0].strip() for command in found]


def fault(command: str) -> str | None:
    """What is wrong with a command line, or None."""
    words = shlex.split(command.replace("[", "").replace("]", ""))
    here: click.Command = typer.main.get_command(APPS[words[0]])
    rest = words[1:]
    while isinstance(here, click.Group) and rest and not rest[0].startswith("-"):
        if rest[0] not in here.commands:
            return f"{command!r}: no command {rest[0]!r}"
        here = here.commands[rest[0]]
        rest = rest[1:]
    options = {name for parameter in here.params for name in [*parameter.opts, *parameter.secondary_opts]} | {"--help"}
    for word in rest:
        if word.startswith("--") and word.split("=")[0] not in options:
            return f"{command!r}: no option {word!r}"
    return None


TYPED = [page for page in PAGES if page.parent.name != "gallery"]
"""What the commands print about themselves is made from them; `test_gallery` holds that none is missing."""


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_exist(page: Path) -> None:
    faults = [found for command in shown(page) if "/" not in command.split()[0] for found in [fault(command)] if found]
    assert not faults
