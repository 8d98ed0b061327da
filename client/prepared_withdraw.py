"""Withdrawal: a patient's images go at once, and the patient is in no later statistic of this site."""

from __future__ import annotations

from pathlib import Path

from site_config.files import read_json

WITHDRAWN = "withdrawn.json"


def withdrawn_keys(state: Path) -> frozenset[str]:
    """Ids of the patients who have withdrawn."""
    path = state / WITHDRAWN
    return frozenset(read_json(path, "state/withdrawn.json")) if path.exists() else frozenset()
