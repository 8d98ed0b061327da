"""One table of patients as a study's folder: study.yaml, and every hospital's site.yaml and cohort.csv.

Whoever holds the whole table plays all hospitals. What a column is, is found from its values (0 and 1, a few words, numbers), and
declared in study.yaml, where it can be corrected; days are whole and count from one moment.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simulations.tabular.complete_rows import DAYS, Named, check_roles, columns_named, hospitals, unit_text
from simulations.tabular.design_columns import Labels, doubts_of, held_out, numbers, recipe_of
from simulations.tabular.doubts import odd_times, repeated_rows, rows_of_patients, second_header
from simulations.tabular.outcome.event_column import Events, events
from simulations.tabular.read_table import Faults, TabularTable, lines_text
from site_config.documents.rules_over_fields import RESERVED
from site_config.documents.yaml_text import written
from site_config.problems import host, survival
from site_config.site_yaml import Policy
from site_config.study.horizon_spacing import APART_DAYS
from site_config.study.plan_and_lock import Evaluation, Privacy
from site_config.study.time_points import STARTS
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
Resolution = Literal["exact", "shares"]
LINE = 128
GRID = 500
"""The declared grid of days ends at a multiple of this."""
HORIZONS, FOLLOWED = (14, 30, 60, 90, 180, 365), 0.8
"""Days for AUC and calibration in a short study: the last within this share of the longest time, and one that is far enough from it."""
LARGEST, LEAST_SPAN = 1e9, 1e-4
"""What the nine digits before and behind a point of cohort.csv hold, with five digits of a column's differences."""
CLOSE_DAYS = 0.02
"""A time in another unit that comes so close to a whole day is that day: 14.286 weeks are 100 days, written with three decimals."""
LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})
"""Letters that are no letter with an accent; what has no letter like it, 大 for example, is left out."""


@dataclass(frozen=True)
class FolderPlan:
    """How a table becomes a folder: which columns mean what, the key column (None: rows are numbered), and the study's words."""

    named: Named
    key: str | None
    title: str
    time_zero: str = "enrolment"
    event_label: str = "death"
    resolution: Resolution = "exact"


@dataclass(frozen=True)
class StudyFiles:
    """The files of a study's folder by path, and what a person should know of how they were made."""

    files: Mapping[str, str]
    notes: tuple[str, ...]
    hospitals: int
    patients: int


@dataclass
class _Column:
    """One clinical variable: its declaration, and the cell of every row (blank where not known)."""

    declared: dict[str, Any]
    cells: list[str] = field(default_factory=list)


def as_folder(table: TabularTable, plan: FolderPlan) -> StudyFiles:
    """The study's folder. Raises what is wrong with the table's columns, all of it at once, and FH-902 where nothing is left."""
    named, faults, found = plan.named, Faults(), dict[str, Any]()
    columns: list[_Column] = []
    notes: list[str] = []
    second_header(table, named.time)
    with faults.keeping():
        found["site"] = hospitals(table, named.site)
    with faults.keeping():
        found["days"] = numbers(table, named.time, lowest=0.0) * DAYS[named.time_unit or "days"]
    with faults.keeping():
        found["died"] = events(table, named.event, named.event_values)
    found["test"] = [False] * len(table.rows)
    if named.split:
        with faults.keeping():
            found["test"] = held_out(table, named.split)
    taken: set[str] = set()
    for name in named.covariates:
        with faults.keeping():
            made = _variable(table, name, taken)
            notes += [f"{name} has one value only and was left out"] if made is None else []
            columns += [] if made is None else [made]
            notes += [f"{one.code}: {one.what}" for one in doubts_of(table, name)]
    faults.raise_any()
    check_roles(table, named)
    return _files(table, plan, found, columns, notes)


