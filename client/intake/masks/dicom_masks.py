"""Structure sets (RTSTRUCT) and segmentations (DICOM SEG) as masks on their scan's grid.

A contour's pixels are those whose centres lie inside, by the even-odd rule, so that a hole drawn as a contour of its own is
a hole (DICOM PS3.3, C.8.8.6). A segmentation's frames are laid where their own positions say.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.imaging.volume import Volume
from client.intake.dicom.dicom_header import LABEL_MAP, MALFORMED, RTSTRUCT, SEGMENTATION, is_dicom
from client.intake.masks.target_from_name import target_of
from site_config.atomic_files import access_problem
from site_config.problems import scans as problems
from site_config.problems import which_scan
from site_config.problems.base import Problem

Mask = NDArray[np.bool_]
WITHIN = 0.95
"""A contour with this share of its pixels within another one is a hole of it."""
MOST_FILE_BYTES = 2 * 2**30
IN_PLANE_TOLERANCE = 0.1
SIDES = ("left", "right", "links", "rechts", "l", "r", "li", "re", "gauche", "droit", "sx", "dx", "lt", "rt", "sin", "dex")


@dataclass(frozen=True)
class Described:
    """What a structure set or segmentation holds: the names of its structures and the series, or frame, it was drawn on.

    `empty` are the names of structures of which nothing is drawn.
    """

    kind: str
    names: tuple[str, ...]
    series: frozenset[str]
    frames: frozenset[str] = frozenset()
    empty: tuple[str, ...] = ()


def described(path: Path) -> Described | None:
    """A file's structures without their pixels or contours; None where it is neither kind."""
    try:
        dataset = _open(path, "a structure set", pixels=False)
    except Problem:
        return None
    sop = str(dataset.get("SOPClassUID") or "")
    try:
        if sop == RTSTRUCT:
            names, drawn = _rois(dataset), _drawn(dataset)
            held = tuple(name for number, name in names.items() if number in drawn)
            empty = tuple(name for number, name in names.items() if number not in drawn)
            return Described("RTSTRUCT", held, _stated(_rt_series(dataset)), _stated(_rt_frames(dataset)), empty)
        if sop in (SEGMENTATION, LABEL_MAP):
            frames = _stated([str(dataset.get("FrameOfReferenceUID") or "")])
            return Described("SEG", tuple(_segments(dataset).values()), _stated(_seg_series(dataset)), frames)
    except MALFORMED:
        return None
    return None


def one_structure(names: Sequence[str], target: str) -> bool:
    """Whether structures called like a target are one mask together: a single one, several tumours, or two sides."""
    sided = all(any(word in SIDES for word in name.lower().replace("_", " ").split()) for name in names)
    return len(names) <= 1 or target.endswith("tumour") or sided


def read_dicom_mask(path: Path, volume: Volume, target: str, structures: Sequence[str], role: str) -> Mask:
    """A target's mask on the grid of its scan, (z, y, x). `structures` names those meant; left out, names tell.

    Raises FH-301, FH-320 (drawn on another scan), FH-321, FH-365 or an access problem.
    """
    dataset = _open(path, role, pixels=True)
    sop = str(dataset.get("SOPClassUID") or "")
    try:
        if sop == RTSTRUCT:
            _same_place(set(_rt_series(dataset)), set(_rt_frames(dataset)), volume, role)
            return _contours(dataset, _chosen(_rois(dataset), target, structures, role), volume, role)
        if sop in (SEGMENTATION, LABEL_MAP):
            _same_place(set(_seg_series(dataset)), {str(dataset.get("FrameOfReferenceUID") or "")}, volume, role)
            return _frames(dataset, _chosen(_segments(dataset), target, structures, role), volume, role)
    except MALFORMED:
        raise problems.MASK_VALUES.problem(f"{role} is damaged", where=role) from None
    raise problems.NOT_AN_IMAGE.problem(f"{role} is neither a structure set nor a segmentation", where=role)


def is_dicom_mask(path: Path) -> bool:
    """Whether a file is DICOM at all; which object it is, `read_dicom_mask` says."""
    return path.is_file() and is_dicom(path)


def _open(path: Path, role: str, pixels: bool) -> Any:
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise problems.NOT_AN_IMAGE.problem(f"{role} is too large for a structure set", where=role)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except OSError as error:
        raise access_problem(error, role) from None
    except (*MALFORMED, InvalidDicomError):
        raise problems.NOT_AN_IMAGE.problem(f"{role} is no DICOM file", where=role) from None


def _stated(uids: Iterable[str]) -> frozenset[str]:
    return frozenset(uids) - {""}


def _drawn(dataset: Any) -> set[int]:
    """Numbers of the structures that have a contour."""
    return {int(roi.ReferencedROINumber) for roi in dataset.get("ROIContourSequence") or () if roi.get("ContourSequence")}


