"""`… problem FH-715` of all three commands: a problem's page wherever the program runs, without a checkout or a network.

The problems' own texts are the source: they are type-checked beside the code that raises them, travel in the wheel, and
the pages below `docs/problems` are written from them.
"""

from __future__ import annotations

from typing import Annotated

import typer

from site_config.console import Json, program_name, show, table
from site_config.problems import all_kinds, host
from site_config.problems.base import Kind
from site_config.problems.group_titles_and_exits import EXITS, GROUP_TITLES
from site_config.words_of_messages import clean, nearest


def find(given: str) -> Kind:
    """The problem of a number (`FH-715`, `fh715`, `715`) or of a name; FH-902 for one that does not exist."""
    wanted = given.strip().lower().removeprefix("fh").strip("-_ ")
    for kind in all_kinds():
        if wanted in (str(kind.code), kind.name):
            return kind
    near = nearest(f"fh-{wanted}" if wanted.isdigit() else wanted, [name for kind in all_kinds() for name in (kind.label, kind.name)])
    fix = f"{f'Did you mean `{near}`? ' if near else ''}`{program_name()} problem` lists all."
    raise host.USAGE.problem(f"there is no problem {clean(given)}", fix=fix)


def page(kind: Kind) -> str:
    """A problem's page as plain text."""
    head = f"{kind.label}  {kind.title}"
    place = f"{GROUP_TITLES[kind.code // 100]} · {kind.name} · exit status {int(kind.exit)} ({EXITS[kind.exit]})"
    return f"{head}\n{place}\n\nWhy\n  {kind.why}\n\nWhat to do\n  {kind.fix}\n"


def problem(
    numbers: Annotated[list[str] | None, typer.Argument(help="FH-715, 715 or the problem's name; left out, all are listed.")] = None,
    json: Json = False,
) -> None:
    """Why a numbered problem arises and what to do about it."""
    kinds = [find(number) for number in numbers] if numbers else list(all_kinds())
    data = [
        {"code": one.label, "name": one.name, "title": one.title, "why": one.why, "fix": one.fix, "exit": int(one.exit)} for one in kinds
    ]
    if numbers:
        show(data, "\n".join(page(one) for one in kinds))
        return
    rows = [(one.label, one.title, int(one.exit)) for one in kinds]
    show(data, table("Problems", ("number", "what", "exit"), rows, whole=("number",)))


def register(app: typer.Typer) -> None:
    """Add `problem` to a command line."""
    app.command()(problem)
