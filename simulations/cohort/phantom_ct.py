"""Phantom CT of the trunk: organs as analytic shapes in millimetres, lesions that grow, and scanners that differ.

Coordinates are LPS millimetres with the diaphragm near z = 0: x grows to the patient's left, y to the back, z to the head.
Everything random is drawn first and kept as values (`Anatomy`, `Pose`, `Scanner`); `render` is deterministic in them and one
seed for the noise. An abdomen scan holds the lung bases and a chest scan the liver dome, as real ones do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]
Region = Literal["abdomen", "chest"]
Visit = Literal["baseline", "followup"]
Point = tuple[float, float, float]

LIVER, LIVER_TUMOUR, LUNG, LUNG_TUMOUR = 1, 2, 3, 4
EXTENT_MM: Final[dict[Region, tuple[float, float]]] = {"abdomen": (-205.0, 35.0), "chest": (-60.0, 205.0)}


@dataclass(frozen=True)
class Ellipsoid:
    """Centre and half axes in LPS millimetres."""

    centre: Point
    axes: Point

    def scaled(self, factor: float) -> Ellipsoid:
        """The same centre, every half axis times `factor`."""
        return Ellipsoid(self.centre, tuple(axis * factor for axis in self.axes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Lesion:
    """An ellipsoid of tumour; `enhancement` is its HU against the parenchyma, `rim` that of its outer shell against its core."""

    shape: Ellipsoid
    enhancement: float
    rim: float = 0.0


@dataclass(frozen=True)
class Anatomy:
    """One patient's shapes at baseline; `diameter_ratio` turns lesions into those of the follow-up."""

    scale: float
    trunk: tuple[float, float]
    right_lobe: Ellipsoid
    left_lobe: Ellipsoid
    ripple: tuple[float, float, float]
    liver_hu: float
    lungs: tuple[Ellipsoid, Ellipsoid]
    lung_hu: float
    tumours: tuple[Lesion, ...]
    nodules: tuple[Lesion, ...]
    vessels: tuple[tuple[Point, Point, float], ...]
    lung_vessels: tuple[tuple[Point, Point, float], ...]
    diameter_ratio: float


@dataclass(frozen=True)
class Scanner:
    """How a manufacturer's images look: in-plane blur (pixels), noise (HU), noise grain (pixels), offset (HU), slice (mm)."""

    manufacturer: str
    blur: float
    noise: float
    grain: float
    offset: float
    slice_factor: float


SCANNERS: Final = {
    "SIEMENS": Scanner("SIEMENS", 0.55, 11.0, 0.6, 0.0, 1.0),
    "GE MEDICAL SYSTEMS": Scanner("GE MEDICAL SYSTEMS", 0.75, 9.0, 0.9, 3.0, 1.0),
    "Philips": Scanner("Philips", 0.65, 13.0, 0.5, -3.0, 0.8),
    "TOSHIBA": Scanner("TOSHIBA", 0.85, 10.0, 0.8, 5.0, 1.2),
}


@dataclass(frozen=True)
class PhantomOptions:
    """Size and looks. `lesion_contrast` multiplies every lesion's enhancement: 0 leaves lesion-free images.

    `scanner_shift` multiplies what tells the scanners apart.
    """

    matrix: int = 96
    slice_mm: float = 5.0
    field_mm: float = 372.0
    lesion_contrast: float = 1.0
    scanner_shift: float = 1.0
    noise: float = 1.0


@dataclass(frozen=True)
class PhantomScan:
    """HU int16 (z, y, x), labels uint8 of the same shape, spacing (z, y, x) in mm, origin (x, y, z) of the first voxel, LPS."""

    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    region: Region
    visit: Visit
    manufacturer: str

    def millilitres(self, label: int) -> float:
        """Volume of one label."""
        return float((self.labels == label).sum() * np.prod(self.spacing) / 1000.0)


