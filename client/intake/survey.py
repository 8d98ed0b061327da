"""`data scan`: what the images folder holds, and the scans.csv it suggests. Nothing is chosen that a person should choose.

A patient's files lie below a folder of the images folder that is called like the patient's key in cohort.csv; files that
lie otherwise are matched by the PatientID of their headers. A series' visit follows from its date and the two CT moments
of cohort.csv: baseline is the latest scan up to the baseline moment's window, follow-up the earliest after it.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from client.intake.dicom_read import Candidate, offer
from client.intake.makers import closed_set
from client.intake.nifti import is_nifti, read_ct
from site_config.files import access_problem
from site_config.problems import scans as scan_problems
from site_config.problems.base import Problem
from site_config.tables.cohort import Patient

NEAR_DAYS = 31
CHEST = re.compile(r"chest|thora|lung|pulmo|poumon|polmon|胸|肺", re.IGNORECASE)
ABDOMEN = re.compile(r"abd|liver|leber|foie|fegato|h[íi]gado|hepat|oberbauch|addome|腹|肝", re.IGNORECASE)
WHOLE_MM = 480.0


@dataclass(frozen=True)
class Found:
    """One usable volume: whose, where, and what its headers say. `day` counts from the patient's time zero."""

    patient: str | None
    folder: str
    series_uid: str
    day: float | None
    taken: str | None
    region: str | None
    phase: str | None
    manufacturer: str
    slices: int
    spacing_mm: float
    extent_mm: float
    description: str


@dataclass(frozen=True)
class SurveyQuestion:
    """Something a person has to decide, with the candidates."""

    patient: str | None
    visit: str | None
    reason: str
    candidates: tuple[Found, ...]


@dataclass(frozen=True)
class Survey:
    """Everything found, the rows suggested for scans.csv, open questions, and what was wrong with the rest."""

    found: tuple[Found, ...]
    rows: tuple[dict[str, str], ...]
    questions: tuple[SurveyQuestion, ...]
    problems: tuple[tuple[str, Problem], ...]
    left_out: dict[str, int] = field(default_factory=dict)


def survey(root: Path, patients: tuple[Patient, ...]) -> Survey:
    """Look through the images folder. Raises an access problem when the folder itself cannot be read."""
    known = {patient.key: patient for patient in patients}
    found: list[Found] = []
    problems: list[tuple[str, Problem]] = []
    left_out: dict[str, int] = {}
    try:
        folders = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise access_problem(error, "the images folder") from None
    for folder in folders:
        try:
            volumes, wrong, others = _look(folder, root, known)
        except Problem as problem:
            problems.append((folder.name, problem))
            continue
        found += volumes
        problems += [(folder.name, problem) for problem in wrong]
        for reason, number in others.items():
            left_out[reason] = left_out.get(reason, 0) + number
    rows, questions = suggest(found, known)
    return Survey(tuple(found), tuple(rows), tuple(questions), tuple(problems), left_out)


def _look(folder: Path, root: Path, known: dict[str, Patient]) -> tuple[list[Found], list[Problem], dict[str, int]]:
    """Volumes of one entry of the images folder."""
    if folder.is_file():
        return ([_nifti(folder, root, known)], [], {}) if is_nifti(folder) else ([], [], {"not DICOM": 1})
    found: list[Found] = []
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*.nii*")):
        if is_nifti(path) and not re.search(r"mask|seg|label", path.name, re.IGNORECASE):
            try:
                found.append(_nifti(path, root, known))
            except Problem as problem:
                problems.append(problem)
    offered = offer(folder, "a folder")
    found += [_dicom(candidate, folder, root, known) for candidate in offered.candidates]
    return found, [*problems, *offered.problems], {k: v for k, v in offered.contents.left_out.items() if k != "not DICOM"}


def _nifti(path: Path, root: Path, known: dict[str, Patient]) -> Found:
    volume = read_ct(path, "a NIfTI file")
    relative = path.relative_to(root)
    patient = relative.parts[0] if relative.parts[0] in known else None
    extent = float(volume.z_mm[-1])
    region = _region(" ".join(relative.parts[1:]), extent)
    return Found(patient, relative.as_posix(), "", None, None, region, None, "unknown", volume.shape[0], volume.slice_mm, extent, "")


def _dicom(candidate: Candidate, folder: Path, root: Path, known: dict[str, Patient]) -> Found:
    series = candidate.series
    patient = folder.name if folder.name in known else series.patient if series.patient in known else None
    parents = {header.path.parent for header in candidate.stacking.slices}
    place = parents.pop() if len(parents) == 1 else folder
    person = known.get(patient) if patient else None
    taken = _date(series.date)
    day = float((taken - person.zero_date).days) if taken and person and person.zero_date else None
    return Found(
        patient=patient,
        folder=place.relative_to(root).as_posix(),
        series_uid=series.uid,
        day=day,
        taken=taken.isoformat() if taken else None,
        region=_region(f"{series.description} {series.body_part}", candidate.extent_mm),
        phase=series.phase,
        manufacturer=closed_set(series.manufacturer),
        slices=len(candidate.stacking.slices),
        spacing_mm=round(candidate.step_mm, 2),
        extent_mm=round(candidate.extent_mm, 1),
        description=series.description,
    )


