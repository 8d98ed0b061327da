"""`fedhcc-sim`: both sides on one machine."""

from __future__ import annotations

import typer

from simulations.commands import register_all
from site_config.console import add_version, run

app = typer.Typer(
    help="A whole federation on one machine: simulated cohorts, complete studies, comparisons, attacks and faults.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)
add_version(app)
register_all(app)


def main() -> None:
    """Entry point of the console command."""
    run(app)


if __name__ == "__main__":
    main()