def draw_anatomy(seed: int, tumour_ml: float, growth: float, nodules_ml: float) -> Anatomy:
    """A patient's shapes: total lesion volumes in ml at baseline, `growth` the ratio of volumes at follow-up."""
    rng = np.random.default_rng([seed, 11])
    scale = float(rng.uniform(0.94, 1.06))
    right = _ellipsoid(rng, (-66, -4, -82), (60, 66, 74), scale)
    left = _ellipsoid(rng, (2, -40, -58), (64, 36, 42), scale)
    lungs = (_ellipsoid(rng, (-72, 2, 62), (58, 84, 122), scale), _ellipsoid(rng, (74, 2, 60), (54, 82, 118), scale))
    tumours = _lesions(rng, tumour_ml, 1 + int(min(rng.poisson(0.8), 4)), (right, right, left), (-60.0, -28.0))
    nodules = _lesions(rng, nodules_ml, 1 + int(min(rng.poisson(1.5), 6)), lungs, (880.0, 900.0)) if nodules_ml > 0 else ()
    return Anatomy(
        scale=scale,
        trunk=(float(rng.uniform(152, 168)) * scale, float(rng.uniform(108, 122)) * scale),
        right_lobe=right,
        left_lobe=left,
        ripple=tuple(float(v) for v in rng.uniform(0, 2 * np.pi, 3)),  # type: ignore[arg-type]
        liver_hu=float(rng.normal(105, 7)),
        lungs=lungs,
        lung_hu=float(rng.normal(-850, 20)),
        tumours=tumours,
        nodules=nodules,
        vessels=_vessels(rng, (-25 * scale, 0.0, -75 * scale), (right, left), 6, (3.0, 5.0)),
        lung_vessels=tuple(tube for lung in lungs for tube in _vessels(rng, (lung.centre[0] * 0.35, 5.0, 55.0), (lung,), 6, (2.0, 4.0))),
        diameter_ratio=float(growth ** (1 / 3)),
    )


def _ellipsoid(rng: np.random.Generator, centre: Point, axes: Point, scale: float) -> Ellipsoid:
    moved = tuple(float(c * scale + rng.normal(0, 2.5)) for c in centre)
    sized = tuple(float(a * scale * rng.uniform(0.93, 1.07)) for a in axes)
    return Ellipsoid(moved, sized)  # type: ignore[arg-type]


def _inside(rng: np.random.Generator, shape: Ellipsoid, reach: float) -> Point:
    direction = rng.standard_normal(3)
    direction *= reach * rng.uniform() ** (1 / 3) / np.linalg.norm(direction)
    return tuple(float(c + a * d) for c, a, d in zip(shape.centre, shape.axes, direction, strict=True))  # type: ignore[return-value]


def _lesions(
    rng: np.random.Generator, total_ml: float, number: int, homes: tuple[Ellipsoid, ...], enhancement: tuple[float, float]
) -> tuple[Lesion, ...]:
    """`number` lesions of `total_ml` together, the first the largest, kept apart where twenty tries allow it."""
    shares = np.sort(rng.dirichlet(np.full(number, 1.2)))[::-1]
    placed: list[Lesion] = []
    for share in shares:
        radius = float((3 * total_ml * share * 1000 / (4 * np.pi)) ** (1 / 3))
        stretch = np.exp(rng.normal(0, 0.1, 3))
        axes = radius * stretch / stretch.prod() ** (1 / 3)
        home = homes[rng.integers(len(homes))]
        for _ in range(20):
            room = max(0.05, 0.85 - radius / min(home.axes))
            centre = _inside(rng, home, room)
            gaps = [np.linalg.norm(np.subtract(centre, other.shape.centre)) - radius - max(other.shape.axes) for other in placed]
            if all(gap > 3.0 for gap in gaps):
                break
        rim = float(rng.uniform(0, 20)) if enhancement[0] < 0 else 0.0
        placed.append(Lesion(Ellipsoid(centre, tuple(map(float, axes))), float(rng.uniform(*enhancement)), rim))  # type: ignore[arg-type]
    return tuple(placed)


