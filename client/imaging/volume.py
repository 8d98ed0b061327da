"""A CT volume in patient order, and what must hold of one before anything is measured in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from client.imaging.planes import THIN, PlanesOnDisk
from site_config.problems import scans

HU_LOWEST = -1024
HU_HIGHEST = 3071
MOST_VOXELS = 10**9
MOST_IN_PLANE = 4096
MOST_SLICES = 10_000
LEAST_SPACING_MM = 0.1
MOST_SPACING_MM = 20.0
MOST_FIELD_MM = 1000.0
MOST_LENGTH_MM = 2500.0
MOST_OBLONG = 1.02
MOST_TILT_DEGREES = 0.5
MOST_OBLIQUE_DEGREES = 20.0
LEAST_SLICES = 3


@dataclass(frozen=True)
class Source:
    """What the headers say of a volume beside its pixels; it stays in memory and is compared, never written out.

    `person` is a keyed comparison's raw material: (id, birth date, sex, name, birth year by age), "" where not stated.
    """

    series_uid: str = ""
    study_uid: str = ""
    frame_uid: str = ""
    taken: date | None = None
    person: tuple[str, ...] = ()
    slice_uids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Volume:
    """One CT scan: `values` (z, y, x) int16 in Hounsfield units within [−1024, 3071], in memory or slice by slice on disk.

    Indices grow towards the head (z), the back (y) and the patient's left (x). `z_mm` are the slices' true positions along
    the slice normal, from the first one; they are uniform unless a missing slice was left out. `spacing_mm` is (y, x);
    `origin_mm` is the LPS position of voxel (0, 0, 0) and `axes` has the unit LPS directions of (x, y, z) as columns.
    """

    values: NDArray[np.int16] | PlanesOnDisk
    z_mm: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    origin_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    manufacturer: str | None = None
    phase: str | None = None
    flags: frozenset[str] = frozenset()
    source: Source = Source()

    @property
    def slice_mm(self) -> float:
        """The usual distance of neighbouring slices."""
        return float(np.median(np.diff(self.z_mm)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        z, y, x = self.values.shape
        return z, y, x

    @cached_property
    def hu(self) -> NDArray[np.int16]:
        """All values in memory, (z, y, x); what needs some slices asks `values` for them."""
        return self.values.whole() if isinstance(self.values, PlanesOnDisk) else self.values

    @property
    def thin(self) -> NDArray[np.int16]:
        """Every fourth pixel of every fourth row of each slice, (z, y/4, x/4)."""
        return self.values.thin if isinstance(self.values, PlanesOnDisk) else self.values[:, ::THIN, ::THIN]


def check_size(shape: tuple[int, int, int], role: str) -> None:
    """Refuse a claimed size (z, y, x) no CT scanner makes, before memory is asked for. Raises FH-305 or FH-307."""
    z, y, x = (int(n) for n in shape)
    too_large = max(y, x) > MOST_IN_PLANE or z > MOST_SLICES or z * y * x > MOST_VOXELS
    if too_large or min(y, x) < 8:
        raise scans.IMPLAUSIBLE_GEOMETRY.problem(f"{role} states a size of {x} × {y} × {z} voxels", where=role)
    if z < LEAST_SLICES:
        raise scans.TOO_FEW_SLICES.problem(f"{role} has {z} slice{'s' if z != 1 else ''}; at least {LEAST_SLICES} are needed", where=role)


def check_spacing(spacing: tuple[float, ...], role: str) -> None:
    """Refuse voxel sizes that are zero, no number, or beyond 0.1 to 20 mm. Raises FH-305."""
    if not all(np.isfinite(step) and LEAST_SPACING_MM <= step <= MOST_SPACING_MM for step in spacing):
        told = " × ".join(f"{step:g}" for step in spacing)
        raise scans.IMPLAUSIBLE_GEOMETRY.problem(f"{role} states a voxel size of {told} mm", where=role)


def check_field(shape: tuple[int, int], spacing: tuple[float, float], role: str) -> None:
    """Refuse slices (y, x) that are wider than any scanner's opening (700 to 900 mm), as ten times too large pixels are. Raises FH-305."""
    high, wide = (count * step for count, step in zip(shape, spacing, strict=True))
    if max(high, wide) > MOST_FIELD_MM:
        raise scans.IMPLAUSIBLE_GEOMETRY.problem(f"{role} states slices of {wide:.0f} × {high:.0f} mm", where=role)


def check_square(spacing: tuple[float, float], role: str) -> None:
    """Refuse slices whose pixels are not square, as every scanner's are. Raises FH-305."""
    if max(spacing) > MOST_OBLONG * min(spacing):
        raise scans.IMPLAUSIBLE_GEOMETRY.problem(f"{role} states pixels of {spacing[1]:g} × {spacing[0]:g} mm, not square ones", where=role)


def check_length(length_mm: float, role: str) -> None:
    """Refuse a scan that is longer than a person. Raises FH-305."""
    if length_mm > MOST_LENGTH_MM:
        raise scans.IMPLAUSIBLE_GEOMETRY.problem(f"{role} states a length of {length_mm:.0f} mm", where=role)


def angle_degrees(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Angle between two directions, 0 to 90 degrees."""
    sine = float(np.linalg.norm(np.cross(a, b)))
    return float(np.degrees(np.arctan2(sine, abs(float(a @ b)))))


def check_axes(axes: NDArray[np.float64], role: str) -> None:
    """Refuse sheared (FH-308) and non-axial (FH-319) grids; `axes` has the LPS directions of x, y, z as columns."""
    normal = np.cross(axes[:, 0], axes[:, 1])
    tilt = angle_degrees(normal, axes[:, 2])
    in_plane = 90.0 - angle_degrees(axes[:, 0], axes[:, 1])
    if tilt > MOST_TILT_DEGREES or in_plane > MOST_TILT_DEGREES:
        raise scans.GANTRY_TILT.problem(f"{role} is tilted by {max(tilt, in_plane):.1f} degrees", where=role)
    oblique = angle_degrees(normal, np.array([0.0, 0.0, 1.0]))
    if oblique > MOST_OBLIQUE_DEGREES:
        raise scans.OBLIQUE.problem(f"{role} stands at {oblique:.0f} degrees to the body's axis", where=role)
