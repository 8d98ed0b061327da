"""Sub-commands of fedhcc-site. A module of this folder takes part by having a function `register(app)`."""

from __future__ import annotations

from importlib import import_module

import typer

MODULES = (
    "init_and_join",
    "studies_approve_leave",
    "check_and_identity",
    "data",
    "models",
    "doctor_and_firewall",
    "compose",
    "run",
    "status_pause_logs",
    "egress_and_privacy",
    "predict_and_heatmaps",
)


def register_all(app: typer.Typer) -> None:
    """Add every module's commands, in the order of a hospital's day."""
    for name in MODULES:
        import_module(f"{__name__}.{name}").register(app)