def _vessels(
    rng: np.random.Generator, root: Point, homes: tuple[Ellipsoid, ...], number: int, radius: tuple[float, float]
) -> tuple[tuple[Point, Point, float], ...]:
    return tuple((root, _inside(rng, homes[i % len(homes)], 0.9), float(rng.uniform(*radius))) for i in range(number))


@dataclass(frozen=True)
class _Grid:
    """Voxel centres as three arrays that broadcast to (z, y, x)."""

    x: Volume
    y: Volume
    z: Volume
    shape: tuple[int, int, int] = field(default=(0, 0, 0))

    def quadric(self, shape: Ellipsoid) -> Volume:
        """(Δx/a)² + (Δy/b)² + (Δz/c)²: below 1 inside."""
        (cx, cy, cz), (a, b, c) = shape.centre, shape.axes
        plane = ((self.x - cx) / a) ** 2 + ((self.y - cy) / b) ** 2
        return np.asarray(plane + ((self.z - cz) / c) ** 2, np.float32)

    def cylinder(self, x: float, y: float, radius: float) -> Volume:
        """Squared distance over squared radius to a line along z; shape (1, y, x)."""
        return np.asarray(((self.x - x) ** 2 + (self.y - y) ** 2) / radius**2, np.float32)

    def tube(self, start: Point, end: Point, radius: float) -> tuple[tuple[slice, slice, slice], NDArray[np.bool_]]:
        """The box around a segment and, in it, the voxels nearer than `radius`, tapering to half at the end."""
        box = self.box(
            tuple(min(s, e) - radius for s, e in zip(start, end, strict=True)),
            tuple(max(s, e) + radius for s, e in zip(start, end, strict=True)),
        )
        x, y, z = self.x[:, :, box[2]] - start[0], self.y[:, box[1]] - start[1], self.z[box[0]] - start[2]
        dx, dy, dz = (e - s for s, e in zip(start, end, strict=True))
        along = np.clip((x * dx + y * dy + z * dz) / (dx * dx + dy * dy + dz * dz), 0, 1)
        distance = (x - along * dx) ** 2 + (y - along * dy) ** 2 + (z - along * dz) ** 2
        return box, distance < (radius * (1 - 0.5 * along)) ** 2

    def box(self, low: tuple[float, ...], high: tuple[float, ...]) -> tuple[slice, slice, slice]:
        """Index ranges (z, y, x) of the voxels between two corners (x, y, z)."""
        return tuple(  # type: ignore[return-value]
            slice(int(np.searchsorted(axis, lo)), int(np.searchsorted(axis, hi)))
            for axis, lo, hi in ((self.z.ravel(), low[2], high[2]), (self.y.ravel(), low[1], high[1]), (self.x.ravel(), low[0], high[0]))
        )


def _grid(options: PhantomOptions, region: Region, slice_mm: float, shift: Point) -> tuple[_Grid, tuple[float, float, float], Point]:
    low, high = EXTENT_MM[region]
    pixel = options.field_mm / options.matrix
    start = -options.field_mm / 2 + pixel / 2
    count = round((high - low) / slice_mm)
    origin = (start, start, low)
    plane = (start + pixel * np.arange(options.matrix)).astype(np.float32)
    x = (plane - shift[0])[None, None, :]
    y = (plane - shift[1])[None, :, None]
    z = (low + slice_mm * np.arange(count, dtype=np.float32) - shift[2])[:, None, None]
    return _Grid(x, y, z, (count, options.matrix, options.matrix)), (slice_mm, pixel, pixel), origin


