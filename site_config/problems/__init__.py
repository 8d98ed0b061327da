"""Every numbered problem, grouped by what it concerns."""

from __future__ import annotations

from importlib import import_module

from site_config.problems.base import Kind

GROUPS = (
    "configuration",
    "tables",
    "scans",
    "which_scan",
    "segmentation",
    "identity",
    "privacy",
    "shares",
    "model",
    "federation",
    "survival",
    "host",
)


def all_kinds() -> tuple[Kind, ...]:
    """Every kind of problem in order of its code."""
    found = [value for group in GROUPS for value in vars(import_module(f"{__name__}.{group}")).values() if isinstance(value, Kind)]
    return tuple(sorted(set(found), key=lambda kind: kind.code))
