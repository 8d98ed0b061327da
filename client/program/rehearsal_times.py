"""What a rehearsal found out about this machine: seconds a step. `fedhcc-site doctor` writes it, the program reads it at its start."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from site_config.atomic_files import read_limited, write_atomic
from site_config.problems.base import Problem

NAME = "rehearsal.json"
TRAINING = "release training.update"
LONGEST_S = 1 << 16


class Rehearsal(BaseModel):
    """Seconds that steps took in a rehearsal, by step (`shared_model.secure_sum.federation_messages.step_of`), and when it was."""

    model_config = ConfigDict(extra="forbid")

    seconds: dict[str, float]
    at: str = ""


def rehearsed(state: Path) -> dict[str, float]:
    """Seconds by step of the last rehearsal; empty where there was none, or where its file does not read."""
    try:
        return Rehearsal.model_validate_json(read_limited(state / NAME, 1 << 16)).seconds
    except (Problem, ValidationError):
        return {}


def keep(state: Path, found: Rehearsal) -> None:
    """Keep a rehearsal for the program's next start."""
    write_atomic(state / NAME, found.model_dump_json().encode() + b"\n")


def declared_seconds(state: Path) -> int:
    """What is told of a training step at admission: its seconds, up to a power of two, so that they say little; 0 for no rehearsal."""
    found = rehearsed(state).get(TRAINING, 0.0)
    return min(1 << max(int(found) - 1, 0).bit_length(), LONGEST_S) if found > 0 else 0
