"""`fedhcc-sim attack`: what a curious coordinator gets out of everything it legitimately sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from site_config.console import Json, note, show, table

if TYPE_CHECKING:
    from evidence.attacks.attack_result import AttackResult


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("attack")(attack)


def _figures(result: AttackResult) -> str:
    shown = result.figures
    if "unique_hit" in shown:
        found = f"{shown['unique_hit']:.1f} of {shown['unique_patients']:.0f} unique patients, by chance {shown['control_unique_hit']:.1f}"
        return f"{found} (excess {shown['excess']:.2f} ± {shown['excess_se']:.2f}), precision {shown['precision']:.0%}"
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in shown.items())


def attack(
    only: Annotated[str, typer.Option(help="Letters of the attacks, as a,g; all when left out.")] = "",
    n: Annotated[int, typer.Option("--n", min=20, max=2_000, help="Patients of a cohort.")] = 207,
    cohorts: Annotated[int, typer.Option(min=2, max=1_000, help="Cohorts an attack is repeated on.")] = 20,
    json: Json = False,
) -> None:
    """Attack what a study opens at defaults; each attack also where it must succeed, so that it is known to work.

    A claim names seven covariates and a day (± 15). Claims that fit patients whose pattern is unique are compared with how
    often they fit independent cohorts. Exits with 1 when a default is beaten or a positive control fails.
    """
    from evidence.attacks.all_attacks import Report, chosen, run

    found = []
    for result in run(chosen(only), (n,), cohorts):
        found.append(result)
        note(f"{result.attack} {result.setting}: {result.verdict}")
    report = Report(tuple(found))
    rows = [(r.attack, r.title, r.setting, r.n or "", f"{r.verdict} {r.code}".strip(), _figures(r)) for r in report.results]
    columns = ("", "attack", "setting", "n", "verdict", "figures")
    data = {"results": report.results, "failing": [f"{r.attack} {r.setting}: {r.title}" for r in report.failing], "note": report.note}
    show(data, table("Attacks", columns, rows, report.note))
    if report.failing:
        raise typer.Exit(1)
