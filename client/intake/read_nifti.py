"""NIfTI files: CT volumes and masks, with the header checked before the data are read.

Geometry comes from the sform, else the qform (as NIfTI-1 prescribes methods 3 and 2); files with neither, or whose two
disagree, are refused, because left and right could not be told. Files never name their patient in a message.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.imaging.hounsfield import hounsfield, in_units
from client.imaging.plane_stream import plane_bytes
from client.imaging.volume import Volume, check_axes, check_field, check_length, check_size, check_spacing
from site_config.atomic_files import access_problem
from site_config.problems import scans
from site_config.problems.base import Problem

MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
SUFFIXES = (".nii", ".nii.gz")
GZIP, HEADER_BYTES = b"\x1f\x8b", 352
MOST_FORM_MISMATCH_MM = 1.0
MASK_TOLERANCE_VOXELS = 0.1
PLAIN = (b"\x5c\x01\0\0", b"\0\0\x01\x5c", b"\x1c\x02\0\0", b"\0\0\x02\x1c")
"""How NIfTI-1 and NIfTI-2 begin: their headers' size, in either order of bytes."""
MOST_LABELS = 150
LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class _Grid:
    """Where the voxels of a file lie: how to reorder them to (z, y, x) of LPS, and their positions."""

    order: tuple[int, int, int]
    flip: tuple[bool, bool, bool]
    spacing: tuple[float, float, float]
    origin: NDArray[np.float64]
    axes: NDArray[np.float64]


def is_nifti(path: Path) -> bool:
    """Whether a path's name ends like a NIfTI file's."""
    return path.name.lower().endswith(SUFFIXES)


def _unpack_a_little(path: Path, role: str) -> None:
    """Raises FH-302 where a packed file does not unpack even at its beginning; the library would call it no image."""
    try:
        with gzip.open(path) as stream:
            stream.read(HEADER_BYTES)
    except (EOFError, zlib.error, OSError):
        what = f"{role} begins like a packed file (gzip) and cannot be unpacked: damaged, or cut short"
        raise scans.IMAGE_INCOMPLETE.problem(what, where=role) from None


