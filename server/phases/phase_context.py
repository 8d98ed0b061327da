"""What every phase is given: the asker, the folder, the growing result, and where to tell what happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.asking.ask_masked_sum import Asker, Values
from server.study.resume_state import StudyFolder
from server.study.study_results import StudyResult
from shared_model.shares.messages.share_messages import SignedResults
from shared_model.statistics.statistic_declaration import Parameters
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Phase, Role, Study, StudyLock

WEIGHTS = "weights."


@dataclass(frozen=True)
class Event:
    """One thing that happened, for a progress view: phase, how far, and words. Numbers are opened sums."""

    phase: str
    done: int
    total: int
    text: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass
class Running:
    """A study in progress."""

    asker: Asker
    folder: StudyFolder
    result: StudyResult
    tell: Callable[[Event], None] = lambda _event: None
    canary: bool = False
    weights: dict[str, NDArray[Any]] = field(default_factory=dict)
    specs: dict[str, ScoreSpec] = field(default_factory=dict)
    shared: dict[str, SignedResults] = field(default_factory=dict)
    frozen: str = ""
    """Of a validation study: the manifest of its bundle."""

    @property
    def lock(self) -> StudyLock:
        """The study's lock."""
        return self.asker.lock

    @property
    def study(self) -> Study:
        """The locked study."""
        return self.asker.lock.study

    @property
    def sites(self) -> tuple[str, ...]:
        """The roster's hospitals, without those of blocks that were taken out."""
        blocks = self.lock.blocks.get("development", ())
        gone = {site for block in self.asker.ledger.excluded for site in blocks[block]}
        return tuple(entry.name for entry in self.lock.roster if entry.name not in gone)

    def total(self, name: str, parameters: Parameters, phase: Phase, role: Role, *scores: ScoreSpec) -> Values:
        """A statistic over all blocks of a role, with the weights its scores need."""
        return self.asker.total(name, parameters, phase=phase, role=role, state=self.state(*scores))

    def state(self, *scores: ScoreSpec) -> dict[str, NDArray[Any]]:
        """The broadcast arrays some scores need."""
        return {f"{WEIGHTS}{score.radiology}": self.weights[score.radiology] for score in scores if score.radiology}

    def find(self, problem: Problem, about: str = "") -> None:
        """Keep a finding for the report, with the model (and set) it is about; the study goes on."""
        self.result.findings.append(problem.as_dict() | {"about": about})


def column_labels(running: Running) -> dict[str, str]:
    """What a reader calls the columns of the clinical model."""
    return {column.name: column.label for column in running.study.design}


def left_out_column(running: Running, name: str, why: str) -> str:
    """A column that a model leaves out, why, and what becomes of its patients."""
    column = next((one for one in running.study.design if one.name == name), None)
    return f"{column.label if column else name}: {why}{column.left_out() if column else ''}"


def scalar(values: Values, name: str) -> float:
    """A segment of one number."""
    return float(np.asarray(values[name]).reshape(-1)[0])
