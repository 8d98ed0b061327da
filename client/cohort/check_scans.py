"""What each listed scan shows, for `check`: the findings `data scan` and `data prepare` give, before a cohort is prepared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from client.cohort.check_row import Glimpse, glimpse
from client.cohort.one_patient import whose
from client.intake.whose_scan import Identity
from client.segmentation.check_masks import about_masks
from site_config.problems import scans as problems
from site_config.problems import tables as kinds
from site_config.problems import which_scan
from site_config.problems.base import Problem
from site_config.site_yaml import Target
from site_config.study.plan_and_lock import Organ, two_organs
from site_config.tables.patient_moments import Declared
from site_config.tables.table_values import Patient, Scan

Progress = Callable[[int, int], None]
VISITS = ("baseline", "followup")


def peek(
    patients: Sequence[Patient],
    scans: Sequence[Scan],
    organs: Sequence[Organ] | None = None,
    root: Path | None = None,
    progress: Progress | None = None,
    sources: Mapping[str, Target] | None = None,
) -> list[Problem]:
    """Findings about every listed scan, in the words of `data scan` and `data prepare`; named by row, never by key.

    `sources` says where each target's mask comes from (site.yaml).
    """
    declared = {patient.key: Declared.of(patient) for patient in patients}
    found: list[Problem] = []
    seen: dict[str, list[tuple[Scan, Glimpse]]] = defaultdict(list)
    for number, scan in enumerate(scans, start=1):
        try:
            one = glimpse(scan, f"the scan of row {scan.row}", root)
        except Problem as problem:
            found += [_placed(part, scan.row) for part in (problem, *problem.others)]
        else:
            masks = about_masks(scan, one.place, sources or {}, organs or two_organs(), f"the scan of row {scan.row}")
            found += [_placed(part, scan.row) for part in (*one.findings, *masks)]
            seen[scan.patient].append((scan, one))
            if scan.patient in declared:
                found += _day(scan, one, declared[scan.patient])
        if progress is not None:
            progress(number, len(scans))
    for key, mine in seen.items():
        if key in declared:
            found += _persons(mine, declared[key])
            found += _phases(mine)
    return found + _regions(patients, scans, organs or two_organs())


def _placed(problem: Problem, row: int) -> Problem:
    return Problem(problem.kind, problem.what, problem.why, problem.fix, f"scans.csv:{row}")


def strangers(scans: Sequence[Scan]) -> list[Problem]:
    """A fault (FH-356) for each row of which the hospital itself says that the images are another person's."""
    fix = "Remove the row; if the archive says that the scan is this patient's, write `yes` into the column `same_person`."
    return [
        which_scan.PERSONS_DIFFER.problem(
            f"row {scan.row}: the row says that its images are another person's (same_person: no); the patient is left out",
            fix=fix,
            where=f"scans.csv:{scan.row}",
        )
        for scan in scans
        if scan.same_person is False
    ]


def _persons(mine: Sequence[tuple[Scan, Glimpse]], stated: Declared) -> list[Problem]:
    """Rows that name different persons; rows with `no` are `strangers`, a fault."""
    if any(scan.same_person is False for scan, _ in mine):
        return []
    persons: list[tuple[Identity, bool | None]] = [(one.who, scan.same_person) for scan, one in mine]
    problem = whose(persons, stated)
    if problem is None:
        return []
    rows = ", ".join(str(scan.row) for scan, _ in mine)
    return [which_scan.PERSONS_DIFFER.problem(f"rows {rows}: {problem.what}", where="scans.csv")]


def _day(scan: Scan, one: Glimpse, stated: Declared) -> list[Problem]:
    if one.taken is None:
        return []
    place, found = f"scans.csv:{scan.row}", []
    if scan.date is not None and one.taken != scan.date:
        text = f"row {scan.row}: the images were taken {abs((one.taken - scan.date).days)} days from the row's date"
        found.append(which_scan.DAY_CONTRADICTS.problem(text, where=place))
    if stated.dated and stated.zero is not None:
        verdict = stated.verdict(scan.visit, one.taken.toordinal() - stated.zero)
        if verdict.fault:
            text = f"row {scan.row}: the scan {verdict.fault} by its own header"
            found.append(which_scan.DAY_CONTRADICTS.problem(text, where=place))
        elif verdict.finding and scan.date != one.taken:
            found.append(kinds.MOMENT_DIFFERS.problem(f"row {scan.row}: the images were taken {verdict.finding}", where=place))
    return found


def _phases(mine: Sequence[tuple[Scan, Glimpse]]) -> list[Problem]:
    """A remark for each visit whose abdomen no row shows in the venous phase."""
    found = []
    for visit in VISITS:
        here = [(scan, one) for scan, one in mine if scan.visit == visit and scan.region in ("abdomen", "whole")]
        phases = {one.phase for _, one in here}
        if not here or "portal" in phases:
            continue
        rows = ", ".join(str(scan.row) for scan, _ in here)
        named = sorted(phase for phase in phases if phase is not None)
        text = f"row {rows}: the abdomen of the {visit} is seen "
        if named:
            found.append(problems.NOT_VENOUS.problem(f"{text}in the phase {' or '.join(named)}", where="scans.csv"))
        else:
            found.append(which_scan.PHASE_UNKNOWN.problem(f"{text}in a phase that neither row nor header states", where="scans.csv"))
    return found


def _regions(patients: Sequence[Patient], scans: Sequence[Scan], organs: Sequence[Organ]) -> list[Problem]:
    """A finding for each region of the study that no row shows of a visit; a visit without any row is named elsewhere."""
    listed: dict[tuple[str, str], set[str]] = defaultdict(set)
    for scan in scans:
        listed[scan.patient, scan.visit].add(scan.region)
    found = []
    for patient in patients:
        lacking: dict[str, list[str]] = {}
        for visit in VISITS:
            here = listed.get((patient.key, visit))
            if here is None or "whole" in here:
                continue
            for region in dict.fromkeys(str(organ.region) for organ in organs if organ.region not in here):
                lacking.setdefault(region, []).append(visit)
        for region, visits in lacking.items():
            text = f"row {patient.row}: no {region} scan in scans.csv for {' and '.join(visits)}"
            found.append(which_scan.VISIT_UNSUPPLIED.problem(text, where=f"cohort.csv:{patient.row}"))
    return found
