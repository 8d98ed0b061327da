"""A hospital's two tables as values: patients from cohort.csv, scans from scans.csv.

Nothing of these leaves the hospital; messages about them name a row and a column, never a key, a date or a path.
The columns are told in docs/reference/tables.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from site_config.problems.base import Problem

Visit = Literal["baseline", "followup"]
Region = Literal["abdomen", "chest", "whole"]
Response = Literal["CR", "PR", "SD", "PD", "NE"]


@dataclass(frozen=True)
class Patient:
    """One row of cohort.csv. Days count from the study's time zero; `row` is the spreadsheet's row (the header is row 1).

    `time_days` is a whole number of at least 1: to death, or to the later of last contact and last CT.
    `zero_date` or `zero_day` is the time zero in the table's own count.
    """

    key: str
    age: float | None
    male: bool | None
    event: bool
    time_days: float
    clinical: dict[str, float | None]
    response: Response | None
    followup_day: float | None
    baseline_day: float | None
    row: int
    zero_date: date | None = None
    zero_day: int | None = None
    treatment_day: float | None = None


@dataclass(frozen=True)
class Scan:
    """One row of scans.csv. `path` and `masks` are absolute and below the images folder; they exist.

    `day` is as written in the table, in the patient's own count of cohort.csv; `date` likewise: one of the two is None.
    `acquisition` is the number of a volume within its series, as `data review` lists it; `same_person` says that somebody
    has checked that images which name different persons belong to this patient; False, that the images are another person's.
    """

    patient: str
    visit: Visit
    day: float | None
    date: date | None
    region: Region
    phase: str | None
    path: Path
    masks: dict[str, Path]
    series_uid: str | None
    manufacturer: str | None
    row: int
    acquisition: int | None = None
    same_person: bool | None = None


@dataclass(frozen=True)
class Cohort:
    """All patients in the table's order, and findings to read that stop nothing; `unread` columns are passed over."""

    patients: tuple[Patient, ...]
    findings: tuple[Problem, ...] = ()
    unread: tuple[str, ...] = ()
