"""From a folder of DICOM files to one volume: choose the series, decode with SimpleITK, orient to LPS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.imaging.volume import HU_HIGHEST, HU_LOWEST, Volume, check_hounsfield
from client.intake.dicom_index import Contents, Series, SliceHeader, index
from client.intake.geometry import Stacking, stackings
from site_config.problems import scans as scan_problems
from site_config.problems.base import Exit, Problem
from site_config.tables.cohort import Scan

GRID_MM = 5.0
PHASES_BY_PREFERENCE = ("portal", None, "delayed", "arterial", "native", "other")


@dataclass(frozen=True)
class Candidate:
    """A volume that a folder could supply."""

    series: Series
    stacking: Stacking

    @property
    def extent_mm(self) -> float:
        """How much of the patient it covers."""
        return float(self.stacking.z_mm[-1])

    @property
    def step_mm(self) -> float:
        """Slice spacing."""
        return float(np.median(np.diff(self.stacking.z_mm)))


@dataclass(frozen=True)
class FolderOffer:
    """What a folder offers: usable volumes, and what was wrong with the others."""

    candidates: tuple[Candidate, ...]
    problems: tuple[Problem, ...]
    contents: Contents


def offer(folder: Path, role: str, series_uid: str | None = None) -> FolderOffer:
    """Index a folder and check every series' geometry. Raises access problems only."""
    contents = index(folder, role)
    candidates: list[Candidate] = []
    problems: list[Problem] = []
    for series in contents.series:
        if series_uid is not None and series.uid != series_uid:
            continue
        try:
            if "\\" in series.patient:
                raise scan_problems.MANY_PATIENTS.problem(f"a series of {role} names several patients", where=role)
            candidates += [Candidate(series, stacking) for stacking in stackings(series, role)]
        except Problem as problem:
            if problem.kind.exit == Exit.ACCESS:
                raise
            problems.append(problem)
    return FolderOffer(tuple(candidates), tuple(problems), contents)


def read_folder(scan: Scan, role: str) -> tuple[Volume, list[Problem]]:
    """The volume a folder holds, by the rules of `select`. Raises problems 3xx (content) or 9xx (access)."""
    offered = offer(scan.path, role, scan.series_uid)
    if offered.contents.patients > 1 and scan.series_uid is None:
        raise scan_problems.MANY_PATIENTS.problem(f"the folder of {role} holds {offered.contents.patients} patients", where=role)
    chosen = select(offered, scan.phase, scan.region, role)
    left_out = {reason: n for reason, n in offered.contents.left_out.items() if n}
    findings = list(chosen.stacking.findings)
    if left_out:
        listed = ", ".join(f"{n} {reason}" for reason, n in left_out.items())
        findings.append(scan_problems.NOT_AXIAL_CT.problem(f"files of {role} were left out: {listed}", where=role))
    return decode(chosen, role, findings), findings


def select(offered: FolderOffer, phase: str | None, region: str, role: str) -> Candidate:
    """The one candidate the rules leave: phase (as the table says, else portal venous first; chest: any), original before
    derived, largest coverage (within a tenth counts as equal), spacing nearest to 5 mm. Raises FH-316 or FH-317.
    """
    if not offered.candidates:
        if offered.problems:
            first, *rest = offered.problems
            raise Problem(first.kind, first.what, first.why, first.fix, first.where, tuple(rest))
        if offered.contents.enhanced:
            raise scan_problems.ENHANCED_MULTIFRAME.problem(f"{role} is an enhanced multi-frame object", where=role)
        kinds = ", ".join(f"{n} {reason}" for reason, n in offered.contents.left_out.items()) or "no file"
        raise scan_problems.NO_CT_SERIES.problem(f"the folder of {role} holds no axial CT series, but {kinds}", where=role)
    left = list(offered.candidates)
    if phase is not None and any(candidate.series.phase == phase for candidate in left):
        left = [candidate for candidate in left if candidate.series.phase == phase]
    elif region != "chest":
        ranks = [PHASES_BY_PREFERENCE.index(candidate.series.phase) for candidate in left]
        left = [candidate for candidate, rank in zip(left, ranks, strict=True) if rank == min(ranks)]
    left = [candidate for candidate in left if candidate.series.original] or left
    longest = max(candidate.extent_mm for candidate in left)
    left = [candidate for candidate in left if candidate.extent_mm >= 0.9 * longest]
    nearest = min(abs(candidate.step_mm - GRID_MM) for candidate in left)
    left = [candidate for candidate in left if abs(candidate.step_mm - GRID_MM) <= nearest + 0.01]
    if len(left) > 1:
        raise scan_problems.SEVERAL_SERIES.problem(f"{len(left)} series of the folder of {role} fit equally", where=role)
    return left[0]


