"""Masks that have their scan's size and place and are wrong all the same; and right ones, of which nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from client.imaging import slices
from client.imaging.mask_doubts import doubts
from client.imaging.volume import Volume
from client.intake.read_nifti import read_ct, read_mask
from tests.client.made_scans import body

SPACING = (5.0, 3.5, 3.5)
HU, MASKS = body((40, 96, 96), seed=5)
LIVER, TUMOUR, LUNG = (MASKS[name].astype(bool) for name in ("liver", "liver_tumour", "lung"))
Mask = NDArray[np.bool_]


def scan(hu: NDArray[np.int16], spacing: tuple[float, float, float] = SPACING) -> Volume:
    return Volume(hu, np.arange(len(hu)) * spacing[0], spacing[1:], np.zeros(3), np.eye(3))


def said(organ: Mask, tumour: Mask, volume: Volume | None = None, name: str = "liver") -> list[str]:
    """What is said of masks on the scan's own slices; organ and tumours are joined, as a segmenter joins them."""
    volume = volume or scan(HU)
    grid = slices.grid_of(volume.z_mm, 5.0)
    on_grid = [slices.labels_on(mask, grid) for mask in (organ | tumour, tumour)]
    measured = slices.measure(*on_grid, volume, grid)
    found = doubts(name, volume, grid, (on_grid[0], on_grid[1]), measured, "a scan")
    assert {problem.code for problem in found} <= {"FH-339"}
    return [problem.what for problem in found]


def half(mask: Mask) -> Mask:
    cut = mask.copy()
    cut[14:] = False
    return cut


def every_second(mask: Mask) -> Mask:
    thinned = mask.copy()
    thinned[::2] = False
    return thinned


def moved(mask: Mask, by: int, axis: int) -> Mask:
    return np.roll(mask, by, axis)


OUTSIDE = np.zeros_like(LIVER)
OUTSIDE[15:18, 1:5, 1:5] = True


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: (LIVER[::-1], TUMOUR[::-1]), "on values that are not the liver's"),
        (lambda: (moved(LIVER, -14, 2), moved(TUMOUR, -14, 2)), "on values that are not the liver's"),
        (lambda: (half(LIVER), TUMOUR & half(LIVER)), "as if it were cut off"),
        (lambda: (half(LIVER), TUMOUR), "as if it were cut off"),
        (lambda: (every_second(LIVER), every_second(TUMOUR)), "is empty in"),
        (lambda: (TUMOUR, LIVER), "the tumour fills 100% of the liver"),
        (lambda: (LIVER[:, :, ::-1], TUMOUR[:, :, ::-1]), "to the left of the body's middle"),
        (lambda: (np.ones_like(LIVER), TUMOUR), "on values that are not the liver's"),
        (lambda: (LIVER, ndimage.binary_dilation(LIVER, iterations=2)), "the tumour fills 100% of the liver"),
        (lambda: (LIVER, moved(TUMOUR, -40, 1)), "100% of the tumour's mask lie more than 10 mm away"),
        (lambda: (LIVER, OUTSIDE), "100% of the tumour's mask lie more than 10 mm away"),
        (lambda: (LUNG, np.zeros_like(LUNG)), None),
        (lambda: (LIVER, TUMOUR), None),
        (lambda: (LIVER & ~TUMOUR, TUMOUR), None),
        (lambda: (LIVER, np.zeros_like(TUMOUR)), None),
        (lambda: (LIVER, moved(LIVER, 4, 2) & ~LIVER), None),
    ],
)
def test_what_a_wrong_mask_gives_away(change: Callable[[], tuple[Mask, Mask]], words: str | None) -> None:
    found = said(*change())
    assert found == [] if words is None else any(words in text for text in found), found


@pytest.mark.parametrize("noise", [8.0, 30.0, 60.0])
def test_noise_is_no_doubt(noise: float) -> None:
    rng = np.random.default_rng(2)
    noisy = np.clip(HU + rng.normal(0, noise, HU.shape), -1024, 3071).astype(np.int16)
    assert said(LIVER, TUMOUR, scan(noisy)) == [] and said(LUNG, np.zeros_like(LUNG), scan(noisy), "lung") == []


@pytest.mark.parametrize("organ", ["example_seg.nii.gz", "example_seg_fast_liver.nii.gz"])
def test_real_masks_are_right_and_shifted_ones_are_seen(organ: str, shared_data: Path) -> None:
    folder = shared_data / "ct" / "ts"
    volume = read_ct(folder / "example_ct_sm.nii.gz")
    labels = (5,) if organ == "example_seg.nii.gz" else ()
    liver = read_mask(folder / organ, volume, labels, "a mask")
    none = np.zeros_like(liver)
    assert said(liver, none, volume) == []
    wrong = {(by, axis): moved(liver, by, axis) for by in (10, -10) for axis in (1, 2)}  # 3 cm
    wrong |= {("mirrored", axis): np.flip(liver, axis) for axis in range(3)}
    assert any("left of the body's middle" in text for text in said(np.flip(liver, 2), none, volume))
    for how, mask in wrong.items():
        found: Any = said(mask, none, volume)
        assert any("on values that are not the liver's" in text for text in found), (how, found)
