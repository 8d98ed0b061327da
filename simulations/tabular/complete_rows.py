"""A table's complete rows by hospital: what of a person's columns enters an analysis, and what a reader must know of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.cox.cox_result import FitFinding
from simulations.tabular.design_columns import (
    Design,
    Labels,
    covariate_names,
    design_of,
    held_out,
    in_order,
    labels,
    merge_near_times,
    numbers,
)
from simulations.tabular.doubts import foot_of_table, odd_times, repeated_rows, rows_of_patients, second_header
from simulations.tabular.outcome.event_column import Events, events
from simulations.tabular.read_table import Faults, Reading, TabularTable, read_table
from site_config.problems import host
from site_config.problems import survival as problems
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
CellNumbers = NDArray[np.int64]
TimeUnit = Literal["days", "weeks", "months", "years"]
DAYS: Mapping[TimeUnit, float] = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}


@dataclass(frozen=True)
class Named:
    """Which columns of a table mean what, and how the person who brings it says that they are written."""

    site: str
    time: str
    event: str
    covariates: tuple[str, ...]
    strata: str | None = None
    group: str | None = None
    split: str | None = None
    time_unit: TimeUnit | None = None
    event_values: tuple[str, ...] = ()
    reading: Reading = field(default=Reading())


@dataclass(frozen=True)
class SiteRows:
    """One hospital's complete rows: x (n, p), time (n,) in days, event (n,) bool, stratum (n,) codes, label of its group.

    `line` (n,) is each row's line in the file and `held_out` (n,) whether the table's own split keeps the row for testing;
    both are empty where there is none.
    """

    name: str
    x: Floats
    time: Floats
    event: NDArray[np.bool_]
    stratum: CellNumbers
    group: tuple[str, ...]
    line: tuple[int, ...] = ()
    held_out: tuple[bool, ...] = ()


@dataclass(frozen=True)
class FitRows:
    """A table of survival data by site; `strata` and `groups` are the distinct labels in order, `read` how it was read."""

    sites: tuple[SiteRows, ...]
    names: tuple[str, ...]
    strata: tuple[str, ...]
    groups: tuple[str, ...]
    dropped: int
    findings: tuple[FitFinding, ...] = ()
    read: Mapping[str, Any] = field(default_factory=dict)
    design: Design | None = None

    @property
    def events_read(self) -> Events:
        """Which values of the event column were events, without the rows."""
        held = self.read.get("events", {"column": "", "event": {}, "censored": {}})
        return Events(held["column"], np.zeros(0), held["event"], held["censored"])

    @property
    def x(self) -> Floats:
        """(n, p)."""
        return np.concatenate([site.x for site in self.sites])

    @property
    def time(self) -> Floats:
        """(n,) in days."""
        return np.concatenate([site.time for site in self.sites])

    @property
    def event(self) -> NDArray[np.bool_]:
        """(n,)."""
        return np.concatenate([site.event for site in self.sites])

    @property
    def stratum(self) -> CellNumbers:
        """(n,)."""
        return np.concatenate([site.stratum for site in self.sites])

    @property
    def group(self) -> tuple[str, ...]:
        """(n,)."""
        return tuple(label for site in self.sites for label in site.group)


@dataclass(frozen=True)
class _Columns:
    """The columns of an analysis, each as it was read; labels are "" throughout where no column is named."""

    site: Labels
    days: Floats
    died: Events
    design: Design
    strata: Labels
    group: Labels
    held_out: list[bool | None]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Rows with a value in every column, (n,)."""
        labelled = zip(self.site.values, self.strata.values, self.group.values, self.held_out, strict=True)
        known = np.asarray([None not in row for row in labelled], dtype=bool)
        return known & ~(np.isnan(self.days) | np.isnan(self.died.values) | np.isnan(self.design.x).any(axis=1))

    def blanks(self, named: Named) -> dict[str, int]:
        """Missing values by column as named."""
        found = Counter({named.time: int(np.isnan(self.days).sum()), named.event: int(np.isnan(self.died.values).sum())})
        for column, held in ((named.site, self.site), (named.strata, self.strata), (named.group, self.group)):
            if column:
                found[column] = sum(value is None for value in held.values)
        for title, values in zip(self.design.names, self.design.x.T, strict=True):
            column = next(recipe.column for recipe in self.design.recipes if title in recipe.titles)
            found[column] = int(np.isnan(values).sum())
        if named.split:
            found[named.split] = self.held_out.count(None)
        return {column: count for column, count in found.items() if count}


def load_rows(path: Path, named: Named) -> FitRows:
    """Read a table and split its complete rows by site, near-equal times merged over all sites.

    Raises FH-821 to FH-828, faults of all columns at once, and FH-802 when no row is complete.
    """
    return rows_of(read_table(path, named.reading), named)


def rows_of(table: TabularTable, named: Named) -> FitRows:
    """As `load_rows`, from a table in memory."""
    read = _columns(table, named)
    complete = read.complete
    dropped = int(np.sum(~complete))
    if not complete.any():
        raise problems.NO_PATIENTS.problem(
            f"none of the {plural(len(complete), 'row')} is complete in the columns named ({_counted(read.blanks(named))})"
        )
    chosen = np.flatnonzero(complete)
    strata = in_order([read.strata.values[i] for i in chosen])
    sites = tuple(_sites(table, read, chosen, strata))
    groups = tuple(in_order([read.group.values[i] for i in chosen])) if named.group else ()
    findings = [*read.died.findings, *_dropped(dropped, read, named), *read.design.findings]
    findings += [finding for held in (read.site, read.strata, read.group) for finding in held.findings]
    findings += odd_times(named.time, read.days[chosen], declared=named.time_unit is not None)
    findings += [*repeated_rows(table), *rows_of_patients(table, columns_named(named))]
    if len(sites) == 1:
        findings.append(FitFinding.of(problems.ONE_SITE, f"column {named.site} names one hospital: this is that hospital's own model"))
    unit = named.time_unit or "days"
    how: dict[str, Any] = {"events": read.died.as_dict(), "events_text": read.died.text(), "time_unit": unit}
    how["time_text"] = f"{named.time}: {unit_text(unit, declared=named.time_unit is not None)}"
    return FitRows(sites, read.design.names, tuple(strata), groups, dropped, tuple(findings), how, read.design)


