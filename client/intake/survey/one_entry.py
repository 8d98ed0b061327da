"""One entry of the images folder: the volumes below it, archives and links, masks beside it, and what could not be used.

A patient's files lie below a folder called like the patient's key in cohort.csv; files that lie otherwise are matched by
the PatientID of their headers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from client.intake.dicom.dicom_header import is_dicom
from client.intake.dicom.folder_index import NOT_DICOM, SPECIAL, Contents, walk
from client.intake.dicom.read_dicom import Candidate, FolderOffer, offer
from client.intake.masks.masks_beside_scan import MASK_FIX, MaskFolder, mask_name, masks_beside, structure_masks
from client.intake.names.image_kind_and_region import region_of
from client.intake.names.scanner_makers import closed_set
from client.intake.read_nifti import is_nifti, like_labels, read_ct
from client.intake.survey.survey_values import Found, Remark, SeenVolume
from client.intake.unpack import archive_kind, refused, unpacked
from client.intake.volume_order import OrderFacts
from client.intake.whose_scan import Identity, identity_of
from site_config.atomic_files import readable_name, readable_path
from site_config.problems import scans as scan_problems
from site_config.problems import which_scan
from site_config.problems.base import Exit, Problem
from site_config.tables.patient_moments import Declared

DATE_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")
BASELINE_NAME = re.compile(r"(?<![a-z])(baseline|bl|visit[ _-]?1|t0|pre[ _-]?treatment)(?![a-z0-9])", re.IGNORECASE)
FOLLOWUP_NAME = re.compile(r"(?<![a-z])(follow[ _-]?up|fu|fu1|visit[ _-]?2|t1|post[ _-]?treatment)(?![a-z0-9])", re.IGNORECASE)
OTHER_FORMATS = {
    ".nrrd": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".img": "Analyze",
    ".hdr": "Analyze",
    ".mgz": "FreeSurfer",
    ".ima": "IMA",
}
LONG_NAME, LONG_NUMBER = 6, 8


@dataclass
class Looked:
    """What one entry of the images folder gave."""

    folder: str
    patient: str | None
    seen: list[SeenVolume] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    minor: list[Problem] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    unusable: list[Identity] = field(default_factory=list)

    def say(self, problem: Problem) -> None:
        """Note a problem of this entry."""
        self.remarks.append(Remark(self.folder, problem, self.patient))


@dataclass(frozen=True)
class KnownKeys:
    """The keys of cohort.csv with what it declares of them, and the same keys as headers may spell them."""

    declared: Mapping[str, Declared]

    def by_folder(self, name: str) -> str | None:
        """The key a folder is called like."""
        plain = readable_name(name)
        if plain in self.declared:
            return plain
        matches = [key for key in self.declared if readable_name(key).casefold() == plain.casefold()]
        return matches[0] if len(matches) == 1 else None

    def by_place(self, place: str) -> str | None:
        """The one key that a folder on the way to a place is called like: exports put all patients below a folder of their own.

        Only keys too long to be the number of a series or a disc's short name (`1`, `101`, `ST001`) are looked for.
        """
        parts = [part for part in place.split("/") if len(part) >= (LONG_NUMBER if part.isdigit() else LONG_NAME)]
        matches = {key for part in parts if (key := self.by_folder(part)) is not None}
        return matches.pop() if len(matches) == 1 else None

    def by_id(self, who: Identity) -> str | None:
        """The key that a header's PatientID is."""
        matches = [key for key in self.declared if who.id and identity_of(key, "", "", "").id == who.id]
        return matches[0] if len(matches) == 1 else None


def look(entry: Path, root: Path, known: KnownKeys) -> Looked:
    """Everything one entry of the images folder holds. Raises access problems of the entry itself."""
    looked = Looked(readable_name(entry.name), known.by_folder(entry.name) or known.by_folder(entry.name.split(".")[0]))
    if entry.is_symlink() and _outside(entry, root):
        looked.say(which_scan.LINK_UNFOLLOWED.problem("the entry is a link that leads nowhere or out of the images folder"))
        return looked
    files = walk(entry, "a folder", root)
    for reason, number in Counter(files.links).items():
        which = [name for name, why in zip(files.named, files.links, strict=True) if why == reason]
        listed = f"{', '.join(which[:3])}{' and others' if number > 3 else ''}"
        thing = "special file" if reason == SPECIAL else "link"
        text = f"{number} {thing}{'s' if number > 1 else ''} in the folder: {reason} ({listed})"
        looked.say(which_scan.LINK_UNFOLLOWED.problem(text))
    niftis, zips, others = _sorted(files.paths, looked)
    folders = masks_beside(niftis, entry if entry.is_dir() else root)
    called = [path for path in niftis if not any(path in folder.files for folder in folders)]
    for path in called:
        if not mask_name(path):
            _nifti(path, root, looked, known)
    masks = sum(mask_name(path) for path in called)
    if masks:
        text = f"{masks} NIfTI file{'s' if masks > 1 else ''} of the folder called like a mask, with no target's name: not suggested"
        looked.say(which_scan.MASK_NAME_UNKNOWN.problem(text, fix=MASK_FIX))
    _dicom(entry, root, looked, known, bool(files.paths) and not set(files.paths) <= {*niftis, *zips, *others})
    for path in zips:
        _zip(path, root, looked, known)
    _attach(folders, looked, root)
    return looked


