"""`cox` and `metrics`: federated survival analysis of a table with one row a patient and a column that names the hospital."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from fedhcc import arguments
from fedhcc.arguments import Frame, one_of
from fedhcc.data_frames import table_of
from fedhcc.fit_results import CoxResult, MetricsResult, warn_of
from simulations.tabular.complete_rows import DAYS, FitRows, Named, TimeUnit, rows_of
from simulations.tabular.decimal_marks import DecimalMark
from simulations.tabular.exact_metrics import fit_metrics
from simulations.tabular.fit_table import fit_cox
from simulations.tabular.read_table import Reading
from simulations.tabular.shares.table_cox_on_shares import fit_cox_on_shares
from simulations.tabular.shares.table_metrics_on_shares import fit_metrics_on_shares
from simulations.tabular.table_as_study import Settings, settings_of
from site_config.documents.read_yaml_documents import load_study
from site_config.problems import survival

Study = str | Path | None
RESOLUTIONS = ("exact", "shares")
HOLDERS = (0, 3, 5)
LEAST_SIZE = 1e-100
DAYS_EXAMPLE = "Days, for example [365, 730]."


def cox(
    data: Frame | str | Path,
    *,
    site: str,
    time: str,
    event: str,
    covariates: str | Sequence[str],
    strata: str | None = None,
    ties: Literal["efron", "breslow"] = "efron",
    resolution: Literal["exact", "shares"] = "exact",
    holders: Literal[0, 3, 5] = 3,
    grid: Literal["auto", "days", "weeks"] = "auto",
    study: Study = None,
    missing: Sequence[str] = (),
    decimal: DecimalMark | None = None,
    time_unit: TimeUnit | None = None,
    event_values: Sequence[str] = (),
) -> CoxResult:
    """Fit a Cox model hospital by hospital; rows are never put together.

    By default (`exact`) daily sums are opened, which is for rows of your own: they come close to the rows themselves. A federation of
    hospitals opens nothing but the fit: `resolution="shares"`.

    Args:
        data: a pandas DataFrame, or the path of a CSV file; one row a patient.
        site, time, event: columns of the hospital, the follow-up time from 0, and the event (0/1, 1/2, true/false, yes/no).
        covariates: columns of the model. Text and categorical columns become one 0/1 column a level but the first.
        strata: a column of strata, each with its own baseline hazard.
        ties: Efron's or Breslow's partial likelihood.
        resolution: what is opened. `exact`: daily sums over the hospitals (equals R's `coxph`). `shares`: only the fit itself,
            computed on secret shares, as a study does.
        holders: of shares: three or five; 0 computes plain numbers at the same fixed point, for speed.
        grid: of shares: days, or weeks for large tables (no C-index and no baseline then); auto takes weeks above 1,500 patients.
        study: path of a study.yaml whose minima and horizons hold on shares.
        missing, decimal, time_unit, event_values: how cells are written where the table leaves it open.

    Returns:
        The fit: `summary()`, `plot()`, `predict(frame)`, `alone()`, `proportional_hazards()`. Each finding is also a `FindingWarning`.

    Raises:
        fedhcc.Problem: FH-802 to FH-830 for what is wrong with the table, FH-902 for an argument.

    >>> import fedhcc
    >>> lung = fedhcc.load_lung()
    >>> fit = fedhcc.cox(lung, site="inst", time="time", event="status", covariates=["age", "sex"])
    >>> fit
    <CoxResult: 227 patients, 164 events, 18 sites; C = 0.604; exact, efron ties; 1 finding: FH-811>
    >>> print(fit.summary()[["exp(coef)", "p"]].round(3).to_string(index_names=False))
         exp(coef)      p
    age      1.017  0.065
    sex      0.599  0.002
    """
    one_of(ties, ("efron", "breslow"), "ties")
    one_of(resolution, RESOLUTIONS, "resolution")
    one_of(holders, HOLDERS, "holders")
    one_of(grid, ("auto", "days", "weeks"), "grid")
    names = arguments.columns(covariates, "covariates")
    how = {"missing": missing, "decimal": decimal, "time_unit": time_unit, "event_values": event_values}
    named = named_columns(site, time, event, names, strata=strata, **how)  # type: ignore[arg-type]
    rows = read_rows(data, named)
    _check_scale(rows)
    settings = settings_from(study)
    shared = resolution == "shares"
    fit = fit_cox_on_shares(rows, ties=ties, settings=settings, holders=holders, grid=grid) if shared else fit_cox(rows, ties=ties)
    found = CoxResult(fit, rows, named)
    warn_of(found.findings)
    return found


def metrics(
    data: Frame | str | Path,
    *,
    site: str,
    time: str,
    event: str,
    score: str | Sequence[str],
    group: str | None = None,
    horizons: Sequence[float] | None = None,
    points: Sequence[float] = (),
    auc: Literal["timeroc", "sksurv"] = "timeroc",
    resolution: Literal["exact", "shares"] = "exact",
    holders: Literal[0, 3, 5] = 3,
    study: Study = None,
    missing: Sequence[str] = (),
    decimal: DecimalMark | None = None,
    time_unit: TimeUnit | None = None,
    event_values: Sequence[str] = (),
) -> MetricsResult:
    """How well risk scores order patients: C-index, AUC, Kaplan–Meier curves, log-rank test, hazard ratio, calibration.

    Args:
        data, site, time, event: as for `cox`.
        score: column of the risk score; higher means earlier death. Of several columns differences are tested, and the first one
            is calibrated (on shares).
        group: column of groups for curves, the log-rank test and, of two groups, the hazard ratio.
        horizons: days of the time-dependent AUC; a study's, 365 and 730, where left out.
        points: days at which curves are opened on shares; left out, every month (every half year below 100 patients).
        auc: R's timeROC convention, or scikit-survival's.
        resolution: what is opened. `exact`: ranks and days. `shares`: only the metrics themselves, computed on secret shares, as a study
            does.
        holders: of shares, as for `cox`.
        study, missing, decimal, time_unit, event_values: as for `cox`.

    Returns:
        The metrics: `summary()`, `plot()`. Each finding is also a `FindingWarning`.

    Raises:
        fedhcc.Problem: FH-802 to FH-828 for what is wrong with the table, FH-902 for an argument.

    >>> import fedhcc
    >>> lung = fedhcc.load_lung()
    >>> found = fedhcc.metrics(lung, site="inst", time="time", event="status", score="ph.ecog", group="sex")
    >>> found
    <MetricsResult: 226 patients, 163 events, 18 sites; C = 0.606 (0.558 to 0.653); exact; 1 finding: FH-811>
    """
    one_of(auc, ("timeroc", "sksurv"), "auc")
    one_of(resolution, RESOLUTIONS, "resolution")
    one_of(holders, HOLDERS, "holders")
    if resolution == "shares" and auc == "sksurv":
        raise survival.NOT_ON_SHARES.problem("scikit-survival's AUC is not computed on secret shares, R's timeROC convention is")
    names = arguments.columns(score, "score")
    how = {"missing": missing, "decimal": decimal, "time_unit": time_unit, "event_values": event_values}
    named = named_columns(site, time, event, names, group=group, **how)  # type: ignore[arg-type]
    at = None if horizons is None else arguments.positive(horizons, "horizons", DAYS_EXAMPLE)
    opened = arguments.positive(points, "points", DAYS_EXAMPLE)
    rows = read_rows(data, named)
    _check_scores(rows)
    settings = settings_from(study)
    if resolution == "shares":
        found = MetricsResult(fit_metrics_on_shares(rows, at, opened, settings, holders), rows)
    else:
        found = MetricsResult(fit_metrics(rows, at, auc, settings), rows)
    warn_of(found.findings)
    return found


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
    **more: str | None,
) -> Named:
    """Which columns mean what (`more`: strata, group, split); FH-902 for what is no name of a column, an unknown unit or mark."""
    if time_unit is not None:
        one_of(time_unit, tuple(DAYS), "time_unit")
    if decimal is not None:
        one_of(decimal, ("point", "comma"), "decimal")
    named = Named(
        arguments.column(site, "site"),
        arguments.column(time, "time"),
        arguments.column(event, "event"),
        covariates,
        time_unit=time_unit,
        event_values=arguments.texts(event_values, "event_values"),
        reading=Reading(arguments.texts(missing, "missing"), decimal),
    )
    labels: Any = {name: arguments.optional_column(value, name) for name, value in more.items()}
    return replace(named, **labels)


def read_rows(data: Frame | str | Path, named: Named) -> FitRows:
    """The complete rows of a table by hospital. Raises FH-802 to FH-828."""
    wanted = (named.site, named.time, named.event, named.strata, named.group, named.split, *named.covariates)
    return rows_of(table_of(data, wanted, named.reading), named)


def _check_scale(rows: FitRows) -> None:
    """FH-825 for a covariate so large or so small that its square is no number."""
    for name, values in zip(rows.names, rows.x.T, strict=True):
        largest = float(abs(values).max())
        if largest and not LEAST_SIZE <= largest <= 1 / LEAST_SIZE:
            what = f"column {name!r} holds numbers up to {largest:.3g}, with which sums of squares cannot be computed"
            raise survival.BAD_VALUE.problem(what, fix="Write the column in another unit.")


def _check_scores(rows: FitRows) -> None:
    """FH-825 for words: in the order of the alphabet they are no risk."""
    for recipe in rows.design.recipes if rows.design else ():
        if recipe.kind == "levels":
            what = f"the score {recipe.column!r} holds words; a score is a number, and a higher one means an earlier death"
            raise survival.BAD_VALUE.problem(
                what, fix="Write the score as numbers, or name the column with `--group` (in Python `group=`)."
            )


def settings_from(study: Study) -> Settings | None:
    """The settings of a study's document; None where no study is named."""
    return None if study is None else settings_of(load_study(arguments.path(study, "study")))
