"""`fedhcc-site doctor` and `firewall`: every question at once, before enrolment too; and the one page for the network team."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from client.commands.init_and_join import AnyHome, Home, state_of
from site_config.console import Json, json_wanted, note, show, table

StudyFile = Annotated[Path | None, typer.Option("--study", help="study.yaml or a signed lock; left out, the last study offered.")]
Address = Annotated[str, typer.Option("--address", help="The office's HOST:PORT, before there is a kit.")]
Page = Annotated[Path | None, typer.Option("--html", help="Write everything as one HTML page.", dir_okay=False)]
Quick = Annotated[bool, typer.Option("--quick", help="Leave the rehearsal out.")]


def doctor(
    home: AnyHome = Path(), study: StudyFile = None, address: Address = "", quick: Quick = False, html: Page = None, json: Json = False
) -> None:
    """Ask everything that can go wrong: machine, line, keys, versions, tables, models, policy; and rehearse one step.

    Exit status 0: nothing to say; 1: something to look at; 2: something is wrong.
    """
    import os

    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
    from client.doctor.hospital_questions import Wish, examine
    from client.study_file import read_study
    from site_config.atomic_files import write_atomic

    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    wish = Wish(home, address, read_study(study) if study else None, not quick, when)
    found = examine(wish, (lambda _text: None) if json_wanted() else lambda text: note(f"  {text} …"))
    if html is not None:
        write_atomic(html, found.page(when).encode(), 0o644)
    data = {"status": found.status, "verdict": found.verdict, "findings": found.findings}
    show(data, table(found.title, ("question", "", "in words"), found.rows(), found.verdict))
    raise typer.Exit(found.status)


def firewall(home: Home = Path(), html: Page = None, json: Json = False) -> None:
    """What the network team has to know: one outgoing connection, its address, its certificate, how it is tried."""
    from client.keys_kit_and_decisions import load_kit
    from client.officer.firewall_page import firewall_page, firewall_rows
    from site_config.atomic_files import write_atomic

    kit = load_kit(state_of(home))
    rows = firewall_rows(kit)
    if html is not None:
        write_atomic(html, firewall_page(kit).encode(), 0o644)
        note(f"wrote {html}")
    show(dict(rows), table(f"{kit.site}: one outgoing connection", ("what", "value"), rows))


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(doctor)
    app.command()(firewall)
