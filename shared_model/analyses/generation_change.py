"""Whether other rows may be used than before: against every earlier study, nobody or enough patients changed over the roster.

A hospital fills a slot for every patient whose row is or was used, and writes for each earlier study and each choice of rows
(`live` or `base`, in the training, validation or test set) whether the patient's row is another one, or stands in one of the two
only: among those who changed where the hospital took part in that study, or among those who came with it. Either must be nobody
or enough, since results of other rosters tell what whole hospitals add: they would leave the few of the other kind. Of those who
changed, the ones who joined or left are counted once more by themselves: a column that is new, or written in other codes, makes every row
another one, and changes nothing in a result that does not read it but by the one who joined meanwhile. One bit a choice is opened:
not how many changed, nor against which study too few.
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

CHANGED, CAME, MOVED = range(3)
"""Whose row is another one or stands in one study only; who came with a hospital; of the first, who stands in one study only."""
KINDS = 3


@dataclass(frozen=True)
class Changed(Part):
    """A patient's values `<name>.0`, `<name>.1`, …: 1 for who changed, in the order of `ChangeModel.place`."""

    columns: int = 1

    @property
    def width(self) -> int:
        """Earlier studies times kinds of change times choices."""
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
        return Changed(self.name, KINDS * len(self.choices) * len(self.nobody))

    def place(self, study: int, choice: int, kind: int) -> int:
        """Where a slot tells of a patient: of the earlier study, the kind of change, the choice of rows."""
        return (KINDS * study + kind) * len(self.choices) + choice

    def few(self, totals: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Choice → whether too few changed, of totals in the order of `place`: what the circuit finds, in the open."""
        kinds = totals.reshape(len(self.nobody), KINDS, len(self.choices))
        none = ~np.array(self.nobody, dtype=bool) & (kinds[:, CHANGED] + kinds[:, CAME] == 0)
        found: NDArray[np.bool_] = (((kinds > 0) & (kinds < self.minimum_patients)).any(1) | none).any(0)
        return found

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
    """Choice → whether no total is from 1 to the minimum less one, and both together are not 0 where nobody is not permitted."""
    slots, n = rows[model.part.name], len(model.choices)
    totals = await a.lift(slots.sum(0).assume(len(slots), "a count of slots"))
    factors = []
    for k, nobody in enumerate(model.nobody):
        changed, came, moved = (totals[n * (KINDS * k + kind) : n * (KINDS * k + kind + 1)] for kind in (CHANGED, CAME, MOVED))
        factors += [kind - few for kind in (changed, came, moved) for few in range(1, model.minimum_patients)]
        if not all(nobody):  # where nobody is permitted, one more than the total, which is never zero
            both = changed + came
            factors.append(both + public(both, np.array(nobody, dtype=np.int64), 0))
    return model.opens(await a.reveal_zero(f"{model.name}.few", *factors))
