"""`fedhcc-coordinator doctor`: every question about the office at once, before `init` too; a page for whoever asks."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from server.commands.enrol_and_renew import AnyHome
from site_config.console import Json, show, table

Page = Annotated[Path | None, typer.Option("--html", help="Write everything as one HTML page.", dir_okay=False)]
Quick = Annotated[bool, typer.Option("--quick", help="Leave out writing and reading back as much as a round keeps.")]


def doctor(home: AnyHome = Path(), quick: Quick = False, html: Page = None, json: Json = False) -> None:
    """Ask everything that can go wrong at the office: machine, nginx, keys, certificates, gateway, address, studies.

    Exit status 0: nothing to say; 1: something to look at; 2: something is wrong.
    """
    import os

    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
    from server.watch.office_questions import examine
    from site_config.atomic_files import write_atomic

    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    found = examine(home, rehearse=not quick)
    if html is not None:
        write_atomic(html, found.page(when).encode(), 0o644)
    data = {"status": found.status, "verdict": found.verdict, "findings": found.findings}
    show(data, table(found.title, ("question", "", "in words"), found.rows(), found.verdict))
    raise typer.Exit(found.status)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)
