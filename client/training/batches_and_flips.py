"""What a training pass reads of a hospital's patients, and the draws that belong to a patient and a step.

Every draw comes from SHA-256 over the study's seed, what is being drawn, the round, the step and the patient's key, so a
round can be replayed exactly and no draw depends on the order or number of the other patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SeedParts = tuple[str | int, ...]


class Slices(Protocol):
    """Where a patient's slices come from."""

    def load(self, i: int) -> NDArray[np.float32]:
        """Slices (V, O, S, H, W) of patient i."""
        ...


class Trainees(Protocol):
    """The part of `client.cohort.prepared_cohort.Patients` that training reads; n patients in a fixed order."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Site-local pseudonyms."""
        ...

    @property
    def event_day(self) -> NDArray[np.float64]:
        """Day of event or last contact (n,)."""
        ...

    @property
    def event(self) -> NDArray[np.bool_]:
        """Whether the day is that of the event (n,)."""
        ...

    @property
    def is_validation(self) -> NDArray[np.bool_]:
        """Kept out of training (n,)."""
        ...

    @property
    def has_images(self) -> NDArray[np.bool_]:
        """Whether slices exist (n,)."""
        ...

    @property
    def images(self) -> Slices | None:
        """The slices; None where the site has none at all."""
        ...


def draw(seed_parts: SeedParts, what: str, step: int, key: str) -> int:
    """A recorded draw in [0, 2^63)."""
    text = "\x1f".join([*(str(part) for part in seed_parts), what, str(step), key])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def is_flipped(seed_parts: SeedParts, step: int, key: str, probability: float) -> bool:
    """Whether all slices of a patient are flipped (both axes, as in the authors' training) in this step."""
    return draw(seed_parts, "flip", step, key) < probability * 2.0**63


def with_images(patients: Trainees) -> NDArray[np.bool_]:
    """Patients who have slices (n,)."""
    if patients.images is None:
        return np.zeros(len(patients.keys), dtype=bool)
    return np.asarray(patients.has_images, dtype=bool)


def load_batch(patients: Trainees, rows: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Images (B, V, O, S, H, W) of the given patients.

    For a GPU they go through page-locked memory, so that the copy does not wait for the work before it, and the next patients
    are read from disk while the GPU computes.
    """
    if patients.images is None:
        raise ValueError("these patients have no images")
    stacked = torch.from_numpy(np.stack([np.asarray(patients.images.load(int(row))) for row in rows]))
    if device.type == "cuda":
        return stacked.pin_memory().to(device=device, non_blocking=True).to(dtype)
    return stacked.to(device=device, dtype=dtype)


def flipped(images: Tensor, flips: Sequence[bool]) -> Tensor:
    """Images with both image axes reversed for the patients marked."""
    if not any(flips):
        return images
    marks = torch.tensor(list(flips), device=images.device).reshape(-1, *([1] * (images.dim() - 1)))
    return torch.where(marks, torch.flip(images, dims=(-2, -1)), images)


def per_patient(values: NDArray[Any], rows: Sequence[int], device: torch.device) -> Tensor:
    """Values of the given patients (B,), as float64 or bool."""
    return torch.from_numpy(np.ascontiguousarray(np.asarray(values)[np.asarray(rows, dtype=int)])).to(device)
