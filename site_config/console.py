"""What the three command lines share: tables or `--json`, problems as lines with an exit status, and Ctrl-C.

`run(app)` is the whole of a console script's `main`. A command declares `as_json: Json = False` and ends with
`show(data, render)`; it raises `Problem` and never prints an error itself.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import click
import typer
from click.core import ParameterSource

from site_config.atomic_files import access_problem
from site_config.problems import host, identity
from site_config.problems.base import Exit, Problem
from site_config.study.code_digest import code_digest, software
from site_config.terminal.mistyped import remedy
from site_config.terminal.named_commands import Typed

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

MOST_SHOWN = 60
ROWS_SHOWN = 8
AT_ROW = re.compile(r"^([^\s:]+: )?row (\d+)(?=[,:])")
"""Where a problem is: a row of the table, or of the table of the hospital named before it."""
DAYS = re.compile(r"(?<=: is )\d[\d,]*(?= days )")
"""The days that a cell says, which differ from row to row where the fault is one."""
STOPPED = "stopped; nothing was left half-written"
OUR_PACKAGES = ("site_config", "shared_model", "client", "server", "simulations", "fedhcc")
ARGUMENTS = frozenset({"the kit", "the lock", "the request"})
"""What files given on the command line are called; their paths start where the command runs, not in the folder of --home."""
HOMELESS = frozenset({host.FILE_MISSING.label, identity.IDENTITY_MISSING.label})
"""Problems that a wrong folder leads to most often."""
_json_wanted = False
_typed: Typed | None = None


def _choose_json(value: bool) -> bool:
    global _json_wanted
    _json_wanted = value
    return value


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.", callback=_choose_json, is_eager=True)]


def json_wanted() -> bool:
    """Whether the command now running was asked for `--json`."""
    return _json_wanted


def plain(value: Any) -> Any:
    """A value as JSON types: pydantic models, dataclasses, enums, paths, arrays and sets included; NaN becomes null."""
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Problem):
        return value.as_dict()
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def console(*, stderr: bool = False) -> Console:
    """A rich console that takes texts literally (no markup, no highlighting)."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, soft_wrap=False)


def show(data: Any, render: RenderableType | Callable[[Console], None] | None = None) -> None:
    """Print `data` as JSON under `--json`, else what `render` draws: a rich renderable, a text, or a function of the console."""
    if _json_wanted or render is None:
        typer.echo(json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False))
    elif callable(render):
        render(console())
    else:
        text = isinstance(render, str)  # a path or a fingerprint stays in one piece
        console().print(_with_home(render) if isinstance(render, str) else render, soft_wrap=text)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str | None = None, whole: Sequence[str] = ()
) -> RenderableType:
    """A rich table of texts under its title, with a caption below; numbers stand to the right.

    A narrow terminal folds cells, except those of the columns named in `whole`.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    drawn = Table()
    for index, column in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[index], int | float) and not isinstance(row[index], bool) for row in cells)
        drawn.add_column(Text(column), justify="right" if numeric else "left", no_wrap=column in whole, overflow="fold")
    for row in cells:
        drawn.add_row(*(Text("" if cell is None else _with_home(printable(str(cell)))) for cell in row))
    parts: list[RenderableType] = [Text(printable(title), style="bold")] if title else []
    parts.append(drawn)
    if caption:
        parts.append(Text(_with_home(printable(caption)), style="dim"))
    return Group(*parts)


def note(text: str) -> None:
    """A line for the person at the terminal; it goes to standard error so that `--json` output stays clean."""
    typer.echo(_with_home(printable(text)), err=True)


def next_command(*words: str | Path) -> str:
    """The words as a command to paste, with `--home` again where the command now running was given one."""
    context = click.get_current_context()
    line = [str(word) for word in words]
    if context.get_parameter_source("home") is ParameterSource.COMMANDLINE:
        line += ["--home", str(context.params["home"])]
    return shlex.join(line)


def printable(text: str) -> str:
    """The text without control characters, which a table's cell could use to repaint the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)