def _outside(entry: Path, root: Path) -> bool:
    try:
        return not entry.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return True


def _sorted(paths: tuple[Path, ...], looked: Looked) -> tuple[list[Path], list[Path], set[Path]]:
    """NIfTI files, zip archives, and files of formats that are named and not read."""
    niftis = [path for path in paths if is_nifti(path)]
    rest = [path for path in paths if not is_nifti(path)]
    kinds = {path: archive_kind(path) for path in rest}
    zips = [path for path in rest if kinds[path] == "zip"]
    others = {path for path in rest if (kinds[path] == "other" or path.suffix.lower() in OTHER_FORMATS) and path not in zips}
    others = {path for path in others if not is_dicom(path)}  # DICOM files may be called anything (`.IMA`, `.img`)
    archives = [path for path in others if kinds[path] == "other"]
    if archives:
        looked.say(refused("the folder", f"{len(archives)} file{'s' if len(archives) > 1 else ''} of another kind than zip"))
    formats = Counter(OTHER_FORMATS[path.suffix.lower()] for path in others if path not in archives)
    for name, number in formats.items():
        looked.say(
            scan_problems.NOT_AN_IMAGE.problem(
                f"{number} file{'s' if number > 1 else ''} of the folder in the format {name}, which is not read",
                fix="Export the DICOM series, or convert the file to NIfTI (.nii.gz), then run `fedhcc-site data scan` again.",
            )
        )
    return niftis, zips, others


def _is_other(path: Path) -> bool:
    """Whether a file within an archive is an archive itself, or of a format that is named and not read."""
    return archive_kind(path) != "" or (path.suffix.lower() in OTHER_FORMATS and not is_dicom(path))


def _zip(path: Path, root: Path, looked: Looked, known: KnownKeys) -> None:
    try:
        with unpacked(path, "the folder") as folder:
            before = len(looked.seen)
            _dicom(folder, folder, looked, known, True)
            within = [one for one in walk(folder, "an archive").paths if is_nifti(one) or _is_other(one)]
            if within:
                text = f"an archive of the folder holds {len(within)} archive or image of another format: unpack it into the folder"
                looked.say(which_scan.ARCHIVE_UNREAD.problem(text))
            place = readable_path(path, root)
            looked.seen[before:] = [
                replace(seen, found=replace(seen.found, folder=place), path=path, candidate=None) for seen in looked.seen[before:]
            ]
    except Problem as problem:
        if problem.kind.exit == Exit.ACCESS:
            raise
        looked.say(problem)


def _nifti(path: Path, root: Path, looked: Looked, known: KnownKeys) -> None:
    try:
        volume = read_ct(path, "a NIfTI file")
    except Problem as problem:
        if problem.kind.exit == Exit.ACCESS:
            raise
        mask = problem.kind == scan_problems.NOT_HOUNSFIELD and like_labels(path)
        text = "a NIfTI file holds whole numbers as a mask does, and its name tells no target: not suggested"
        looked.say(which_scan.MASK_NAME_UNKNOWN.problem(text, fix=MASK_FIX) if mask else problem)
        return
    place = readable_path(path, root)
    extent = float(volume.z_mm[-1])
    taken = _date_in(place)
    patient = looked.patient or known.by_place(place)
    found = Found(
        patient=patient,
        folder=place,
        series_uid="",
        acquisition=None,
        day=_day(taken, patient, known),
        taken=taken.isoformat() if taken else None,
        region=region_of(" ".join(place.split("/")[1:]), extent),
        phase=None,
        kernel=None,
        derived=None,
        low_dose=False,
        manufacturer="unknown",
        slices=volume.shape[0],
        spacing_mm=round(volume.slice_mm, 2),
        extent_mm=round(extent, 1),
        description="",
        visit=_visit_in(place),
    )
    facts = OrderFacts(1, None, None, False, None, extent, volume.slice_mm, 0.0, (place,))
    looked.seen.append(SeenVolume(found, Identity(), "", facts, path))


def _date_in(place: str) -> date | None:
    dates = {match.groups() for match in DATE_IN_NAME.finditer(place)}
    if len(dates) != 1:
        return None
    year, month, day = (int(part) for part in dates.pop())
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _visit_in(place: str) -> str | None:
    """The visit that the hospital's own names of folders and files state."""
    before, after = BASELINE_NAME.search(place), FOLLOWUP_NAME.search(place)
    return None if bool(before) == bool(after) else "baseline" if before else "followup"


