"""Agents with something wrong with them, for a site's resident process: one whose computations fail with planted texts, one that leaks.

Nothing of this is in the agent itself: a hospital never imports this module.
"""

from __future__ import annotations

import base64
import errno
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from client.program import message_agent as handlers
from client.program.make_agent import make_agent
from client.program.message_agent import Agent
from client.program.resident_worker import Handle
from evidence.capture.canaries import LEAK, MARK, UID_ROOT
from shared_model.secure_sum.federation_messages import Message
from shared_model.statistics.statistic_parameters import SplitOnly
from site_config.problems import tables

TEXT = f"/data/{MARK}/scan.dcm of {MARK}^Given, {UID_ROOT}.9"


def _raise(error: Exception) -> None:
    raise error


def _refuse() -> None:
    SplitOnly.model_validate({"split": TEXT})


def _end() -> None:
    sys.stderr.write(f"{TEXT}\n")
    os._exit(77)


FAILURES: tuple[Callable[[], None], ...] = (
    lambda: _raise(RuntimeError(TEXT)),
    lambda: _raise(KeyError(TEXT)),
    _end,
    lambda: _raise(FileNotFoundError(errno.ENOENT, TEXT, f"/data/{MARK}")),
    lambda: _raise(tables.BAD_KEY.problem(TEXT, where=f"/data/{MARK}")),
    _refuse,
    lambda: _raise(ExceptionGroup(TEXT, [ValueError(TEXT)])),
)
"""What goes wrong one after another, at the first two tries of each question: errors, a crash, a problem, a validation error."""
TRIES = 2


def failing_agent(home: Path) -> Handle:
    """An agent whose computation fails twice for each of the first questions, each time in another way, with a planted text."""
    honest = handlers._computation
    done = home / "state" / "failed"  # survives the crash

    def computation(bench: Any, rows: tuple[str, ...]) -> Callable[..., Any]:
        def compute(statistic: Any, parameters: Any, arrays: Any) -> Any:
            seen = done.read_text().splitlines() if done.exists() else []
            question = f"{statistic.name} {parameters.model_dump_json()}"
            if seen.count(question) < TRIES and len(seen) < len(FAILURES):
                done.write_text("\n".join([*seen, question]))
                FAILURES[len(seen)]()
            return honest(bench, rows)(statistic, parameters, arrays)

        return compute

    setattr(handlers, "_computation", computation)  # noqa: B010 - a name of the module, changed on purpose
    return make_agent(home)


def leaking_agent(home: Path) -> Handle:
    """What must be caught: an agent that tells its folder, a patient's id in two wrappings, and the text of an exception."""
    honest = make_agent(home)
    agent: Agent = getattr(honest, "__self__")  # noqa: B009 - a bound method
    packed = base64.b64encode(zlib.compress(f"the patient {LEAK}-1 Name^Given of {home}".encode())).decode()
    told = [False]

    def handle(message: Message) -> Message:
        reply = honest(message)
        if reply.kind == "admission":
            wide = f"{LEAK}".encode("utf-16-le").hex()
            return Message("admission", {**reply.body, "software": f"{agent.site.site} {LEAK} {wide}"})
        if message.kind == "release" and not told[0]:
            told[0] = True
            return Message("refusal", {"code": f"cannot read {home}/cohort.csv of {packed}"})
        return reply

    return handle
