"""`fedhcc-sim`: both sides on one machine."""

from __future__ import annotations

from typing import Any

from simulations.interrupts import keeping_status, one_line


def main() -> None:
    """Entry point of the console command. Ctrl-C is dealt with before anything else is imported."""
    one_line()
    from simulations.commands.app import app
    from site_config.console import run

    with keeping_status():
        run(app)


def __getattr__(name: str) -> Any:
    """`simulations.cli.app`, made when it is asked for."""
    if name != "app":
        raise AttributeError(name)
    from simulations.commands.app import app

    return app


if __name__ == "__main__":
    main()