def render(anatomy: Anatomy, visit: Visit, region: Region, options: PhantomOptions, scanner: Scanner, seed: int) -> PhantomScan:
    """One scan. The visit's pose (shift of the patient, breathing) and the noise come from `seed`."""
    rng = np.random.default_rng([seed, 0 if visit == "baseline" else 1, 0 if region == "abdomen" else 1])
    shift: Point = tuple(float(v) for v in rng.normal(0, (3, 3, 4)))  # type: ignore[assignment]
    slice_mm = round(options.slice_mm * (1 + (scanner.slice_factor - 1) * options.scanner_shift), 3)
    grid, spacing, origin = _grid(options, region, slice_mm, shift)
    hu = np.full(grid.shape, -1000.0, np.float32)
    labels = np.zeros(grid.shape, np.uint8)
    ratio = anatomy.diameter_ratio if visit == "followup" else 1.0
    cavity = _body(grid, anatomy, hu)
    liver = _liver(grid, anatomy, hu, labels, cavity)
    _lungs(grid, anatomy, hu, labels, cavity, liver)
    _heart_and_bones(grid, anatomy, hu, labels)
    _grow(grid, anatomy.tumours, ratio, hu, labels, liver < 1.3, LIVER_TUMOUR, options.lesion_contrast, anatomy.liver_hu)
    _grow(grid, anatomy.nodules, ratio, hu, labels, labels == LUNG, LUNG_TUMOUR, min(options.lesion_contrast, 1.0), anatomy.lung_hu)
    return PhantomScan(_acquire(rng, hu, options, scanner), labels, spacing, origin, region, visit, scanner.manufacturer)


def _body(grid: _Grid, anatomy: Anatomy, hu: Volume) -> NDArray[np.bool_]:
    """Skin, fat, muscle, and the soft organs that carry no label; returns the cavity, shape (1, y, x)."""
    a, b = anatomy.trunk
    trunk = np.abs(grid.x / a) ** 2.3 + np.abs(grid.y / b) ** 2.3
    hu[:, trunk[0] < 1] = -100.0
    hu[:, trunk[0] < 0.84] = 55.0
    cavity = trunk < 0.72
    hu[:, cavity[0]] = -90.0
    s = anatomy.scale
    for centre, axes, value in (
        ((58, -42, -62), (40, 34, 48), 25.0),
        ((92, 34, -66), (27, 42, 48), 118.0),
        ((-58, 56, -150), (27, 27, 50), 150.0),
        ((58, 58, -140), (27, 27, 50), 150.0),
        ((20, -20, -150), (70, 45, 60), 35.0),
    ):
        shape = Ellipsoid(tuple(c * s for c in centre), tuple(v * s for v in axes))  # type: ignore[arg-type]
        hu[(grid.quadric(shape) < 1) & cavity] = value
    return np.asarray(cavity)


def _liver(grid: _Grid, anatomy: Anatomy, hu: Volume, labels: NDArray[np.uint8], cavity: NDArray[np.bool_]) -> Volume:
    """Two lobes with a rippled surface and their vessels; returns the lobes' quadric (below 1 inside)."""
    p, q, r = anatomy.ripple
    ripple = 0.10 * np.sin(grid.x / 17 + p) * np.sin(grid.y / 19 + q) * np.cos(grid.z / 23 + r)
    lobes = np.minimum(grid.quadric(anatomy.right_lobe), grid.quadric(anatomy.left_lobe)) + ripple
    lobes = np.where(cavity, lobes, np.float32(9))
    inside = lobes < 1
    hu[inside] = anatomy.liver_hu
    labels[inside] = LIVER
    for start, end, radius in anatomy.vessels:
        box, near = grid.tube(start, end, radius)
        hu[box][near & inside[box]] = anatomy.liver_hu + 45
    return np.asarray(lobes, np.float32)


def _lungs(grid: _Grid, anatomy: Anatomy, hu: Volume, labels: NDArray[np.uint8], cavity: NDArray[np.bool_], liver: Volume) -> None:
    """Two lungs above the diaphragm, which domes over the liver, with branching vessels."""
    dome = 8.0 - ((grid.x + 60) ** 2 + (grid.y) ** 2) / 420.0 * (grid.x < 5) - ((grid.x - 70) ** 2 + grid.y**2) / 420.0 * (grid.x >= 5)
    above = (grid.z > np.maximum(dome, -45)) & (liver > 1.12)
    heart = grid.quadric(Ellipsoid((22.0, -28.0, 38.0), (58.0, 52.0, 52.0)))
    lung = ((grid.quadric(anatomy.lungs[0]) < 1) | (grid.quadric(anatomy.lungs[1]) < 1)) & above & (heart > 1) & cavity
    chest = (grid.z > np.maximum(dome, -45)) & cavity & ~lung & (liver > 1.0)
    hu[chest] = 35.0
    hu[lung] = anatomy.lung_hu
    labels[lung] = LUNG
    for start, end, radius in anatomy.lung_vessels:
        box, near = grid.tube(start, end, radius)
        hu[box][near & lung[box]] = -100.0


