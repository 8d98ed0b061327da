"""The command line `fedhcc-sim` with all of its commands."""

from __future__ import annotations

import typer

from simulations.commands import register_all
from site_config.console import add_version
from site_config.reference import problem_command as problem

app = typer.Typer(
    help="A whole federation on one machine: simulated cohorts, complete studies, comparisons, attacks and faults.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
add_version(app)
register_all(app)
problem.register(app)
