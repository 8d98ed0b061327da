"""From a volume and its masks to the few slices a network sees (Xia et al. 2024, methods; careful defaults of our own).

The volume is looked at on a 5 mm grid along z. An organ's slices are put into a total order: tumour area, organ area
(both mm², largest first), distance to the organ's centroid along z (mm, smallest first), z (lowest first); the first few
are windowed, resized by area and brought to zero mean and unit variance, each slice by itself, as the authors' code does
(MONAI `NormalizeIntensity` on one slice).

Deciding and doing are apart: `choose` gives a `Choice`, a value that is recorded; `render` applies it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from client.imaging.planes import Planes
from client.imaging.volume import HU_LOWEST, Volume
from shared_model.networks.slice_values import averaging, normalised
from site_config.study.plan_and_lock import Imaging, Window

Mask = NDArray[np.bool_]
FIELD_MARGIN_MM = 10.0
BORDER_MM, BORDER_SLICES = 20.0, 3  # an organ along the picture's border


@dataclass(frozen=True)
class Grid:
    """Slices of the study's grid: positions along z, and the two source slices with the upper one's weight."""

    z_mm: NDArray[np.float64]
    lower: NDArray[np.intp]
    upper_weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.z_mm)


@dataclass(frozen=True)
class Measured:
    """What the rule looks at, for one organ of one scan: areas (mm²) per grid slice, volumes and the box in voxels."""

    organ_mm2: NDArray[np.float64]
    tumour_mm2: NDArray[np.float64]
    organ_ml: float
    tumour_ml: float
    box: tuple[int, int, int, int] | None
    touches_edge: bool


@dataclass(frozen=True)
class Choice:
    """The chosen slices of one organ: indices on the grid, in the rule's order; repeated where the organ has fewer."""

    slices: tuple[int, ...]
    z_mm: tuple[float, ...]
    organ_mm2: tuple[float, ...]
    tumour_mm2: tuple[float, ...]
    reason: Literal["tumour", "organ", "tumour then organ"]
    repeated: int


def grid_of(z_mm: NDArray[np.float64], spacing_mm: float) -> Grid:
    """Every `spacing_mm` from the first slice's true position to the last one's."""
    count = int(np.floor((z_mm[-1] - z_mm[0]) / spacing_mm + 1e-6)) + 1
    positions = z_mm[0] + spacing_mm * np.arange(count)
    lower = np.clip(np.searchsorted(z_mm, positions + 1e-9, side="right") - 1, 0, len(z_mm) - 2)
    weight = np.clip((positions - z_mm[lower]) / (z_mm[lower + 1] - z_mm[lower]), 0.0, 1.0)
    return Grid(positions, lower, weight)


def slice_at(hu: Planes, grid: Grid, index: int) -> NDArray[np.int16]:
    """One grid slice, linear between its two neighbours, rounded to whole HU (SimpleITK cuts off towards 0: at most 1 HU apart)."""
    low, weight = int(grid.lower[index]), float(grid.upper_weight[index])
    below: NDArray[np.int16] = hu[low]
    above: NDArray[np.int16] = hu[low + 1]
    if weight <= 1e-6:
        return below
    if weight >= 1 - 1e-6:
        return above
    mixed = below * np.float64(1 - weight)
    mixed += above * np.float64(weight)
    rounded: NDArray[np.int16] = np.floor(mixed + 0.5).astype(np.int16)
    return rounded


def stack(hu: Planes, grid: Grid) -> NDArray[np.int16]:
    """The whole volume on the grid, (k, y, x); only segmentation needs it."""
    return np.stack([slice_at(hu, grid, index) for index in range(len(grid))])


def nearest_planes(grid: Grid) -> NDArray[np.intp]:
    """The source slice nearest to each grid slice: labels are never interpolated linearly."""
    picked: NDArray[np.intp] = grid.lower + (grid.upper_weight >= 0.5)
    return picked


def labels_on(mask: Mask, grid: Grid) -> Mask:
    """A mask on the grid, nearest slice."""
    picked: Mask = mask[nearest_planes(grid)]
    return picked


def measure(organ: Mask, tumour: Mask, volume: Volume, grid: Grid) -> Measured:
    """Areas, volumes and the bounding box of an organ (its tumours included) on the grid, (k, y, x)."""
    pixel = volume.spacing_mm[0] * volume.spacing_mm[1]
    organ_px = np.array([np.count_nonzero(plane) for plane in organ], dtype=np.float64)
    tumour_px = np.array([np.count_nonzero(plane) for plane in tumour], dtype=np.float64)
    step = float(grid.z_mm[1] - grid.z_mm[0]) if len(grid) > 1 else volume.slice_mm
    organ_mm2, tumour_mm2 = organ_px * pixel, tumour_px * pixel
    largest = organ_mm2.max(initial=0.0)
    edge = max(organ_mm2[0], organ_mm2[-1]) if len(grid) else 0.0
    return Measured(
        organ_mm2=organ_mm2,
        tumour_mm2=tumour_mm2,
        organ_ml=float(organ_mm2.sum() * step / 1000),
        tumour_ml=float(tumour_mm2.sum() * step / 1000),
        box=_box(organ | tumour, organ_px + tumour_px),
        touches_edge=bool(edge > 0.1 * largest) or _cut_at_sides(organ, volume.spacing_mm),
    )


