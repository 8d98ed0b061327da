"""Groups of patients that results are opened for, and which of them are large enough, on shares.

Groups that together make up one set (the risk groups of the test set, say) are a *family*. A group is shown where it and the
rest of its family have the minimum of patients; a rest of nobody counts as none. Opened are bits and nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.count_minimum import minimum_result, reaches
from shared_model.analyses.pairs_on_shares import Pairs
from shared_model.analyses.patient_slots import OneHot, Part, Rows
from shared_model.disclosure.limits import GROUP_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.survival.cox.cox_result import FitFinding
from site_config.problems import survival as problems

Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Partition:
    """Which groups (a part of the rows; None for all patients together), and how they make up families (by default one)."""

    groups: OneHot | None = None
    families: tuple[tuple[int, ...], ...] = ()
    minimum: int = GROUP_PATIENTS.value

    @property
    def n(self) -> int:
        """Groups."""
        return self.groups.n if self.groups else 1

    @property
    def parts(self) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return (self.groups,) if self.groups else ()

    @property
    def of_family(self) -> tuple[tuple[int, ...], ...]:
        """The groups of every family; `ValueError` unless each stands in exactly one."""
        families = self.families or (tuple(range(self.n)),)
        if sorted(group for family in families for group in family) != list(range(self.n)):
            raise ValueError("every group stands in one family")
        return families

    @property
    def family(self) -> NDArray[np.int64]:
        """The family (groups,) of every group."""
        where = {group: number for number, family in enumerate(self.of_family) for group in family}
        return np.array([where[group] for group in range(self.n)], dtype=np.int64)

    @property
    def matrix(self) -> NDArray[np.int64]:
        """(groups, families): 1 where a group stands in a family."""
        return np.array(self.family[:, None] == np.arange(len(self.of_family))[None, :], dtype=np.int64)

    def members(self, rows: Rows, pairs: Pairs) -> Value:
        """One-hot of every patient's group (N, groups)."""
        return rows[self.groups.name] if self.groups else pairs.present.reshape(len(pairs.present), 1)

    def results(self, name: str) -> tuple[Result, ...]:
        """The bits that are opened for an analysis of this name."""
        return (
            minimum_result(f"{name}.enough", 2 * self.n),
            Result(f"{name}.empty", (2 * self.n,), 0, 1.0, "none: it is the test of the minimum", bit=True),
        )


@dataclass(frozen=True)
class Admitted:
    """Which groups (G,) are shown, which are empty, and in which families (F,) every group is one or the other and two are shown."""

    shown: Bits
    empty: Bits
    whole: Bits

    @property
    def keep(self) -> NDArray[np.int64]:
        """1 where a group is shown."""
        return self.shown.astype(np.int64)

    def findings(self) -> tuple[FitFinding, ...]:
        """Which groups stay closed, and why."""
        closed = np.flatnonzero(~self.shown)
        if not closed.size:
            return ()
        listed = ", ".join(str(group + 1) for group in closed)
        return (FitFinding.of(problems.NOT_ESTIMABLE, f"group {listed}: too few patients in it or in the rest of its set"),)


async def admitted(a: Arithmetic, name: str, sizes: Value, partition: Partition) -> Admitted:
    """For the sizes (groups,) of the main field: what may be shown. Openings: as many as the minimum has binary digits, and one."""
    n, matrix = partition.n, partition.matrix
    rest = (sizes @ (matrix @ matrix.T - np.eye(n, dtype=np.int64))).assume(sizes.bound, "patients of the same family")
    both = concatenate([sizes, rest])
    enough, empty = await together(reaches(a, f"{name}.enough", both, partition.minimum), a.reveal_zero(f"{name}.empty", both))
    shown = enough[:n] & (enough[n:] | empty[n:])
    settled = shown | empty[:n]
    whole = [bool(settled[list(family)].all() and shown[list(family)].sum() > 1) for family in partition.of_family]
    return Admitted(shown, empty[:n], np.array(whole))
