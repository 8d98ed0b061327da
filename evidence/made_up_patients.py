"""Made-up patients in memory for the network's benchmarks: noise slices with a bright patch that tells the risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MemorySlices:
    """Slices (n, V, O, S, H, W) held in memory."""

    slices: NDArray[np.float32]

    def load(self, i: int) -> NDArray[np.float32]:
        """Slices (V, O, S, H, W) of patient i."""
        return np.asarray(self.slices[i], dtype=np.float32)


@dataclass(frozen=True)
class MadeUpPatients:
    """What training reads of patients (`client.training.batches_and_flips.Trainees`)."""

    keys: tuple[str, ...]
    event_day: NDArray[np.float64]
    event: NDArray[np.bool_]
    is_validation: NDArray[np.bool_]
    has_images: NDArray[np.bool_]
    images: MemorySlices

    def part(self, rows: Sequence[int]) -> MadeUpPatients:
        """Some of the patients."""
        chosen = np.asarray(rows, dtype=int)
        return MadeUpPatients(
            tuple(self.keys[i] for i in chosen),
            self.event_day[chosen],
            self.event[chosen],
            self.is_validation[chosen],
            self.has_images[chosen],
            MemorySlices(self.images.slices[chosen]),
        )


def made_up_patients(n: int, seed: int, *, size: int, days: int = 700) -> MadeUpPatients:
    """n patients: risk r ~ N(0,1) shown as a patch of amplitude r, whole days (with ties) of hazard e^r, 40 % censored or so."""
    random = np.random.default_rng(seed)
    risk = random.standard_normal(n)
    slices = random.standard_normal((n, 2, 2, 3, size, size)).astype(np.float32)
    quarter = size // 4
    slices[..., quarter : 2 * quarter, quarter : 2 * quarter] += risk[:, None, None, None, None, None].astype(np.float32)
    death = np.ceil(random.exponential(days, n) * np.exp(-risk))
    censored = np.ceil(random.uniform(0.2, 2.5, n) * days)
    no = np.zeros(n, dtype=bool)
    return MadeUpPatients(
        tuple(f"{seed}-{i}" for i in range(n)), np.minimum(death, censored), death <= censored, no, ~no, MemorySlices(slices)
    )
