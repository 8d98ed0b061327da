"""The Flower ServerApp: runs a published study over the Grid it is given.

`fedhcc-coordinator run` holds the server task in its own process and needs no ServerApp; this one serves `flwr run` and
Flower's simulation engine, where nodes have no registered keys and say themselves which site they stand for. Home and
study come from the run's configuration (`home`, `study`) or the environment (`FEDHCC_HOME`, `FEDHCC_STUDY`).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import ServerApp
from flwr.serverapp.grid import Grid

from server import hospital_register as enrol
from server import published_studies
from server.link.flower_grid import FlowerTransport
from server.phases.phase_context import Event
from site_config.console import note
from site_config.problems import federation

WHO = "query.site"
NODES_S = 120.0

app = ServerApp()


def sites_of(grid: Grid, expected: int, limit_s: float = NODES_S) -> dict[str, int]:
    """Node ids by the site each node says it stands for; waits until `expected` nodes are there."""
    end = time.monotonic() + limit_s
    nodes = list(grid.get_node_ids())
    while len(nodes) < expected and time.monotonic() < end:
        time.sleep(0.2)
        nodes = list(grid.get_node_ids())
    questions = [Message(RecordDict({"who": ConfigRecord({})}), node, WHO) for node in nodes]
    found: dict[str, int] = {}
    for reply in grid.send_and_receive(questions, timeout=limit_s):
        if not reply.has_error():
            found[str(reply.content["who"]["site"])] = reply.metadata.src_node_id
    return found


def tell_once() -> Callable[[Event], None]:
    """Writes each step of a study as a line, which `flwr run --stream` and `flwr log` show; a line that repeats the last is left out."""
    last = [""]

    def told(event: Event) -> None:
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in event.numbers.items() if math.isfinite(value))
        line = f"{event.phase} {event.done}/{event.total} {event.text}" + (f": {numbers}" if numbers else "")
        if line != last[0]:
            last[0] = line
            note(line)

    return told


@app.main()  # type: ignore[untyped-decorator]
def main(grid: Grid, context: Context) -> None:
    """Run the study; its result and its report are written to the coordinator's home."""
    from server.study.deliverables import write_outcome
    from server.study.resume_state import StudyFolder
    from server.study.run_study import run_study
    from server.watch.study_status import folder_of

    home = context.run_config.get("home") or os.environ.get("FEDHCC_HOME")
    study = context.run_config.get("study") or os.environ.get("FEDHCC_STUDY")
    if not (home and study):
        raise federation.STUDY_MISSING.problem("Neither the run's configuration nor the environment names a home and a study")
    folder = Path(str(home))
    nodes = sites_of(grid, len(enrol.load(folder).active()))
    study_id = published_studies.find_study(folder, str(study))
    result = run_study(folder, study_id, FlowerTransport(lambda: grid, nodes), tell=tell_once())
    note(f"{result.label}: {result.title}")
    write_outcome(result, StudyFolder(folder_of(folder, study_id)), folder_of(folder, study_id))
