"""A volume's slices that stay on disk: read once to be looked at, and again only where a slice is chosen.

What is proved of a volume (units, no second volume between the slices, fingerprints) needs every fourth or eighth pixel of
each slice; the network needs three slices an organ. A volume of 600 slices is 315 MB, and giving it room costs more than
reading it. A segmentation model sees whole volumes: `whole` reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

KEPT = 24  # slices kept of those read again: the neighbours of an organ's chosen ones
THIN = 4  # every fourth pixel of every fourth row


class Planes(Protocol):
    """Slices (y, x) int16 by their number along z; an array (z, y, x) is one."""

    def __len__(self) -> int:
        """Slices along z."""
        ...

    def __getitem__(self, k: int, /) -> NDArray[np.int16]:
        """Slice k."""
        ...


@dataclass(frozen=True)
class PlanesOnDisk:
    """Slices that `read` gives by their number; `thin` is every fourth pixel of every fourth row of each, (z, y/4, x/4)."""

    shape: tuple[int, int, int]
    read: Callable[[int], NDArray[np.int16]]
    thin: NDArray[np.int16]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, k: int, /) -> NDArray[np.int16]:
        return self.read(int(k))

    def whole(self) -> NDArray[np.int16]:
        """All slices, (z, y, x)."""
        out = np.empty(self.shape, dtype=np.int16)
        for k in range(len(out)):
            out[k] = self.read(k)
        return out


def on_disk(shape: tuple[int, int, int], read: Callable[[int], NDArray[np.int16]], thin: NDArray[np.int16]) -> PlanesOnDisk:
    """Slices on disk of which the last ones read are kept."""
    return PlanesOnDisk(shape, lru_cache(KEPT)(read), thin)
