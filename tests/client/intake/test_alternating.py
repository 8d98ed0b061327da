"""Two volumes that alternate slice by slice are found; an honest volume is not taken for two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from client.intake.dicom.series_volumes import interleaved
from client.intake.read_nifti import read_ct

REAL = ("example_ct", "example_ct_sm", "aorta_ct_cropped", "pulmonary_ct_cropped")


def smooth_body(slices: int, seed: int, noise: float = 12.0) -> NDArray[np.float64]:
    """A body whose organs change along z, with the scanner's noise."""
    rng = np.random.default_rng(seed)
    organs = ndimage.gaussian_filter(rng.normal(0, 1, (slices, 96, 96)), (slices / 8, 8, 8))
    return np.asarray(40 + 60 * organs / organs.std() + rng.normal(0, noise, organs.shape))


@pytest.mark.parametrize("slices", [12, 16, 20, 33, 80, 200])
def test_honest_volumes_are_one(slices: int) -> None:
    assert not any(interleaved(smooth_body(slices, seed).astype(np.int16)) for seed in range(10))


@pytest.mark.parametrize("slices", [20, 32, 33, 80])
@pytest.mark.parametrize("apart", [15, 40])
def test_two_phases_are_two(slices: int, apart: int) -> None:
    for seed in range(5):
        volume = smooth_body(slices, seed)
        volume[::2] += apart
        assert interleaved(volume.astype(np.int16))


def test_two_breaths_are_two() -> None:
    volume = smooth_body(60, 3, noise=5.0)
    volume[1::2] = np.roll(volume, 4, axis=1)[1::2]
    assert interleaved(volume.astype(np.int16))


@pytest.mark.parametrize("name", REAL)
def test_real_scans_are_one(name: str, shared_data: Path) -> None:
    hu = read_ct(shared_data / "ct" / "ts" / f"{name}.nii.gz").hu
    assert not interleaved(hu) and not any(interleaved(hu[k : k + 32]) for k in range(0, len(hu) - 20, 5))
    mixed = hu.astype(np.int32)
    mixed[::2] += 40 * ((hu[::2] > 20) & (hu[::2] < 250))
    assert interleaved(mixed.astype(np.int16))