def _files(table: TabularTable, plan: FolderPlan, found: Mapping[str, Any], columns: Sequence[_Column], notes: list[str]) -> StudyFiles:
    site, days, died, test = found["site"].values, found["days"], found["died"].values, found["test"]
    known = [site[i] is not None and test[i] is not None and np.isfinite(days[i]) and np.isfinite(died[i]) for i in range(len(site))]
    rows = [i for i, one in enumerate(known) if one]
    if not rows or not columns:
        raise host.USAGE.problem("no row has a hospital, a time and an event, or no column is left for the model")
    notes[:0] = _how_read(plan.named, found["site"], found["died"], np.array([days[i] for i in rows]))
    notes += [
        f"{one.code}: {one.what}" for one in (*repeated_rows(table), *rows_of_patients(table, (*columns_named(plan.named), plan.key or "")))
    ]
    if len(rows) < len(site):
        notes.append(f"{plural(len(site) - len(rows), 'row')} without hospital, time, event or side left out")
    hospitals = _hospitals([str(site[i]) for i in rows], [bool(test[i]) for i in rows])
    notes += _renamed([str(site[i]) for i in rows], hospitals)
    keys = _keys(table, plan.key)
    cohorts: dict[str, list[list[str]]] = {}
    for i, hospital in zip(rows, hospitals, strict=True):
        day = _whole_day(days[i])
        key = keys[i] or f"p{table.lines[i]}"
        cohorts.setdefault(hospital, []).append([key, str(day), str(int(died[i])), *(column.cells[i] for column in columns)])
    if any(days[i] != int(days[i]) for i in rows):
        notes.append("times were rounded up to whole days, and to the nearest where they come within 0.02 of one")
    roles = {hospital: "evaluation" if test[i] else "development" for i, hospital in zip(rows, hospitals, strict=True)}
    deaths = int(sum(died[i] for i in rows if not test[i]))
    header = ["patient", "last_contact_day", "event", *(column.declared["name"] for column in columns)]
    policy = [*Policy().resolutions, *(["exact"] if plan.resolution == "exact" else [])]
    declared = _study(plan, columns, dict(sorted(roles.items())), deaths, _times(max(days[i] for i in rows), notes), notes)
    files = {"study.yaml": declared}
    for hospital, mine in sorted(cohorts.items()):
        files[f"sites/{hospital}/cohort.csv"] = _csv([header, *mine])
        policy_line = f"policy: {{resolutions: [{', '.join(policy)}]}}\n" if plan.resolution == "exact" else ""
        files[f"sites/{hospital}/site.yaml"] = f"site: {written(hospital)}\npaths: {{scans: null}}\n{policy_line}"
    return StudyFiles(files, tuple(notes), len(cohorts), len(rows))


def _keys(table: TabularTable, key: str | None) -> list[str | None]:
    """The patients' keys, None where rows are numbered; FH-822 for a key that names two rows."""
    if key is None:
        return [None] * len(table.rows)
    keys = table.column(key)
    lines: dict[str, list[int]] = {}
    for line, value in zip(table.lines, keys, strict=True):
        if value is not None:
            lines.setdefault(value, []).append(line)
    twice = [held for held in lines.values() if len(held) > 1]
    if twice:
        more = f", and {plural(len(twice) - 1, 'other key')} too" if len(twice) > 1 else ""
        what = f"{lines_text(twice[0])} have one key in column {key!r}{more}: a patient is one row"
        raise survival.TABLE_MALFORMED.problem(what, fix="Keep one row a patient, or leave --key out where rows are patients.")
    return keys


