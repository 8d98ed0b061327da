"""What one header of each listed scan says, for `check`: days and persons, long before any pixel is read."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from client.cohort.one_patient import whose
from client.intake.dicom_header import About, read_header
from client.intake.dicom_read import day_of
from client.intake.identity import Identity
from site_config.problems import tables as kinds
from site_config.problems import which_scan
from site_config.problems.base import Problem
from site_config.tables.moments import Declared
from site_config.tables.types import Patient, Scan

MOST_HEADERS = 64


def peek(patients: Sequence[Patient], scans: Sequence[Scan]) -> list[Problem]:
    """Findings about days and persons, as `data scan` and `data prepare` give them; named by row, never by key."""
    declared = {patient.key: Declared.of(patient) for patient in patients}
    found: list[Problem] = []
    persons: dict[str, list[tuple[Identity, bool]]] = defaultdict(list)
    rows: dict[str, list[int]] = defaultdict(list)
    for scan in scans:
        about = first_header(scan)
        stated = declared.get(scan.patient)
        if about is None or stated is None:
            continue
        persons[scan.patient].append((about.who, scan.same_person))
        rows[scan.patient].append(scan.row)
        found += _day(scan, about, stated)
    for key, mine in persons.items():
        problem = whose(mine, declared[key])
        if problem is not None:
            where = f"rows {', '.join(map(str, rows[key]))}"
            found.append(which_scan.PERSONS_DIFFER.problem(f"{where}: {problem.what}", where="scans.csv"))
    return found


def _day(scan: Scan, about: About, stated: Declared) -> list[Problem]:
    taken = day_of(about.date or None)
    if taken is None:
        return []
    place, found = f"scans.csv:{scan.row}", []
    if scan.date is not None and taken != scan.date:
        text = f"row {scan.row}: the images were taken {abs((taken - scan.date).days)} days from the row's date"
        found.append(which_scan.DAY_CONTRADICTS.problem(text, where=place))
    if stated.dated and stated.zero is not None:
        verdict = stated.verdict(scan.visit, taken.toordinal() - stated.zero)
        if verdict.fault:
            text = f"row {scan.row}: the scan {verdict.fault} by its own header"
            found.append(which_scan.DAY_CONTRADICTS.problem(text, where=place))
        elif verdict.finding and scan.date != taken:
            found.append(kinds.MOMENT_DIFFERS.problem(f"row {scan.row}: the images were taken {verdict.finding}", where=place))
    return found


def first_header(scan: Scan) -> About | None:
    """The first header of a row's series among the first files of its folder; None where none is found there."""
    for path in islice(_files(scan.path), MOST_HEADERS):
        try:
            read = read_header(path, "a scan")
        except Problem:
            return None
        if read.header is not None and scan.series_uid in (None, read.about.uid):
            return read.about
    return None


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for parent, folders, names in os.walk(path):
        folders.sort()
        yield from (Path(parent) / name for name in sorted(names) if not name.startswith("."))
