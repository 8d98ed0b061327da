"""Whether a new generation of base sets may open: against every earlier one, nobody or enough patients changed over the roster.

A hospital fills a slot for every patient who is or ever was in its base set, and writes for each earlier generation whether the
patient is in one of the two sets and not in the other. One bit is opened: not how many changed, nor against which generation too few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared_model.analyses.minimum import minimum_result
from shared_model.analyses.rows import Floats, PaddedPatients, Part, Rows, checked
from shared_model.disclosure.results import GROUP_PATIENTS
from shared_model.shares.arithmetic import Arithmetic
from shared_model.shares.declaration import Result


@dataclass(frozen=True)
class Changed(Part):
    """A patient's values `<name>.0`, `<name>.1`, … of so many earlier generations: 1 for who came or left since, else 0."""

    generations: int = 1

    @property
    def width(self) -> int:
        """Earlier generations."""
        return self.generations

    def of(self, patients: PaddedPatients) -> Floats:
        """Zeros and ones."""
        names = [f"{self.name}.{k}" for k in range(self.generations)]
        return np.stack([checked(patients.whole(name), 2, name) for name in names], axis=1).astype(np.float64)


@dataclass(frozen=True)
class ChangeModel:
    """How many patients a change must have that is not none."""

    name: str
    part: Changed
    minimum_patients: int = GROUP_PATIENTS.value

    def parts(self, _n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return (self.part,)

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        return (minimum_result(f"{self.name}.few", 1),)


@dataclass(frozen=True)
class ChangeEstimate:
    """Whether the generation may open."""

    opens: bool


async def change(a: Arithmetic, rows: Rows, model: ChangeModel) -> ChangeEstimate:
    """One bit: no total is from 1 to the minimum less one. Needs no pairs."""
    slots = rows[model.part.name]
    totals = await a.lift(slots.sum(0).assume(len(slots), "a count of slots"))
    factors = [totals[k : k + 1] - few for k in range(model.part.generations) for few in range(1, model.minimum_patients)]
    (few,) = await a.reveal_zero(f"{model.name}.few", *factors)
    return ChangeEstimate(not few)