def _open(path: Path, role: str) -> Any:
    """The file with its header read and its data not; access problems apart from content problems."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        with path.open("rb") as stream:
            begin = stream.read(4)
    except OSError as error:
        raise access_problem(error, role) from None
    packed = begin[:2] == GZIP
    if not begin:
        why = "The file holds no byte at all: it was made, and then nothing was copied into it."
        raise scans.IMAGE_INCOMPLETE.problem(f"{role} is an empty file", why=why, where=role)
    if packed:
        _unpack_a_little(path, role)
    if packed != path.name.lower().endswith(".gz") and (packed or begin in PLAIN):
        what = f"{role} is {'' if packed else 'not '}packed (gzip), and its name says otherwise"
        raise scans.NOT_AN_IMAGE.problem(what, fix=RENAME, where=role)
    try:
        image = nibabel.load(path)
    except (ImageFileError, HeaderDataError, ValueError):
        raise scans.NOT_AN_IMAGE.problem(f"{role} is not a NIfTI image", where=role) from None
    except (EOFError, zlib.error, OSError):
        raise scans.IMAGE_INCOMPLETE.problem(f"{role} ends within its header", where=role) from None
    if not isinstance(image, nibabel.Nifti1Pair):
        raise scans.NOT_AN_IMAGE.problem(f"{role} is not a NIfTI image", where=role)
    return image


def _shape(image: Any, role: str) -> tuple[int, int, int]:
    """The three sizes; trailing sizes of one are dropped, other dimensions refused."""
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or image.get_data_dtype().fields is not None or image.get_data_dtype().kind not in "iuf":
        kind = "colours" if image.get_data_dtype().kind not in "iuf" else f"{len(shape)} dimensions"
        raise scans.NOT_A_VOLUME.problem(f"{role} has {kind}", where=role)
    return shape


def _affine(image: Any, role: str) -> NDArray[np.float64]:
    """Voxel indices → millimetres, RAS."""
    header = image.header
    unit = header.get_xyzt_units()[0]
    sform, s_code = header.get_sform(coded=True)
    try:
        qform, q_code = header.get_qform(coded=True)
    except ValueError:  # a quaternion that is none
        qform, q_code = None, 0
    if sform is None and qform is None:
        raise scans.NO_ORIENTATION.problem(f"{role} has neither sform nor qform", where=role)
    both = sform is not None and qform is not None and s_code and q_code
    chosen = np.asarray(sform if sform is not None else qform, dtype=np.float64)
    if not np.isfinite(chosen).all():
        raise scans.IMPLAUSIBLE_GEOMETRY.problem(f"{role} states positions that are no numbers", where=role)
    check_spacing(tuple(float(step) for step in np.linalg.norm(chosen[:3, :3], axis=0) * MILLIMETRES[unit]), role)
    if both:
        corner = np.array([*(n - 1 for n in image.shape[:3]), 1.0])
        apart = max(np.abs((sform - qform)[:3, 3]).max(), np.abs((sform - qform) @ corner).max())
        if not apart <= MOST_FORM_MISMATCH_MM / MILLIMETRES[unit]:
            raise scans.NO_ORIENTATION.problem(f"sform and qform of {role} contradict each other", where=role)
    stated = np.array(header.get_zooms()[:3], dtype=np.float64)
    steps = np.linalg.norm(chosen[:3, :3], axis=0)
    upright = abs(abs(float(np.linalg.det(chosen[:3, :3] / np.maximum(steps, 1e-9)))) - 1) < 0.01  # a sheared one is told as such
    if upright and not np.allclose(steps, stated, rtol=0.02, atol=0.01 / MILLIMETRES[unit]):
        form, sizes = (" × ".join(f"{step:g}" for step in numbers) for numbers in (steps, stated))
        raise scans.NO_ORIENTATION.problem(f"{role} places its voxels {form} apart and states a size of {sizes}", where=role)
    scaled = chosen.copy()
    scaled[:3] *= MILLIMETRES[unit]
    return scaled


def _grid(image: Any, role: str) -> _Grid:
    """Check the header and say how to reorder the voxels to LPS."""
    import nibabel

    shape = _shape(image, role)
    affine = _affine(image, role)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    check_spacing(tuple(float(step) for step in spacing), role)
    directions = affine[:3, :3] / spacing
    if abs(float(np.linalg.det(directions))) < 0.5:
        raise scans.IMPLAUSIBLE_GEOMETRY.problem(f"{role} states axes that do not span space", where=role)
    orientation = nibabel.io_orientation(affine)
    # For each of z, y, x of the result: the file's axis and whether it runs against S, P (= −A), L (= −R).
    axis_of = {int(world): (axis, float(sign)) for axis, (world, sign) in enumerate(orientation)}
    picked = [axis_of[2], axis_of[1], axis_of[0]]
    order = (picked[0][0], picked[1][0], picked[2][0])
    flip = (picked[0][1] < 0, picked[1][1] > 0, picked[2][1] > 0)
    check_size((shape[order[0]], shape[order[1]], shape[order[2]]), role)
    first = np.zeros(3)
    for place, axis in enumerate(order):
        first[axis] = shape[axis] - 1 if flip[place] else 0
    origin = LPS @ (affine @ np.append(first, 1.0))[:3]
    columns = [(-1.0 if flip[place] else 1.0) * (LPS @ directions[:, order[place]]) for place in (2, 1, 0)]
    steps = (float(spacing[order[0]]), float(spacing[order[1]]), float(spacing[order[2]]))
    check_field((shape[order[1]], shape[order[2]]), steps[1:], role)
    check_length(shape[order[0]] * steps[0], role)
    return _Grid(order, flip, steps, origin, np.stack(columns, axis=1))


def size_of(path: Path, role: str = "a mask") -> tuple[int, int, int]:
    """Voxels along the file's own axes, from the header alone."""
    return _shape(_open(path, role), role)


def voxel_of(path: Path, role: str = "a mask") -> tuple[float, float, float]:
    """The voxels' size (z, y, x) in mm, from the header alone. Raises FH-304 or FH-305 where the header states none."""
    return _grid(_open(path, role), role).spacing


