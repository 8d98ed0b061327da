"""Do the slices of a series make a volume? Checked from their own positions, before any pixel is read.

SimpleITK stacks whatever it is given: tilt, gaps and copies change the volume silently. Here every case is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from client.imaging.volume import (
    LEAST_SLICES,
    MOST_OBLIQUE_DEGREES,
    MOST_TILT_DEGREES,
    angle_degrees,
    check_field,
    check_length,
    check_size,
    check_spacing,
    check_square,
)
from client.intake.dicom.dicom_header import SliceHeader
from client.intake.dicom.folder_index import Series
from client.intake.dicom.series_volumes import volumes_of
from client.intake.dicom.stored_values import check_rescale
from site_config.problems import scans as problems
from site_config.problems import which_scan
from site_config.problems.base import Problem

SAME_PLACE_MM = 0.01
MOST_JITTER = 0.25
LEAST_GAP_MM = 3.0
MOST_OF_STEP = 0.55  # every second slice deleted is half
MOST_DAYS_APART = 1  # an examination may run over midnight


@dataclass(frozen=True)
class Stacking:
    """Slices in order towards the head with positions from the first one; `copies` are further files at the same places."""

    slices: tuple[SliceHeader, ...]
    copies: tuple[tuple[SliceHeader, ...], ...]
    z_mm: NDArray[np.float64]
    normal: NDArray[np.float64]
    findings: tuple[Problem, ...]
    interpolated: bool


def stackings(series: Series, role: str) -> tuple[list[Stacking], list[Problem]]:
    """The volumes a series holds, and what was wrong with others of them. Pixels of copies are compared by the reader.

    Raises FH-302 (cut-off file), FH-305, FH-308 or FH-319 of the whole series.
    """
    whole = series.slices
    check_size((max(LEAST_SLICES, len(whole)), *whole[0].shape), role)
    normal = direction(whole, role)
    found: list[Stacking] = []
    wrong: list[Problem] = []
    for part in volumes_of(whole, normal):
        try:
            broken = sum(not header.complete for header in part)
            if broken:
                raise problems.IMAGE_INCOMPLETE.problem(f"{broken} of {len(part)} files of {role} end before their pixels do", where=role)
            check_rescale(tuple(header.units for header in part), role)
            found.append(stack_of(part, normal, role))
        except Problem as problem:
            wrong.append(problem)
    return found, wrong


def direction(slices: tuple[SliceHeader, ...], role: str) -> NDArray[np.float64]:
    """The slice normal, towards the head. Raises FH-305, FH-308 with the angle, FH-319 with the angle."""
    first = slices[0]
    check_spacing(first.spacing, role)
    check_square(first.spacing, role)
    normal = np.cross(first.row_axis, first.column_axis)
    length = float(np.linalg.norm(normal))
    if length < 0.9:
        raise problems.IMPLAUSIBLE_GEOMETRY.problem(f"{role} states row and column directions that are not at right angles", where=role)
    normal = normal / length
    normal = normal if normal[2] >= 0 else -normal
    heights = np.array([float(header.position @ normal) for header in slices])
    low, high = slices[int(heights.argmin())], slices[int(heights.argmax())]
    if float(np.ptp(heights)) > SAME_PLACE_MM:
        tilt = angle_degrees(high.position - low.position, normal)
        if tilt > MOST_TILT_DEGREES:
            raise problems.GANTRY_TILT.problem(f"{role} was taken with the gantry tilted by {tilt:.1f} degrees", where=role)
    oblique = angle_degrees(normal, np.array([0.0, 0.0, 1.0]))
    if oblique > MOST_OBLIQUE_DEGREES:
        raise problems.OBLIQUE.problem(f"{role} stands at {oblique:.0f} degrees to the body's axis", where=role)
    return normal


def places(slices: tuple[SliceHeader, ...], normal: NDArray[np.float64]) -> list[list[SliceHeader]]:
    """Slices grouped by position, lowest first."""
    ordered = sorted(slices, key=lambda header: (float(header.position @ normal), header.path.name))
    found: list[list[SliceHeader]] = []
    for header in ordered:
        if found and abs(float((header.position - found[-1][0].position) @ normal)) < SAME_PLACE_MM:
            found[-1].append(header)
        else:
            found.append([header])
    return found


def stack_of(slices: tuple[SliceHeader, ...], normal: NDArray[np.float64], role: str) -> Stacking:
    """Order one group of slices and name what is missing. Raises FH-307, FH-309 or FH-310."""
    found = places(slices, normal)
    crowded = sum(len(place) > 1 for place in found)
    if len(found) < LEAST_SLICES:
        if crowded:
            text = f"{len(slices)} files of {role} lie at {len(found)} position{'s' if len(found) > 1 else ''}"
            raise problems.SAME_POSITION.problem(text, where=role)
        raise problems.TOO_FEW_SLICES.problem(f"{role} has {len(found)} slice{'s' if len(found) > 1 else ''}", where=role)
    ordered = tuple(place[0] for place in found)
    heights = np.array([float(header.position @ normal) for header in ordered])
    z_mm = heights - heights[0]
    check_field(ordered[0].shape, ordered[0].spacing, role)
    check_length(float(z_mm[-1]), role)
    one_frame(ordered, role)
    findings, interpolated = gaps(z_mm, heights, role)
    findings += apart(ordered, z_mm, role) + lossy(ordered, role) + tilted_by_word(ordered, role) + dated_twice(ordered, role)
    return Stacking(ordered, tuple(tuple(place) for place in found if len(place) > 1), z_mm, normal, tuple(findings), interpolated)


def one_frame(slices: tuple[SliceHeader, ...], role: str) -> None:
    """Positions count within one frame of reference only. Raises FH-360 where parts of a volume name several.

    A frame of its own for every slice is what some anonymisers write; it says nothing.
    """
    frames = len({header.frame for header in slices if header.frame})
    if 1 < frames <= len(slices) // LEAST_SLICES:
        text = f"the slices of {role} name {frames} frames of reference: the patient was laid anew, and positions do not go on"
        raise which_scan.VOLUMES_MIXED.problem(text, where=role)


def apart(slices: tuple[SliceHeader, ...], z_mm: NDArray[np.float64], role: str) -> list[Problem]:
    """A finding where thin slices leave more between them than they show: sequential lung scans, thinned exports."""
    try:
        thick = float(slices[0].thickness)
    except ValueError:
        return []
    step = float(np.median(np.diff(z_mm)))
    if not 0 < thick < MOST_OF_STEP * step or step - thick < LEAST_GAP_MM:
        return []
    return [which_scan.SLICES_APART.problem(f"{role} shows slices of {thick:g} mm every {step:g} mm", where=role)]


def lossy(slices: tuple[SliceHeader, ...], role: str) -> list[Problem]:
    """A finding where the archive compressed the images with loss."""
    number = sum(header.lossy for header in slices)
    if not number:
        return []
    return [which_scan.LOSSY.problem(f"{number} of {len(slices)} slices of {role} were compressed with loss", where=role)]


def tilted_by_word(slices: tuple[SliceHeader, ...], role: str) -> list[Problem]:
    """A finding where the header states a tilted gantry (0018,1120) and the positions, which are heeded, stand upright."""
    stated = max(abs(header.stated_tilt) for header in slices)
    if not MOST_TILT_DEGREES < stated < 90:
        return []
    return [
        problems.TILT_STATED.problem(f"{role} states a gantry tilted by {stated:g} degrees, and its positions stand upright", where=role)
    ]


def dated_twice(slices: tuple[SliceHeader, ...], role: str) -> list[Problem]:
    """A finding where the examination's date is not that of its images: one of the two was changed, and it is not known which."""
    apart = max((_days_between(*dates) for dates in {(header.day, header.studied) for header in slices}), default=0)
    if apart <= MOST_DAYS_APART:
        return []
    text = f"{role} was taken {apart} days from the day of its examination, or reconstructed then, both by its own header"
    return [which_scan.DAY_CONTRADICTS.problem(text, where=role)]


