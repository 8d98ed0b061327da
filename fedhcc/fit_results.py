"""What `cox` and `metrics` find: a table, a figure on an axis of yours, and the numbers behind both."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedhcc import figures
from fedhcc.arguments import Frame
from fedhcc.data_frames import index_of, table_of
from shared_model.survival.cox.cox_result import CoxFit
from simulations.tabular.complete_rows import FitRows, Named
from simulations.tabular.hospitals_alone import each_alone
from simulations.tabular.printed_metrics import TabularMetrics
from simulations.tabular.score_rows import Applied, apply_to
from site_config.words_of_messages import plural

COX_COLUMNS = ("coef", "exp(coef)", "se(coef)", "lower 95%", "upper 95%", "z", "p")


CURVE_COLUMNS = ("time", "survival", "low", "high", "at_risk", "events")


IN_PYTHON = re.compile(r"--[a-z-]+(?: \S+)? \(in Python ([^)]*)\)")


class FindingWarning(UserWarning):
    """A finding about the table or the fit: its number and what a reader has to know. `result.findings` lists them too."""


def warn_of(findings: list[str]) -> None:
    """One Python warning a finding, at the line that called the public function."""
    for text in findings:
        warnings.warn(text, FindingWarning, stacklevel=3)


def _told(findings: list[str]) -> str:
    """What a short form says of findings: how many and their numbers, so that a script's reader looks at `.findings`."""
    codes = dict.fromkeys(text.split(":")[0] for text in findings)
    return f"; {len(findings)} finding{'s' if len(findings) > 1 else ''}: {', '.join(codes)}" if findings else ""


def _size(n: int, events: int, sites: int) -> str:
    return f"{plural(n, 'patient')}, {plural(events, 'event')}, {plural(sites, 'site')}"


def page(title: str, frame: Frame, findings: list[str]) -> str:
    """A heading, a table and the remarks below it, as a notebook shows them."""
    remarks = "".join(f"<li>{escape(text)}</li>" for text in findings)
    table = frame.to_html(float_format=lambda value: f"{value:.4g}", na_rep="–")
    return f"<p><strong>{escape(title)}</strong></p>{table}{f'<ul>{remarks}</ul>' if remarks else ''}"


def remarks(found: list[Mapping[str, str]]) -> list[str]:
    """Findings as `FH-811: 3 rows …`, each once, with options as arguments."""
    return [IN_PYTHON.sub(r"\1", text) for text in dict.fromkeys(f"{one['code']}: {one['what']}" for one in found)]


@dataclass(frozen=True, repr=False)
class AppliedResult:
    """Other rows scored by a fitted model; `found` is what stands behind the table, `index` (n,) the labels of its rows."""

    found: Applied
    index: Any

    def scores(self) -> Frame:
        """One row a patient: site, linear predictor (NaN where a covariate is missing), time in days and event where known."""
        found = self.found
        data = {"site": found.site, "linear_predictor": found.linear_predictor, "time": found.time, "event": found.event}
        return pd.DataFrame(data, index=self.index)

    @property
    def concordance(self) -> float | None:
        """Harrell's C of these rows; None where no two can be compared."""
        return None if self.found.concordance is None else self.found.concordance.c

    def summary(self) -> Frame:
        """The C-index of these rows with standard error and 95 % interval; NaN where no two can be compared."""
        shown = self.found.as_dict()
        ends = shown["c_index_ci"] or (None, None)
        columns = ["value", "se", "lower 95%", "upper 95%"]
        return pd.DataFrame([[shown["c_index"], shown["c_index_se"], *ends]], columns=columns, index=["C-index"], dtype=float)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return self.found.as_dict()

    def plot(self, ax: Any = None) -> Any:
        """How the linear predictors are spread; returns the axis."""
        return figures.spread(self.found.linear_predictor, "Linear predictor", ax)

    def __repr__(self) -> str:
        return f"<AppliedResult: {self.found.text()}>"

    def _repr_html_(self) -> str:
        return page(repr(self)[1:-1], self.summary(), [])


