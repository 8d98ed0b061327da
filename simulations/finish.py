"""After the last phase: the report, the metrics and the model somebody can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from server.phases.study import Event
from server.results import StudyResult
from simulations.home import Homes
from site_config.study import StudyLock


def write_out(homes: Homes, lock: StudyLock, result: StudyResult, beside: Any, tell: Any) -> Path:
    """`report.html`, `metrics.json` and `model/` in the run's folder; the report's path."""
    from server.outcome import write_outcome
    from server.state import StudyFolder

    if beside is not None:
        beside.add_to(result)
    tell(Event("report", 0, 1, "figures"))
    folder = StudyFolder(homes.coordinator / "studies" / lock.study_id / "run")
    path = write_outcome(result, lock, folder, homes.root)
    tell(Event("report", 1, 1, "report.html"))
    return path
