"""From a folder of DICOM files to one volume: choose the series by the one order, decode its slices, orient to LPS."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.imaging.hounsfield import check_samples, sample_step
from client.imaging.planes import THIN, on_disk
from client.imaging.volume import HU_HIGHEST, HU_LOWEST, Source, Volume
from client.intake.dicom.dicom_header import SliceHeader
from client.intake.dicom.folder_index import Contents, Series, index
from client.intake.dicom.series_volumes import BlockMeans, alternating
from client.intake.dicom.slice_geometry import Stacking, stackings
from client.intake.dicom.stored_values import clear_padding, padding_hu, rescaled, within
from client.intake.names.image_kind_and_region import region_of
from client.intake.phase_beside import header_beside
from client.intake.volume_order import OrderFacts, decide
from site_config.atomic_files import access_problem
from site_config.problems import scans as scan_problems
from site_config.problems import which_scan
from site_config.problems.base import Exit, Problem
from site_config.tables.cohort_csv import Scan


@dataclass(frozen=True)
class Candidate:
    """A volume that a folder could supply; `acquisition` numbers the volumes that share a SeriesInstanceUID."""

    series: Series
    stacking: Stacking
    acquisition: int | None = None

    @property
    def extent_mm(self) -> float:
        """How much of the patient it covers."""
        return float(self.stacking.z_mm[-1])

    @property
    def step_mm(self) -> float:
        """Slice spacing."""
        return float(np.median(np.diff(self.stacking.z_mm)))

    @property
    def phase(self) -> str | None:
        """Contrast phase of these slices."""
        return self.series.phase(self.stacking.slices)

    @property
    def taken(self) -> date | None:
        """The day of the acquisition."""
        return day_of(min((one.day for one in self.stacking.slices if one.day), default=self.series.date))

    def against_phase(self, stated: str | None, role: str) -> list[Problem]:
        """FH-374 where agent and times of its own header contradict the phase that a row states, or its name."""
        first = self.stacking.slices[0]
        return header_beside(stated or self.phase, self.series.about.contrast, first.bolus, first.taken_text, role)

    def facts(self, declared: int = 1, day_gap: float = 0.0, phase: str | None = None) -> OrderFacts:
        """What the order looks at; `phase` is the table's word, which wins."""
        first = self.stacking.slices[0]
        when: tuple[object, ...] = (first.taken, first.acquisition) if first.taken is not None else (self.series.uid, self.acquisition)
        return OrderFacts(
            declared=declared,
            phase=phase or self.phase,
            derived=self.series.about.derived,
            low_dose=self.series.low_dose,
            kernel=self.series.kernel,
            extent_mm=self.extent_mm,
            step_mm=self.step_mm,
            day_gap=day_gap,
            acquired=(self.series.about.study, *when, self.acquisition),
        )


@dataclass(frozen=True)
class FolderOffer:
    """What a folder offers: usable volumes, and what was wrong with the others (by the series' description)."""

    candidates: tuple[Candidate, ...]
    problems: tuple[Problem, ...]
    contents: Contents
    faulty: tuple[tuple[Series, Problem], ...] = ()


def day_of(text: str | None) -> date | None:
    """A DICOM date; None where it is none."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if text else None
    except ValueError:
        return None


def offer(folder: Path, role: str, series_uid: str | None = None, root: Path | None = None) -> FolderOffer:
    """Index a folder and check every series' geometry. Raises access problems only."""
    contents = index(folder, role, root)
    candidates: list[Candidate] = []
    faulty: list[tuple[Series, Problem]] = []
    for series in contents.series:
        if series_uid is not None and series.uid != series_uid:
            continue
        try:
            if isinstance(series.who, tuple):
                text = f"a series of {role} names several patients ({', '.join(series.who)})"
                raise scan_problems.MANY_PATIENTS.problem(text, where=role)
            found, wrong = stackings(series, role)
            candidates += [Candidate(series, stacking) for stacking in found]
            faulty += [(series, problem) for problem in wrong]
        except Problem as problem:
            if problem.kind.exit == Exit.ACCESS:
                raise
            faulty.append((series, problem))
    return FolderOffer(_numbered(candidates), tuple(problem for _, problem in faulty), contents, tuple(faulty))