def _days_between(one: str, other: str) -> int:
    """Days between two dates YYYYMMDD; 0 where one of them is none."""
    try:
        first, second = (date(int(text[:4]), int(text[4:6]), int(text[6:8])) for text in (one, other))
    except ValueError:
        return 0
    return abs((first - second).days)


def gaps(z_mm: NDArray[np.float64], heights: NDArray[np.float64], role: str) -> tuple[list[Problem], bool]:
    """One missing slice is a finding that names its place; more, or uneven spacing, is refused (FH-309)."""
    steps = np.diff(z_mm)
    usual = float(np.median(steps) if len(steps) > 3 else steps.min())  # among few, one gap would be the median
    check_spacing((usual,), role)
    multiples = np.maximum(1, np.rint(steps / usual)).astype(int)
    missing = int((multiples - 1).sum())
    uneven = float(np.max(np.abs(steps / usual - multiples)))
    wide = np.flatnonzero(multiples > 1)
    if uneven > MOST_JITTER:
        at = int(np.argmax(np.abs(steps / usual - multiples)))
        text = f"{role}: slices {at + 1} and {at + 2} of {len(z_mm)} are {steps[at]:.2f} mm apart, the others {usual:.2f} mm"
        raise problems.SLICES_MISSING.problem(text, where=role)
    if missing == 0:
        return [], False
    named = ", ".join(f"{heights[k] + (steps[k]) / 2:.1f} mm (after slice {k + 1} of {len(z_mm)})" for k in wide[:5])
    if missing > 1 or len(z_mm) < LEAST_SLICES + 1:
        raise problems.SLICES_MISSING.problem(f"{role} lacks {missing} slices, at {named}", where=role)
    return [problems.SLICE_INTERPOLATED.problem(f"{role} lacks one slice, at {named}", where=role)], True
