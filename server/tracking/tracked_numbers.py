"""The numbers of a study that a tracker may be told: those whose opening stands in the ledger, and no others.

Every number here is already in `events.jsonl` or `metrics.json` of the office; nothing is asked of a hospital for a tracker. A
round's loss is told only where the ledger has that round's sum as opened, a figure of the evaluation only where its phase was
opened; what the ledger does not vouch for is left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.asking.office_ledger import asks as asks_of
from server.asking.office_ledger import history
from server.report.metrics_json import compute
from server.study.study_results import LedgerEntry, StudyResult
from server.watch import study_status
from server.watch.study_events import events_of

TRAINING = "training "
UPDATES = ("training.update", "training.private_update")
VALIDATION = "validation.loss"
LOSSES = {"loss": UPDATES, "validation loss": (VALIDATION,)}


@dataclass(frozen=True)
class OpenedPoint:
    """One opened number: its name ("Rad-D/loss"), the round (0 for what has none) and its value, finite."""

    name: str
    step: int
    value: float


def points_of(home: Path, study: str) -> list[OpenedPoint]:
    """Every number of a study opened so far, rounds in order. Raises a problem of the ledger or of the result's digest."""
    folder = study_status.folder_of(home, study)
    opened = [one for one in asks_of(history(folder / "ledger.jsonl")) if one.outcome == "opened"]
    if not (folder / "result.json").exists():
        return list(vouched(_of_events(events_of(folder)), opened))
    result = study_status.result_of(home, study)
    rounds = list(vouched(_of_rounds(result), opened))
    return rounds + (_of_evaluation(result) if any(one.phase == "evaluation" for one in opened) else [])


def vouched(points: Iterable[OpenedPoint], opened: Iterable[LedgerEntry]) -> Iterator[OpenedPoint]:
    """Points of rounds that the ledger has as opened, each opened sum vouching for one point.

    The ledger counts rounds from 0 and names no network: of two networks' points of one round the first is told when one sum
    was opened, both when two were.
    """
    left = Counter((name, one.round + 1) for one in opened for name, statistics in LOSSES.items() if one.statistic in statistics)
    for point in points:
        place = (point.name.rpartition("/")[2], point.step)
        if left[place] > 0:
            left[place] -= 1
            yield point


def _of_events(events: Iterable[dict[str, Any]]) -> Iterator[OpenedPoint]:
    told: dict[tuple[str, int], float] = {}
    for one in events:
        phase, numbers = str(one.get("phase", "")), one.get("numbers") or {}
        if one.get("kind") == "progress" and phase.startswith(TRAINING):
            for name in LOSSES:
                value = numbers.get(name)
                if value is not None and math.isfinite(value):
                    told[f"{phase.removeprefix(TRAINING)}/{name}", int(one["done"])] = float(value)
    return (OpenedPoint(name, step, value) for (name, step), value in told.items())


def _of_rounds(result: StudyResult) -> Iterator[OpenedPoint]:
    for one in result.rounds:
        for name, value in (("loss", one.loss), ("validation loss", one.validation_loss)):
            if value is not None and math.isfinite(value):
                yield OpenedPoint(f"{one.model}/{name}", one.round + 1, value)


def _of_evaluation(result: StudyResult) -> list[OpenedPoint]:
    """C-indices and areas of the report, whose small cells are hidden already."""
    numbers = compute(result)
    found = {f"{one.model}/{one.set}/C-index": one.c.value for one in numbers.concordance}
    found |= {f"{one.model}/{one.set}/AUC day {one.horizon}": one.auc.value for one in numbers.roc}
    return [OpenedPoint(name, 0, float(value)) for name, value in found.items() if value is not None and math.isfinite(value)]