def _how_read(named: Named, site: Labels, died: Events, days: Floats) -> list[str]:
    """How events and times were read, and what a person must know of it."""
    unit = unit_text(named.time_unit or "days", declared=named.time_unit is not None)
    findings = [*died.findings, *site.findings, *odd_times(named.time, days, declared=named.time_unit is not None)]
    return [f"Events read: {died.text()}", f"Times read: {named.time}: {unit}", *(f"{one.code}: {one.what}" for one in findings)]


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _variable(table: TabularTable, name: str, taken: set[str]) -> _Column | None:
    """A column's declaration and cells; None where it has one value."""
    recipe = recipe_of(table, name)
    short = _unique(_column_name(name), taken)
    declared: dict[str, Any] = {"name": short, "label": name}
    if recipe.kind == "number":
        values = numbers(table, name)
        distinct = np.unique(values[np.isfinite(values)])
        if len(distinct) < 2:
            return None
        if len(distinct) == 2 and (distinct == np.rint(distinct)).all():
            codes = {} if set(distinct) == {0.0, 1.0} else {"values": {int(v): str(int(v)) for v in distinct}}
            return _Column({**declared, **codes}, ["" if np.isnan(v) else str(int(v)) for v in values])
        low, high = _bounds(float(distinct[0]), float(distinct[-1]))
        if max(abs(low), abs(high)) >= LARGEST or high - low < LEAST_SPAN:
            what = f"column {name!r} lies between {low:g} and {high:g}: cohort.csv holds nine digits before the point and nine behind it"
            raise survival.BAD_VALUE.problem(what, fix="Write the column in another unit.")
        return _Column({**declared, "kind": "continuous", "bounds": [low, high]}, ["" if np.isnan(v) else _digits(v) for v in values])
    if recipe.kind == "logical":
        (truth,) = recipe.columns(table)
        return None if len(set(truth[np.isfinite(truth)])) < 2 else _Column(declared, ["" if np.isnan(v) else str(int(v)) for v in truth])
    if len(recipe.levels) < 2:
        return None
    kind = {} if len(recipe.levels) == 2 else {"kind": "nominal"}
    values_of = {"values": dict(enumerate(recipe.levels))}
    code = {level: str(place) for place, level in enumerate(recipe.levels)}
    return _Column({**declared, **kind, **values_of}, ["" if text is None else code[text] for text in table.column(name)])


def _digits(value: float) -> str:
    """Ten digits without an exponent, which cohort.csv does not read: a spreadsheet writes one where digits are lost."""
    return str(np.format_float_positional(float(f"{value:.10g}"), precision=9, trim="-"))


def _bounds(low: float, high: float) -> tuple[float, float]:
    """Outwards to two digits of the span, so that a bound is no patient's value."""
    step = 10.0 ** (np.floor(np.log10(high - low)) - 1)
    return float(f"{np.floor(low / step - 1) * step:.10g}"), float(f"{np.ceil(high / step + 1) * step:.10g}")


def _unique(wish: str, taken: set[str]) -> str:
    """A name of a column as a study may have it, not taken yet."""
    start = f"{wish}_" if wish in RESERVED or wish == "sex" or wish.endswith(("_date", "_day")) else wish
    name, number = start[:40], 2
    while name in taken:
        name, number = f"{start[:36]}_{number}", number + 1
    taken.add(name)
    return name


def _hospitals(sites: Sequence[str], test: Sequence[bool]) -> list[str]:
    """The hospital of every row: the site's name as a study may have it; a site on both sides becomes two hospitals."""
    sides: dict[str, set[bool]] = {}
    for site, held in zip(sites, test, strict=True):
        sides.setdefault(site, set()).add(held)
    taken: set[str] = set()
    names: dict[tuple[str, bool], str] = {}
    for site in sides:
        for held in sorted(sides[site]):
            wish = re.sub(r"[^a-z0-9]+", "-", _ascii(site)).strip("-") or "hospital"
            wish = f"{wish[:34]}-test" if held and len(sides[site]) > 1 else wish[:36]
            name, number = wish, 2
            while name in taken:
                name, number = f"{wish}-{number}", number + 1
            taken.add(name)
            names[(site, held)] = name
    return [names[(site, held)] for site, held in zip(sites, test, strict=True)]


def _renamed(sites: Sequence[str], hospitals: Sequence[str]) -> list[str]:
    """Which hospitals a reader would not know again by their names in the study."""
    pairs = sorted({(site, hospital) for site, hospital in zip(sites, hospitals, strict=True) if not site.isascii()})
    return ["names of hospitals: " + ", ".join(f"{site} is {hospital}" for site, hospital in pairs)] if pairs else []