def _date(text: str | None) -> date | None:
    """A DICOM date; None where it is none."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])) if text else None
    except ValueError:
        return None


def _region(text: str, extent_mm: float) -> str | None:
    """Region from words; both or a long scan mean the whole trunk; None where nothing tells."""
    chest, abdomen = bool(CHEST.search(text)), bool(ABDOMEN.search(text))
    if extent_mm >= WHOLE_MM or (chest and abdomen):
        return "whole"
    return "chest" if chest else "abdomen" if abdomen else None


def suggest(found: list[Found], known: dict[str, Patient]) -> tuple[list[dict[str, str]], list[SurveyQuestion]]:
    """Rows for scans.csv where the rules leave one candidate, questions where they leave several or none."""
    rows: list[dict[str, str]] = []
    questions: list[SurveyQuestion] = []
    nobody = tuple(one for one in found if one.patient is None)
    if nobody:
        questions.append(SurveyQuestion(None, None, "no key of cohort.csv fits the folder's name or the PatientID", nobody))
    for key, patient in known.items():
        mine = [one for one in found if one.patient == key]
        unclear = tuple(one for one in mine if one.region is None)
        if unclear:
            questions.append(SurveyQuestion(key, None, "neither names nor length tell which region these scans show", unclear))
        for region in ("abdomen", "chest", "whole"):
            for visit, candidates in by_visit([one for one in mine if one.region == region], patient).items():
                if visit is None:
                    questions.append(SurveyQuestion(key, None, f"no date tells the visit of these {region} scans", candidates))
                    continue
                chosen = prefer(candidates, region)
                if len(chosen) > 1:
                    questions.append(SurveyQuestion(key, visit, f"several {region} scans of this visit fit equally", tuple(chosen)))
                else:
                    rows.append(_row(key, visit, chosen[0]))
    return rows, questions


def by_visit(found: list[Found], patient: Patient) -> dict[str | None, tuple[Found, ...]]:
    """Scans of one region by visit: the latest up to 31 days after the baseline moment, the earliest later than it."""
    undated = tuple(one for one in found if one.day is None)
    dated = [one for one in found if one.day is not None]
    visits: dict[str | None, tuple[Found, ...]] = {None: undated} if undated else {}
    if patient.baseline_day is None:
        return {None: tuple(found)} if found else {}
    limit = patient.baseline_day + NEAR_DAYS
    if patient.followup_day is not None:
        limit = min(limit, (patient.baseline_day + patient.followup_day) / 2)
    before = [one for one in dated if float(one.day or 0.0) <= limit]
    after = [one for one in dated if float(one.day or 0.0) > limit]
    if before:
        latest = max(float(one.day or 0.0) for one in before)
        visits["baseline"] = tuple(one for one in before if one.day == latest)
    if after:
        earliest = min(float(one.day or 0.0) for one in after)
        visits["followup"] = tuple(one for one in after if one.day == earliest)
    return visits


def prefer(candidates: tuple[Found, ...], region: str) -> list[Found]:
    """Portal venous first outside the chest, then the largest coverage (a tenth counts as equal), then spacing nearest 5 mm."""
    left = list(candidates)
    if region != "chest":
        order = {"portal": 0, None: 1}
        best = min(order.get(one.phase, 2) for one in left)
        left = [one for one in left if order.get(one.phase, 2) == best]
    longest = max(one.extent_mm for one in left)
    left = [one for one in left if one.extent_mm >= 0.9 * longest]
    nearest = min(abs(one.spacing_mm - 5) for one in left)
    return [one for one in left if abs(one.spacing_mm - 5) <= nearest + 0.01]


def _row(patient: str, visit: str, found: Found) -> dict[str, str]:
    return {
        "patient": patient,
        "visit": visit,
        "date": found.taken or "",
        "region": found.region or "",
        "phase": found.phase or "",
        "path": found.folder,
        "series_uid": found.series_uid,
        "manufacturer": found.manufacturer if found.manufacturer != "unknown" else "",
    }


def as_csv(rows: tuple[dict[str, str], ...]) -> bytes:
    """Suggested rows as scans.csv, UTF-8."""
    text = io.StringIO()
    names = ["patient", "visit", "date", "region", "phase", "path", "series_uid", "manufacturer"]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def nothing_found() -> Problem:
    """The problem of an images folder without any CT."""
    return scan_problems.NO_CT_SERIES.problem("the images folder holds no CT scan", where="site.yaml, paths.images")