def placed(path: Path, role: str = "a scan") -> Volume:
    """Where a CT volume lies, by its header alone; its values are zeros that take no memory."""
    image = _open(path, role)
    grid = _grid(image, role)
    shape = tuple(_shape(image, role)[axis] for axis in grid.order)
    z_mm = np.arange(shape[0], dtype=np.float64) * grid.spacing[0]
    return Volume(np.broadcast_to(np.int16(0), shape), z_mm, grid.spacing[1:], grid.origin, grid.axes)


def check_place(path: Path, volume: Volume, role: str = "a mask") -> None:
    """Whether a mask lies on its scan, by its header alone. Raises FH-320, or what makes it no mask at all."""
    image = _open(path, role)
    _check_same_place(image, _grid(image, role), volume, role)


def like_labels(path: Path) -> bool:
    """Whether a file holds few whole numbers from 0 on and nothing else, as masks do and CT never."""
    found: set[float] = set()
    try:
        image = _open(path, "a mask")
        for _, plane in _planes(image, path, _grid(image, "a mask"), "a mask"):
            found |= {float(value) for value in np.unique(plane)}
            if len(found) > MOST_LABELS or not all(value.is_integer() and 0 <= value < 256 for value in found):
                return False
    except Problem:
        return False
    return True


def _data(image: Any, grid: _Grid, role: str) -> NDArray[Any]:
    """The voxels as (z, y, x) of LPS; a view of what the file holds where possible."""
    try:
        values = np.asanyarray(image.dataobj)
    except (EOFError, zlib.error, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise access_problem(error, role) from None
        raise scans.IMAGE_INCOMPLETE.problem(f"{role} ends before its data do", where=role) from None
    values = values.reshape(values.shape[:3]).transpose(grid.order)
    steps = tuple(slice(None, None, -1) if flip else slice(None) for flip in grid.flip)
    reordered: NDArray[Any] = values[steps]
    return reordered


def read_ct(path: Path, role: str = "a scan") -> Volume:
    """A CT volume from a NIfTI file. Raises FH-301 … FH-308, FH-319, FH-327 or an access problem."""
    image = _open(path, role)
    grid = _grid(image, role)
    check_axes(grid.axes, role)
    hu = hounsfield(_data(image, grid, role), role)
    step = grid.spacing[0]
    return Volume(
        values=hu,
        z_mm=np.arange(hu.shape[0], dtype=np.float64) * step,
        spacing_mm=(grid.spacing[1], grid.spacing[2]),
        origin_mm=grid.origin,
        axes=grid.axes,
    )


def middle_planes(path: Path, count: int, role: str = "a scan") -> NDArray[np.int16]:
    """The middle slices (at most `count`, y, x) of a CT volume, clamped; raises as `read_ct`, but for its values."""
    image = _open(path, role)
    grid = _grid(image, role)
    check_axes(grid.axes, role)
    depth = _shape(image, role)[grid.order[0]]
    wanted = range(max(0, (depth - count) // 2), min(depth, (depth + count) // 2))
    found: dict[int, NDArray[np.int16]] = {}
    for k, plane in _planes(image, path, grid, role):
        if k in wanted:
            found[k] = in_units(plane, role)
            if len(found) == len(wanted):
                break
    return np.stack([found[k] for k in wanted])


RENAME = "Rename the file: `.nii.gz` where it is packed, `.nii` where it is not; then run the command again."
WHICH = "Write the target's numbers as `segmentation.targets.TARGET.labels` in site.yaml, such as `labels: [5]`; several may be one target."


def read_mask(
    path: Path, volume: Volume, labels: tuple[int, ...] = (), role: str = "a mask", planes: NDArray[np.intp] | None = None
) -> NDArray[np.bool_]:
    """A supplied mask on the grid of its scan, (z, y, x); `labels` picks label numbers, () takes everything above 0.

    `planes` picks slices of the scan, so that a thin mask is never held whole. Raises FH-320 when the mask does not lie on the
    scan and FH-321 when its values are no labels.
    """
    image = _open(path, role)
    grid = _grid(image, role)
    _check_same_place(image, grid, volume, role)
    picked = np.arange(volume.shape[0]) if planes is None else planes
    out = np.empty((len(picked), *volume.shape[1:]), dtype=bool)
    found: set[float] = set()
    places: dict[int, list[int]] = {}
    for place, k in enumerate(picked):
        places.setdefault(int(k), []).append(place)
    for k, plane in _planes(image, path, grid, role):
        if plane.dtype.kind != "u":
            _check_labels(plane, role)
        for place in places.get(k, ()):
            if labels:
                out[place] = np.isin(plane, labels)
            else:
                np.greater(plane, 0, out=out[place])
                found |= _labels_in(plane, out[place])
        if len(found) > 1:
            named = " and ".join(f"{one:g}" for one in sorted(found)[:2])
            raise scans.MASK_VALUES.problem(
                f"{role} holds several labels, {named} among them, and nothing says which are meant", fix=WHICH, where=role
            )
    return out


def _labels_in(plane: NDArray[Any], marked: NDArray[np.bool_]) -> set[float]:
    """Up to two labels of a slice (y, x), of whose pixels `marked` are above 0."""
    highest = plane.max()
    if highest <= 0:
        return set()
    others = marked & (plane != highest) if np.count_nonzero(marked) != np.count_nonzero(plane == highest) else None
    return {float(highest)} if others is None else {float(highest), float(plane[others].max())}


def _planes(image: Any, path: Path, grid: _Grid, role: str) -> Iterator[tuple[int, NDArray[Any]]]:
    """Every slice (y, x) of LPS with its number, in the file's order; streamed where slices lie one after the other."""
    kind, shape = image.get_data_dtype(), _shape(image, role)
    plain = image.dataobj.slope == 1 and image.dataobj.inter == 0 and isinstance(image, _single_file()) and kind.kind in "iuf"
    if not plain or grid.order[0] != 2:
        yield from enumerate(_data(image, grid, role))
        return
    rows, columns = grid.order[1:]
    flips = tuple(slice(None, None, -1) if flip else slice(None) for flip in grid.flip[1:])
    for number, data in enumerate(plane_bytes(path, int(image.dataobj.offset), shape[0] * shape[1] * kind.itemsize, shape[2], role)):
        plane = np.frombuffer(data, dtype=kind).reshape(shape[1], shape[0]).T
        yield (shape[2] - 1 - number if grid.flip[0] else number), plane.transpose(rows, columns)[flips]


def _single_file() -> type:
    import nibabel

    single: type = nibabel.Nifti1Image
    return single


def _check_labels(plane: NDArray[Any], role: str) -> None:
    if plane.dtype.kind == "f" and (not np.isfinite(plane).all() or bool((plane != np.rint(plane)).any())):
        raise scans.MASK_VALUES.problem(f"{role} holds fractions or values that are no numbers", where=role)
    if plane.size and float(plane.min()) < 0:
        raise scans.MASK_VALUES.problem(f"{role} holds negative numbers", where=role)


def _check_same_place(image: Any, grid: _Grid, volume: Volume, role: str) -> None:
    """Refuse a mask whose corners lie more than a tenth of a voxel from the scan's."""
    shape = tuple(int(image.shape[axis]) for axis in grid.order)
    if shape != volume.shape:
        raise scans.MASK_MISMATCH.problem(f"{role} has {shape[2]} × {shape[1]} × {shape[0]} voxels, its scan another size", where=role)
    last = np.array(shape, dtype=np.float64)[::-1] - 1
    mine = grid.origin + grid.axes @ (last * np.array(grid.spacing)[::-1])
    extent = np.array([last[0] * volume.spacing_mm[1], last[1] * volume.spacing_mm[0], volume.z_mm[-1]])
    theirs = volume.origin_mm + volume.axes @ extent
    apart = max(float(np.abs(grid.origin - volume.origin_mm).max()), float(np.abs(mine - theirs).max()))
    if apart > MASK_TOLERANCE_VOXELS * max(grid.spacing):
        raise scans.MASK_MISMATCH.problem(f"{role} lies up to {apart:.1f} mm away from its scan", where=role)
