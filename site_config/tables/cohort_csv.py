"""cohort.csv to patients: all faults at once with row and column, findings beside them.

Columns: docs/reference/tables.md. Days are counted from the study's time zero; censoring is at the later of the case
report form's date and the last CT of any kind.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from site_config.atomic_files import read_limited
from site_config.problems import tables as kinds
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import ClinicalVariable, Study, seven_variables
from site_config.study.prognostic_models import MODELS
from site_config.study.time_points import zero_column
from site_config.tables import cell_values
from site_config.tables.columns_of_tables import RESPONSES, Moment, columns_of, study_moments, unread_names
from site_config.tables.csv_text import BYTES, CsvFaults, CsvTable, Row, read_table
from site_config.tables.scans_csv import check_together, load_scans
from site_config.tables.table_values import Cohort, Patient, Region, Response, Scan, Visit

__all__ = ["Cohort", "Patient", "Region", "Response", "Scan", "Visit", "check_together", "load_cohort", "load_scans", "parse_cohort"]

NO_COHORT = (
    "Where there is a table already, `paths.cohort` of site.yaml (cohort.csv beside it where the line is left out) names another place: "
    "correct that line. Where there is none yet, write it, one row a patient: docs/reference/tables.md has every column, "
    "docs/how-to/prepare-a-cohort.md what follows. Then check again."
)
YES_NO = {"1": True, "0": False}
SEXES = {"f": False, "m": True, "female": False, "male": True}


@dataclass(frozen=True)
class _Rules:
    """What of the study the reader needs."""

    clinical: tuple[ClinicalVariable, ...]
    moments: tuple[Moment, ...]
    zero: str
    scans: bool
    interval: tuple[int, int]
    today: date
    longest: int | None = None

    @classmethod
    def of(cls, study: Study | None, today: date) -> _Rules:
        """Those of a study; without one, of the study this follows."""
        if study is None:
            return cls(seven_variables(), study_moments(None), zero_column(None), True, (14, 180), today)
        clinical = study.clinical if MODELS.read_variables(study.models) else ()
        longest = study.shares.longest_days if study.resolution in ("shares", "exact") else None
        return cls(clinical, study_moments(study), zero_column(study), study.reads_scans, study.imaging.interval_days, today, longest)


def load_cohort(path: Path, study: Study | None = None, today: date | None = None) -> Cohort:
    """Read cohort.csv; without a study, the seven variables and time from treatment are assumed.

    Raises one problem that carries all others: access problems (missing, no permission) apart from content problems.
    """
    return parse_cohort(read_limited(path, BYTES, "cohort.csv", missing=NO_COHORT), study, today or date.today())


def parse_cohort(data: bytes, study: Study | None, today: date, role: str = "cohort.csv") -> Cohort:
    """The patients of a table's bytes; pure."""
    rules = _Rules.of(study, today)
    columns = columns_of(study)
    known = [column.name for column in columns] + [f"{moment.name}_{form}" for form in ("date", "day") for moment in rules.moments]
    needed = [column.name for column in columns if column.needed]
    table = read_table(data, role, known, needed, elsewhere=unread_names() if study is not None else None)
    faults, findings = CsvFaults(role, table.faults), CsvFaults(role)
    form = _form(table, rules, faults)
    seen: dict[str, int] = {}
    patients = [patient for row in table.rows if (patient := _patient(row, form, rules, seen, faults, findings))]
    faults.raise_any()
    return Cohort(tuple(patients), (*findings.problems, *_blanks(table, rules)), table.unread)


def _form(table: CsvTable, rules: _Rules, faults: CsvFaults) -> str:
    """`date` or `day`: how the whole table gives its moments. Raises what was found so far where it mixes the two.

    Days may leave out the moment they are counted from, where the study reads no scans that could lie before it.
    """
    moments = rules.moments
    forms = [form for form in ("date", "day") if any(table.has(f"{moment.name}_{form}") for moment in moments)]
    if len(forms) == 2:
        days = [f"{moment.name}_day" for moment in moments if table.has(f"{moment.name}_day")]
        faults.add(kinds.MIXED_MOMENTS, 1, None, f"{', '.join(days)} beside columns of dates")
        faults.raise_any()
    form = forms[0] if forms else "date"
    for moment in moments:
        name = f"{moment.name}_{form}"
        implied = form == "day" and moment.name == rules.zero and not rules.scans
        if moment.needed and not implied and not table.has(name):
            faults.add(kinds.MISSING_COLUMN, 1, None, f"column `{name}` is missing", f"Add a column `{name}`: {moment.holds}.")
    return form