def decode(candidate: Candidate, role: str, findings: list[Problem]) -> Volume:
    """Read the pixels into Hounsfield units, slice by slice at their own positions. Raises FH-315, FH-310, FH-327."""
    stacking = candidate.stacking
    first = stacking.slices[0]
    hu = np.empty((len(stacking.slices), *first.shape), dtype=np.int16)
    for k, header in enumerate(stacking.slices):
        hu[k] = _pixels(header, role)
    _compare_copies(stacking, role, findings)
    hu, axes, origin, spacing = _to_lps(hu, first, stacking.normal)
    try:
        check_hounsfield(hu, role)
    except Problem as problem:  # what the geometry showed is worth saying all the same
        raise Problem(problem.kind, problem.what, problem.why, problem.fix, problem.where, tuple(findings)) from None
    flags = frozenset({"slice_interpolated"}) if stacking.interpolated else frozenset()
    return Volume(hu, stacking.z_mm, spacing, origin, axes, candidate.series.manufacturer, candidate.series.phase, flags)


def _pixels(header: SliceHeader, role: str) -> NDArray[np.int16]:
    """One slice in Hounsfield units, clamped."""
    import SimpleITK as sitk  # noqa: N813

    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(header.path))
    try:
        image = reader.Execute()  # the view below does not keep its image alive
        values: NDArray[Any] = sitk.GetArrayViewFromImage(image)
        if values.shape[-2:] != header.shape or values.size != header.shape[0] * header.shape[1]:
            raise scan_problems.CANNOT_DECODE.problem(f"a slice of {role} decodes to another size than its header states", where=role)
        clamped: NDArray[np.int16] = np.rint(np.clip(values.reshape(header.shape), HU_LOWEST, HU_HIGHEST)).astype(np.int16)
    except RuntimeError:
        raise scan_problems.CANNOT_DECODE.problem(f"a slice of {role} cannot be decoded", where=role) from None
    return clamped


def _compare_copies(stacking: Stacking, role: str, findings: list[Problem]) -> None:
    """Files at one place are copies when their pixels agree; otherwise nobody can say which slice is meant."""
    for place in stacking.copies:
        kept = _pixels(place[0], role)
        if any(not np.array_equal(kept, _pixels(other, role)) for other in place[1:]):
            raise scan_problems.SAME_POSITION.problem(f"{len(place)} different slices of {role} lie at one position", where=role)
    extra = sum(len(place) - 1 for place in stacking.copies)
    if extra:
        findings.append(scan_problems.DUPLICATE_FILES.problem(f"{extra} files of {role} are copies of others", where=role))


def _to_lps(
    hu: NDArray[np.int16], first: SliceHeader, normal: NDArray[np.float64]
) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    """Reorder columns and rows so that indices grow to the left and to the back; z already grows to the head."""
    right, down = first.row_axis, first.column_axis
    spacing_y, spacing_x = first.spacing
    origin = first.position.copy()
    if abs(right[0]) < abs(right[1]):
        hu, right, down, spacing_x, spacing_y = hu.transpose(0, 2, 1), down, right, spacing_y, spacing_x
    if right[0] < 0:
        origin = origin + right * spacing_x * (hu.shape[2] - 1)
        hu, right = hu[:, :, ::-1], -right
    if down[1] < 0:
        origin = origin + down * spacing_y * (hu.shape[1] - 1)
        hu, down = hu[:, ::-1], -down
    axes = np.stack([right, down, normal], axis=1)
    return np.ascontiguousarray(hu), axes, origin, (spacing_y, spacing_x)


def describe(candidates: Sequence[Candidate]) -> list[dict[str, object]]:
    """The facts a person needs to choose between candidates, for the review list."""
    return [
        {
            "series_uid": candidate.series.uid,
            "description": candidate.series.description,
            "phase": candidate.series.phase,
            "slices": len(candidate.stacking.slices),
            "spacing_mm": round(candidate.step_mm, 2),
            "extent_mm": round(candidate.extent_mm, 1),
            "original": candidate.series.original,
        }
        for candidate in candidates
    ]
