"""`fedhcc-sim from-table`: one table with a column of hospitals becomes the folder of a study that `run` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulations.commands import table_options as options
from site_config.console import Json, next_command, note, show
from site_config.words_of_messages import plural


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("from-table")(from_table)


def from_table(
    csv: Annotated[Path, typer.Argument(help="Table with a header, one row a patient; comma, semicolon or tab.")],
    out: Annotated[Path, typer.Option(help="New folder for study.yaml and sites/NAME/.")],
    site: options.Site,
    time: options.Time,
    event: options.Event,
    covariates: Annotated[
        list[str], typer.Option(help="Columns of the model, as for `cox`; left out: every other column of the table.")
    ] = [],  # noqa: B006
    split: Annotated[str | None, typer.Option(help="Column of train and test; test rows are the held-out hospitals.")] = None,
    join: Annotated[Path | None, typer.Option(help="A second table, with further columns of the same patients.")] = None,
    key: Annotated[str | None, typer.Option(help="Column that names the patient, in both tables.")] = None,
    title: Annotated[str | None, typer.Option(help="The study's title; left out, the table's name.")] = None,
    time_zero: Annotated[
        str, typer.Option(help="Times start at: enrolment, treatment, randomisation, diagnosis, or other words.")
    ] = "enrolment",
    event_label: Annotated[str, typer.Option(help="What an event is called.")] = "death",
    resolution: Annotated[str, typer.Option(help="exact (you hold all rows anyway) or shares (as between hospitals).")] = "exact",
    missing: options.Missing = None,
    decimal: options.Decimal = None,
    time_unit: options.TimeUnit = None,
    event_value: options.EventValue = None,
    as_json: Json = False,
) -> None:
    """Turn one table into the folder of a study: `fedhcc-sim run FOLDER` runs it, and its files are yours to correct."""
    from simulations.tabular.complete_rows import DAYS, Named
    from simulations.tabular.design_columns import covariate_names
    from simulations.tabular.join_tables import joined
    from simulations.tabular.read_table import Reading, read_table
    from simulations.tabular.table_as_folder import FolderPlan, as_folder
    from site_config.atomic_files import write_atomic
    from site_config.documents.read_yaml_documents import load_study
    from site_config.problems import host
    from site_config.words_of_messages import choice

    for value, known, name in ((resolution, ("exact", "shares"), "--resolution"), (time_unit or "days", tuple(DAYS), "--time-unit")):
        if value not in known:
            raise host.USAGE.problem(f"{name} {value} is not known", fix=choice(value, known))
    if out.exists() and any(out.iterdir()):
        raise host.USAGE.problem("the folder of --out is not empty", fix="Name a new folder.")
    if join is not None and key is None:
        raise host.USAGE.problem("--join needs the column that both tables have", fix="Add --key NAME.")
    reading = Reading(tuple(missing or ()), decimal)  # type: ignore[arg-type]
    first = read_table(csv, reading)
    table = joined(first, read_table(join, reading), key) if join is not None and key is not None else first

    meant = {site, time, event, split, key, ""}
    names = covariate_names(table, options.names(covariates)) if covariates else tuple(c for c in first.header if c not in meant)
    named = Named(site, time, event, names, split=split, time_unit=time_unit, event_values=tuple(event_value or ()), reading=reading)  # type: ignore[arg-type]
    plan = FolderPlan(named, key, title or csv.stem, time_zero, event_label, resolution)  # type: ignore[arg-type]
    found = as_folder(table, plan)
    for path, text in found.files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out / path, text.encode(), 0o644)
    load_study(out / "study.yaml")
    for one in found.notes:
        note(one)
    following = next_command("fedhcc-sim", "run", out)
    said = f"{plural(found.patients, 'patient')} at {plural(found.hospitals, 'hospital')} written to {out}. Next: {following}"
    show({"patients": found.patients, "hospitals": found.hospitals, "notes": list(found.notes), "study": str(out / "study.yaml")}, said)
