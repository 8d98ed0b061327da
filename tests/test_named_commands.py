"""Every command that a screen names exists, with the options named, and carries `--home` for its own side alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import typer

from client.cli import app as site
from server.cli import app as office
from simulations.cli import app as simulation
from site_config.problems import all_kinds
from site_config.problems.base import Kind
from site_config.terminal.named_commands import COMMAND, OTHER_SIDE, Typed, command_at, takes
from tests.support import ROOT

PROGRAMS = {"fedhcc-site": site, "fedhcc-coordinator": office, "fedhcc-sim": simulation}
SOURCES = ("site_config", "shared_model", "client", "server", "simulations")
NAMED = re.compile(r"fedhcc-(?:site|coordinator|sim) ([a-z][a-z-]*)")
"""A command in any text, between backticks or not."""


@cache
def root_of(program: str) -> click.Command:
    return typer.main.get_command(PROGRAMS[program])


def fault_of(program: str, line: str) -> str:
    """What is wrong with a command in a text; '' for nothing."""
    words = line.replace("…", "").split()
    command = command_at(root_of(program), words)
    if command is None:
        return f"`{program} {line}`: there is no such command"
    if isinstance(command, click.Group) and not command.invoke_without_command:
        return f"`{program} {line}`: this is a group of commands"
    unknown = [word for word in words if word.startswith("--") and word != "--help" and not takes(command, word.partition("=")[0])]
    return f"`{program} {line}`: no option {unknown[0]}" if unknown else ""


def texts(path: Path) -> Iterator[str]:
    """Every text of a source file; what is filled in later stands as X. Docstrings are read by other tests."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | inside:
            yield node.value


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.label)
def test_a_problem_names_commands_that_exist(kind: Kind) -> None:
    for text in (kind.why, kind.fix):
        assert [fault for program, line in COMMAND.findall(text) if (fault := fault_of(program, line))] == []
        outside = COMMAND.sub("", text)
        assert not NAMED.search(outside), "a command stands between backticks, so that --home can be added to it"


@pytest.mark.parametrize("package", SOURCES)
def test_every_text_of_the_source_names_commands_that_exist(package: str) -> None:
    faults = [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in texts(path)
        for program, line in COMMAND.findall(text)
        if "X" not in line.split()[:2] and (fault := fault_of(program, line))
    ]
    assert faults == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_folder_is_filled_in_for_the_programs_own_commands_alone(program: str) -> None:
    typed = Typed(program, root_of(program), "my folder")
    for kind in all_kinds():
        for other, line in COMMAND.findall(typed.with_home(kind.fix)):
            command = command_at(root_of(other), line.split())
            assert command is not None
            own = other == program and takes(command, "--home")
            assert line.count("--home") == 1 if own else "my folder" not in line, f"{kind.label}: {other} {line}"


@pytest.mark.parametrize("program", OTHER_SIDE)
def test_words_of_the_other_side_lead_to_commands(program: str) -> None:
    for word, line in OTHER_SIDE[program].items():
        other, _, rest = line.partition(" ")
        assert command_at(root_of(other), rest.split()) is not None, line
        assert word not in root_of(program).commands, f"{program} has `{word}` itself"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("program", "wrong", "right"),
    [
        ("fedhcc-coordinator", "statsu", "fedhcc-coordinator status"),
        ("fedhcc-coordinator", "publish", "fedhcc-coordinator study publish"),
        ("fedhcc-coordinator", "lock", "fedhcc-coordinator study lock"),
        ("fedhcc-coordinator", "study-lock", "fedhcc-coordinator study lock"),
        ("fedhcc-coordinator", "approve", "fedhcc-coordinator enrol"),
        ("fedhcc-coordinator", "check", "fedhcc-coordinator study check"),
        ("fedhcc-coordinator", "join", "fedhcc-site join"),
        ("fedhcc-coordinator", "enroll", "fedhcc-coordinator enrol"),
        ("fedhcc-site", "serve", "fedhcc-coordinator serve"),
        ("fedhcc-site", "prepare", "fedhcc-site data prepare"),
        ("fedhcc-site", "withdraw", "fedhcc-site data withdraw"),
        ("fedhcc-site", "enrol", "fedhcc-coordinator enrol"),
        ("fedhcc-site", "approv", "fedhcc-site approve"),
        ("fedhcc-site", "docter", "fedhcc-site doctor"),
        ("fedhcc-sim", "serve", "fedhcc-coordinator serve"),
    ],
)
def test_an_unknown_command_is_answered_with_the_near_one(program: str, wrong: str, right: str) -> None:
    root = root_of(program)
    assert isinstance(root, click.Group)
    assert f"`{right}`" in Typed(program, root).instead_of(root, program, wrong)


def test_a_word_like_none_is_answered_with_all_commands() -> None:
    root = root_of("fedhcc-site")
    assert isinstance(root, click.Group)
    assert "Commands: init" in Typed("fedhcc-site", root).instead_of(root, "fedhcc-site", "xyzzy")
