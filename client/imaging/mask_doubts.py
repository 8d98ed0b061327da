"""Does a mask look like its organ? What an outline that was shifted, mirrored, cut off or exchanged gives away.

A mask may have its scan's size and place and be wrong all the same: drawn on another phase, mirrored by a converter, exported for
half of the slices, liver and tumour exchanged. Nothing is refused here; each doubt is a finding (FH-339), and a person looks.
Measured on the three real liver masks of the test data: at most 0.3 % of a right mask lie on other values, 5 to 16 % of one that
is shifted by 2 to 3 cm, except along the body's axis within the middle of the liver, where nothing can be seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from client.imaging.contrast_seen import evenly
from client.imaging.slices import Grid, Mask, Measured, nearest_planes
from client.imaging.volume import Volume
from site_config.problems import scans as problems
from site_config.problems.base import Problem

THIN = 2
LEAST_PIXELS = 200
DARKER_HU = (100.0, 250.0)
NOISES = 4.0
MOST_DARKER = 0.05
LUNG_BRIGHT = -200.0
MOST_BRIGHT = 0.25
LEAST_SLICES = 8
CUT_OFF = 0.6
CUT_TO = 0.3
MOST_FILLED = 0.9
OF_A_BODY = -300.0
LEFT_MM = 15.0
"""A liver's middle lies 20 to 70 mm to the right; after its right half was taken out it may come to the middle."""
REACH_MM = 10.0
MOST_APART = 0.5


def doubts(organ: str, volume: Volume, grid: Grid, masks: tuple[Mask, Mask], measured: Measured, role: str) -> list[Problem]:
    """Findings about the masks of an organ (its tumours included) and of its tumours, (k, y, x) on the grid; empty where all is well."""
    healthy, tumour = masks[0] & ~masks[1], masks[1]
    found = (
        _gaps(organ, measured),
        _cut_off(organ, measured),
        _beside(organ, volume, grid, healthy),
        _mirrored(organ, volume, grid, healthy),
        _filled(organ, measured),
        _apart(organ, volume, grid, healthy, tumour),
    )
    return [problems.MASK_DOUBTFUL.problem(f"{role}: {text}", where=role) for text in found if text is not None]


def _gaps(organ: str, measured: Measured) -> str | None:
    """Slices without the organ between slices with it."""
    held = np.flatnonzero((measured.organ_mm2 > 0) | (measured.tumour_mm2 > 0))
    missing = int(held[-1] - held[0] + 1 - len(held)) if len(held) else 0
    if not missing:
        return None
    return f"the {organ}'s mask is empty in {missing} slice{'s' if missing > 1 else ''} between its first and its last one"


def _cut_off(organ: str, measured: Measured) -> str | None:
    """An organ that ends from one slice to the next where the scan goes on; an organ's own ends taper."""
    area = measured.organ_mm2
    if np.count_nonzero(area) < LEAST_SLICES:
        return None
    share = area / area.max()
    large, beside = share[2:-2] > CUT_OFF, np.minimum(share[1:-3], share[3:-1]) < CUT_TO
    if not (large & beside).any():
        return None
    at = int(np.argmax(large & beside)) + 2
    left = min(share[at - 1], share[at + 1])
    return f"the {organ}'s mask falls from {share[at]:.0%} of its largest area to {left:.0%} in the next slice, as if it were cut off"


def _beside(organ: str, volume: Volume, grid: Grid, healthy: Mask) -> str | None:
    """A part of the organ's mask on values that are not the organ's: fat, air and lung in a liver, solid tissue in a lung."""
    held = np.flatnonzero(healthy.any(axis=(1, 2)))
    if organ not in ("liver", "lung") or not len(held):
        return None
    planes = nearest_planes(grid)
    shown = held[evenly(0, len(held) - 1)]
    values = np.concatenate([volume.values[int(planes[k])][::THIN, ::THIN][healthy[k, ::THIN, ::THIN]] for k in shown])
    if len(values) < LEAST_PIXELS:
        return None
    share = float(np.mean(values > LUNG_BRIGHT)) if organ == "lung" else _darker(values)
    most = MOST_BRIGHT if organ == "lung" else MOST_DARKER
    return f"{share:.0%} of the {organ}'s mask lie on values that are not the {organ}'s" if share > most else None