def _patient(row: Row, form: str, rules: _Rules, seen: dict[str, int], faults: CsvFaults, findings: CsvFaults) -> Patient | None:
    before = len(faults.problems)
    key = _key(row, seen, faults)
    event = cell_values.read_code(row, "event", YES_NO, faults, needed=True)
    moments = {moment.name: _moment(row, moment, form, rules.today, faults) for moment in rules.moments}
    if form == "day" and f"{rules.zero}_day" not in row.cells and not rules.scans:
        moments[rules.zero] = 0
    clinical = {variable.name: _variable(row, variable, faults) for variable in rules.clinical}
    age = clinical.get("age") if "age" in clinical else cell_values.read_number(row, "age", 0, 120, faults)
    male = _male(rules, clinical) if "sex" in clinical else cell_values.read_code(row, "sex", SEXES, faults)
    response = cell_values.read_code(row, "response", {name.lower(): name for name in RESPONSES}, faults) if rules.scans else None
    _needed_moments(row, form, rules, event, faults, before)
    if event is not None:
        _order(row, form, rules, event, moments, faults)
    zero, last = moments[rules.zero], moments["last_contact"]
    if len(faults.problems) > before or zero is None or last is None or event is None:
        return None
    days = {name: None if value is None else value - zero for name, value in moments.items()}
    latest = [day for name in ("last_contact", "last_ct", "followup_ct") if (day := days.get(name)) is not None]
    time = last - zero if event else max(latest)
    if rules.longest is not None and time >= rules.longest:
        faults.add(
            kinds.BEYOND_GRID,
            row.number,
            f"last_contact_{form}",
            f"is {time:,d} days after {rules.zero}; the grid ends at {rules.longest:,d}",
        )
        return None
    _notes(row, form, rules, days, time, findings)
    return Patient(
        key=key,
        age=age,
        male=male,
        event=event,
        time_days=float(max(time, 1)),
        clinical=clinical,
        response=response,  # type: ignore[arg-type]
        followup_day=_float(days.get("followup_ct")),
        baseline_day=_float(days.get("baseline_ct")),
        row=row.number,
        zero_date=date.fromordinal(zero) if form == "date" else None,
        zero_day=zero if form == "day" else None,
        treatment_day=_float(days.get("treatment")),
    )


def _float(day: int | None) -> float | None:
    return None if day is None else float(day)


def _key(row: Row, seen: dict[str, int], faults: CsvFaults) -> str:
    key = row.cells.get("patient", "")
    if "patient" not in row.cells:
        return ""
    if not key:
        faults.add(kinds.BLANK, row.number, "patient", "is blank", "Give the patient a key of your own; it never leaves the hospital.")
        return ""
    if len(key) > 64 or not key.isprintable() or key.startswith("="):
        faults.add(kinds.BAD_KEY, row.number, "patient", "is no plain key")
    elif cell_values.SCIENTIFIC.fullmatch(key):
        faults.add(kinds.SPREADSHEET_DAMAGE, row.number, "patient", "is a number the spreadsheet has shortened (1.2E+11)")
    elif key.strip(" :=").casefold() in cell_values.SUM_WORDS:
        faults.add(kinds.BAD_KEY, row.number, "patient", "is a word for a total", "Delete the row of totals; give a patient another key.")
    elif not cell_values.damaged(row, "patient", faults) and _one_key(key) in seen:
        faults.add(kinds.DUPLICATE_PATIENT, row.number, "patient", f"the same patient as row {seen[_one_key(key)]}")
    seen.setdefault(_one_key(key), row.number)
    return key


def _one_key(key: str) -> str:
    """What two writings of one key share: letters' case and coding, blanks, a number's leading zeros and its `.0`."""
    plain = " ".join(unicodedata.normalize("NFKC", key).casefold().split())
    return f"{int(found[1])}" if (found := re.fullmatch(r"([0-9]+)(?:[.,]0)?", plain)) else plain


def _moment(row: Row, moment: Moment, form: str, today: date, faults: CsvFaults) -> int | None:
    column = f"{moment.name}_{form}"
    if form == "day":
        return cell_values.read_day(row, column, faults)
    value = cell_values.read_date(row, column, today, faults)
    return None if value is None else value.toordinal()


def _variable(row: Row, variable: ClinicalVariable, faults: CsvFaults) -> float | None:
    if not variable.coded:
        low, high = variable.bounds or (0.0, 0.0)
        return cell_values.read_number(row, variable.name, low, high, faults)
    codes = {str(code): code for code in variable.codes} | {label.lower(): code for code, label in variable.values.items()}
    return cell_values.read_code(row, variable.name, codes, faults)