def _rois(dataset: Any) -> dict[int, str]:
    return {int(one.ROINumber): str(one.get("ROIName") or "") for one in dataset.get("StructureSetROISequence") or ()}


def _segments(dataset: Any) -> dict[int, str]:
    found = {}
    for one in dataset.get("SegmentSequence") or ():
        meanings = [str(code.get("CodeMeaning") or "") for code in one.get("SegmentedPropertyTypeCodeSequence") or ()]
        label = str(one.get("SegmentLabel") or "")
        found[int(one.SegmentNumber)] = label if target_of(label) or not meanings else f"{label} {meanings[0]}".strip()
    return found


def _rt_series(dataset: Any) -> Iterator[str]:
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            for series in study.get("RTReferencedSeriesSequence") or ():
                yield str(series.get("SeriesInstanceUID") or "")


def _seg_series(dataset: Any) -> Iterator[str]:
    for series in dataset.get("ReferencedSeriesSequence") or ():
        yield str(series.get("SeriesInstanceUID") or "")


def _rt_frames(dataset: Any) -> Iterator[str]:
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ():
        yield str(frame.get("FrameOfReferenceUID") or "")


def _same_place(drawn_on: set[str], frames: set[str], volume: Volume, role: str) -> None:
    """The series it was drawn on is the row's; where none is named, its frame of reference is. Raises FH-320."""
    known, source = drawn_on - {""}, volume.source
    if known and source.series_uid:
        if source.series_uid not in known:
            raise problems.MASK_MISMATCH.problem(f"{role} was drawn on another series than the row names", where=role)
        return
    stated = frames - {""}
    if stated and source.frame_uid and source.frame_uid not in stated:
        text = f"{role} was drawn in another frame of reference than that of the series the row names"
        raise problems.MASK_MISMATCH.problem(text, where=role)


def _chosen(names: dict[int, str], target: str, structures: Sequence[str], role: str) -> set[int]:
    """Numbers of the structures that are the target."""
    if structures:
        wanted = {name.casefold().strip() for name in structures}
        found = {number for number, name in names.items() if name.casefold().strip() in wanted}
    else:
        found = {number for number, name in names.items() if target_of(name) == target}
        if not one_structure([names[number] for number in found], target):
            raise which_scan.MASK_NAME_UNKNOWN.problem(f"{role} holds {len(found)} structures called like the {target}", where=role)
    if not found:
        count = f"{len(names)} structure{'s' if len(names) != 1 else ''}"
        raise which_scan.MASK_NAME_UNKNOWN.problem(f"{role} holds {count}, none called like the target {target}", where=role)
    return found


def _contours(dataset: Any, numbers: set[int], volume: Volume, role: str) -> Mask:
    """The union of the structures; of contours at several heights of one slice, those nearest to its middle."""
    out = np.zeros(volume.shape, dtype=bool)
    planes: set[int] = set()
    outside = 0
    for roi in dataset.get("ROIContourSequence") or ():
        if int(roi.ReferencedROINumber) not in numbers:
            continue
        drawn: dict[int, dict[float, dict[bytes, tuple[Mask, bool]]]] = {}
        for contour in roi.get("ContourSequence") or ():
            kind = str(contour.get("ContourGeometricType") or "")
            points = np.array([float(number) for number in contour.get("ContourData") or ()]).reshape(-1, 3)
            if not kind.startswith("CLOSED") or len(points) < 3:
                continue
            index = _indices(points, volume)
            z = float(index[:, 2].mean())
            k = int(np.argmin(np.abs(volume.z_mm - z)))
            if np.ptp(index[:, 2]) > 0.5 * volume.slice_mm:
                raise problems.MASK_MISMATCH.problem(f"{role} has contours that are not axial", where=role)
            if abs(volume.z_mm[k] - z) > 0.6 * volume.slice_mm:
                outside += 1
                continue
            same = np.round(points, 2).tobytes()  # a contour that was exported twice is one
            drawn.setdefault(k, {}).setdefault(round(z, 2), {})[same] = (filled(index[:, :2], volume.shape[1:]), kind.endswith("XOR"))
        for k, heights in drawn.items():
            nearest = min(heights, key=lambda z: abs(float(volume.z_mm[k]) - z))
            out[k] |= _joined(list(heights[nearest].values()))
        planes |= drawn.keys()
    if outside > len(planes):
        raise problems.MASK_MISMATCH.problem(f"{role} has {outside} contours that lie on no slice of its scan", where=role)
    return _between(out, sorted(planes))


