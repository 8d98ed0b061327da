"""Mistakes of typing that every command knows: the remedy is the line to type, not a page to read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from client.cli import app as site_app
from server.cli import app as office_app
from site_config.console import invoke
from site_config.terminal.named_commands import command_at, paths, takes

APPS = {"fedhcc-site": site_app, "fedhcc-coordinator": office_app}


def commands() -> Iterator[tuple[str, tuple[str, ...], click.Command]]:
    for program, app in APPS.items():
        root = typer.main.get_command(app)
        for words in paths(root):
            command = command_at(root, words)
            assert command is not None
            yield program, words, command


ALL = list(commands())


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A hospital's folder and an office's."""
    place = tmp_path_factory.mktemp("homes")
    assert invoke(site_app, ["init", "--name", "hospital-01", "--home", str(place / "hospital-01")]) == 0
    office = ["--title", "Trial office", "--address", "127.0.0.1:9443", "--home", str(place / "office")]
    assert invoke(office_app, ["init", *office]) == 0
    return {"fedhcc-site": str(place / "hospital-01"), "fedhcc-coordinator": str(place / "office")}


def fix_of(program: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    status = invoke(APPS[program], words, program)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 24
    return status, lines[0], next(line for line in lines if line.startswith("  fix: "))


@pytest.mark.parametrize(
    ("program", "words", "command"), ALL, ids=lambda one: one if isinstance(one, str) else "-".join(one) if isinstance(one, tuple) else ""
)
def test_what_is_missing_and_what_is_too_much(
    program: str, words: tuple[str, ...], command: click.Command, homes: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    needed = [one for one in command.params if one.required]
    line = " ".join([program, *words])
    home = ["--home", homes[program]] if takes(command, "--home") else []
    if needed:
        status, what, fix = fix_of(program, [*words, *home], capsys)
        assert status == 2 and what.startswith("FH-902 Missing") and f"Write `{line} " in fix
        for one in needed:
            assert (max(one.opts, key=len) if isinstance(one, click.Option) else str(one.name).upper()) in fix or str(
                one.metavar or "?"
            ) in fix
    if not any(isinstance(one, click.Argument) for one in command.params):
        options = itertools.chain.from_iterable((max(one.opts, key=len), "1") for one in needed)
        status, what, fix = fix_of(program, [*words, *options, "no-such-folder", *home], capsys)
        assert status == 2 and "unexpected extra argument" in what and "leave the word out" in fix
    status, what, fix = fix_of(program, [*words, "--no-such-option", *home], capsys)
    assert status == 2 and "No such option" in what and f"Options of `{line}" in fix
    numbers = [one for one in command.params if isinstance(one, click.Option) and one.type.name.startswith(("integer", "float"))]
    for one in numbers:
        status, what, fix = fix_of(program, [*words, max(one.opts, key=len), "2m", *home], capsys)
        assert status == 2 and "Write a number without a unit" in fix


@pytest.mark.parametrize(
    ("program", "word", "remedy"),
    [
        ("fedhcc-site", "help", "`fedhcc-site --help`"),
        ("fedhcc-coordinator", "version", "`fedhcc-coordinator --version`"),
        ("fedhcc-site", "start", "Did you mean `fedhcc-site run`?"),
        ("fedhcc-coordinator", "start", "Did you mean `fedhcc-coordinator run`?"),
        ("fedhcc-site", "stop", "Did you mean `fedhcc-site pause`?"),
        ("fedhcc-site", "withdraw", "Did you mean `fedhcc-site data withdraw`?"),
        ("fedhcc-coordinator", "check", "Did you mean `fedhcc-coordinator study check`?"),
        ("fedhcc-coordinator", "approve", "Did you mean `fedhcc-coordinator enrol`?"),
        ("fedhcc-coordinator", "kit", "Did you mean `fedhcc-coordinator enrol`?"),
        ("fedhcc-coordinator", "join", "That is the other side's command: `fedhcc-site join`"),
    ],
)
def test_a_word_of_elsewhere(program: str, word: str, remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, fix = fix_of(program, [word], capsys)
    assert status == 2 and remedy in fix


def test_a_command_without_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, fix = fix_of("fedhcc-coordinator", ["study", "show", "x", "--home", str(tmp_path)], capsys)
    assert status == 2 and "leave `--home` out" in fix
