"""Sub-commands of fedhcc-site. A module of this folder takes part by having a function `register(app)`."""

from __future__ import annotations

from importlib import import_module

import typer

MODULES = ("enrol", "studies", "config", "data", "models", "doctor", "compose", "run", "status", "egress", "predict")


def register_all(app: typer.Typer) -> None:
    """Add every module's commands, in the order of a hospital's day."""
    for name in MODULES:
        import_module(f"{__name__}.{name}").register(app)