def _heart_and_bones(grid: _Grid, anatomy: Anatomy, hu: Volume, labels: NDArray[np.uint8]) -> None:
    """Heart, great vessels, spine with its canal, ribs."""
    free = labels == 0
    hu[(grid.quadric(Ellipsoid((22.0, -28.0, 38.0), (52.0, 46.0, 46.0))) < 1) & free] = 120.0
    y_spine = 0.62 * anatomy.trunk[1]
    for x, y, radius, value in ((14.0, y_spine - 32, 11.0, 155.0), (-20.0, y_spine - 34, 12.0, 135.0), (0.0, y_spine, 20.0, 220.0)):
        column = np.broadcast_to(grid.cylinder(x, y, radius) < 1, hu.shape)
        hu[column & free if radius < 20 else column] = value
    hu[np.broadcast_to(grid.cylinder(0.0, y_spine + 24, 9.0) < 1, hu.shape)] = 20.0
    labels[np.broadcast_to(grid.cylinder(0.0, y_spine, 20.0) < 1, hu.shape)] = 0
    a, b = anatomy.trunk
    ring = np.abs(np.sqrt((grid.x / a) ** 2 + (grid.y / b) ** 2) - 0.87) < 0.025
    ribs = ring & (np.sin((grid.z + 0.35 * grid.y) / 4.2) > 0.45) & (grid.z > -90)
    hu[ribs & (labels == 0)] = 350.0


def _grow(
    grid: _Grid,
    lesions: tuple[Lesion, ...],
    ratio: float,
    hu: Volume,
    labels: NDArray[np.uint8],
    home: NDArray[np.bool_],
    label: int,
    contrast: float,
    parenchyma: float,
) -> None:
    """Lesions of a visit, written where `home` allows; with contrast 0 the parenchyma stays untouched, labels included."""
    for lesion in lesions if contrast > 0 else ():
        shape = lesion.shape.scaled(ratio)
        (cx, cy, cz), (a, b, c) = shape.centre, shape.axes
        box = grid.box((cx - a, cy - b, cz - c), (cx + a, cy + b, cz + c))
        part = _Grid(grid.x[:, :, box[2]], grid.y[:, box[1]], grid.z[box[0]]).quadric(shape)
        inside = (part < 1) & home[box]
        labels[box][inside] = label
        core = parenchyma + contrast * lesion.enhancement
        hu[box][inside] = core
        hu[box][inside & (part > 0.72)] = core + contrast * lesion.rim


def _acquire(rng: np.random.Generator, hu: Volume, options: PhantomOptions, scanner: Scanner) -> NDArray[np.int16]:
    """Blur, correlated noise and offset of the scanner, rounded to HU."""
    from scipy.ndimage import gaussian_filter1d

    shift = options.scanner_shift
    blur = 0.65 + (scanner.blur - 0.65) * shift
    grain = 0.7 + (scanner.grain - 0.7) * shift
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    for axis in (1, 2):
        hu = gaussian_filter1d(hu, blur, axis=axis, truncate=2.0, mode="nearest")
        noise = gaussian_filter1d(noise, grain, axis=axis, truncate=2.0, mode="nearest")
    level = options.noise * (11.0 + (scanner.noise - 11.0) * shift)
    noisy = hu + noise * (level / max(float(noise.std()), 1e-6)) + scanner.offset * shift
    return np.clip(np.round(noisy), -1024, 3071).astype(np.int16)
