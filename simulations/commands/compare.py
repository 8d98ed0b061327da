"""`fedhcc-sim compare tabular | phantom`: what federation costs, on the same patients."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulations.commands import table_options as options
from simulations.commands.table_views import say_read, warn
from simulations.commands.tabular import compare_app
from site_config.console import Json, note, show, table

if TYPE_CHECKING:
    from simulations.compare.comparison import MethodComparison

ALL = ("skewed", "mild", "iid", "six-centres")


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `compare`, which `tabular` registered."""
    del app
    compare_app.command("tabular")(tabular)
    compare_app.command("phantom")(phantom)


def tabular(
    out: Annotated[Path | None, typer.Option(help="Folder for compare.html and compare.csv.")] = None,
    scenario: Annotated[list[str] | None, typer.Option(help="skewed, mild, iid or six-centres; may be repeated; left out: all.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Number of paired seeds.")] = 5,
    model: Annotated[str, typer.Option(help="linear or mlp (eight hidden units).")] = "linear",
    rounds: Annotated[int | None, typer.Option(min=1, help="Updates of every method; left out: 150 linear, 60 mlp.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Own table instead of made-up cohorts.")] = None,
    site: options.Site = "site",
    time: options.Time = "time",
    event: options.Event = "event",
    covariates: options.Covariates = [],  # noqa: B006 - typer reads it, nobody changes it
    split: Annotated[str | None, typer.Option(help="Own table: column of train and test; left out, hospitals are drawn.")] = None,
    missing: options.Missing = None,
    decimal: options.Decimal = None,
    time_unit: options.TimeUnit = None,
    event_value: options.EventValue = None,
    held_out: Annotated[float, typer.Option(min=0.05, max=0.8, help="Own table: share of patients whose hospitals are held out.")] = 0.3,
    resolution: Annotated[str, typer.Option(help="How C is measured on the hospitals held out: exact, or shares.")] = "exact",
    holders: options.Holders = 0,
    epsilon: Annotated[list[float] | None, typer.Option(help="Differential privacy beside the rest; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Train one model in ten ways on the same patients and compare the C-index on hospitals nobody saw."""
    import fedhcc

    warnings.simplefilter("ignore", fedhcc.FindingWarning)  # printed below the table
    found = fedhcc.compare(
        csv,
        site=site,
        time=time,
        event=event,
        covariates=options.names(covariates) if csv is not None else (),
        split=split,
        held_out=held_out,
        scenarios=scenario or ALL,  # type: ignore[arg-type]
        seeds=seeds,
        model=model,  # type: ignore[arg-type]
        rounds=rounds,
        resolution=resolution,  # type: ignore[arg-type]
        holders=holders,  # type: ignore[arg-type]
        epsilons=epsilon or (),
        progress=note,
        **options.written(missing, decimal, time_unit, event_value),
    )
    if out is not None:
        page, rows = found.write(out)
        note(f"wrote {page} and {rows}")
    show(found.to_dict(), lambda console: _print(console, found.found))


def phantom(
    out: Annotated[Path, typer.Option(help="Folder of the runs, compare-phantom.html and .csv; the same folder again resumes.")],
    preset: Annotated[str, typer.Option(help="A simulated study: demo, tiny or paper.")] = "demo",
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Number of paired seeds.")] = 3,
    minutes: Annotated[float, typer.Option(min=0, help="Begin no further seed after this long.")] = 240.0,
    as_json: Json = False,
) -> None:
    """Whole studies of phantoms: the federated network against its twin on pooled patients, seed by seed."""
    from simulations.compare.compare_phantoms import compare_phantom, write_phantom

    found = compare_phantom(out, preset, range(1, seeds + 1), 60 * minutes, note)
    page, rows = write_phantom(found, out)
    note(f"wrote {page} and {rows}")
    lines = [(o.seed, o.n, o.events, f"{o.c_federated:.3f}", f"{o.c_pooled:.3f}", f"{o.difference:+.4f}") for o in found.outcomes]
    mean = found.mean
    caption = f"mean difference {mean[0]:+.4f}" if mean else "no seed was finished"
    columns = ("seed", "n", "events", "C federated", "C pooled", "difference")
    show(found.as_dict(), table(f"{preset}: held-out phantoms", columns, lines, caption=caption))


def _print(console: Any, comparison: MethodComparison) -> None:
    for scenario in dict.fromkeys(one.scenario for one in comparison.summaries):
        mine = [one for one in comparison.summaries if one.scenario == scenario]
        rows = []
        for one in mine:
            interval = "" if one.low is None or one.high is None else f"{one.low:+.4f} to {one.high:+.4f}"
            sent = f"{one.bytes_up / 1e3:,.0f} kB"
            rows.append((one.method_title, f"{one.c:.4f}", f"{one.difference:+.4f}", interval, sent, f"{one.seconds:.1f} s"))
        first = mine[0]
        title = (
            f"{first.title}: n {first.n:.0f}, {first.events:.0f} events; held out {first.held_out:.0f}, {first.held_out_events:.0f} events"
        )
        columns = ("method", "C", "to pooled", "95 % CI", "sent", "CPU")
        console.print(table(title, columns, rows, caption=f"{first.seeds} paired seeds, {comparison.model} model, held-out hospitals"))
    if comparison.read:
        say_read(console, comparison.read)
    warn(console, [finding.as_dict() for finding in comparison.findings])
