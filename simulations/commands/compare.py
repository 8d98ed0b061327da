"""`fedhcc-sim compare tabular`: what federation costs, on tabular cohorts, method by method on the same patients."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `compare`."""
    del app