def _joined(areas: list[tuple[Mask, bool]]) -> Mask:
    """Contours of one structure in one slice: one within another is a hole, one within the hole is none; others are joined."""
    ordered = sorted(areas, key=lambda area: int(area[0].sum()), reverse=True)
    out = np.zeros_like(ordered[0][0])
    for area, exclusive in ordered:
        inside = int((area & out).sum()) >= WITHIN * max(int(area.sum()), 1)
        out = out ^ area if exclusive or inside else out | area
    return out


def _between(mask: Mask, planes: list[int]) -> Mask:
    """Slices between contours that were drawn on every second or third slice take the nearer one."""
    steps = np.diff(planes)
    if len(steps) and 1 < float(np.median(steps)) <= 4:
        for low, high in pairwise(planes):
            if high - low <= 2 * float(np.median(steps)):
                for k in range(low + 1, high):
                    mask[k] = mask[low if k - low <= high - k else high]
    return mask


def _indices(points: NDArray[np.float64], volume: Volume) -> NDArray[np.float64]:
    """LPS points (n, 3) as (column, row, mm along z)."""
    along = (points - volume.origin_mm) @ volume.axes
    return np.stack([along[:, 0] / volume.spacing_mm[1], along[:, 1] / volume.spacing_mm[0], along[:, 2]], axis=1)


def filled(polygon: NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """Pixels (y, x) whose centres lie inside a closed polygon of (x, y) pixel coordinates, by the even-odd rule.

    >>> filled(np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]]), (4, 4)).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    out = np.zeros(shape, dtype=bool)
    x, y = polygon[:, 0], polygon[:, 1]
    x_next, y_next = np.roll(x, -1), np.roll(y, -1)
    first, last = max(0, int(np.ceil(y.min()))), min(shape[0] - 1, int(np.floor(y.max())))
    columns = np.arange(shape[1])
    for row in range(first, last + 1):
        crossing = (y <= row) != (y_next <= row)
        at = x[crossing] + (row - y[crossing]) / (y_next[crossing] - y[crossing]) * (x_next[crossing] - x[crossing])
        out[row] = (np.searchsorted(np.sort(at), columns, side="left") % 2) == 1
    return out


def _frames(dataset: Any, numbers: set[int], volume: Volume, role: str) -> Mask:
    values = dataset.pixel_array
    values = values[None] if values.ndim == 2 else values
    kind = str(dataset.get("SegmentationType") or "BINARY")
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise problems.MASK_VALUES.problem(f"{role} is a segmentation of the kind {kind.lower()}, which is not read", where=role)
    least = 1 if kind == "BINARY" else float(dataset.get("MaximumFractionalValue") or 255) / 2
    shared = dataset.SharedFunctionalGroupsSequence[0]
    out = np.zeros(volume.shape, dtype=bool)
    for frame, groups in zip(values, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        if kind == "LABELMAP":
            marked = np.isin(frame, list(numbers))
        elif int(_group("SegmentIdentificationSequence", groups, shared).ReferencedSegmentNumber) in numbers:
            marked = frame >= least
        else:
            continue
        position = np.array([float(n) for n in _group("PlanePositionSequence", groups, shared).ImagePositionPatient])
        orientation = [float(n) for n in _group("PlaneOrientationSequence", groups, shared).ImageOrientationPatient]
        spacing = [float(n) for n in _group("PixelMeasuresSequence", groups, shared).PixelSpacing]
        _lay(out, marked, position, np.array(orientation), spacing, volume, role)
    return out


def _group(name: str, frame: Any, shared: Any) -> Any:
    return (frame.get(name) or shared.get(name))[0]


def _lay(
    out: Mask, frame: Mask, position: NDArray[np.float64], orientation: NDArray[np.float64], spacing: list[float], volume: Volume, role: str
) -> None:
    """Lay one frame on the volume's voxels; its pixels must be the volume's, whatever their order."""
    if not frame.any():
        return
    down, right = orientation[3:] * spacing[0], orientation[:3] * spacing[1]
    j, i = np.nonzero(frame)
    index = _indices(position + j[:, None] * down + i[:, None] * right, volume)
    x, y = np.rint(index[:, 0]), np.rint(index[:, 1])
    k = int(np.argmin(np.abs(volume.z_mm - index[:, 2].mean())))
    off = max(
        float(np.abs(index[:, 0] - x).max()),
        float(np.abs(index[:, 1] - y).max()),
        float(np.abs(index[:, 2] - volume.z_mm[k]).max()) / volume.slice_mm,
    )
    inside = x.min() >= 0 and y.min() >= 0 and x.max() < volume.shape[2] and y.max() < volume.shape[1]
    if off > IN_PLANE_TOLERANCE or not inside:
        raise problems.MASK_MISMATCH.problem(f"{role} has frames that do not lie on the slices of its scan", where=role)
    out[k, y.astype(int), x.astype(int)] = True
