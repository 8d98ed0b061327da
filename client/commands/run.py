"""`fedhcc-site run`: connect and answer until stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from client.commands.init_and_join import Home
from site_config.console import Json, next_command, note

if TYPE_CHECKING:
    import threading


def run(home: Home = Path(), json: Json = False) -> None:
    """Run the hospital's program: it connects outwards, answers approved studies, and stops at Ctrl-C."""
    import os
    import signal
    import threading

    from client.program.environment_variables import use_proxy
    from site_config.problems.base import Problem
    from site_config.restarts import end_with

    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    try:
        use_proxy(os.environ)
        _serve(home, over)
    except Problem as problem:
        raise end_with(problem, os.environ, over) from None
    note("stopped")


def _serve(home: Path, over: threading.Event) -> None:
    """Serve until stopped; `over` may be set already, by a signal that came while the program was loaded."""
    import os
    import signal

    from client.program.environment_variables import check_mounts
    from client.program.hospital_log import log_to_file
    from client.program.site_runner import SiteProgram
    from site_config.documents.read_yaml_documents import load_site

    site = load_site(home / "site.yaml")
    check_mounts(site, os.environ)
    log_to_file(site.state, site.logging.level, site.logging.keep_megabytes)
    program = SiteProgram(site)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(*_: object) -> None:
        over.set()
        program.stop()

    for number in before:
        signal.signal(number, stop)
    at_work = f"{site.site} connects to {program.kit.address}; look at it with: {next_command('fedhcc-site', 'status')}"
    try:
        if not over.is_set():
            program.run(lambda: note(at_work))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)
