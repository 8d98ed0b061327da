"""A fitted model on rows: linear predictors as a file, and a second table scored by the model of the first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.concordance import Concordance, concordance
from shared_model.survival.cox.cox_result import CoxFit
from shared_model.survival.evaluation_table import patient_cells
from simulations.tabular.complete_rows import FitRows, Named, in_days
from simulations.tabular.design_columns import covariate_names, design_of, labels, numbers
from simulations.tabular.outcome.event_column import events_alike
from simulations.tabular.read_table import Faults, TabularTable
from site_config.atomic_files import write_atomic
from site_config.problems import survival as problems
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
COLUMNS = ("table", "line", "site", "linear_predictor", "time_days", "event")


@dataclass(frozen=True)
class Applied:
    """A second table's rows: linear predictor (n,) and day (n,) with NaN where missing, event (n,) 0/1/NaN, and its C."""

    table: str
    line: tuple[int, ...]
    site: tuple[str | None, ...]
    linear_predictor: Floats
    time: Floats
    event: Floats
    concordance: Concordance | None

    @property
    def scored(self) -> int:
        """Rows with every covariate."""
        return int((~np.isnan(self.linear_predictor)).sum())

    def text(self) -> str:
        """One line for people."""
        c = self.concordance
        found = (
            f"C = {c.c:.4f} (se {c.se:.4f}, 95 % CI {c.plain_ci[0]:.3f}–{c.plain_ci[1]:.3f})"
            if c
            else "no C: no times and events to compare"
        )
        return f"Applied to {self.table}: {plural(self.scored, 'row')} of {len(self.line)} scored, {found}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON of `applied`."""
        c = self.concordance
        return {
            "table": self.table,
            "rows": len(self.line),
            "scored": self.scored,
            "c_index": c.c if c else None,
            "c_index_se": c.se if c else None,
            "c_index_ci": list(c.plain_ci) if c else None,
        }


def apply_to(fit: CoxFit, rows: FitRows, table: TabularTable, named: Named, name: str) -> Applied:
    """Score a second table, called `name`, with the coefficients and levels of the first.

    A table that lacks the column of times or of events, or of sites, is scored all the same. Raises FH-823 to FH-828.
    """
    if rows.design is None or rows.design.names != fit.covariates:
        raise problems.NOT_ESTIMABLE.problem("columns were left out, so the model cannot score another table from its columns")
    faults = Faults()
    found: dict[str, Any] = {"time": np.full(len(table.rows), np.nan), "event": np.full(len(table.rows), np.nan)}
    with faults.keeping():
        found["x"] = design_of(table, covariate_names(table, named.covariates), rows.design.recipes).x
    if table.has(named.time) and table.has(named.event):
        with faults.keeping():
            found["time"] = in_days(numbers(table, named.time, lowest=0.0), named.time_unit)
        with faults.keeping():
            found["event"] = events_alike(table, named.event, rows.events_read, named.event_values).values
    faults.raise_any()
    score = _predictor(fit, found["x"])
    site = labels(table, named.site).values if table.has(named.site) else [None] * len(table.rows)
    known = ~(np.isnan(score) | np.isnan(found["time"]) | np.isnan(found["event"]))
    c = concordance(patient_cells(score[known], found["time"][known], found["event"][known] > 0)) if known.any() else None
    return Applied(name, table.lines, tuple(site), score, found["time"], found["event"], c)


def _predictor(fit: CoxFit, x: Floats) -> Floats:
    whole = ~np.isnan(x).any(axis=1)
    found = np.full(len(x), np.nan)
    found[whole] = fit.linear_predictor(x[whole])
    return found


def write_predictions(path: Path, fit: CoxFit, rows: FitRows, name: str, second: Applied | None) -> None:
    """Write `COLUMNS` of the fitted rows, by line, and of the second table; a missing value is a blank cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    fitted = sorted(_fitted(fit, rows, name), key=lambda row: row[1])
    writer.writerows(fitted)
    if second is not None:
        writer.writerows(_second(second))
    write_atomic(path, out.getvalue().encode(), 0o644)


def _fitted(fit: CoxFit, rows: FitRows, name: str) -> Iterator[tuple[str, int, str, str, str, int]]:
    for site in rows.sites:
        for line, score, day, dead in zip(site.line, fit.linear_predictor(site.x), site.time, site.event, strict=True):
            yield name, line, site.name, repr(float(score)), f"{day:.10g}", int(dead)


def _second(second: Applied) -> Iterator[tuple[str | int | None, ...]]:
    held = zip(second.line, second.site, second.linear_predictor, second.time, second.event, strict=True)
    for line, site, score, day, dead in held:
        yield (
            second.table,
            line,
            site or "",
            "" if np.isnan(score) else repr(float(score)),
            "" if np.isnan(day) else f"{day:.10g}",
            "" if np.isnan(dead) else int(dead),
        )