def _numbered(candidates: list[Candidate]) -> tuple[Candidate, ...]:
    """Candidates with their number within one SeriesInstanceUID, earliest first, where it holds several volumes."""

    def first(candidate: Candidate) -> tuple[float, int, int]:
        slices = candidate.stacking.slices
        return (
            min((one.taken for one in slices if one.taken is not None), default=0.0),
            min((one.acquisition for one in slices if one.acquisition is not None), default=0),
            min((one.instance for one in slices if one.instance is not None), default=0),
        )

    by_uid: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_uid.setdefault(candidate.series.uid or str(candidate.stacking.slices[0].path.parent), []).append(candidate)
    numbers = {
        id(one): number
        for group in by_uid.values()
        if len(group) > 1
        for number, one in enumerate(sorted(group, key=lambda one: (first(one), one.series.about.kernel)), start=1)
    }
    return tuple(Candidate(one.series, one.stacking, numbers.get(id(one))) for one in candidates)


def read_folder(scan: Scan, role: str, folder: Path | None = None, root: Path | None = None) -> tuple[Volume, list[Problem]]:
    """The volume a row names, by the one order. `folder` stands in for the row's path (an unpacked archive).

    Raises problems 3xx (content) or 9xx (access).
    """
    chosen, findings = choose_volume(scan, role, folder, root)
    return decode(chosen, role, findings), findings


def choose_volume(scan: Scan, role: str, folder: Path | None = None, root: Path | None = None) -> tuple[Candidate, list[Problem]]:
    """The candidate that `read_folder` decodes, and remarks on the rest of its folder; no pixel is read."""
    offered = offer(folder or scan.path, role, scan.series_uid, root)
    _no_dead_links(offered.contents, role)
    who = offered.contents.who
    if isinstance(who, tuple) and scan.series_uid is None:
        number = max(offered.contents.patients, 2)
        text = f"the folder of {role} holds images of {number} patients: they differ in {', '.join(who)}"
        raise scan_problems.MANY_PATIENTS.problem(text, where=role)
    chosen = select(offered, scan, role)
    left_out = {reason: n for reason, n in offered.contents.left_out.items() if n}
    derived = sum(len(one.slices) for one in offered.contents.series if one.about.derived and one is not chosen.series)
    if derived:
        left_out["derived image"] = derived
    findings = list(chosen.stacking.findings)
    if left_out:
        listed = ", ".join(f"{n} {reason}" for reason, n in left_out.items())
        findings.append(scan_problems.NOT_AXIAL_CT.problem(f"files of {role} were left out: {listed}", where=role))
    if chosen.series.about.derived is not None:
        findings.append(which_scan.DERIVED_USED.problem(f"{role} is a derived image ({chosen.series.about.derived})", where=role))
    findings += beside_row(chosen, scan, role)
    if scan.region != "chest":
        findings += chosen.against_phase(scan.phase, role)
    return chosen, findings


def beside_row(chosen: Candidate, scan: Scan, role: str) -> list[Problem]:
    """A finding where the row calls a series otherwise than its own name does; the row is followed all the same."""
    named = (("phase", scan.phase, chosen.phase), ("region", scan.region, region_of(chosen.series.about.description, chosen.extent_mm)))
    return [
        which_scan.ROW_CONTRADICTS.problem(f"{role}: the row states the {thing} {stated}, the series' own header {own}", where=role)
        for thing, stated, own in named
        if stated and own and stated != own and "whole" not in (stated, own)
    ]


def _no_dead_links(contents: Contents, role: str) -> None:
    """A link that leads nowhere may stand for a slice: the volume would lack it. Raises an access problem or FH-364."""
    if "leads nowhere" in contents.links:
        raise access_problem(FileNotFoundError(errno.ENOENT, ""), f"a file of {role}")
    if contents.links:
        text = f"{len(contents.links)} links in the folder of {role} lead out of the images folder"
        raise which_scan.LINK_UNFOLLOWED.problem(text, where=role)


def select(offered: FolderOffer, scan: Scan, role: str) -> Candidate:
    """The one candidate the order leaves, among those the row's series, acquisition and phase name. Raises FH-316 or FH-317."""
    if not offered.candidates:
        raise nothing_in(offered, role)
    left = list(offered.candidates)
    if scan.acquisition is not None:
        left = [one for one in left if one.acquisition == scan.acquisition]
        if not left:
            raise scan_problems.SEVERAL_SERIES.problem(f"{role} has no volume with the number that `acquisition` names", where=role)
    stated = [one for one in left if scan.phase is not None and one.phase == scan.phase]
    left = stated or left
    named = scan.series_uid is not None and len(left) == 1
    declared = 0 if named or scan.acquisition is not None else 1
    decision = decide(left, lambda one: one.facts(declared, phase=scan.phase), scan.region)
    if decision.doubt is not None and len(left) == 1 and named:
        return left[0]
    if decision.chosen is None:
        why = decision.doubt or "they are equal in everything the order looks at"
        raise scan_problems.SEVERAL_SERIES.problem(f"{len(decision.left)} volumes fit {role}: {why}", where=role)
    return decision.chosen