def _day(taken: date | None, patient: str | None, known: KnownKeys) -> float | None:
    stated = known.declared.get(patient) if patient else None
    return float(taken.toordinal() - stated.zero) if taken and stated and stated.dated and stated.zero is not None else None


def _dicom(entry: Path, root: Path, looked: Looked, known: KnownKeys, wanted: bool) -> None:
    if not wanted:
        return
    offered = offer(entry, "a folder", root=root)
    for candidate in offered.candidates:
        number = _number(candidate, offered.candidates)
        looked.seen.append(_seen(replace(candidate, acquisition=number), entry, root, looked, known))
    for series, problem in offered.faulty:
        if problem.kind in (scan_problems.OBLIQUE, scan_problems.TOO_FEW_SLICES) or len(_places(series.slices)) < 3:
            looked.minor.append(problem)
            looked.left_out[problem.kind.title.lower()] += len(series.slices)
        else:
            looked.say(problem)
        if isinstance(series.who, Identity):
            looked.unusable.append(series.who)
    _count(offered, looked)
    for problem in structure_masks(offered.contents.structures, looked.seen, root):
        looked.say(problem)


def _number(candidate: Candidate, candidates: Sequence[Candidate]) -> int | None:
    """A volume's number within its series as a row will count that names the volume's own folder; None where it is alone there."""
    parents = {header.path.parent for header in candidate.stacking.slices}
    if candidate.acquisition is None or len(parents) > 1:
        return candidate.acquisition
    here = parents.pop()
    mine = [
        one.acquisition or 0
        for one in candidates
        if one.series.uid == candidate.series.uid and any(header.path.is_relative_to(here) for header in one.stacking.slices)
    ]
    return None if len(mine) == 1 else sorted(mine).index(candidate.acquisition) + 1


def _places(slices: tuple[object, ...]) -> set[tuple[float, ...]]:
    return {tuple(round(float(number), 1) for number in one.position) for one in slices}  # type: ignore[attr-defined]


def _count(offered: FolderOffer, looked: Looked) -> None:
    contents: Contents = offered.contents
    for reason, number in contents.left_out.items():
        if reason != NOT_DICOM:
            looked.left_out[reason] += number
    if contents.unknown:
        looked.left_out["neither DICOM nor anything else that is known"] += contents.unknown
    if contents.enhanced and not offered.candidates:
        looked.say(scan_problems.ENHANCED_MULTIFRAME.problem("the folder holds an enhanced multi-frame object and no classic CT series"))


def _seen(candidate: Candidate, entry: Path, root: Path, looked: Looked, known: KnownKeys) -> SeenVolume:
    series = candidate.series
    who = series.who if isinstance(series.who, Identity) else Identity()
    parents = {header.path.parent for header in candidate.stacking.slices}
    place = parents.pop() if len(parents) == 1 else entry
    patient = looked.patient or known.by_place(readable_path(place, root)) or known.by_id(who)
    text = f"{series.description} {series.about.body_part}"
    region = region_of(text, candidate.extent_mm) or region_of(series.about.study_description, candidate.extent_mm)
    facts = candidate.facts()
    taken = candidate.taken
    clock = candidate.stacking.slices[0].taken_text
    found = Found(
        patient=patient,
        folder=readable_path(place, root),
        series_uid=series.uid,
        acquisition=candidate.acquisition,
        day=_day(taken, patient, known),
        taken=taken.isoformat() if taken else None,
        region=region,
        phase=facts.phase,
        kernel=series.about.kernel or facts.kernel,
        derived=facts.derived,
        low_dose=facts.low_dose,
        manufacturer=closed_set(series.manufacturer),
        slices=len(candidate.stacking.slices),
        spacing_mm=round(candidate.step_mm, 2),
        extent_mm=round(candidate.extent_mm, 1),
        description=series.description,
        time=f"{clock[:2]}:{clock[2:4]}:{clock[4:6]}" if len(clock) >= 6 else "",
        visit=None if taken else _visit_in(readable_path(place, root)),
    )
    return SeenVolume(found, who, series.about.study, facts, place, candidate)


def _attach(folders: list[MaskFolder], looked: Looked, root: Path) -> None:
    """Give a mask folder to the one volume that has its size."""
    for folder in folders:
        fitting = folder.nearest(looked.seen)
        if len(fitting) != 1:
            if looked.seen:
                text = (
                    "a folder of masks fits none of the scans by its size, voxels and place"
                    if not fitting
                    else f"a folder of masks fits {len(fitting)} scans by its size, voxels and place"
                )
                looked.say(scan_problems.MASK_MISMATCH.problem(text, fix=MASK_FIX))
            continue
        seen = looked.seen[fitting[0]]
        masks = {**seen.found.masks, **{target: readable_path(path, root) for target, path in folder.targets.items()}}
        looked.seen[fitting[0]] = replace(seen, found=replace(seen.found, masks=masks))
