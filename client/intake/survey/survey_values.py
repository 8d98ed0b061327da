"""What the survey finds, as values: volumes, questions, and the table it suggests. All of it stays in the hospital."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from client.intake.dicom.read_dicom import Candidate
from client.intake.volume_order import OrderFacts
from client.intake.whose_scan import Identity
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Organ, two_organs
from site_config.tables.columns_of_tables import MASK


@dataclass(frozen=True)
class Found:
    """One usable volume: whose, where, and what its headers say. `day` counts from the patient's time zero.

    `headed` and `other_person` are filled where persons are in question: the person the headers name, for a reader within
    the hospital, and whether that is known to be somebody else than the patient. `beside` is filled where a scan is asked
    about: how its day stands to the day that cohort.csv states.
    """

    patient: str | None
    folder: str
    series_uid: str
    acquisition: int | None
    day: float | None
    taken: str | None
    region: str | None
    phase: str | None
    kernel: str | None
    derived: str | None
    low_dose: bool
    manufacturer: str
    slices: int
    spacing_mm: float
    extent_mm: float
    description: str
    time: str = ""
    visit: str | None = None
    masks: Mapping[str, str] = field(default_factory=dict)
    headed: str = ""
    other_person: bool = False
    beside: str = ""


@dataclass(frozen=True)
class SeenVolume:
    """A volume with what is compared and not written: the person its headers name, the examination, and how to open it."""

    found: Found
    who: Identity
    study: str
    facts: OrderFacts
    path: Path
    candidate: Candidate | None = None


@dataclass(frozen=True)
class SurveyQuestion:
    """Something a person has to decide, with the candidates; `persons`: it asks whose scans these are."""

    patient: str | None
    visit: str | None
    reason: str
    candidates: tuple[Found, ...]
    region: str | None = None
    persons: bool = False


@dataclass(frozen=True)
class DecidedRow:
    """A row suggested without a question: the volume taken, the rule that decided, and each volume passed over with its reason."""

    patient: str
    visit: str
    region: str
    chosen: Found
    because: str
    passed: tuple[tuple[Found, str], ...] = ()


@dataclass(frozen=True)
class Remark:
    """A problem of one entry of the images folder, and the patient and visit it concerns."""

    folder: str
    problem: Problem
    patient: str | None = None
    visit: str | None = None


@dataclass(frozen=True)
class Survey:
    """Everything found, the rows suggested for scans.csv, open questions, and what a person should know of the rest.

    `visits` are the visits that cohort.csv states of each patient; `regions` those that the study looks at.
    """

    found: tuple[Found, ...]
    rows: tuple[dict[str, str], ...]
    questions: tuple[SurveyQuestion, ...]
    problems: tuple[Remark, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    seen: tuple[SeenVolume, ...] = ()
    moments: str = "date"
    visits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    decided: tuple[DecidedRow, ...] = ()


COLUMNS = ("patient", "visit", "{moment}", "region", "phase", "path", "{masks}", "series_uid", "acquisition", "manufacturer", "same_person")


def row_of(found: Found, patient: str, visit: str, region: str, moment: str, day: str) -> dict[str, str]:
    """A row of scans.csv."""
    row = {
        "patient": patient,
        "visit": visit,
        moment: day,
        "region": region,
        "phase": found.phase or "",
        "path": found.folder,
        "series_uid": found.series_uid,
        "acquisition": "" if found.acquisition is None else str(found.acquisition),
        "manufacturer": found.manufacturer if found.manufacturer != "unknown" else "",
    }
    return row | {f"{MASK}{target}": path for target, path in found.masks.items()}


def as_csv(rows: tuple[dict[str, str], ...], moment: str = "date", organs: tuple[Organ, ...] | None = None) -> bytes:
    """Suggested rows as scans.csv, UTF-8, with a column for every mask the study can use."""
    targets = [f"{MASK}{target}" for organ in organs or two_organs() for target in organ.targets]
    names = [part for name in COLUMNS for part in (targets if name == "{masks}" else [name.format(moment=moment)])]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