def nothing_in(offered: FolderOffer, role: str) -> Problem:
    """Why a folder offers no volume."""
    if offered.problems:
        first, *rest = offered.problems
        return Problem(first.kind, first.what, first.why, first.fix, first.where, tuple(rest))
    if offered.contents.enhanced:
        return scan_problems.ENHANCED_MULTIFRAME.problem(f"{role} is an enhanced multi-frame object", where=role)
    kinds = ", ".join(f"{n} {reason}" for reason, n in offered.contents.left_out.items()) or "no file"
    return scan_problems.NO_CT_SERIES.problem(f"the folder of {role} holds no axial CT series, but {kinds}", where=role)


def decode(candidate: Candidate, role: str, findings: list[Problem]) -> Volume:
    """Look at every slice in Hounsfield units, at its own position; the volume reads again what is chosen.

    Raises FH-315, FH-310, FH-327, FH-360.
    """
    stacking, about = candidate.stacking, candidate.series.about
    first = stacking.slices[0]
    turn, axes, origin, spacing = _to_lps(first, stacking.normal)
    room = np.empty(first.shape, dtype=np.int16)
    looked = LookedAt(len(stacking.slices), turn(room).shape)
    for k, header in enumerate(stacking.slices):
        looked.see(k, turn(pixels(header, role, room)))
    findings += compare_copies(stacking, role)
    try:
        check_samples(looked.samples, role)
    except Problem as problem:  # what the geometry showed is worth saying all the same
        raise Problem(problem.kind, problem.what, problem.why, problem.fix, problem.where, tuple(findings)) from None
    if alternating(looked.blocks):
        text = f"two volumes alternate slice by slice in {role}, and no header tells them apart"
        raise which_scan.VOLUMES_MIXED.problem(text, where=role)
    flags = frozenset({"slice_interpolated"}) if stacking.interpolated else frozenset()
    who = candidate.series.who
    person = (who.id, who.birth, who.sex, who.name, who.around) if not isinstance(who, tuple) else ()
    source = Source(about.uid, about.study, about.frame, candidate.taken, person)
    headers = stacking.slices
    values = on_disk((len(headers), *looked.shape), lambda k: turn(pixels(headers[k], role)), looked.thin)
    return Volume(values, stacking.z_mm, spacing, origin, axes, candidate.series.manufacturer, candidate.phase, flags, source)


def place_of(candidate: Candidate) -> Volume:
    """Where a candidate lies, by its headers alone; its values are zeros that take no memory."""
    stacking, about = candidate.stacking, candidate.series.about
    turn, axes, origin, spacing = _to_lps(stacking.slices[0], stacking.normal)
    zero = np.int16(0)
    shape = turn(np.broadcast_to(zero, stacking.slices[0].shape)).shape
    values = np.broadcast_to(zero, (len(stacking.slices), *shape))
    return Volume(values, stacking.z_mm, spacing, origin, axes, source=Source(about.uid, about.study, about.frame))