def problem_lines(problem: Problem) -> list[str]:
    """A problem as lines: what, why, fix and where there is more; further problems found in the same pass follow without repetition."""
    everything = [problem, *problem.others]
    alike: dict[tuple[str, str, str], list[Problem]] = {}
    for one in everything:
        alike.setdefault((one.code, DAYS.sub("", AT_ROW.sub(r"\1", one.what)), one.fix), []).append(one)
    lines: list[str] = []
    said: set[tuple[str, str]] = set()
    for same in list(alike.values())[:MOST_SHOWN]:
        lines.append(printable(_in_rows(same)))
        for word, text in (("why", same[0].why), ("fix", _with_home(same[0].fix))):
            if (word, text) not in said:
                said.add((word, text))
                lines.append(f"  {word}: {printable(text)}")
    hidden = sum(len(same) for same in list(alike.values())[MOST_SHOWN:])
    if hidden:
        lines.append(f"… and {hidden} more; --json lists them all")
    if len(everything) > 1:
        lines.append(f"{len(everything)} problems")
    if any(one.where in ARGUMENTS and one.code == host.FILE_MISSING.label for one in everything):
        lines.append(f"  folder: {printable(str(Path.cwd()))}, where the command runs: a path without a leading slash starts there")
    elif any(one.code in HOMELESS for one in everything):
        home = _typed.home if _typed is not None else ""
        lines.append(f"  folder: {printable(str(Path(home or '.').resolve()))}" + ("" if home else " (none was given with --home)"))
    return [*lines, f"  more: {program_name()} problem {' '.join(sorted({one.code for one in everything}))}"]


def _with_home(text: str) -> str:
    """The commands in a text with `--home` again where the command now running was given one."""
    return text if _typed is None else _typed.with_home(text)


def _home_of(words: Sequence[str]) -> str:
    """What `--home` was given on a command line; '' where it was not."""
    for at, word in enumerate(words):
        if word == "--home" and at + 1 < len(words):
            return words[at + 1]
        if word.startswith("--home="):
            return word.partition("=")[2]
    return ""


def program_name() -> str:
    """The command now running, as a person types it; a hospital's where the program was started in another way."""
    if _typed is not None and _typed.program:
        return _typed.program
    started = Path(sys.argv[0])
    by_package = {"server": "fedhcc-coordinator", "simulations": "fedhcc-sim"}
    return started.name if started.name.startswith("fedhcc-") else by_package.get(started.parent.name, "fedhcc-site")


def _in_rows(same: Sequence[Problem]) -> str:
    """Problems that differ in their row, or in the days it says, as one line: `FH-213 rows 5, 9, 17 and 2,677 more, column pvtt: …`."""
    rows = [int(found[2]) for one in same if (found := AT_ROW.match(one.what))]
    if len(same) == 1 or len(rows) < len(same):
        often = f" ({len(same)} times)" if len(same) > 1 else ""
        return f"{same[0]}{often}"
    rows = sorted(set(rows))
    more = len(rows) - ROWS_SHOWN
    shown = ", ".join(str(row) for row in rows[:ROWS_SHOWN])
    days = sorted({int(found[0].replace(",", "")) for one in same if (found := DAYS.search(one.what))})
    named = AT_ROW.match(same[0].what)
    hospital = named[1] or "" if named else ""
    rest = AT_ROW.sub("", same[0].what)
    rest = DAYS.sub(f"{days[0]:,d} to {days[-1]:,d}", rest) if len(days) > 1 else rest
    place = f" ({same[0].where.partition(':')[0]})" if same[0].where else ""
    return f"{same[0].code} {hospital}rows {shown}{f' and {more:,d} more' if more > 0 else ''}{rest}{place}"


def report_problem(problem: Problem) -> int:
    """Print a problem where it belongs and give the exit status it leads to."""
    if _json_wanted:
        typer.echo(json.dumps({"problem": problem.as_dict()}, indent=2, ensure_ascii=False))
    for line in problem_lines(problem):
        typer.echo(line, err=True)
    return int(problem.kind.exit)


