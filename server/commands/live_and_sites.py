"""`fedhcc-coordinator live` and `sites`: a page that follows a study, and the board of who is ready."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.enrol_and_renew import Home
from server.commands.run import Study
from site_config.console import Json, note, show, table

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on this machine; 0 takes a free one.")]


def live(study: Study = None, home: Home = Path(), port: Port = 0, json: Json = False) -> None:
    """Serve a page for a browser on this machine that follows a study, until Ctrl-C. It reads, and changes nothing.

    From elsewhere: `ssh -L PORT:127.0.0.1:PORT OFFICE`, and open the address that is printed.
    """
    import os
    import signal
    import threading

    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    from server import published_studies
    from server.watch.live_page import LivePage
    from server.watch.office_run import connected_hospitals

    study_id = published_studies.find_study(home, study)
    page = LivePage(home, study_id, lambda: connected_hospitals(home), port)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    page.start()
    show({"study": study_id, "page": page.address}, page.address)
    note("Ctrl-C ends the page, not the study.")
    over.wait()
    page.close()


def sites(home: Home = Path(), json: Json = False) -> None:
    """Who is ready: connection, release, what was told at the last admission, and the next step of each hospital."""
    import os

    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    from server.watch.hospital_board import board
    from server.watch.office_run import connected_hospitals

    found = board(home, connected_hospitals(home))
    rows = [(one.name, one.seen, one.told(), one.next_step) for one in found]
    caption = "told: release, scans prepared or not, approved or why not, device and free disk at the last admission"
    columns = ("hospital", "seen", "told", "next step")
    show(found, table("", columns, rows, caption if rows else "no hospital is enrolled yet", whole=("hospital",)))


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (live, sites):
        app.command()(command)