class LookedAt:
    """What is kept of slices (y, x) while a volume is looked at: samples for its unit, blocks against a second volume, prints."""

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        self.shape = (shape[0], shape[1])
        self.step = sample_step(shape)
        self.means = BlockMeans.of_slices(shape)
        self.thin = np.empty((count, *(-(-length // THIN) for length in shape)), dtype=np.int16)
        self.samples = np.empty((count, *(-(-length // self.step) for length in shape)), dtype=np.int16)
        self.blocks = np.empty((count, self.means.count), dtype=np.float64)

    def see(self, k: int, plane: NDArray[np.int16]) -> None:
        """Slice k."""
        self.thin[k], self.samples[k] = plane[::THIN, ::THIN], plane[:: self.step, :: self.step]
        self.blocks[k] = self.means(plane)


def pixels(header: SliceHeader, role: str, out: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
    """One slice in Hounsfield units, clamped; from the file itself where its pixels lie there plainly, else by SimpleITK."""
    out = np.empty(header.shape, dtype=np.int16) if out is None else out
    plain = _plain_pixels(header)
    if plain is None:
        out[:] = _decoded(header, role)
    else:
        rescaled(plain, header.units, out)
    return out


def _plain_pixels(header: SliceHeader) -> NDArray[np.int16] | NDArray[np.uint16] | None:
    """Uncompressed pixels; None where bits beyond the stored ones are in use (overlays), which SimpleITK sorts out."""
    if header.plain is None:
        return None
    kind = "<i2" if header.plain.signed else "<u2"
    count = header.shape[0] * header.shape[1]
    try:
        stored = np.fromfile(header.path, dtype=kind, count=count, offset=header.plain.offset)
    except OSError:
        return None
    if stored.size != count:
        return None
    if header.plain.bits < 16 and not within(stored, header.plain.bits, header.plain.signed):
        return None
    return stored.reshape(header.shape)


def _decoded(header: SliceHeader, role: str) -> NDArray[np.int16]:
    import SimpleITK as sitk  # noqa: N813

    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(header.path))
    try:
        image = reader.Execute()  # the view below does not keep its image alive
        values: NDArray[Any] = sitk.GetArrayViewFromImage(image)
        if values.shape[-2:] != header.shape or values.size != header.shape[0] * header.shape[1]:
            raise scan_problems.CANNOT_DECODE.problem(f"a slice of {role} decodes to another size than its header states", where=role)
        plane = values.reshape(header.shape)
        clamped: NDArray[np.int16] = np.rint(np.clip(plane, HU_LOWEST, HU_HIGHEST)).astype(np.int16)
        span = padding_hu(header.units)
        if span is not None:
            clear_padding(clamped, (plane >= span[0]) & (plane <= span[1]), header.units)
    except RuntimeError:
        raise scan_problems.CANNOT_DECODE.problem(f"a slice of {role} cannot be decoded", where=role) from None
    return clamped


def compare_copies(stacking: Stacking, role: str, most: int | None = None) -> list[Problem]:
    """Files at one place are copies when their pixels agree; otherwise nobody can say which slice is meant (FH-310).

    `most`: how many places are looked at; all where left out.
    """
    for place in stacking.copies[:most]:
        kept = pixels(place[0], role)
        if any(not np.array_equal(kept, pixels(other, role)) for other in place[1:]):
            raise scan_problems.SAME_POSITION.problem(f"{len(place)} different slices of {role} lie at one position", where=role)
    extra = sum(len(place) - 1 for place in stacking.copies)
    return [scan_problems.DUPLICATE_FILES.problem(f"{extra} files of {role} are copies of others", where=role)] if extra else []


@dataclass(frozen=True)
class Turn:
    """How a slice as stored is laid out anew: rows for columns first, then either axis the other way round."""

    across: bool
    rows: bool
    columns: bool

    def __call__(self, plane: NDArray[np.int16]) -> NDArray[np.int16]:
        """A view of a slice (y, x)."""
        plane = plane.T if self.across else plane
        return plane[:: -1 if self.rows else 1, :: -1 if self.columns else 1]


def _to_lps(first: SliceHeader, normal: NDArray[np.float64]) -> tuple[Turn, NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    """How to lay slices out so that indices grow to the left and to the back; z already grows to the head."""
    right, down = first.row_axis, first.column_axis
    (spacing_y, spacing_x), (rows, columns) = first.spacing, first.shape
    origin = first.position.copy()
    across = bool(abs(right[0]) < abs(right[1]))
    if across:
        right, down, spacing_x, spacing_y, rows, columns = down, right, spacing_y, spacing_x, columns, rows
    turn = Turn(across, bool(down[1] < 0), bool(right[0] < 0))
    if turn.columns:
        origin, right = origin + right * spacing_x * (columns - 1), -right
    if turn.rows:
        origin, down = origin + down * spacing_y * (rows - 1), -down
    return turn, np.stack([right, down, normal], axis=1), origin, (spacing_y, spacing_x)


def as_stored(mask: NDArray[np.bool_], first: SliceHeader) -> NDArray[np.bool_]:
    """A mask (z, y, x) of the volume with its columns and rows in the order of the series' own files: `_to_lps` undone."""
    right, down = first.row_axis, first.column_axis
    turned = abs(right[0]) < abs(right[1])
    if turned:
        right, down = down, right
    mask = mask[:, ::-1] if down[1] < 0 else mask
    mask = mask[:, :, ::-1] if right[0] < 0 else mask
    return mask.transpose(0, 2, 1) if turned else mask