def _internal(error: BaseException) -> Problem:
    """What may be said of an unexpected exception: its type and our line, never its text, which could hold a path."""
    place = "unknown place"
    for frame in traceback.extract_tb(error.__traceback__):
        parts = Path(frame.filename).parts
        for package in OUR_PACKAGES:
            if package in parts and "site-packages" not in parts:
                place = f"{'/'.join(parts[parts.index(package) :])}:{frame.lineno}"
    return host.INTERNAL.problem(f"{type(error).__name__} at {place}")


def _usage(error: click.UsageError) -> Problem:
    what = error.format_message()
    context = error.ctx
    fix = f"Run `{context.command_path} --help`." if context else None
    if context is not None and _typed is not None:
        line = program_name() + context.command_path.removeprefix(context.find_root().command_path)
        fix = _typed.misplaced(context.command, line, what) or remedy(error, context.command, line) or fix
    if context is not None and isinstance(context.command, click.Group) and "No such command" in what:
        what = what.partition(" Did you mean")[0]  # the library's guess, which newer releases say twice
        wanted = next((part.strip("'\".") for part in what.split() if part.startswith("'")), "")
        if _typed is not None:
            fix = _typed.instead_of(context.command, context.command_path, wanted)
    return host.USAGE.problem(what, fix=fix)


def invoke(app: typer.Typer, arguments: Sequence[str] | None = None, program: str | None = None) -> int:
    """Run a command line and give its exit status; whatever goes wrong becomes a numbered problem on standard error."""
    wanted = list(sys.argv[1:] if arguments is None else arguments)
    root = typer.main.get_command(app)
    named = root.name if root.name is not None and root.name.startswith("fedhcc-") else ""
    global _typed
    _typed = Typed(program or named, root, _home_of(wanted), tuple(wanted))
    _choose_json("--json" in wanted)
    for stream in (sys.stdout, sys.stderr):  # a terminal without UTF-8 gets escapes in place of a fault
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = root.main(args=wanted, prog_name=program, standalone_mode=False)
        if result == Exit.INTERRUPTED:  # typer's own translation of Ctrl-C
            typer.echo(STOPPED, err=True)
        return result if isinstance(result, int) else int(Exit.OK)
    except (KeyboardInterrupt, click.Abort):
        typer.echo(STOPPED, err=True)
        return int(Exit.INTERRUPTED)
    except Problem as problem:
        return report_problem(problem)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as help_wanted:
        typer.echo(help_wanted.format_message(), err=True)
        return int(Exit.USAGE)
    except click.UsageError as error:
        return report_problem(_usage(error))
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (the interpreter flushes it at its end)
        return int(Exit.OK)
    except Exception as error:  # the one handler that turns everything into a code
        if os.environ.get("FEDHCC_DEBUG") == "1":
            traceback.print_exc()
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] not in OUR_PACKAGES:
            return report_problem(host.NOT_INSTALLED.problem(f"the library {error.name} is not installed"))
        return report_problem(access_problem(error, "a file") if isinstance(error, OSError) and error.errno else _internal(error))


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{software()}  code {code_digest()}")
        raise typer.Exit


def add_version(app: typer.Typer) -> None:
    """Give a command line `--version`: the release and the digest of the code a lock is bound to."""

    @app.callback()
    def start(
        version: Annotated[
            bool, typer.Option("--version", help="Show the release and the code's digest.", callback=_tell_version, is_eager=True)
        ] = False,
    ) -> None:
        """Options of the whole command line."""


def run(app: typer.Typer) -> NoReturn:
    """The `main` of a console script: run the command line and exit with its documented status."""
    # Our matrix products outside PyTorch are small: threads of NumPy's library would wait for each other, and on a busy
    # machine a patient's scans took four times the CPU time. It reads this once, when NumPy is imported; PyTorch does not.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(invoke(app))
