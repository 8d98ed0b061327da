"""A model's masks to an organ with its tumours: what belongs together, and what is too small or too far away to count.

Only what a model marked comes here. A mask that a person drew is the truth of this study and is taken as it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]
REACH_MM = 10.0
LEAST_ISLAND_MM3 = 100.0


def clean(organ: Mask, tumour: Mask, spacing_mm: Spacing, one_model: bool = False) -> tuple[Mask, Mask]:
    """Organ and tumour masks (k, y, x) of a model on the study's grid, as the careful rule takes them.

    A tumour counts within 10 mm of the organ (voxel by voxel; with `one_model`, where a large tumour hollows its organ
    out, island by island, from the organ's healthy part), three-dimensional islands under 100 mm³ are dropped, and the
    organ is organ ∪ tumour. The inputs are not changed.
    """
    if not tumour.any():
        return organ, tumour
    window = _bounds(tumour, spacing_mm)
    near_by, spots = organ[window], tumour[window]
    if one_model:
        near_by = near_by & ~spots
    large = _large_islands(_near(near_by, spots, spacing_mm, one_model), spacing_mm)
    whole, kept = organ.copy(), np.zeros_like(tumour)
    whole[window], kept[window] = near_by | large, large
    return whole, kept


def without_strays(organ: Mask) -> Mask:
    """A model's organ without islands of less than a tenth of its largest one, three-dimensional, 26 neighbours.

    A few voxels that a segmenter puts into another organ would widen the field around the organ to the whole body; two
    lungs are two large islands and stay.
    """
    from scipy import ndimage

    if not organ.any():
        return organ
    labels, count = ndimage.label(organ, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    large = sizes >= max(int(sizes.max()) / 10, 1)
    return np.asarray(large[labels])


def _bounds(mask: Mask, spacing_mm: Spacing) -> tuple[slice, slice, slice]:
    """The box around a mask, wider by the reach, so that everything later works on little."""
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        indices = np.flatnonzero(mask.any(axis=others))
        margin = int(np.ceil(REACH_MM / spacing_mm[axis])) + 1
        found.append(slice(max(0, int(indices[0]) - margin), min(mask.shape[axis], int(indices[-1]) + 1 + margin)))
    return found[0], found[1], found[2]


def _near(organ: Mask, tumour: Mask, spacing_mm: Spacing, one_model: bool) -> Mask:
    """The part of a tumour mask that lies within the organ or at most 10 mm from it; holes of the organ count as organ."""
    from scipy import ndimage

    outside = tumour & ~organ
    if not outside.any():
        return tumour
    if not organ.any():
        return np.zeros_like(tumour)
    reach = np.asarray(ndimage.distance_transform_edt(~organ, sampling=spacing_mm) <= REACH_MM)
    if one_model:
        labels, count = ndimage.label(tumour, structure=np.ones((3, 3, 3)))
        touched = np.zeros(count + 1, dtype=bool)
        touched[np.unique(labels[reach & tumour])] = True
        touched[0] = False
        return np.asarray(touched[labels])
    for k in range(len(reach)):
        reach[k] = ndimage.binary_fill_holes(reach[k])
    kept: Mask = tumour & reach
    return kept


def _large_islands(mask: Mask, spacing_mm: Spacing) -> Mask:
    """A mask without three-dimensional islands (26 neighbours) of less than 100 mm³."""
    from scipy import ndimage

    if not mask.any():
        return mask
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    volumes = np.bincount(labels.ravel(), minlength=count + 1) * float(np.prod(spacing_mm))
    large = volumes >= LEAST_ISLAND_MM3
    large[0] = False
    return np.asarray(large[labels])
