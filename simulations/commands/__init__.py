"""Sub-commands of fedhcc-sim. A module of this folder takes part by having a function `register(app)`.

Packages installed beside this one add their own by an entry point of the group `fedhcc.sim_commands`; the laboratory
(`evidence/`) brings `attack` and `faults` that way.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

import typer

MODULES = ("run", "cohort", "from_table", "tabular", "compare", "scale", "flower")


def register_all(app: typer.Typer) -> None:
    """Add every module's commands, in the order of how often they are wanted, then those of other packages by name."""
    for name in MODULES:
        import_module(f"{__name__}.{name}").register(app)
    for entry in sorted(entry_points(group="fedhcc.sim_commands"), key=lambda found: found.name):
        entry.load()(app)
