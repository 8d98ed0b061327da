"""The live page: what a study does now, as data (`snapshot`) and as one page that asks for it every second.

It reads the study's folder and asks the SuperLink who is connected; it changes nothing. It is served on the loopback address
under a secret path, so that another account of this machine cannot read it, and reaches nowhere.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from server import certificate_renewal
from server.asking.office_ledger import asks, history
from server.study.resume_state import StudyFolder
from server.watch import study_status
from server.watch.awaited_hospitals import awaiting
from server.watch.opened_so_far import so_far
from server.watch.study_events import events_of
from site_config.file_lock import holder_of
from site_config.problems.base import Problem

NOTICES = 30
CONNECTED_S = 5.0
LOST = "LOST"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
Connected = Callable[[], set[str] | None]


def snapshot(home: Path, study: str, connected: set[str] | None, now: float | None = None) -> dict[str, Any]:
    """Everything the page shows of a study; times are seconds since 1970, numbers are opened sums."""
    moment = time.time() if now is None else now
    folder = study_status.folder_of(home, study)
    stands = study_status.status_of(home, study)
    lock = StudyFolder(home / "studies" / study).signed_lock().lock
    events = events_of(folder)
    waits = awaiting(folder)
    running = holder_of(folder / study_status.STUDY_LOCK) is not None
    state = stands.state if stands.state != "interrupted" else LOST
    place = {name: number for blocks in lock.blocks.values() for number, block in enumerate(blocks, 1) for name in block}
    missing = stands.missing or {}
    hospitals = [
        {
            "name": entry.name,
            "role": entry.role,
            "block": place.get(entry.name),
            "connected": None if connected is None else entry.name in connected,
            "awaited": bool(running and waits and entry.name in waits.awaited),
            "slow": bool(running and waits and entry.name in waits.slow),
            "code": missing.get(entry.name, "") if running or state in ("STALLED", LOST) else "",
        }
        for entry in lock.roster
    ]
    progress = [one for one in events if one.get("kind") == "progress"]
    last = progress[-1] if progress else {}
    return {
        "now": moment,
        "study": study,
        "title": lock.study.title,
        "state": state,
        "problem": stands.problem,
        "phase": last.get("phase", ""),
        "done": last.get("done", 0),
        "total": last.get("total", 0),
        "text": last.get("text", ""),
        "waits": waits.model_dump() if running and waits is not None and waits.awaited else None,
        "hospitals": hospitals,
        "loss": _loss(progress),
        "opened": _opened(folder),
        "so_far": so_far(folder),
        "notices": [{"time": one["time"], "text": one["text"]} for one in events if one.get("kind") in ("notice", "state")][-NOTICES:],
        "certificates": certificate_renewal.expiry_words(home),
    }


def _loss(progress: list[dict[str, Any]]) -> dict[str, list[list[float | None]]]:
    """By network: round, training loss and validation loss, the last word on each round."""
    found: dict[str, dict[int, list[float | None]]] = {}
    for one in progress:
        numbers = one.get("numbers") or {}
        if "loss" in numbers:
            model = str(one["phase"]).removeprefix("training ")
            found.setdefault(model, {})[int(one["done"])] = [int(one["done"]), numbers["loss"], numbers.get("validation loss")]
    return {model: [points[number] for number in sorted(points)] for model, points in found.items()}


def _opened(folder: Path) -> list[dict[str, Any]]:
    """What was opened so far, by phase and statistic: how often, and when last."""
    try:
        entries = asks(history(folder / "ledger.jsonl"))
    except Problem:
        return []
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in entries:
        if one.outcome == "opened":
            before = found.get((one.phase, one.statistic), {"times": 0})
            found[one.phase, one.statistic] = {
                "phase": one.phase, "statistic": one.statistic, "times": before["times"] + 1, "sites": len(one.roster), "last": one.time,
            }  # fmt: skip
    return list(found.values())


def page(title: str) -> str:
    """The page, which holds its style and its script."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("server"), undefined=StrictUndefined, autoescape=True)
    return environment.get_template("live.html.j2").render(title=title)


class Remembered:
    """An answer that is asked for again after some seconds at the earliest."""

    def __init__(self, ask: Connected, seconds: float = CONNECTED_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._seconds, self._clock = ask, seconds, clock
        self._answer: set[str] | None = None
        self._asked = -seconds
        self._lock = threading.Lock()

    def __call__(self) -> set[str] | None:
        """The last answer, not older than that."""
        with self._lock:
            if self._clock() - self._asked >= self._seconds:
                self._answer, self._asked = self._ask(), self._clock()
            return self._answer


class LivePage:
    """Serves the page of one study until `close`; `address` is what a browser opens."""

    def __init__(self, home: Path, study: str, connected: Connected, port: int = 0) -> None:
        self._home, self._study, self._connected = home, study, Remembered(connected)
        self._token = secrets.token_urlsafe(18)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True, name="live")

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{self._token}/"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, kind and content for a path; anything but the page and its data is not there."""
        if path == f"/{self._token}/":
            return 200, "text/html; charset=utf-8", page(self._study[:12]).encode()
        if path == f"/{self._token}/state.json":
            try:
                found = snapshot(self._home, self._study, self._connected())
            except Problem as problem:
                found = {"state": "DAMAGED", "problem": problem.code, "text": problem.what, "now": time.time()}
            return 200, "application/json", json.dumps(found, allow_nan=False).encode()
        return 404, "text/plain", b"not here\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, content = answer(self.path)
                self.send_response(status)
                for name, value in (
                    ("Content-Type", kind), ("Content-Length", str(len(content))), ("Cache-Control", "no-store"),
                    ("Content-Security-Policy", POLICY), ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
                ):  # fmt: skip
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        return Handler