def hospitals(table: TabularTable, name: str) -> Labels:
    """The column of hospitals; FH-822 for a row of totals, FH-825 where most rows are blank, as merged cells leave them."""
    foot_of_table(table, name)
    found = labels(table, name)
    blank = found.values.count(None)
    if blank * 2 > len(found.values) > blank:
        what = f"column {name!r} is blank in {blank:,d} of {len(found.values):,d} rows: were its cells merged in the spreadsheet?"
        raise problems.BAD_VALUE.problem(what, fix="Write the hospital in every row; delete rows that belong to none.")
    return found


def columns_named(named: Named) -> tuple[str, ...]:
    """The columns of which an analysis knows what they are."""
    lists = [part for text in named.covariates for part in (text, *text.split(","))]
    return (named.site, named.time, named.event, *lists, *filter(None, (named.strata, named.group, named.split)))


def unit_text(unit: TimeUnit, *, declared: bool) -> str:
    """How times were read."""
    if unit == "days":
        return "days" if declared else "days (no --time-unit given)"
    return f"{unit}, turned into days ({DAYS[unit]:g} each)"


def _columns(table: TabularTable, named: Named) -> _Columns:
    """Every column, the faults of all of them together."""
    second_header(table, named.time)
    faults = Faults()
    nothing = Labels([""] * len(table.rows))
    found: dict[str, Any] = {"strata": nothing, "group": nothing, "held_out": [False] * len(table.rows)}
    with faults.keeping():
        found["site"] = hospitals(table, named.site)
    with faults.keeping():
        found["days"] = numbers(table, named.time, lowest=0.0)
    with faults.keeping():
        found["died"] = events(table, named.event, named.event_values)
    with faults.keeping():
        found["design"] = design_of(table, covariate_names(table, named.covariates))
    for role, column in (("strata", named.strata), ("group", named.group)):
        if column:
            with faults.keeping():
                found[role] = labels(table, column)
    if named.split:
        with faults.keeping():
            found["held_out"] = held_out(table, named.split)
    faults.raise_any()
    check_roles(table, named)
    found["days"] = in_days(found["days"], named.time_unit)
    return _Columns(**found)


def check_roles(table: TabularTable, named: Named) -> None:
    """FH-902 where one column would be two things: the outcome is no covariate, score, stratum or group, and no hospital."""
    outcome = {table.place(named.time): named.time, table.place(named.event): named.event}
    if len(outcome) < 2:
        raise host.USAGE.problem(f"{named.time!r} is named for the times and for the events", fix="Name a column for each.")
    for role, name in (("site", named.site), ("strata", named.strata), ("group", named.group), ("split", named.split)):
        if name is not None and table.place(name) in outcome:
            raise host.USAGE.problem(f"the {role} column {name!r} is the outcome itself", fix=f"Name another column for {role}.")
    names = covariate_names(table, named.covariates)
    places = [table.place(name) for name in names]
    for place, name in zip(places, names, strict=True):
        if place in outcome:
            raise host.USAGE.problem(f"the column {name!r} is the outcome itself", fix="Name columns other than the time and the event.")
    twice = [name for place, name in zip(places, names, strict=True) if places.count(place) > 1]
    if twice:
        raise host.USAGE.problem(f"{' and '.join(map(repr, twice[:2]))} are one column", fix="Name each column once.")


def in_days(times: Floats, unit: TimeUnit | None) -> Floats:
    """Times (n,) in days, NaN where missing, near-equal ones merged in their own unit first."""
    found = times.copy()
    known = ~np.isnan(times)
    found[known] = merge_near_times(times[known]) * DAYS[unit or "days"]
    return found


def _sites(table: TabularTable, read: _Columns, chosen: NDArray[np.int64], strata: Sequence[str]) -> Iterable[SiteRows]:
    code = {label: index for index, label in enumerate(strata)}
    rows_at: dict[str, list[int]] = {}
    for i in chosen:
        rows_at.setdefault(str(read.site.values[i]), []).append(int(i))
    for name in in_order(list(rows_at)):
        mine = np.asarray(rows_at[name])
        codes = np.asarray([code[str(read.strata.values[i])] for i in mine], dtype=np.int64)
        held = tuple(str(read.group.values[i]) for i in mine)
        lines = tuple(table.lines[i] for i in mine)
        tested = tuple(bool(read.held_out[i]) for i in mine)
        yield SiteRows(name, read.design.x[mine], read.days[mine], read.died.values[mine] > 0, codes, held, lines, tested)


def _counted(blanks: Mapping[str, int]) -> str:
    return "missing: " + (", ".join(f"{count} in {column}" for column, count in blanks.items()) or "no single column everywhere")


def _dropped(dropped: int, read: _Columns, named: Named) -> Iterable[FitFinding]:
    if dropped:
        what = f"{plural(dropped, 'row')} with missing values {'was' if dropped == 1 else 'were'} left out ({_counted(read.blanks(named))})"
        yield FitFinding.of(problems.ROWS_DROPPED, what)
