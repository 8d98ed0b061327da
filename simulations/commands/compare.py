"""`fedhcc-sim compare tabular | phantom`: what federation costs, on the same patients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulations.commands import table_options as options
from simulations.commands.tabular import compare_app
from site_config.console import Json, note, show, table
from site_config.names import choice

if TYPE_CHECKING:
    from simulations.compare.comparison import MethodComparison
    from simulations.tabular.rows import Named

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
    as_json: Json = False,
) -> None:
    """Train one model in ten ways on the same patients and compare the C-index on hospitals nobody saw."""
    named = None
    if csv is not None:
        from simulations.tabular.rows import Named

        names, how = options.names(covariates), options.reading(missing, decimal)
        unit, died = options.unit(time_unit), tuple(event_value or ())
        named = Named(site, time, event, names, split=split, time_unit=unit, event_values=died, reading=how)
    comparison = _compared(scenario or list(ALL), seeds, model, rounds, csv, named, held_out)
    if out is not None:
        from simulations.compare.page import write_comparison

        page, rows = write_comparison(comparison, out)
        note(f"wrote {page} and {rows}")
    show(comparison.as_dict(), lambda console: _print(console, comparison))


def phantom(
    out: Annotated[Path, typer.Option(help="Folder of the runs, compare-phantom.html and .csv; the same folder again resumes.")],
    preset: Annotated[str, typer.Option(help="A simulated study: demo, tiny or paper.")] = "demo",
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Number of paired seeds.")] = 3,
    minutes: Annotated[float, typer.Option(min=0, help="Begin no further seed after this long.")] = 240.0,
    as_json: Json = False,
) -> None:
    """Whole studies of phantoms: the federated network against its twin on pooled patients, seed by seed."""
    from simulations.compare.phantom import compare_phantom, write_phantom

    found = compare_phantom(out, preset, range(1, seeds + 1), 60 * minutes, note)
    page, rows = write_phantom(found, out)
    note(f"wrote {page} and {rows}")
    lines = [(o.seed, o.n, o.events, f"{o.c_federated:.3f}", f"{o.c_pooled:.3f}", f"{o.difference:+.4f}") for o in found.outcomes]
    mean = found.mean
    caption = f"mean difference {mean[0]:+.4f}" if mean else "no seed was finished"
    columns = ("seed", "n", "events", "C federated", "C pooled", "difference")
    show(found.as_dict(), table(f"{preset}: held-out phantoms", columns, lines, caption=caption))


def _compared(
    scenarios: list[str], seeds: int, model: str, rounds: int | None, csv: Path | None, named: Named | None, held_out: float
) -> MethodComparison:
    from site_config.problems import host

    unknown = [name for name in scenarios if name not in ALL]
    if unknown or model not in ("linear", "mlp"):
        what = f"--scenario cannot be {unknown[0]!r}" if unknown else f"--model cannot be {model!r}"
        raise host.USAGE.problem(what, fix=choice(unknown[0], ALL) if unknown else choice(model, ("linear", "mlp")))
    from simulations.compare.comparison import compare_rows, compare_simulated
    from simulations.compare.methods import default_plan

    plan = default_plan(model, rounds)  # type: ignore[arg-type]
    if csv is None or named is None:
        return compare_simulated(scenarios, range(seeds), model, plan, note)  # type: ignore[arg-type]
    from simulations.tabular.fit import load_rows

    table_rows = load_rows(csv, named)
    return compare_rows(table_rows, held_out, range(seeds), model, plan, note)  # type: ignore[arg-type]


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