@dataclass(frozen=True, repr=False)
class CoxResult:
    """A fitted Cox model. `fit` and `rows` are what stands behind the table."""

    fit: CoxFit
    rows: FitRows
    named: Named

    @cached_property
    def _shown(self) -> dict[str, Any]:
        return self.fit.as_dict()

    def summary(self) -> Frame:
        """Coefficients with hazard ratios, errors and p; one row a covariate, NaN where one was dropped.

        Columns are called as lifelines calls them, the interval of exp(coef) `lower 95%` and `upper 95%`.
        """
        shown = self._shown
        ends = [bounds or (None, None) for bounds in shown["hr_ci"]]
        columns = (shown["coef"], shown["hr"], shown["se"], [low for low, _ in ends], [high for _, high in ends], shown["z"], shown["p"])
        data = dict(zip(COX_COLUMNS, columns, strict=True))
        return pd.DataFrame(data, index=pd.Index(shown["covariates"], name="covariate"), dtype=float)

    def proportional_hazards(self) -> Frame:
        """Whether an effect changes with time: χ², degrees of freedom and p a covariate and for all together (`global`).

        The score test of R's `cox.zph`. Empty where it was not computed, as on secret shares.
        """
        shown = self._shown["proportional_hazards"] or {"covariates": {}, "global": None}
        tests = {**shown["covariates"], "global": shown["global"]}
        rows = {name: test for name, test in tests.items() if test is not None}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["chi2", "df", "p"])

    @property
    def params(self) -> Frame:
        """Coefficients by covariate (a Series)."""
        return self.summary()["coef"]

    @property
    def concordance(self) -> float | None:
        """Harrell's C of the linear predictor on the fitted rows; None where no pair can be compared."""
        return self._shown["concordance"]  # type: ignore[no-any-return]

    @property
    def findings(self) -> list[str]:
        """What a reader has to know: rows left out, levels of one patient, coefficients that run to infinity."""
        return remarks(self._shown["warnings"])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values: the JSON of `fedhcc-sim cox`."""
        return {**self._shown, "read": dict(self.rows.read)}

    def baseline(self) -> Frame:
        """The cumulative hazard of a patient whose covariates are all 0, by time (and stratum)."""
        return pd.DataFrame(self._shown["baseline"]).set_index("time")

    def predict(self, data: Frame) -> Frame:
        """Linear predictors of other rows (a Series); NaN where a covariate is missing.

        Needs the covariates alone. Raises FH-823 to FH-828 for the table.
        """
        return self.apply(data).scores()["linear_predictor"]

    def apply(self, data: Frame) -> AppliedResult:
        """Other rows scored by this model, with their C-index where they have times and events."""
        named = self.named
        table = table_of(data, (named.site, named.time, named.event, *named.covariates), named.reading)
        name = "frame" if isinstance(data, pd.DataFrame) else Path(data).name
        found = apply_to(self.fit, self.rows, table, named, name)
        return AppliedResult(found, index_of(data, found.line))

    def alone(self) -> Frame:
        """What every hospital could have said from its own patients.

        One row a hospital: patients, events, whether its own model can be estimated, that model's C-index on everybody else, and
        why not where it cannot.
        """
        return pd.DataFrame([vars(one) for one in each_alone(self.rows)]).set_index("site")

    def plot(self, ax: Any = None) -> Any:
        """Hazard ratios with 95 % intervals on a logarithmic axis; returns the axis."""
        return figures.forest(self.summary(), ax)

    def __repr__(self) -> str:
        c = "" if self.concordance is None else f" C = {self.concordance:.3f};"
        fit = self.fit
        return f"<CoxResult: {_size(fit.n, fit.events, fit.sites)};{c} {fit.resolution}, {fit.ties} ties{_told(self.findings)}>"

    def _repr_html_(self) -> str:
        return page(repr(self)[1:-1], self.summary(), self.findings)


@dataclass(frozen=True, repr=False)
class MetricsResult:
    """The metrics of a risk score. `found` and `rows` are what stands behind the table."""

    found: TabularMetrics
    rows: FitRows

    @cached_property
    def _shown(self) -> dict[str, Any]:
        return self.found.as_dict()

    def summary(self) -> Frame:
        """Value, standard error and 95 % interval of each metric; NaN where it cannot be estimated."""
        shown = self._shown
        lines: list[tuple[str, Any, Any, Any, Any]] = []
        for name, one in shown["scores"].items():
            of = f" of {name}" if len(shown["scores"]) > 1 else ""
            lines.append((f"C-index{of}", one["c_index"], one["c_index_se"], *(one["c_index_ci"] or (None, None))))
            lines += [(f"AUC{of} at {day}", area["auc"], area["se"], None, None) for day, area in one["auc"].items()]
        lines += [(f"C-index, {name}", one["difference"], one["se"], None, None) for name, one in shown["differences"].items()]
        lines.append(("median survival", shown["median_survival"], None, None, None))
        lines += [(f"median survival, {name}", value, None, None, None) for name, value in shown["median_survival_groups"].items()]
        if shown["hr"] is not None:
            lines.append(("hazard ratio", shown["hr"]["hr"], None, *(shown["hr"]["ci"] or (None, None))))
        if shown["logrank"] is not None:
            lines.append(("log-rank p", shown["logrank"]["p"], None, None, None))
        frame = pd.DataFrame(lines, columns=["metric", "value", "se", "lower 95%", "upper 95%"]).set_index("metric")
        return frame.astype(float)

    @property
    def findings(self) -> list[str]:
        """What a reader has to know."""
        return remarks(self._shown["warnings"])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values: the JSON of `fedhcc-sim metrics`."""
        return {**self._shown, "read": dict(self.rows.read)}

    def curves(self) -> Frame:
        """Kaplan–Meier estimates in long form: group, time, survival, at_risk, and events; on shares the interval instead of events."""
        curves = {name: curve.as_dict() for name, curve in ({"all": self.found.overall} | dict(self.found.groups)).items()}
        columns = [name for name in CURVE_COLUMNS if name in curves["all"]]
        frames = [pd.DataFrame({column: curve[column] for column in columns}).assign(group=name) for name, curve in curves.items()]
        return pd.concat(frames, ignore_index=True)

    def plot(self, ax: Any = None) -> Any:
        """Kaplan–Meier curves with 95 % intervals, one a group; returns the axis."""
        curves = dict(self.found.groups) or {"all": self.found.overall}
        drawn = {}
        for name, curve in curves.items():
            ends = np.asarray([curve.interval_at(day) for day in curve.time])
            drawn[name] = (curve.time, curve.survival, ends)
        return figures.survival(drawn, ax)

    def __repr__(self) -> str:
        shown, c = self._shown, ""
        if shown["c_index"] is not None:
            ends = shown["c_index_ci"]
            c = f" C = {shown['c_index']:.3f}{f' ({ends[0]:.3f} to {ends[1]:.3f})' if ends else ''};"
        size = _size(shown["n"], shown["events"], shown["sites"])
        return f"<MetricsResult: {size};{c} {shown['resolution']}{_told(self.findings)}>"

    def _repr_html_(self) -> str:
        return page(repr(self)[1:-1], self.summary(), self.findings)
