"""scans.csv to scans: paths stay below the images folder, and *not reachable* is told apart from *wrong*."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath, PureWindowsPath

from site_config.atomic_files import path_problem, read_limited, real_path
from site_config.problems import host
from site_config.problems import tables as kinds
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Organ, Study, two_organs
from site_config.tables import cell_values
from site_config.tables.columns_of_tables import MASK, PHASES, REGIONS, VISITS, scans_columns
from site_config.tables.csv_text import BYTES, CsvFaults, Row, read_table
from site_config.tables.patient_moments import Declared
from site_config.tables.table_values import Patient, Scan

NO_SCANS = (
    "Run `fedhcc-site data scan`, which suggests one from the images folder, or write it: docs/how-to/prepare-a-cohort.md, step 2."
    " A hospital without images writes `scans: null` under `paths` of site.yaml."
)
VOLUMES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class ImagesFolder:
    """The images folder, as configured and with its links resolved; `strict` makes an unreachable scan a fault of the table."""

    configured: Path
    real: Path
    strict: bool = True


def load_scans(path: Path, root: Path, study: Study | None = None, today: date | None = None, *, strict: bool = True) -> tuple[Scan, ...]:
    """Read scans.csv. `root` is the images folder; every path is checked to exist below it.

    Raises one problem that carries all others. A missing or unreadable scan is an access problem, never one of content;
    with `strict` False such a row is kept, and only whoever opens that scan meets the problem.
    """
    data = read_limited(path, BYTES, "scans.csv", missing=NO_SCANS)
    try:
        folder = ImagesFolder(root, root.resolve(strict=True), strict)
        if not folder.real.is_dir():
            raise host.NOT_A_FILE.problem("the images folder is not a folder", where="site.yaml, paths.images")
    except OSError:
        fix = "Put the scans there, or correct `paths.images` in site.yaml."
        raise path_problem(host.FILE_MISSING, "the images folder does not exist", "site.yaml, paths.images", fix) from None
    return parse_scans(data, folder, study.organs if study else two_organs(), today or date.today())


def parse_scans(data: bytes, folder: ImagesFolder, organs: Sequence[Organ], today: date, role: str = "scans.csv") -> tuple[Scan, ...]:
    """The scans of a table's bytes."""
    columns = scans_columns(tuple(organs))
    known = [*(column.name for column in columns), "date", "day"]
    table = read_table(data, role, known, [column.name for column in columns if column.needed], prefix=MASK)
    faults = CsvFaults(role, table.faults)
    if table.has("date") and table.has("day"):
        faults.add(kinds.MIXED_MOMENTS, 1, None, "both `date` and `day`")
    elif not table.has("date") and not table.has("day"):
        faults.add(kinds.MISSING_COLUMN, 1, None, "column `date` or `day` is missing", "Add the one that cohort.csv uses.")
    masks = [column for column in table.columns if column.startswith(MASK)]
    scans = [scan for row in table.rows if (scan := _scan(row, masks, folder, today, faults))]
    _unique(scans, faults)
    _visits(scans, faults)
    faults.raise_any()
    return tuple(scans)


def _scan(row: Row, masks: list[str], folder: ImagesFolder, today: date, faults: CsvFaults) -> Scan | None:
    before = len(faults.problems)
    patient = row.cells.get("patient", "")
    if not patient and "patient" in row.cells:
        faults.add(kinds.BLANK, row.number, "patient", "is blank")
    visit = cell_values.read_code(row, "visit", _same(VISITS), faults, needed=True)
    region = cell_values.read_code(row, "region", _same(REGIONS), faults, needed=True)
    phase = cell_values.read_code(row, "phase", _same(PHASES), faults)
    taken = cell_values.read_date(row, "date", today, faults)
    day = cell_values.read_day(row, "day", faults)
    number = cell_values.read_number(row, "acquisition", 1, 99, faults)
    same = cell_values.read_code(row, "same_person", {"yes": True, "no": False, "1": True, "0": False}, faults)
    path = _path(row, "path", folder, faults, needed=True)
    found = {column.removeprefix(MASK): _path(row, column, folder, faults) for column in masks}
    if len(faults.problems) > before or path is None:
        return None
    return Scan(
        patient=patient,
        visit=visit,  # type: ignore[arg-type]
        day=None if day is None else float(day),
        date=taken,
        region=region,  # type: ignore[arg-type]
        phase=phase,
        path=path,
        masks={target: mask for target, mask in found.items() if mask is not None},
        series_uid=row.cells.get("series_uid") or None,
        manufacturer=row.cells.get("manufacturer") or None,
        row=row.number,
        acquisition=None if number is None else int(number),
        same_person=same,
    )


def _same(names: Sequence[str]) -> dict[str, str]:
    return {name: name for name in names}


