"""`fedhcc-site`: the hospital's command."""

from __future__ import annotations

import typer

from client.commands import register_all
from site_config.console import add_version, run
from site_config.reference import problem_command as problem

app = typer.Typer(
    name="fedhcc-site",
    help="The hospital's side of a federated study: prepare scans, join, approve studies, run, and see what left the house.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
add_version(app)
register_all(app)
problem.register(app)


def main() -> None:
    """Entry point of the console command."""
    run(app)


if __name__ == "__main__":
    main()