def _cut_at_sides(mask: Mask, spacing_mm: tuple[float, float]) -> bool:
    """Whether an organ runs along the picture's border in several slices, as in a field of view too small for it."""
    along_rows = np.maximum(mask[:, 0].sum(axis=1), mask[:, -1].sum(axis=1)) * spacing_mm[1]
    along_columns = np.maximum(mask[:, :, 0].sum(axis=1), mask[:, :, -1].sum(axis=1)) * spacing_mm[0]
    return int(np.count_nonzero(np.maximum(along_rows, along_columns) >= BORDER_MM)) >= BORDER_SLICES


def _box(mask: Mask, areas: NDArray[np.float64]) -> tuple[int, int, int, int] | None:
    """(top, bottom, left, right) of a mask over all slices, half open; None when it is empty."""
    if not areas.any():
        return None
    flat: Mask = np.asarray(mask.any(axis=0), dtype=bool)
    rows, columns = np.flatnonzero(np.any(flat, axis=1)), np.flatnonzero(np.any(flat, axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def choose(measured: Measured, grid: Grid, count: int) -> Choice | None:
    """The first `count` slices in the rule's total order; None when organ and tumour are nowhere.

    A slice with tumour is eligible also where the organ's mask is empty: organ segmenters leave large tumours out.
    """
    candidates = np.flatnonzero((measured.organ_mm2 > 0) | (measured.tumour_mm2 > 0))
    if not len(candidates):
        return None
    weight = measured.organ_mm2 if measured.organ_mm2.any() else measured.tumour_mm2
    centroid = float((weight @ grid.z_mm) / weight.sum())
    order = sorted(
        (int(k) for k in candidates),
        key=lambda k: (-measured.tumour_mm2[k], -measured.organ_mm2[k], abs(float(grid.z_mm[k]) - centroid), float(grid.z_mm[k])),
    )
    chosen = order[:count]
    repeated = count - len(chosen)
    chosen += [chosen[k % len(chosen)] for k in range(repeated)]
    bearing = sum(measured.tumour_mm2[k] > 0 for k in chosen)
    reason: Literal["tumour", "organ", "tumour then organ"] = (
        "tumour" if bearing == len(chosen) else "organ" if bearing == 0 else "tumour then organ"
    )
    return Choice(
        slices=tuple(chosen),
        z_mm=tuple(round(float(grid.z_mm[k]), 3) for k in chosen),
        organ_mm2=tuple(round(float(measured.organ_mm2[k]), 1) for k in chosen),
        tumour_mm2=tuple(round(float(measured.tumour_mm2[k]), 1) for k in chosen),
        reason=reason,
        repeated=repeated,
    )


def field_of(measured: Measured, volume: Volume, which: Literal["whole", "organ"]) -> tuple[int, int, int, int]:
    """The field of view in voxels, half open and possibly beyond the image: all of it, or a square around the organ."""
    _, height, width = volume.shape
    if which == "whole" or measured.box is None:
        return 0, height, 0, width
    top, bottom, left, right = measured.box
    dy, dx = volume.spacing_mm
    side_mm = max((bottom - top) * dy, (right - left) * dx) + 2 * FIELD_MARGIN_MM
    rows, columns = max(1, round(side_mm / dy)), max(1, round(side_mm / dx))
    first_row, first_column = (top + bottom - rows) // 2, (left + right - columns) // 2
    return first_row, first_row + rows, first_column, first_column + columns


def cut(plane: NDArray[Any], field: tuple[int, int, int, int], outside: float) -> NDArray[Any]:
    """A rectangle of a slice; what lies beyond the image is `outside`."""
    top, bottom, left, right = field
    height, width = plane.shape
    inside = plane[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if inside.shape == (bottom - top, right - left):
        return inside
    out = np.full((bottom - top, right - left), outside, dtype=plane.dtype)
    row, column = max(-top, 0), max(-left, 0)
    out[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return out


def picture(
    volume: Volume, grid: Grid, choice: Choice, measured: Measured, masks: tuple[Mask, Mask], window: Window, imaging: Imaging
) -> NDArray[np.uint8]:
    """The chosen slices for people, (S, 2, H, W) uint8: grey values in the window, and labels (1 organ, 2 tumour)."""
    field = field_of(measured, volume, imaging.field)
    low = window.level - window.width / 2
    out = np.zeros((len(choice.slices), 2, imaging.size, imaging.size), dtype=np.uint8)
    rows, columns = (nearest(length, imaging.size) for length in (field[1] - field[0], field[3] - field[2]))
    for place, k in enumerate(choice.slices):
        grey = np.clip((cut(slice_at(volume.values, grid, k), field, HU_LOWEST).astype(np.float64) - low) / window.width, 0.0, 1.0)
        out[place, 0] = np.rint(255 * (averaging(grey.shape[0], imaging.size) @ grey @ averaging(grey.shape[1], imaging.size).T))
        for number, mask in enumerate(masks, start=1):
            labels = cut(mask[k], field, False)[np.ix_(rows, columns)]
            out[place, 1][labels] = number
    return out


def nearest(source: int, target: int) -> NDArray[np.intp]:
    """For each of `target` positions the nearest of `source`."""
    return np.minimum(((np.arange(target) + 0.5) * source / target).astype(np.intp), source - 1)


def render(volume: Volume, grid: Grid, choice: Choice, measured: Measured, window: Window, imaging: Imaging) -> NDArray[np.float32]:
    """The chosen slices as the network sees them, (S, H, W) float32."""
    field = field_of(measured, volume, imaging.field)
    planes = {k: normalised(cut(slice_at(volume.values, grid, k), field, HU_LOWEST), window, imaging.size) for k in set(choice.slices)}
    return np.stack([planes[k] for k in choice.slices])
