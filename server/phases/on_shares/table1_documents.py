"""Table 1 as it was opened on shares."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np

from server.phases.on_shares.curve_documents import count
from server.study.opened_analyses import OpenedCharacteristics, OpenedCount, OpenedVariable, Population
from shared_model.analyses.groups.hidden_counts import Hidden
from shared_model.analyses.groups.table1_on_shares import CharacteristicsEstimate
from shared_model.analyses.phases.evaluation_openings import EvaluationModel
from shared_model.analyses.phases.table1_slots import TableVariable, counted, measured
from shared_model.statistics.statistic_parameters import FLAGS


def characteristics(found: CharacteristicsEstimate, model: EvaluationModel) -> list[OpenedCharacteristics]:
    """The columns that are shown."""
    return [
        OpenedCharacteristics(set=set_, n=int(found.patients[at]), variables=[*_numbers(found, model, at), *_counts(found, model, at)])
        for at, set_ in enumerate(columns(model))
        if np.isfinite(found.patients[at])
    ]


def columns(model: EvaluationModel) -> tuple[Population, ...]:
    """The sets, and all of them together where there are several."""
    read = cast("tuple[Population, ...]", model.read)
    return (*read, "all") if len(read) > 1 else read


def _numbers(found: CharacteristicsEstimate, model: EvaluationModel, at: int) -> list[OpenedVariable]:
    names = [measure.part.name for measure in measured(model.study)]
    return [
        OpenedVariable(variable=name.removeprefix("table."), mean=float(found.means[name][at]), sd=float(found.deviations[name][at]))
        for name in names
        if np.isfinite(found.means[name][at])
    ]


def _counts(found: CharacteristicsEstimate, model: EvaluationModel, at: int) -> list[OpenedVariable]:
    """Every counted variable; flags, of which a patient may have several, as one."""
    variables = counted(model.study)
    shown = [OpenedVariable(variable=one.name, counts=_cells(found, one, at)) for one in variables if one.name not in FLAGS]
    flags = [_cell(found, one, 1, one.name, at) for one in variables if one.name in FLAGS]
    return [*shown, *([OpenedVariable(variable="flags", counts=flags)] if flags else [])]


def _cells(found: CharacteristicsEstimate, one: TableVariable, at: int) -> list[OpenedCount]:
    labels = one.labels if one.labels[-1].lower() == "unknown" else (*one.labels, "unknown")
    cells = [_cell(found, one, level, label, at) for level, label in enumerate(labels)]
    return [cell for cell in cells if cell.n != 0 or cell.value in one.labels[:2]]


def _cell(found: CharacteristicsEstimate, one: TableVariable, level: int, label: str, at: int) -> OpenedCount:
    n = count(found.counts[one.part.name][level, at])
    hidden: Literal["small", "complement"] | None = None
    if n is None:
        hidden = "small" if found.hidden[one.part.name][level, at] == Hidden.SMALL else "complement"
    return OpenedCount(value=label, n=n, hidden=hidden)
