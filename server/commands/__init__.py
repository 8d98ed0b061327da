"""Sub-commands of fedhcc-coordinator. A module of this folder takes part by having a function `register(app)`."""

from __future__ import annotations

from importlib import import_module

import typer

MODULES = (
    "enrol_and_renew",
    "doctor",
    "study_check_lock_publish",
    "run",
    "report",
    "live_and_sites",
    "backup_and_rotate",
    "exclude_and_leave",
    "repair_and_upgrade",
)


def register_all(app: typer.Typer) -> None:
    """Add every module's commands, in the order of a study."""
    for name in MODULES:
        import_module(f"{__name__}.{name}").register(app)
