"""Was contrast in the vessels? Told from the values, so that a native series that is called venous is not believed.

Two ways, both on means of about 9 mm so that noise does not count:

- with a liver's mask: unenhanced blood has 30 to 60 HU and an unenhanced liver up to 75, so nothing within the liver is bright;
  in the venous phase its veins have 120 to 200, in a fatty liver too. The vessels in front of the spine must be seen as well
  (something there stands out from its surroundings): a picture without vessels proves nothing;
- without a mask, of the slices in the middle of the body: the share of soft parts that are brighter than unenhanced blood.
  Bone is left out, and pictures without fat, which no patient is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from client.imaging.planes import Planes

PIXEL_MM = 3.0
LOOKED_AT = 12  # slices
UNENHANCED_BLOOD = 75.0
BRIGHT_SOFT = 85.0
LIVER_HIGHEST = 85.0
WITHIN_LIVER_HIGHEST = 90.0
STANDS_OUT = 10.0
ENHANCED_VEIN = 120.0
ABOVE_LIVER = 25.0
LEAST_LIVER_PIXELS = 200
CENTRE_MM = 45.0
DEPTH = (0.40, 0.78)  # of the body, from the front: the vessels before the spine
SOFT = (20.0, 250.0)
BONE = 160.0
HARD = 300.0
LEAST_FAT = 0.05
NATIVE_SHARE, ENHANCED_SHARE = 0.08, 0.30

Seen = bool | None
"""True: contrast is in the vessels; False: none is; None: not told."""


def small(planes: Planes, slices: Sequence[int], spacing_mm: tuple[float, float]) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Chosen slices as means of blocks of about 3 mm, (k, y, x), and the blocks' size in pixels."""
    rows, columns = (max(1, round(PIXEL_MM / spacing)) for spacing in spacing_mm)
    kept = []
    for k in slices:
        plane: NDArray[np.int16] = planes[int(k)]
        high, wide = plane.shape[0] // rows * rows, plane.shape[1] // columns * columns
        kept.append(plane[:high, :wide].reshape(high // rows, rows, wide // columns, columns).mean(axis=(1, 3), dtype=np.float32))
    return np.stack(kept), (rows, columns)


def with_liver(
    planes: Planes, slices: Sequence[int], masks: tuple[NDArray[np.bool_], NDArray[np.bool_]], spacing_mm: tuple[float, float]
) -> Seen:
    """By the liver's mask and its tumours' (both (k, y, x), of the slices named), beside all soft parts of these slices."""
    from scipy import ndimage

    hu, (rows, columns) = small(planes, slices, spacing_mm)
    liver, tumour = (mask[:, ::rows, ::columns][:, : hu.shape[1], : hu.shape[2]] for mask in masks)
    smooth = ndimage.uniform_filter(hu, (1, 3, 3))
    inside = _eroded(liver & ~tumour)
    if np.count_nonzero(inside) < LEAST_LIVER_PIXELS:
        return None
    middle, bright = float(np.median(smooth[inside])), float(np.percentile(smooth[inside], 98))
    if bright >= ENHANCED_VEIN and bright - middle >= ABOVE_LIVER:
        return True
    around = _soft_parts(hu, smooth)
    if middle >= LIVER_HIGHEST or bright >= WITHIN_LIVER_HIGHEST or around is True:
        return True if around is True else None
    return False if around is False or _dark_vessels(smooth, liver | tumour, spacing_mm[1] * columns) else None


def without_mask(planes: Planes, slices: Sequence[int], spacing_mm: tuple[float, float]) -> Seen:
    """By how much of the soft parts is brighter than blood without contrast."""
    from scipy import ndimage

    hu, _ = small(planes, slices, spacing_mm)
    return _soft_parts(hu, ndimage.uniform_filter(hu, (1, 3, 3)))


def evenly(first: int, last: int) -> list[int]:
    """At most `LOOKED_AT` slices from the first to the last."""
    return [int(k) for k in np.unique(np.linspace(first, last, min(LOOKED_AT, last - first + 1)).astype(int))]


def _soft_parts(hu: NDArray[np.float32], smooth: NDArray[np.float32]) -> Seen:
    body = hu > -300
    fat = float(np.mean((hu[body] > -140) & (hu[body] < -60))) if body.any() else 0.0
    soft = (smooth > SOFT[0]) & (smooth < SOFT[1]) & ~_bone(hu)
    if fat < LEAST_FAT or np.count_nonzero(soft) < LEAST_LIVER_PIXELS:
        return None
    share = float(np.mean(smooth[soft] > BRIGHT_SOFT))
    return False if share < NATIVE_SHARE else True if share > ENHANCED_SHARE else None


def _dark_vessels(smooth: NDArray[np.float32], liver: NDArray[np.bool_], pixel_mm: float) -> bool:
    """Whether something stands out before the spine, and nothing of it is brighter than blood without contrast."""
    before = _before_the_spine(smooth, liver, pixel_mm)
    if before.size < LEAST_LIVER_PIXELS // 4:
        return False
    vessel = float(np.percentile(before, 95))
    return vessel < UNENHANCED_BLOOD and vessel - float(np.median(before)) >= STANDS_OUT


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    return np.asarray(ndimage.binary_erosion(mask, np.ones((1, 3, 3)), iterations=2), dtype=bool)


def _bone(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Bright parts that hold something hard, and what lies within 6 mm of them."""
    from scipy import ndimage

    numbers, count = ndimage.label(hu > BONE, np.pad(ndimage.generate_binary_structure(2, 1)[None], ((1, 1), (0, 0), (0, 0))))
    hard = np.flatnonzero(np.r_[0.0, np.atleast_1d(ndimage.maximum(hu, numbers, np.arange(1, count + 1)))] > HARD)
    found = np.isin(numbers, hard[hard > 0])
    return np.asarray(ndimage.binary_dilation(found, np.ones((1, 5, 5))), dtype=bool)


def _before_the_spine(smooth: NDArray[np.float32], liver: NDArray[np.bool_], pixel_mm: float) -> NDArray[np.float32]:
    """Values in the middle of the body between its front and the spine's back, without liver and bone."""
    from scipy import ndimage

    body = smooth > -300
    columns, rows = np.flatnonzero(body.any(axis=(0, 1))), np.flatnonzero(body.any(axis=(0, 2)))
    if not len(columns):
        return np.empty(0, dtype=np.float32)
    centre, half = (columns[0] + columns[-1]) / 2, CENTRE_MM / pixel_mm
    front, deep = rows[0], rows[-1] - rows[0]
    box = np.zeros(smooth.shape, dtype=bool)
    box[:, int(front + DEPTH[0] * deep) : int(front + DEPTH[1] * deep), int(max(0, centre - half)) : int(centre + half) + 1] = True
    near = ndimage.binary_dilation(liver, np.ones((1, 5, 5)))
    found: NDArray[np.float32] = np.asarray(smooth[box & body & ~near & ~_bone(smooth)], dtype=np.float32)
    return found