def _path(row: Row, column: str, folder: ImagesFolder, faults: CsvFaults, *, needed: bool = False) -> Path | None:
    """The absolute path of a cell; it is below the images folder, links included, and can be read."""
    cell = row.cells.get(column, "")
    if not cell:
        if needed and column in row.cells:
            faults.add(kinds.BLANK, row.number, column, "is blank")
        return None
    windows, plain = PureWindowsPath(cell), PurePosixPath(cell.replace("\\", "/"))
    if windows.drive or plain.is_absolute():
        faults.add(kinds.PATH_OUTSIDE, row.number, column, "is an absolute path")
    elif ".." in plain.parts or not cell.isprintable() or cell.startswith("~"):
        faults.add(kinds.PATH_OUTSIDE, row.number, column, "leads out of the images folder or holds characters no path has")
    else:
        return _reach(folder, plain, row.number, column, faults)
    return None


def _reach(folder: ImagesFolder, plain: PurePosixPath, row: int, column: str, faults: CsvFaults) -> Path | None:
    try:
        real = real_path(folder.real, plain).resolve(strict=True)
        if not real.is_relative_to(folder.real):
            faults.add(kinds.PATH_OUTSIDE, row, column, "is a link that leads out of the images folder")
            return None
        mode = real.stat().st_mode
        if stat.S_ISDIR(mode):
            readable = os.access(real, os.R_OK | os.X_OK)
        elif stat.S_ISREG(mode):
            readable = os.access(real, os.R_OK)
        else:
            faults.add(kinds.SCAN_MISSING, row, column, "is not a file or folder")
            return None
    except (OSError, RuntimeError, ValueError) as error:
        if not folder.strict and not isinstance(error, ValueError):
            return folder.real / plain
        code = getattr(error, "errno", None)
        if code in (errno.EACCES, errno.EPERM):
            faults.add(kinds.SCAN_UNREADABLE, row, column, "may not be reached by this user")
        else:
            faults.add(kinds.SCAN_MISSING, row, column, "is not there")
        return None
    if not readable and folder.strict:
        faults.add(kinds.SCAN_UNREADABLE, row, column, "may not be read by this user")
        return None
    return real


def _unique(scans: list[Scan], faults: CsvFaults) -> None:
    seen: dict[tuple[Path, str | None, int | None], int] = {}
    for scan in scans:
        first = seen.setdefault((scan.path, scan.series_uid, scan.acquisition), scan.row)
        if first != scan.row:
            faults.add(kinds.DUPLICATE_SCAN, scan.row, "path", f"the same scan as row {first}")


def _moment_of(scan: Scan) -> float | None:
    return float(scan.date.toordinal()) if scan.date else scan.day


def _visits(scans: list[Scan], faults: CsvFaults) -> None:
    """A follow-up scan after every baseline scan of its patient."""
    latest: dict[str, float] = {}
    for scan in scans:
        moment = _moment_of(scan)
        if scan.visit == "baseline" and moment is not None:
            latest[scan.patient] = max(moment, latest.get(scan.patient, moment))
    for scan in scans:
        moment = _moment_of(scan)
        if scan.visit == "followup" and moment is not None and moment <= latest.get(scan.patient, moment - 1):
            faults.add(kinds.VISIT_MOMENT, scan.row, None, "the follow-up scan is not after the patient's baseline scan")


def check_together(patients: Sequence[Patient], scans: Sequence[Scan]) -> tuple[list[Problem], list[Problem]]:
    """Faults and findings that show only when both tables are laid side by side."""
    faults, findings = CsvFaults("scans.csv"), CsvFaults("cohort.csv")
    known = {patient.key: patient for patient in patients}
    dates = any(patient.zero_date is not None for patient in patients)
    if any((scan.date is not None) != dates for scan in scans if _moment_of(scan) is not None):
        faults.add(kinds.MIXED_MOMENTS, 1, None, "scans.csv and cohort.csv do not both use dates, or both use days")
        return faults.problems, findings.problems
    for scan in scans:
        if scan.patient not in known:
            faults.add(kinds.UNKNOWN_PATIENT, scan.row, "patient", "is not in cohort.csv")
            continue
        stated = Declared.of(known[scan.patient])
        moment = _moment_of(scan)
        if stated.moment(scan.visit) is None:
            name = "baseline_ct" if scan.visit == "baseline" else "followup_ct"
            faults.add(kinds.VISIT_MOMENT, scan.row, "visit", f"cohort.csv has no {name} for this patient")
        elif moment is not None and stated.zero is not None:
            verdict = stated.verdict(scan.visit, moment - stated.zero)
            if verdict.fault:
                faults.add(kinds.VISIT_MOMENT, scan.row, None, verdict.fault)
            elif verdict.finding:
                found = CsvFaults("scans.csv")
                found.add(kinds.MOMENT_DIFFERS, scan.row, None, verdict.finding)
                findings.problems += found.problems
    listed = {(scan.patient, scan.visit) for scan in scans}
    for patient in patients:
        for visit, day in (("baseline", patient.baseline_day), ("followup", patient.followup_day)):
            if day is not None and (patient.key, visit) not in listed:
                findings.add(kinds.NO_SCANS, patient.row, None, f"no {visit} scan in scans.csv")
    return faults.problems, findings.problems
