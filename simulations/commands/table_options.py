"""Options that every command on a person's own table takes: which columns mean what, and how their cells are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Table = Annotated[Path | None, typer.Argument(help="Table with a header; comma, semicolon or tab.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="The table, where it is not the argument.")]
Site = Annotated[str, typer.Option(help="Column that names the hospital of a row.")]
Time = Annotated[str, typer.Option(help="Column of follow-up times from 0.")]
Event = Annotated[str, typer.Option(help="Column of events: 0/1, 1/2 (2 = event), true/false or yes/no.")]
Covariates = Annotated[
    list[str],
    typer.Option(help="Columns of the model, separated by commas; or a JSON list, or @FILE with one name a line; may be repeated."),
]
Missing = Annotated[
    list[str] | None,
    typer.Option("--missing", help="A word that means a missing value, besides blank; COLUMN=WORD in one column alone; may be repeated."),
]
Decimal = Annotated[str | None, typer.Option("--decimal", help="Mark of decimals, point or comma, where the table leaves it open.")]
TimeUnit = Annotated[str | None, typer.Option("--time-unit", help="days, weeks, months or years; results are in days.")]
EventValue = Annotated[list[str] | None, typer.Option("--event-value", help="A value of the event column that is an event; repeatable.")]
Holders = Annotated[int, typer.Option(help="Holders of shares, 3 or 5; 0: plain numbers at the same fixed point, for speed.")]
StudyFile = Annotated[Path | None, typer.Option("--study", help="study.yaml whose settings hold; left out, a study's defaults.")]

NAMES_BYTES = 1 << 20


def table(argument: Path | None, option: Path | None) -> Path:
    """The table of a command, given as its argument or by --csv; FH-902 for none and for both."""
    from site_config.problems import host

    if argument is not None and option is not None:
        raise host.USAGE.problem("two tables are given", fix="Give the table once: as the argument, or by --csv.")
    found = argument or option
    if found is None:
        raise host.USAGE.problem("no table is given", fix="Name the CSV file after the command.")
    return found


def not_over(written: Path | None, option: str, *read: Path | None) -> None:
    """FH-902 where a file that is written is one that is read."""
    from site_config.problems import host

    if written is not None and any(one is not None and one.resolve() == written.resolve() for one in read):
        raise host.USAGE.problem(f"{option} names the table itself, which would be lost", fix="Give the file that is written another name.")


def numbers(text: str, option: str) -> list[float]:
    """Rising positive numbers separated by commas; FH-902 otherwise."""
    from site_config.problems import host

    try:
        found = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        found = []
    if not found or any(not 0 < value < float("inf") for value in found) or sorted(set(found)) != found:
        raise host.USAGE.problem(f"{option} takes rising positive numbers", fix=f"For example {option} 365,730.")
    return found


def names(given: Sequence[str], option: str = "--covariates") -> tuple[str, ...]:
    """Column names as given: `a,b` stays one text (the header decides), a JSON list and @FILE become their names.

    FH-902 for none, for a list that is none, and for a name given twice.
    """
    from site_config.problems import host

    found: list[str] = []
    for text in given:
        if text.startswith("@"):
            from site_config.atomic_files import read_limited

            lines = read_limited(Path(text[1:]), NAMES_BYTES, "the file of column names").decode("utf-8-sig")
            found += (
                _json(lines, option) if lines.lstrip().startswith("[") else [line.strip() for line in lines.splitlines() if line.strip()]
            )
        elif text.lstrip().startswith("["):
            found += _json(text, option)
        else:
            found.append(text.strip())
    found = [name for name in found if name.strip(", ")]
    apart = [part.strip() for name in found for part in name.split(",") if part.strip()]
    if not found or len(set(found)) < len(found) or (len(found) == 1 and len(set(apart)) < len(apart)):
        raise host.USAGE.problem(f"{option} takes distinct column names", fix=f"For example {option} age,sex.")
    return tuple(found)


def _json(text: str, option: str) -> list[str]:
    from site_config.problems import host

    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise host.USAGE.problem(f"{option} is no JSON list of names", fix=f'For example {option} \'["age", "diagnosis, NOS"]\'.')
    return found


def written(missing: Sequence[str] | None, decimal: str | None, time_unit: str | None, event_value: Sequence[str] | None) -> dict[str, Any]:
    """How the cells are written, as the arguments of `fedhcc.cox` and its like, which check them."""
    return {"missing": tuple(missing or ()), "decimal": decimal, "time_unit": time_unit, "event_values": tuple(event_value or ())}
