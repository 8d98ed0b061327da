"""`fedhcc-site status`, `pause`, `resume` and `logs`: speak to the running program."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.commands.init_and_join import Home, state_of
from site_config.console import Json, note, show, table

if TYPE_CHECKING:
    from client.program.control_service import Status

STARTING_S = 30.0
"""For how long a program that holds the folder may not answer yet: it reads keys and libraries first."""
PAUSE_S = 0.5
MEANING = {
    "starting": "starting; not connected yet",
    "registered": "registered with the coordinator",
    "disconnected": "not connected; it keeps trying",
    "stopped": "stopping",
}


def _local(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M")


def _rows(found: Status) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("site", found.site),
        ("connection", f"{MEANING[found.connection]} (since {_local(found.since)})"),
        ("now", found.working or "waiting for messages"),
        ("paused", "no" if found.paused_until is None else f"until {_local(found.paused_until)}"),
        ("messages answered", found.answered),
    ]
    rows += [(f"study {study[:12]}", words) for study, words in found.studies.items()]
    if found.problem:
        rows.append(("last problem", f"{found.problem}, see `fedhcc-site problem {found.problem}`"))
    if found.trouble:
        rows.append(("cannot answer", found.trouble))
    return rows


def _ask(home: Path, method: str, request: dict[str, float] | None = None, wait_s: float = 0.0) -> None:
    """One call to the program, asked again for `wait_s` seconds while nothing answers, longer where it is just starting."""
    from client.program.control_service import ControlClient
    from site_config.file_lock import holder_of
    from site_config.problems import federation
    from site_config.problems.base import Problem

    state = state_of(home)
    end = time.monotonic() + wait_s
    begun = end + STARTING_S
    while True:
        client = ControlClient(state)
        try:
            found = client.call(method, request)  # type: ignore[arg-type]
            break
        except Problem as problem:
            starts = holder_of(state / "run.lock") is not None and time.monotonic() < begun
            if problem.kind != federation.CONTROL_UNREACHABLE or not (starts or time.monotonic() < end):
                raise
            time.sleep(PAUSE_S)
        finally:
            client.close()
    show(found, table("", ("", ""), [*_rows(found), *_undecided(home, found)]))


def _undecided(home: Path, found: Status) -> list[tuple[str, object]]:
    """Studies that the program has not been asked about since it started, with what the hospital decided."""
    from client import keys_kit_and_decisions as enrol

    known = [one for one in enrol.offers(state_of(home)) if one.lock.study_id not in found.studies]
    next_step = {"pending": "waits for `fedhcc-site approve`", "approved": "approved; waits for the coordinator", "declined": "declined"}
    return [(f"study {one.lock.study_id[:12]}", next_step[one.decision]) for one in known]


def status(
    home: Home = Path(),
    watch: Annotated[bool, typer.Option("--watch", help="Print every change until Ctrl-C.")] = False,
    healthy: Annotated[bool, typer.Option("--healthy", help="Only tell, by the exit status, whether the site is registered.")] = False,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a program that is just starting.")] = 0.0,
    json: Json = False,
) -> None:
    """Whether the program runs, is registered with the coordinator, and what it does."""
    from client.program.control_service import ControlClient

    if healthy:
        client = ControlClient(state_of(home))
        fine = client.healthy()
        client.close()
        raise typer.Exit(0 if fine else 1)
    if not watch:
        _ask(home, "Status", wait_s=wait)
        return
    client = ControlClient(state_of(home))
    for found in client.watch():
        show(found, f"{_local(found.since)}  {MEANING[found.connection]}  {found.working}  {found.problem}")


def pause(
    home: Home = Path(),
    until: Annotated[datetime | None, typer.Option("--until", help="Local time to go on by itself, for example 2026-11-24T06:00.")] = None,
    json: Json = False,
) -> None:
    """Finish the present message and take no other until `resume`; the coordinator sees the site alive."""
    _ask(home, "Pause", {"until": until.timestamp()} if until else None)


def resume(home: Home = Path(), json: Json = False) -> None:
    """Go on after `pause`."""
    _ask(home, "Resume")


def logs(
    home: Home = Path(),
    lines: Annotated[int, typer.Option("--lines", min=1, max=100_000, help="How many of the last lines.")] = 50,
    json: Json = False,
) -> None:
    """The last lines of the program's own log, which never leaves the hospital."""
    from collections import deque

    from site_config.log_lines import readable

    path = state_of(home) / "logs" / "site.log"
    if not path.exists():
        note("There is no log yet.")
        return
    with path.open(encoding="utf-8", errors="replace") as stream:
        last = [line.rstrip("\n") for line in deque(stream, maxlen=lines)]
    show({"lines": last}, "\n".join(readable(line) for line in last))


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (status, pause, resume, logs):
        app.command()(command)
