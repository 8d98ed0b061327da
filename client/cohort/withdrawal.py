"""Withdrawal: a patient's slices and pictures go at once, and no later statistic of this site holds the patient.

state/withdrawn.json keeps the id (which says nothing without the site's secret), the time, and the studies that were
approved then: the boundary at which those studies lost the patient. A resident process notices it at its next request.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from site_config.atomic_files import make_folder, read_json, write_json
from site_config.problems import host
from site_config.study.plan_and_lock import Strict

WITHDRAWN = "withdrawn.json"


class Withdrawal(Strict):
    """When a patient left, and the studies under way at this site then (their ids)."""

    at: str
    studies: tuple[str, ...] = ()


def withdrawals(state: Path) -> dict[str, Withdrawal]:
    """All withdrawals by patient id. Raises FH-917 when the file is damaged."""
    path = state / WITHDRAWN
    if not path.exists():
        return {}
    try:
        return {str(key): Withdrawal.model_validate(value) for key, value in dict(read_json(path, "state/withdrawn.json")).items()}
    except (ValidationError, TypeError, ValueError):
        raise host.STATE_DAMAGED.problem("state/withdrawn.json is not a list of withdrawals", where="state/withdrawn.json") from None


def withdrawn_keys(state: Path) -> frozenset[str]:
    """Ids of the patients who have withdrawn."""
    return frozenset(withdrawals(state))


def withdraw(state: Path, folder: Path, key: str, studies: tuple[str, ...], now: datetime | None = None) -> Withdrawal:
    """Record a withdrawal, then remove every file of the patient below the prepared `folder`.

    The record comes first: an interruption in between leaves a patient who is excluded and whose files the next call, or
    the next `prepare`, removes. Withdrawing twice keeps the first record.
    """
    known = withdrawals(state)
    if key not in known:
        known[key] = Withdrawal(at=(now or datetime.now(UTC)).isoformat(timespec="seconds"), studies=studies)
        make_folder(state)
        write_json(state / WITHDRAWN, {one: record.model_dump(mode="json") for one, record in sorted(known.items())})
    if folder.is_dir():
        for path in folder.glob(f"{key}.*"):
            path.unlink(missing_ok=True)
    return known[key]