def _darker(values: NDArray[np.int16]) -> float:
    """The share that is darker than the middle by more than noise."""
    middle = float(np.median(values))
    noise = 1.4826 * float(np.median(np.abs(values - middle)))
    return float(np.mean(values < middle - np.clip(NOISES * noise, *DARKER_HU)))


def _mirrored(organ: str, volume: Volume, grid: Grid, healthy: Mask) -> str | None:
    """A liver on the left of the body's middle: mask or images were mirrored, or the organs themselves are (one person in 10,000)."""
    held = np.flatnonzero(healthy.any(axis=(1, 2)))
    if organ != "liver" or not len(held):
        return None
    planes = nearest_planes(grid)
    shown = held[evenly(0, len(held) - 1)]
    body = np.stack([volume.values[int(planes[k])][::THIN, ::THIN] > OF_A_BODY for k in shown])
    mask = healthy[shown][:, ::THIN, ::THIN] & body
    if np.count_nonzero(mask) < LEAST_PIXELS:
        return None
    across = np.arange(body.shape[2]) * volume.spacing_mm[1] * THIN
    of_body, of_liver = (float((part.sum(axis=(0, 1)) * across).sum() / part.sum()) for part in (body, mask))
    if of_liver - of_body < LEFT_MM:
        return None
    return f"the liver's mask lies {of_liver - of_body:.0f} mm to the left of the body's middle, as if mask or images were mirrored"


def _filled(organ: str, measured: Measured) -> str | None:
    """A tumour that leaves nothing of its organ: the two masks were exchanged, or one was given twice."""
    share = measured.tumour_ml / measured.organ_ml if measured.organ_ml else 0.0
    return f"the tumour fills {min(share, 1.0):.0%} of the {organ}" if share > MOST_FILLED else None


def _apart(organ: str, volume: Volume, grid: Grid, healthy: Mask, tumour: Mask) -> str | None:
    """Most of a tumour's mask in islands that come nowhere near the organ."""
    from scipy import ndimage

    if not tumour.any() or not healthy.any():
        return None
    step = float(grid.z_mm[1] - grid.z_mm[0]) if len(grid) > 1 else volume.slice_mm
    spacing = (step, *volume.spacing_mm)
    box = _around(tumour, spacing)
    tumour, near = tumour[box], healthy[box]
    islands, count = ndimage.label(tumour, np.ones((3, 3, 3)))
    touched = np.unique(islands[ndimage.binary_dilation(near, np.ones((3, 3, 3)))])
    if len(touched[touched > 0]) == count:
        return None
    away = ndimage.distance_transform_edt(~near, sampling=spacing) if near.any() else np.full(tumour.shape, np.inf)
    nearest = np.atleast_1d(ndimage.minimum(away, islands, np.arange(1, count + 1)))
    sizes = np.bincount(islands.ravel(), minlength=count + 1)[1:]
    share = float(sizes[nearest > REACH_MM].sum() / sizes.sum())
    return f"{share:.0%} of the tumour's mask lie more than {REACH_MM:.0f} mm away from the {organ}" if share > MOST_APART else None


def _around(mask: Mask, spacing: tuple[float, ...]) -> tuple[slice, ...]:
    """The box around a mask, wider by the reach and one voxel."""
    found = []
    for axis, step in enumerate(spacing):
        held = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = int(np.ceil(REACH_MM / step)) + 1
        found.append(slice(max(0, int(held[0]) - margin), int(held[-1]) + 1 + margin))
    return tuple(found)
