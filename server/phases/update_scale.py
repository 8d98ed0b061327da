"""How large the numbers of a model update may be: learned from opened sums, tensor by tensor.

A masked number has 32 bits, which K sites share: with one range for the whole vector, set by its largest numbers, the many
small ones lose theirs to rounding (1e-4 of the gradient's norm, 15 sites). The tensors of a network differ in size by
orders of magnitude, so each has a range of its own, a power of two.

The opened update itself does not tell how large a site's is: martingale residuals sum to zero over all patients, so the
sites' updates cancel where each is large. So each block also opens, for every tensor, the sum over its sites of their
largest magnitudes, which no single site exceeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_model.statistics.statistic_parameters import UpdateScale

MARGIN = 4.0
FIRST = 2.0**20
"""Range of the first round, whose numbers have 64 bits: with a thousand sites it still tells 2^-33 apart."""
LOWEST, HIGHEST = -60, 60


@dataclass(frozen=True)
class ScaleState:
    """`lengths` (T,) of the tensors, and `largest` (T,): sums of the sites' largest magnitudes, of late."""

    lengths: tuple[int, ...]
    largest: NDArray[np.float64]

    @classmethod
    def start(cls, lengths: tuple[int, ...]) -> ScaleState:
        """Nothing is known yet."""
        return cls(lengths, np.zeros(len(lengths)))

    @property
    def known(self) -> bool:
        """Whether a round has been opened."""
        return bool(self.largest.any())

    def broadcast(self, clip: float) -> UpdateScale:
        """The ranges of the next round: wide in the first, then `clip` for a tensor of which nothing but zeros was opened."""
        wanted = np.where(self.largest > 0, MARGIN * self.largest, clip if self.known else max(clip, FIRST))
        exponents = np.clip(np.ceil(np.log2(wanted)), LOWEST, HIGHEST).astype(int)
        return UpdateScale(lengths=self.lengths, exponents=tuple(exponents.tolist()))

    def learned(self, largest: NDArray[np.float64], n_blocks: int) -> ScaleState:
        """After a round that opened `largest` (T,); what was learned before is halved once in a cycle of all blocks."""
        return ScaleState(self.lengths, np.maximum(largest, self.largest * 0.5 ** (1.0 / n_blocks)))
