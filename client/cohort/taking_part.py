"""Which patients the listed scans let take part in the imaging models, and why others do not; by key, for a reader at the hospital."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from client.intake.survey.missing_visits import VISITS, supplied
from site_config.problems import which_scan
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Imaging, Organ
from site_config.tables.table_values import Patient, Scan


@dataclass(frozen=True)
class TakingPart:
    """Who has all the scans that are needed, and why others are left out, by key.

    `both` counts patients with rows of both visits; `stated_same` are the rows that say `same_person: yes`.
    """

    whole: tuple[str, ...]
    left_out: dict[str, str]
    both: int
    stated_same: tuple[int, ...]


def taking_part(
    patients: Sequence[Patient], scans: Sequence[Scan], organs: Sequence[Organ], imaging: Imaging, findings: Sequence[Problem]
) -> TakingPart:
    """Sort the patients by what the rows supply. A scan that cannot be used for its content is found by `data prepare`."""
    disputed = _disputed(scans, findings)
    regions = tuple(dict.fromkeys(str(organ.region) for organ in organs))
    whole, left_out, both = [], {}, 0
    for patient in patients:
        rows: list[dict[str, str]] = [{"visit": scan.visit, "region": scan.region} for scan in scans if scan.patient == patient.key]
        both += all(any(row["visit"] == visit for row in rows) for visit in VISITS)
        lacking = [f"{visit} {region}" for visit in VISITS for region in regions if not _there(rows, visit, region, imaging)]
        if patient.key in disputed:
            left_out[patient.key] = "the scans name different persons, or one is another person's (FH-356)"
        elif not rows:
            left_out[patient.key] = "no scan in scans.csv"
        elif lacking:
            left_out[patient.key] = f"no {', no '.join(lacking)} scan"
        else:
            whole.append(patient.key)
    return TakingPart(tuple(whole), left_out, both, tuple(scan.row for scan in scans if scan.same_person))


def _disputed(scans: Sequence[Scan], findings: Sequence[Problem]) -> set[str]:
    rows = {f"scans.csv:{scan.row}": scan.patient for scan in scans}
    listed = {scan.row: scan.patient for scan in scans}
    found = {rows[one.where] for one in findings if one.kind == which_scan.PERSONS_DIFFER and one.where in rows}
    for one in findings:
        if one.kind == which_scan.PERSONS_DIFFER and one.what.startswith("rows "):
            first = one.what.removeprefix("rows ").split(":")[0].split(", ")[0]
            found |= {listed[int(first)]} if first.isdigit() and int(first) in listed else set()
    return found


def _there(rows: Sequence[dict[str, str]], visit: str, region: str, imaging: Imaging) -> bool:
    """Whether a row supplies it, or the study puts something in its place."""
    if supplied(rows, visit, region):
        return True
    if region != "chest":
        return False
    if visit == "baseline":
        return imaging.missing_baseline_chest == "zeros"
    return imaging.missing_followup_chest == "carry_forward" and _there(rows, "baseline", region, imaging)