def _male(rules: _Rules, clinical: dict[str, float | None]) -> bool | None:
    """Sex from a study's own variable of that name, where its words are those of the two sexes."""
    variable = next(variable for variable in rules.clinical if variable.name == "sex")
    return SEXES.get(variable.shown(clinical["sex"]).lower())


def _needed_moments(row: Row, form: str, rules: _Rules, event: bool | None, faults: CsvFaults, before: int) -> None:
    if f"last_contact_{form}" in row.cells and cell_values.is_blank(row, f"last_contact_{form}"):
        kind = kinds.EVENT_WITHOUT_TIME if event else kinds.BLANK
        faults.add(
            kind,
            row.number,
            f"last_contact_{form}",
            "event is 1 but its day is blank" if event else "is blank",
            kinds.EVENT_WITHOUT_TIME.fix,
        )
    if f"{rules.zero}_{form}" in row.cells and cell_values.is_blank(row, f"{rules.zero}_{form}"):
        faults.add(kinds.BLANK, row.number, f"{rules.zero}_{form}", "is blank, but the study counts survival from it")


def _order(row: Row, form: str, rules: _Rules, event: bool, moments: dict[str, int | None], faults: CsvFaults) -> None:
    """Faults of the order of moments: baseline CT and first dose < follow-up CT ≤ death, and no CT after death."""
    baseline, followup = moments.get("baseline_ct"), moments.get("followup_ct")
    last, last_ct, zero, dose = moments["last_contact"], moments.get("last_ct"), moments[rules.zero], moments.get("treatment")
    if baseline is not None and followup is not None and followup <= baseline:
        faults.add(kinds.TIME_ORDER, row.number, f"followup_ct_{form}", "the follow-up CT is not after the baseline CT")
    elif dose is not None and followup is not None and followup <= dose:
        faults.add(kinds.TIME_ORDER, row.number, f"followup_ct_{form}", "the follow-up CT is not after the first dose")
    if last is None:
        return
    if event and followup is not None and last < followup:
        faults.add(kinds.DEATH_BEFORE_FOLLOWUP, row.number, f"last_contact_{form}", "the death lies before the follow-up CT")
    elif event and last_ct is not None and last < last_ct:
        faults.add(kinds.CT_AFTER_DEATH, row.number, f"last_ct_{form}", "a CT lies after the death")
    elif zero is not None and max(last, last_ct or last) < zero:
        faults.add(kinds.TIME_ORDER, row.number, f"last_contact_{form}", f"lies before {rules.zero}_{form}, where survival starts")
    elif baseline is not None and last < baseline:
        faults.add(kinds.TIME_ORDER, row.number, f"last_contact_{form}", "lies before the baseline CT")


def _notes(row: Row, form: str, rules: _Rules, days: dict[str, int | None], time: int, findings: CsvFaults) -> None:
    baseline, followup = days.get("baseline_ct"), days.get("followup_ct")
    dose = days.get("treatment")
    if baseline is not None and dose is not None and baseline > dose:
        findings.add(kinds.BASELINE_AFTER_DOSE, row.number, f"baseline_ct_{form}", "the baseline CT lies after the first dose")
    for name, day, words in (("baseline_ct", baseline, "no baseline CT"), ("followup_ct", followup, "no follow-up CT")):
        if day is None and rules.scans:
            findings.add(kinds.NO_FOLLOWUP, row.number, f"{name}_{form}", words)
    if baseline is not None and followup is not None and not rules.interval[0] <= followup - baseline <= rules.interval[1]:
        low, high = rules.interval
        findings.add(kinds.INTERVAL, row.number, f"followup_ct_{form}", f"not {low} to {high} days after the baseline CT")
    if time == 0:
        findings.add(kinds.SAME_DAY, row.number, f"last_contact_{form}", "survival time is 0 days; taken as 1")


def _blanks(table: CsvTable, rules: _Rules) -> Iterable[Problem]:
    """One finding a column with blank cells that are read as unknown."""
    found = CsvFaults(table.role)
    for column in (*(variable.name for variable in rules.clinical), "age", "sex", "response"):
        count = sum(cell_values.is_blank(row, column) for row in table.rows) if table.has(column) else 0
        if count:
            found.add(kinds.BLANKS, None, column, f"{count} of {len(table.rows)} cells are blank: unknown")
    return found.problems
