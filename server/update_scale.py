"""How large the numbers of a model update may be: learned from opened sums, tensor by tensor.

A masked number has 32 bits, which K sites share: with one range for the whole vector, set by its largest numbers, the many
small ones lose theirs to rounding (1e-4 of the gradient's norm, 15 sites). The tensors of a network differ in size by
orders of magnitude, so each has a range of its own: a power of two at least `margin` times the largest number opened for it
so far. It is a public function of opened sums and tells nobody anything new.

The range never shrinks: near the optimum the sites' updates cancel in the sum while each stays as large as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_model.parameters import UpdateScale

MARGIN = 8.0
LOWEST, HIGHEST = -60, 60


@dataclass(frozen=True)
class ScaleState:
    """`lengths` (T,) of the tensors, `largest` (T,) number opened so far, `margin` over it that one site is allowed."""

    lengths: tuple[int, ...]
    largest: NDArray[np.float64]
    margin: float = MARGIN

    @classmethod
    def start(cls, lengths: tuple[int, ...]) -> ScaleState:
        """Nothing is known yet."""
        return cls(lengths, np.zeros(len(lengths)))

    @property
    def known(self) -> bool:
        """Whether a round has been opened."""
        return bool(self.largest.any())

    def broadcast(self, clip: float) -> UpdateScale:
        """The ranges of the next round; `clip` for a tensor of which nothing but zeros was opened."""
        wanted = np.where(self.largest > 0, self.margin * self.largest, clip)
        exponents = np.clip(np.ceil(np.log2(wanted)), LOWEST, HIGHEST).astype(int)
        return UpdateScale(lengths=self.lengths, exponents=tuple(exponents.tolist()))

    def learned(self, update: NDArray[np.float64], clipped: int) -> ScaleState:
        """After a round that opened `update` (D,), in which `clipped` numbers of sites met the end of their range."""
        starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        found = np.maximum.reduceat(np.abs(update), starts)
        return ScaleState(self.lengths, np.maximum(self.largest, found), self.margin * 2 if clipped else self.margin)
