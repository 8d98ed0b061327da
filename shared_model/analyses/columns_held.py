"""Which columns of a table enough patients at enough hospitals hold: one bit each.

A hospital writes 1 into the first of its slots for every column that one of its patients has: added up over all slots that is the
number of hospitals, without a slot saying whose it is. A column that almost nobody has would point at those who do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared_model.analyses.count_minimum import minimum_result
from shared_model.analyses.patient_slots import Floats, PaddedPatients, Part, Rows, checked
from shared_model.disclosure.limits import COLUMN_HOSPITALS, COLUMN_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Result
from shared_model.survival.cox.cox_result import FitFinding
from site_config.problems import survival as problems


@dataclass(frozen=True)
class Held(Part):
    """Of every column (a value of that name: 1 for who has it, 0 or −1 for others) whether the patient, then whether the hospital
    has it; the hospital's stands in its first slot."""

    columns: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Columns, twice."""
        return 2 * len(self.columns)

    def of(self, patients: PaddedPatients) -> Floats:
        """Zeros and ones."""
        n = len(patients)
        found = np.zeros((n, self.width))
        for at, name in enumerate(self.columns):
            has = checked(patients.whole(name) + 1, 3, name) == 2
            found[:, at] = has
            found[:1, len(self.columns) + at] = has.any()
        return found


@dataclass(frozen=True)
class ColumnsModel:
    """Which columns, and how many patients and hospitals must hold one."""

    name: str
    part: Held
    minimum_patients: int = COLUMN_PATIENTS.value
    minimum_hospitals: int = COLUMN_HOSPITALS.value

    def parts(self, _n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return (self.part,)

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        return (minimum_result(f"{self.name}.held", len(self.part.columns)),)


@dataclass(frozen=True)
class ColumnsEstimate:
    """By column whether enough patients and hospitals hold it, with a finding that names the others."""

    held: dict[str, bool]
    findings: tuple[FitFinding, ...] = ()


async def columns(a: Arithmetic, rows: Rows, model: ColumnsModel) -> ColumnsEstimate:
    """One bit a column, whichever of both minima it misses: five openings; needs no pairs."""
    counted = rows[model.part.name].sum(0).assume(len(rows[model.part.name]), "a count of slots")
    counts, n = await a.lift(counted), len(model.part.columns)
    patients, hospitals = counts[:n], counts[n:]
    few = [*(patients - k for k in range(model.minimum_patients)), *(hospitals - k for k in range(model.minimum_hospitals))]
    held = ~await a.reveal_zero(f"{model.name}.held", *few)
    rare = [name for name, enough in zip(model.part.columns, held, strict=True) if not enough]
    why = f"{', '.join(rare)}: fewer than {model.minimum_patients} patients or {model.minimum_hospitals} hospitals have it"
    findings = (FitFinding.of(problems.NOT_ESTIMABLE, why),) if rare else ()
    return ColumnsEstimate(dict(zip(model.part.columns, (bool(one) for one in held), strict=True)), findings)