def _whole_day(days: float) -> int:
    """The day on which a time ends: up to the next, unless it is close to a whole one."""
    nearest = np.rint(days)
    return max(int(nearest if abs(days - nearest) <= CLOSE_DAYS else np.ceil(days)), 0)


def _times(longest: float, notes: list[str]) -> list[str]:
    """The declared grid of days, and horizons where nobody is followed to those of every study."""
    lines = [f"shares: {_flow({'longest_days': (int(longest) // GRID + 1) * GRID})}"]
    if longest > max(Evaluation().horizons):
        return lines
    last = max((day for day in HORIZONS if day <= FOLLOWED * longest), default=max(int(longest) // 2, 1))
    horizons = [*[day for day in HORIZONS if day <= last - APART_DAYS][-1:], last]
    words = " and ".join(map(str, horizons))
    notes.append(f"nobody is followed for two years, so study.yaml declares `horizons` of {words} days for AUC, nomogram and calibration")
    return [*lines, f"evaluation: {_flow({'horizons': horizons})}"]


def _study(plan: FolderPlan, columns: Sequence[_Column], roles: Mapping[str, str], deaths: int, times: list[str], notes: list[str]) -> str:
    """The document, as short as it can be; fewer deaths a column than a study asks for are declared and said."""
    terms = sum(max(len(column.declared.get("values", ())) - 1, 1) for column in columns)
    least = Privacy().minimum_events_per_variable
    lines = [f"title: {written(plan.title)}", *_endpoint(plan)]
    lines += [f"resolution: {plan.resolution}", *times]
    privacy: dict[str, Any] = {}
    if deaths < least * terms:
        privacy["minimum_events_per_variable"] = max(deaths // terms, 1)
        notes.append(
            f"{plural(deaths, 'event')} for {plural(terms, 'column')}: fewer than {least} each, so study.yaml lowers"
            " `minimum_events_per_variable`; estimates of so many columns are not reliable"
        )
    lines += [f"privacy: {_flow(privacy)}"] if privacy else []
    lines += ["models: [CLN]", "validation_fraction: 0"]
    lines += ["clinical:", *_wrapped([_flow(column.declared) for column in columns])]
    lines += ["sites:", *_wrapped([_flow({"name": name, "role": role}) for name, role in roles.items()])]
    return "\n".join(lines) + "\n"


def _endpoint(plan: FolderPlan) -> list[str]:
    """What is predicted, and the moment it is counted from, declared where it is the study's own."""
    endpoint: dict[str, Any] = {}
    if plan.event_label != "death":
        name = _column_name(f"without {plan.event_label}")
        endpoint = {"name": name, "label": f"Time without {plan.event_label}"[:60]}
    zero = _column_name(plan.time_zero)
    lines = [f"endpoint: {_flow({**endpoint, 'event_label': plan.event_label, 'time_zero': zero})}"]
    return lines if zero in STARTS else [*lines, f"moments: {_flow({zero: plan.time_zero})}"]


def _ascii(text: str) -> str:
    """Small letters without their accents."""
    return "".join(one for one in unicodedata.normalize("NFKD", text.casefold()).translate(LETTERS) if not unicodedata.combining(one))


def _column_name(text: str) -> str:
    """Words as a name of small letters, digits and underscores."""
    found = re.sub(r"[^a-z0-9]+", "_", _ascii(text)).strip("_")[:40]
    return found if re.match(r"[a-z]", found) else f"x_{found}"[:40]


def _wrapped(items: Sequence[str]) -> list[str]:
    """A flow sequence over as few lines as its items take."""
    lines, line = [], "  ["
    for number, item in enumerate(items):
        piece = item + (", " if number < len(items) - 1 else "]")
        if len(line) + len(piece) > LINE and line.strip("[ "):
            lines.append(line.rstrip())
            line = "   "
        line += piece
    return [*lines, line]


def _flow(value: Any) -> str:
    """A value in YAML's flow style."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return written(value) if isinstance(value, str) else _digits(value)
