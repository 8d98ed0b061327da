"""Whether other rows may be used than before: against every earlier study, nobody or enough patients changed over the roster.

A hospital fills a slot for every patient whose row is or was used, and writes for each earlier study and each choice of rows
(`live` or `base`, in the training, validation or test set) whether the patient's row is another one, or stands in one of the two
only. One bit a choice is opened: not how many changed, nor against which study too few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.count_minimum import minimum_result
from shared_model.analyses.patient_slots import Floats, PaddedPatients, Part, Rows, checked
from shared_model.disclosure.limits import GROUP_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.shared_value import public


@dataclass(frozen=True)
class Changed(Part):
    """A patient's values `<name>.0`, `<name>.1`, …: 1 for who changed, one number a choice of rows, earlier study after study."""

    columns: int = 1

    @property
    def width(self) -> int:
        """Earlier studies times choices."""
        return self.columns

    def of(self, patients: PaddedPatients) -> Floats:
        """Zeros and ones."""
        names = [f"{self.name}.{k}" for k in range(self.columns)]
        return np.stack([checked(patients.whole(name), 2, name) for name in names], axis=1).astype(np.float64)


@dataclass(frozen=True)
class ChangeModel:
    """How many patients a change must have that is not none.

    choices: names of the choices of rows. nobody: by earlier study and choice whether a change of nobody is permitted; it is not where
    a hospital of that study is not among these that may have had patients of the set: they changed, and nobody here counts them.
    """

    name: str
    choices: tuple[str, ...] = ("rows",)
    nobody: tuple[tuple[bool, ...], ...] = ((True,),)
    minimum_patients: int = GROUP_PATIENTS.value

    @property
    def part(self) -> Changed:
        """What a slot holds."""
        return Changed(self.name, len(self.choices) * len(self.nobody))

    def parts(self, _n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return (self.part,)

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        return (minimum_result(f"{self.name}.few", len(self.choices)),)

    def opens(self, few: NDArray[np.bool_]) -> dict[str, bool]:
        """Choice → whether it may be used, from the opened bits."""
        return {choice: not bit for choice, bit in zip(self.choices, few, strict=True)}


async def change(a: Arithmetic, rows: Rows, model: ChangeModel) -> dict[str, bool]:
    """Choice → whether no total is from 1 (from 0 where nobody is not permitted) to the minimum less one. Needs no pairs."""
    slots, n = rows[model.part.name], len(model.choices)
    totals = await a.lift(slots.sum(0).assume(len(slots), "a count of slots"))
    factors = []
    for k, nobody in enumerate(model.nobody):
        mine = totals[n * k : n * (k + 1)]
        factors += [mine - few for few in range(1, model.minimum_patients)]
        if not all(nobody):  # where nobody is permitted, one more than the total, which is never zero
            factors.append(mine + public(mine, np.array(nobody, dtype=np.int64), 0))
    return model.opens(await a.reveal_zero(f"{model.name}.few", *factors))
