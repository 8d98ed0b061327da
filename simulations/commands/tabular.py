"""`fedhcc-sim cox`, `metrics` and `compare lung`: federated survival analysis of anybody's table."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from simulations.commands import table_options as options
from simulations.commands.table_views import show_fit, show_lung, show_metrics
from site_config.console import Json, note, show

compare_app = typer.Typer(help="The federation beside pooled data and beside each hospital alone.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("cox")(cox)
    app.command("metrics")(metrics)
    app.add_typer(compare_app, name="compare")


def cox(
    site: options.Site,
    time: options.Time,
    event: options.Event,
    covariates: options.Covariates,
    table: options.Table = None,
    csv: options.Csv = None,
    strata: Annotated[str | None, typer.Option(help="Column of strata, each with its own baseline hazard.")] = None,
    ties: Annotated[str, typer.Option(help="efron or breslow.")] = "efron",
    resolution: Annotated[str, typer.Option(help="exact (equals R's coxph), or shares (holders open the fit alone).")] = "exact",
    holders: options.Holders = 3,
    grid: Annotated[str, typer.Option(help="Of shares: days, weeks, or auto (weeks above 1,500 patients).")] = "auto",
    study: options.StudyFile = None,
    predictions: Annotated[Path | None, typer.Option(help="Write every row's linear predictor to this CSV file.")] = None,
    apply: Annotated[Path | None, typer.Option(help="A second table to score: linear predictors, and C where it has events.")] = None,
    missing: options.Missing = None,
    decimal: options.Decimal = None,
    time_unit: options.TimeUnit = None,
    event_value: options.EventValue = None,
    as_json: Json = False,
) -> None:
    """Fit a Cox model site by site: from sums over the sites, or on secret shares, which open the fit alone."""
    path, names = options.table(table, csv), options.names(covariates)
    options.not_over(predictions, "--predictions", path, apply)
    import fedhcc

    warnings.simplefilter("ignore", fedhcc.FindingWarning)  # printed below the table
    found = fedhcc.cox(
        path,
        site=site,
        time=time,
        event=event,
        covariates=names,
        strata=strata,
        ties=ties,  # type: ignore[arg-type]
        resolution=resolution,  # type: ignore[arg-type]
        holders=holders,  # type: ignore[arg-type]
        grid=grid,  # type: ignore[arg-type]
        study=study,
        **options.written(missing, decimal, time_unit, event_value),
    )
    second = found.apply(apply).found if apply is not None else None
    if predictions is not None:
        from simulations.tabular.score_rows import write_predictions

        write_predictions(predictions, found.fit, found.rows, path.name, second)
    shown = found.to_dict() | {"applied": second.as_dict() if second else None}
    show(shown, lambda console: show_fit(console, found.fit, found.rows, second))
    if predictions is not None:
        note(f"wrote {predictions}")


def metrics(
    site: options.Site,
    time: options.Time,
    event: options.Event,
    score: Annotated[list[str], typer.Option(help="Column of the risk score: higher means earlier death; several, as for --covariates.")],
    table: options.Table = None,
    csv: options.Csv = None,
    group: Annotated[str | None, typer.Option(help="Column of groups for curves, log-rank test and hazard ratio.")] = None,
    horizons: Annotated[str | None, typer.Option(help="Days for the AUC, separated by commas; left out, the study's: 365,730.")] = None,
    points: Annotated[str | None, typer.Option(help="Days of the curves on shares, separated by commas; left out, every month.")] = None,
    auc: Annotated[str, typer.Option(help="timeroc (R) or sksurv (scikit-survival, exact only).")] = "timeroc",
    resolution: Annotated[str, typer.Option(help="exact, or shares (holders open the metrics alone).")] = "exact",
    holders: options.Holders = 3,
    study: options.StudyFile = None,
    missing: options.Missing = None,
    decimal: options.Decimal = None,
    time_unit: options.TimeUnit = None,
    event_value: options.EventValue = None,
    as_json: Json = False,
) -> None:
    """Discrimination, survival curves and calibration of risk scores, computed site by site."""
    path, names = options.table(table, csv), options.names(score, "--score")
    days = options.numbers(horizons, "--horizons") if horizons else None
    import fedhcc

    warnings.simplefilter("ignore", fedhcc.FindingWarning)  # printed below the table
    found = fedhcc.metrics(
        path,
        site=site,
        time=time,
        event=event,
        score=names,
        group=group,
        horizons=days,
        points=options.numbers(points, "--points") if points else (),
        auc=auc,  # type: ignore[arg-type]
        resolution=resolution,  # type: ignore[arg-type]
        holders=holders,  # type: ignore[arg-type]
        study=study,
        **options.written(missing, decimal, time_unit, event_value),
    )
    show(found.to_dict(), lambda console: show_metrics(console, found.found, found.rows))


@compare_app.callback()
def compare() -> None:
    """The federation beside pooled data and beside each hospital alone."""


@compare_app.command("lung")
def lung(holders: options.Holders = 0, as_json: Json = False) -> None:
    """A Cox model of 18 real institutions: by sums, on secret shares, on pooled rows, and in each institution alone."""
    from simulations.compare.lung_comparison import compare_lung

    found = compare_lung(holders)
    show(found.as_dict(), lambda console: show_lung(console, found))
