"""Is the zero of the scale where it is? An even shift of all values moves air and fat with it, and both are known.

Air around a patient is at −1000. It is told from lung that touches the edge of a cut-out by being the darkest thing there is:
of lung a tenth or more is darker than its own middle by 40, of air next to nothing. Where no air is left around the patient,
or where a shift downwards has clamped it away, the two peaks of fat (near −100) and of soft tissue (110 to 200 above) tell.
Measured on the five real scans of the test data, shifted by ±50 to ±100: `tests/client/imaging/test_air_and_fat.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from client.imaging.volume import HU_LOWEST

LOOKED_AT = 16  # slices
DARK = -250
LEAST_OUTSIDE = 0.005
AIR_HIGHEST = -945.0  # the middle of the air around five real patients is −996 to −981
LUNG_DARKEST = -840.0  # what is brighter may be lung
DARKER_HU = 40.0
MOST_DARKER = 0.08
BODY = (-300, 300)
BIN_HU = 10
LEAST_BODY = 0.02
TISSUE = (0, 200)
LEAST_TISSUE = 0.06
LEAST_PEAK = 0.015
APART_HU = (110, 200)
DEEPEST_VALLEY = 0.85
AS_HIGH = 0.5
FAT_HIGHEST, FAT_LOWEST = -45, -155
FAT = (-140, -60)
MOST_FAT_BESIDE = 0.05


def shifted(thin: NDArray[np.int16]) -> str | None:
    """What stands elsewhere than it must in a scan (z, y, x), in words; None where all is well or nothing can be told."""
    planes = thin[np.unique(np.linspace(0, len(thin) - 1, min(len(thin), LOOKED_AT)).astype(int))]
    air = air_around(planes)
    if air is not None and air > AIR_HIGHEST:
        return f"shows {air:.0f} around the patient, where air is −1000"
    return _soft_parts(planes, proved=air is not None)


def air_around(planes: NDArray[np.int16]) -> float | None:
    """The middle of the air between the image's edge and the patient; None where there is none, or where lung touches the edge.

    Means of 3 × 3 pixels are looked at, so that noise does not count. Pixels near solid padding are left out: nine at the
    lowest value are padding, or air that was clamped away.
    """
    from scipy import ndimage

    outside, inside = [], []
    near, wide = np.ones((3, 3)), np.ones((7, 7))
    for plane in planes:
        dark = plane <= DARK
        mean = ndimage.uniform_filter(plane.astype(np.float32), 3)
        padded = ndimage.binary_dilation(ndimage.binary_erosion(plane == HU_LOWEST, near), wide)
        known = ndimage.binary_erosion(dark, near) & ~padded
        known[:2] = known[-2:] = known[:, :2] = known[:, -2:] = False  # a thin rim of padding is not solid
        numbers, _ = ndimage.label(dark)
        at_edge = np.unique(np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]]))
        outside.append(mean[known & np.isin(numbers, at_edge[at_edge > 0])])
        inside.append(mean[known])
    around, everywhere = np.concatenate(outside), np.concatenate(inside)
    if around.size < LEAST_OUTSIDE * planes.size:
        return None
    middle = float(np.median(around))
    darkest = float(np.mean(everywhere < middle - DARKER_HU)) < MOST_DARKER
    return middle if darkest and middle <= LUNG_DARKEST else None


def _soft_parts(planes: NDArray[np.int16], proved: bool) -> str | None:
    """Whether soft tissue is missing where it must be, or fat and tissue stand as far apart as they do but elsewhere.

    `proved`: air is where it must be, so that nothing can have been shifted upwards.
    """
    values = planes[(planes > BODY[0]) & (planes < BODY[1])]
    if values.size < LEAST_BODY * planes.size:
        return None
    tissue = float(np.mean((values >= TISSUE[0]) & (values <= TISSUE[1])))
    if tissue < LEAST_TISSUE:
        return f"shows {tissue:.0%} of its soft parts between {TISSUE[0]} and {TISSUE[1]}, where soft tissue is"
    fat = float(np.mean((values >= FAT[0]) & (values <= FAT[1])))
    for dark, bright in two_peaks(values):
        if dark <= FAT_LOWEST or (not proved and dark >= FAT_HIGHEST and fat < MOST_FAT_BESIDE):
            return f"shows fat at {dark:.0f} and soft tissue at {bright:.0f}, where fat is near −100"
    return None


def two_peaks(values: NDArray[np.int16]) -> list[tuple[float, float]]:
    """Pairs of peaks of a histogram that stand apart as fat and soft tissue do, with a valley between them, in HU.

    The brighter one is soft tissue only where no peak of at least `AS_HIGH` of its height is brighter still: in a noisy scan of a chest
    fat has neighbours at its dark side, the edge of the lung among them, and soft tissue stands above it where it must.
    """
    counts, edges = np.histogram(values, bins=np.arange(BODY[0], BODY[1] + 1, BIN_HU))
    height = np.convolve(counts / counts.sum(), [0.25, 0.5, 0.25], "same")
    middles = (edges[:-1] + edges[1:]) / 2
    peaks = [k for k in range(1, len(height) - 1) if height[k - 1] <= height[k] > height[k + 1] and height[k] > LEAST_PEAK]
    return [
        (float(middles[low]), float(middles[high]))
        for low in peaks
        for high in peaks
        if APART_HU[0] <= middles[high] - middles[low] <= APART_HU[1]
        and height[low:high].min() <= DEEPEST_VALLEY * min(height[low], height[high])
        and not any(height[k] >= AS_HIGH * height[high] for k in peaks if k > high)
    ]
