"""`fedhcc-coordinator`: the trial office's command."""

from __future__ import annotations

import typer

from server.commands import register_all
from site_config.console import add_version, run
from site_config.reference import problem_command as problem

app = typer.Typer(
    name="fedhcc-coordinator",
    help="The trial office: enrol hospitals, lock and publish a study, run and resume it, and read the report.",
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
