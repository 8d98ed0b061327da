"""The public side of Newton's method for a Cox model: what every opened step decides, the same at every holder.

Coefficients b belong to u in [0, 1], so that Σ|Δb| (the *reach* of a step) bounds how far any patient's Δb'u may differ from
another's. The reach says how good the last reciprocals are as a start of the next ones, when a step is cut, when it is opened
finely, and when the fit has converged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from shared_model.analyses.patient_slots import Floats
from shared_model.disclosure.limits import COEFFICIENT_BITS, STEP_BITS
from shared_model.shares.circuits.exact_constants import exp, total

STEPS = 10
"""Newton steps before a fit is given up."""
CAP = 10.0
"""Largest reach of one step: a longer one costs more openings than two, and Newton's steps far from the end lead anywhere."""
FAR = 3.0
"""Beyond this reach a step is on its way: the likelihood has another form there, and the last inverse is no start of the next one."""
RANGE = 32.0
"""Largest Σ|b|: the highest and the lowest risk are then e^16 from the middle, and 40 bits leave 17 at either end."""
FINE_BELOW = 0.35
"""A step is opened finely when the one before it reached less: its own error is then below 1e-6 after it."""
DONE_BELOW = 2.0**-11
"""A fine step that reaches less ends the fit."""
COARSE, FINE = STEP_BITS.value, COEFFICIENT_BITS.value
"""Bits of the opened steps."""
TURNED = 0.3
"""A fine step that turns back by more than this share of the one before it is not Newton's: near the end they shrink by squares."""
SLOW = 0.6
"""A coefficient whose steps keep more than this share of the one before, three times in a row, grows without end."""


@dataclass
class Newton:
    """b (p,) and how it came about; room: the largest Σ|b| that the sums have room for."""

    p: int
    room: float = RANGE
    b: Floats = field(init=False)
    steps: list[Floats] = field(default_factory=list)
    wanted: list[Floats] = field(default_factory=list)
    """Where b would be after each step without the cap."""

    def __post_init__(self) -> None:
        self.b = np.zeros(self.p)

    @property
    def reach(self) -> float:
        """Σ|Δb| of the last step."""
        return total(np.abs(self.steps[-1])) if self.steps else CAP

    @property
    def fine(self) -> bool:
        """Whether the next step is opened finely."""
        return bool(self.steps) and self.reach < FINE_BELOW

    def take(self, step: Floats) -> None:
        """Add an opened step, cut to the cap, and to half the last one where it turns back."""
        reach, most = total(np.abs(step)), CAP
        if self.steps and total(step * self.steps[-1]) < 0:
            most = self.reach / 2
        taken = step * (most / reach) if reach > most else step
        self.wanted.append(self.b + step)
        self.b = self.b + taken
        self.steps.append(taken)

    @property
    def ratio(self) -> float:
        """No weight e^{b'(u − ½)} is more than so many times the one before the last step, or less than one over it."""
        return exp(self.reach / 2)

    @property
    def growing(self) -> list[int]:
        """Columns whose coefficient grows without end."""
        if len(self.steps) < 5:
            return []
        last = np.array(self.steps[-4:])
        if (np.abs(last).sum(1) > FAR).any():  # on its way: cut steps are alike whatever the likelihood
            return []
        same = (np.sign(last) == np.sign(last[0])).all(axis=0)
        kept = (np.abs(last[1:]) > SLOW * np.abs(last[:-1])).all(axis=0)
        return [int(j) for j in np.flatnonzero(same & kept & (np.abs(last[-1]) > 0.1))]

    @property
    def restless(self) -> bool:
        """What 40 bits leave of the smallest weights moves b: a third fine step is not small yet, or a second one after one that turned
        well back.
        """
        reaches = [total(np.abs(step)) for step in self.steps]
        if len(reaches) < 4 or reaches[-1] < DONE_BELOW:
            return False
        before, last = self.steps[-3:-1]
        turned = reaches[-3] < FINE_BELOW and total(before * last) < 0 and reaches[-2] > TURNED * reaches[-3]
        return turned or max(reaches[-4:-1]) < FINE_BELOW

    @property
    def too_far(self) -> list[int]:
        """The column that does most to carry b out of the range that 40 bits serve: b is there, or far out and cannot settle, or two cut
        steps lead far beyond.
        """
        if total(np.abs(self.b)) > self.room:
            return [int(np.abs(self.b).argmax())]
        if self.restless and total(np.abs(self.b)) > self.room / 2:
            return [int(np.abs(self.b).argmax())]
        cut = len(self.steps) > 1 and all(total(np.abs(step)) > 0.999 * CAP for step in self.steps[-2:])
        beyond = cut and total(np.abs(self.wanted[-1])) > 2 * self.room
        return [int(np.abs(self.wanted[-1]).argmax())] if beyond else []
