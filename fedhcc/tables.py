"""`cox` and `metrics`: federated survival analysis of a table with one row a patient and a column that names the hospital."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from fedhcc.frames import Frame, table_of
from fedhcc.results import CoxResult, MetricsResult
from simulations.tabular.as_study import Settings, settings_of
from simulations.tabular.fit import fit_cox
from simulations.tabular.marks import DecimalMark
from simulations.tabular.metrics import fit_metrics
from simulations.tabular.on_shares import fit_cox_on_shares
from simulations.tabular.read import Reading
from simulations.tabular.rows import DAYS, Named, TimeUnit, rows_of
from site_config.documents.load import load_study
from site_config.names import choice
from site_config.problems import host

Study = str | Path | None


def cox(
    data: Frame | str | Path,
    *,
    site: str,
    time: str,
    event: str,
    covariates: str | Sequence[str],
    strata: str | None = None,
    ties: Literal["efron", "breslow"] = "efron",
    resolution: Literal["exact", "shares", "totals"] = "exact",
    holders: Literal[0, 3, 5] = 3,
    study: Study = None,
    cut_points: Sequence[float] | None = None,
    missing: Sequence[str] = (),
    decimal: DecimalMark | None = None,
    time_unit: TimeUnit | None = None,
    event_values: Sequence[str] = (),
) -> CoxResult:
    """Fit a Cox model hospital by hospital; rows are never put together.

    Args:
        data: a pandas DataFrame, or the path of a CSV file; one row a patient.
        site, time, event: columns of the hospital, the follow-up time from 0, and the event (0/1, 1/2, true/false, yes/no).
        covariates: columns of the model. Text and categorical columns become one 0/1 column a level but the first.
        strata: a column of strata, each with its own baseline hazard.
        ties: Efron's or Breslow's partial likelihood.
        resolution: what is opened. `exact`: daily sums over the hospitals (equals R's `coxph`). `shares`: only the fit itself,
            computed on secret shares. `totals`: the few totals of a study.
        holders: of shares: three or five; 0 computes plain numbers at the same fixed point, for speed.
        study: path of a study.yaml whose cut points and minima hold.
        cut_points: days that cut the hazard of `totals`.
        missing, decimal, time_unit, event_values: how cells are written where the table leaves it open.

    Returns:
        The fit: `summary()`, `plot()`, `predict(frame)`, `alone()`.

    Raises:
        fedhcc.Problem: FH-802 to FH-830 for what is wrong with the table, FH-902 for an argument.

    >>> import fedhcc
    >>> lung = fedhcc.load_lung()
    >>> fit = fedhcc.cox(lung, site="inst", time="time", event="status", covariates=["age", "sex"])
    >>> fit
    <CoxResult: 227 patients, 164 events, 18 sites; C = 0.604; exact, efron ties>
    >>> print(fit.summary()[["exp(coef)", "p"]].round(3).to_string(index_names=False))
         exp(coef)      p
    age      1.017  0.065
    sex      0.599  0.002
    """
    one_of(ties, ("efron", "breslow"), "ties")
    one_of(resolution, ("exact", "shares", "totals"), "resolution")
    one_of(str(holders), ("0", "3", "5"), "holders")
    names = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    named = named_columns(
        site,
        time,
        event,
        names,
        strata=strata,
        missing=missing,
        decimal=decimal,
        time_unit=time_unit,
        event_values=event_values,
    )
    rows = rows_of(table_of(data, (site, time, event, strata, *names), named.reading), named)
    settings = settings_from(study)
    if resolution == "shares":
        fit = fit_cox_on_shares(rows, ties=ties, settings=settings, holders=holders)
    else:
        fit = fit_cox(rows, ties=ties, resolution=resolution, cut_points=cut_points, settings=settings)
    return CoxResult(fit, rows, named)


def metrics(
    data: Frame | str | Path,
    *,
    site: str,
    time: str,
    event: str,
    score: str,
    group: str | None = None,
    horizons: Sequence[float] | None = None,
    auc: Literal["timeroc", "sksurv"] = "timeroc",
    resolution: Literal["exact", "coarse"] = "exact",
    study: Study = None,
    missing: Sequence[str] = (),
    decimal: DecimalMark | None = None,
    time_unit: TimeUnit | None = None,
    event_values: Sequence[str] = (),
) -> MetricsResult:
    """How well a risk score orders patients, from tables summed over the hospitals: C-index, AUC, Kaplan–Meier curves.

    Args:
        data, site, time, event: as for `cox`.
        score: column of the risk score; higher means earlier death.
        group: column of groups for curves, the log-rank test and, of two groups, the hazard ratio.
        horizons: days of the time-dependent AUC; a study's, 365 and 730, where left out.
        auc: R's timeROC convention, or scikit-survival's.
        resolution: `exact`, or `coarse` for what a study opens.
        study, missing, decimal, time_unit, event_values: as for `cox`.

    Returns:
        The metrics: `summary()`, `plot()`.

    Raises:
        fedhcc.Problem: FH-802 to FH-828 for what is wrong with the table, FH-902 for an argument.

    >>> import fedhcc
    >>> lung = fedhcc.load_lung()
    >>> found = fedhcc.metrics(lung, site="inst", time="time", event="status", score="ph.ecog", group="sex")
    >>> found
    <MetricsResult: 226 patients, 163 events, 18 sites; C = 0.606 (0.558 to 0.653); exact>
    """
    one_of(auc, ("timeroc", "sksurv"), "auc")
    one_of(resolution, ("exact", "coarse"), "resolution")
    named = named_columns(
        site,
        time,
        event,
        (score,),
        group=group,
        missing=missing,
        decimal=decimal,
        time_unit=time_unit,
        event_values=event_values,
    )
    rows = rows_of(table_of(data, (site, time, event, score, group), named.reading), named)
    return MetricsResult(fit_metrics(rows, horizons, auc, resolution, settings_from(study)), rows)


def named_columns(
    site: str,
    time: str,
    event: str,
    covariates: tuple[str, ...],
    *,
    missing: Sequence[str] = (),
    decimal: DecimalMark | None = None,
    time_unit: TimeUnit | None = None,
    event_values: Sequence[str] = (),
    **more: Any,
) -> Named:
    """Which columns mean what; FH-902 for an unknown unit or mark, or for no covariate."""
    if time_unit is not None:
        one_of(time_unit, tuple(DAYS), "time_unit")
    if decimal is not None:
        one_of(decimal, ("point", "comma"), "decimal")
    if not covariates or len(set(covariates)) < len(covariates):
        raise host.USAGE.problem("covariates takes distinct column names", fix='For example covariates=["age", "sex"].')
    values, reading = tuple(str(value) for value in event_values), Reading(tuple(missing), decimal)
    return Named(site, time, event, covariates, time_unit=time_unit, event_values=values, reading=reading, **more)


def settings_from(study: Study) -> Settings | None:
    """The settings of a study's document; None where no study is named."""
    return None if study is None else settings_of(load_study(Path(study)))


def one_of(value: str, allowed: Sequence[str], name: str) -> None:
    """FH-902 where an argument's value is none of those allowed."""
    if value not in allowed:
        raise host.USAGE.problem(f"{name} cannot be {value!r}", fix=choice(value, allowed))
