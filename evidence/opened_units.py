"""Numbers of two runs of one study, compared: those opened on shares in whole units of their own grids, all others exactly.

Rounding on shares is by secret bits, so that a number may differ in the last places of its grid from run to run; what is made of
opened numbers differs with them, and only then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from server.study.opened_analyses import OpenedAuc, OpenedMean
from server.study.study_results import StudyResult
from shared_model.analyses.newton_on_shares import FINE
from shared_model.disclosure.limits import MONTHS_LOST_BITS, MONTHS_LOST_VARIANCE_BITS, SENSITIVITY_BITS
from shared_model.shares.messages.share_messages import SignedResults
from site_config.atomic_files import read_json

FIT_STEP = re.compile(r"(.+)\.(?:step|fine)\.\d+")
LAST_UNITS: Final = 2
"""Units of its own grid by which a number opened on shares may differ: each of two runs rounds it by one at most, by secret bits."""
NUMBERS: Final = ("clinical", "fusion", "baseline", "cutoffs", "scores", "analyses", "tables", "flow", "weights")
UNSHARED: Final = ("flow", "weights")
"""What no number opened on shares goes into."""
CLOSE: Final = 2e-3
"""What is made of opened numbers that differ in their last units is so close, relative and absolute."""
MEAN_APART: Final = tuple(LAST_UNITS * 2.0**-grid.value + 1e-9 for grid in (MONTHS_LOST_BITS, MONTHS_LOST_VARIANCE_BITS))
"""By how much a restricted mean, in months, and its variance may differ: the units in which they are opened."""
SENSITIVITY_APART: Final = LAST_UNITS * 2.0**-SENSITIVITY_BITS.value + 1e-9
"""By how much a sensitivity may."""


def opened_units(folder: Path) -> dict[str, tuple[int, ...]]:
    """What a study opened on shares, `PHASE NAME` → whole units of its grid. Of a fit's steps, which lead to one estimate, their sum.

    Rounding on shares is by secret bits, so that a number may differ in the last places of its grid from play to play. A fit goes on
    from where its last step was opened, so one unit more in a coarse step is as much less in the next fine one.
    """
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted((folder / "shares").glob("*/results.json")):
        for record in SignedResults.model_validate(read_json(path)).results:
            one = record.opened()
            step = FIT_STEP.fullmatch(record.name)
            name = f"{path.parent.name} {step[1] if step else record.name}"
            units = np.array(one.units, dtype=object) * (1 << (FINE - one.bits) if step else 1)
            found[name] = tuple(int(unit) for unit in (units + np.array(found[name], dtype=object) if name in found else units))
    return found


def units_apart(one: Mapping[str, tuple[int, ...]], other: Mapping[str, tuple[int, ...]]) -> tuple[int, str]:
    """By how many units a number differs at most, and which; -1 where other numbers were opened."""
    if {name: len(units) for name, units in one.items()} != {name: len(units) for name, units in other.items()}:
        return -1, "other results"
    far = {name: max((abs(a - b) for a, b in zip(one[name], other[name], strict=True)), default=0) for name in one}
    return max(((units, name) for name, units in far.items()), default=(0, ""))


@dataclass(frozen=True)
class StudyNumbers:
    """What a reader takes from a study, and what it opened on shares, from `StudyResult` and the study's folder `run`."""

    told: dict[str, Any]
    opened: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, result: StudyResult, folder: Path) -> StudyNumbers:
        """Of a finished study."""
        return cls(result.model_dump(mode="json", include=set(NUMBERS)), opened_units(folder))

    def other_than(self, was: StudyNumbers) -> list[str]:
        """What is not the same as it was: names of opened numbers and of parts of the result; empty where all is."""
        units, where = units_apart(self.opened, was.opened)
        wrong = [where] if not 0 <= units <= LAST_UNITS else []
        for name, value in self.told.items():
            rounded = units > 0 and name not in UNSHARED
            if value != was.told[name] and not (rounded and _close(value, was.told[name])):
                wrong.append(name)
        return wrong


def _close(one: Any, other: Any) -> bool:
    """Of one form, with numbers that are close; restricted means and sensitivities stand there on their own grids, far wider than that."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() == other.keys() == OpenedMean.model_fields.keys():
            apart = one["months"] - other["months"], one["se"] ** 2 - other["se"] ** 2
            within = all(abs(way) <= most for way, most in zip(apart, MEAN_APART, strict=True))
            return within and one["day"] == other["day"]
        if one.keys() == other.keys() == OpenedAuc.model_fields.keys():
            ours, theirs = one["sensitivity"], other["sensitivity"]
            near = len(ours) == len(theirs) and all(abs(a - b) <= SENSITIVITY_APART for a, b in zip(ours, theirs, strict=True))
            return near and all(_close(one[key], other[key]) for key in one if key != "sensitivity")
        return one.keys() == other.keys() and all(_close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.isclose(one, other, rtol=CLOSE, atol=CLOSE, equal_nan=True))
    return bool(one == other)
