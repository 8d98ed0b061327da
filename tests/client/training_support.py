"""Made-up patients for training tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from site_config.study.plan_and_lock import Study, StudySite


@dataclass(frozen=True)
class MadeUpSlices:
    slices: NDArray[np.float32]

    def load(self, i: int) -> NDArray[np.float32]:
        return self.slices[i]


@dataclass(frozen=True)
class MadeUp:
    keys: tuple[str, ...]
    event_day: NDArray[np.float64]
    event: NDArray[np.bool_]
    is_validation: NDArray[np.bool_]
    has_images: NDArray[np.bool_]
    images: MadeUpSlices | None


def made_up(n: int, seed: int, *, size: int = 32, organs: int = 2) -> MadeUp:
    """n patients with noise images and exponential survival."""
    random = np.random.RandomState(seed)
    slices = random.standard_normal((n, 2, organs, 3, size, size)).astype(np.float32)
    keys = tuple(f"{seed}-{i}" for i in range(n))
    no = np.zeros(n, dtype=bool)
    return MadeUp(keys, np.ceil(random.exponential(400, n)), random.rand(n) < 0.6, no, ~no, MadeUpSlices(slices))


def study_with(**changes: object) -> Study:
    """A study with the small network and the given fields."""
    fields: dict[str, object] = {"title": "test", "sites": (StudySite(name="a"),), "network": {"backbone": "small", "norm": "group"}}
    return Study.model_validate(fields | changes)
