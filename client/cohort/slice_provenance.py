"""What is written beside a patient's slices: where each came from and what was remarked, without anything that names a person."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from site_config.atomic_files import read_json, write_json
from site_config.problems import all_kinds, scans
from site_config.problems.base import Exit, Problem
from site_config.study.plan_and_lock import Strict, canonical

INDEX = "index.json"
SEAL = "sha256"


class Finding(Strict):
    """A problem met while a patient was prepared, as stored; the long texts come from the problems again."""

    code: str
    what: str
    where: str | None = None

    @classmethod
    def of(cls, problem: Problem) -> Finding:
        """The storable part of a problem."""
        return cls(code=problem.code, what=problem.what, where=problem.where)

    def problem(self) -> Problem:
        """The problem with its reason and remedy."""
        kinds = {kind.label: kind for kind in all_kinds()}
        if self.code not in kinds:
            raise scans.PREPARED_DAMAGED.problem(f"a record names the unknown problem {self.code}", where="state/prepared")
        return kinds[self.code].problem(self.what, where=self.where)


class OrganRecord(Strict):
    """Where the slices of one organ at one visit come from. Areas in mm², volumes in mL, positions in mm from the first slice."""

    source: Literal["scan", "carried forward", "zeros"]
    reason: str = ""
    chosen_among: int = 1
    slices: tuple[int, ...] = ()
    z_mm: tuple[float, ...] = ()
    organ_mm2: tuple[float, ...] = ()
    tumour_mm2: tuple[float, ...] = ()
    organ_ml: float = 0.0
    tumour_ml: float = 0.0
    removed_ml: float = 0.0
    partial: bool = False
    slice_mm: float = 0.0
    phase: str | None = None


class Record(Strict):
    """One patient's provenance. `fingerprint` covers settings, models and files; it is keyed, so it names none of them."""

    format: Literal[1] = 1
    fingerprint: str
    software: str
    usable: bool
    refused: bool = False
    retry: bool = False
    flags: tuple[str, ...] = ()
    manufacturer: str = "unknown"
    interval_days: float | None = None
    organs: dict[str, dict[str, OrganRecord]] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    tensor_sha256: str | None = None
    prints: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="fingerprints of each scan's slices")
    persons: tuple[str, ...] = Field(default=(), description="keyed hashes of the persons the headers name, to find one twice")


class Index(Strict):
    """All patients of the prepared cohort, and the settings they were prepared for."""

    format: Literal[1] = 1
    settings: str
    size: tuple[int, ...]
    patients: dict[str, str]
    usable: tuple[str, ...]
    overlaps: dict[str, tuple[Finding, ...]] = Field(default_factory=dict, description="patients whose scans share slices")


def sealed(content: Strict) -> dict[str, Any]:
    """The content with its own digest, so that a changed bit is noticed when it is read."""
    plain = content.model_dump(mode="json")
    return {**plain, SEAL: hashlib.sha256(canonical(plain)).hexdigest()}


def _unsealed(found: Any) -> Any:
    """What was sealed; a `ValidationError` of its form follows where the digest does not fit."""
    if not isinstance(found, dict):
        return found
    plain = {name: value for name, value in found.items() if name != SEAL}
    return plain if found.get(SEAL) == hashlib.sha256(canonical(plain)).hexdigest() else None


def read_record(folder: Path, key: str) -> Record | None:
    """A patient's record; None where there is none or where it does not read, so that it is made again."""
    path = folder / f"{key}.json"
    if not path.exists():
        return None
    try:
        return Record.model_validate(_unsealed(read_json(path, "a prepared record")))
    except ValidationError:
        return None
    except Problem as problem:
        if problem.kind.exit == Exit.CONTENT:
            return None
        raise


def write_record(folder: Path, key: str, record: Record) -> None:
    """Write a patient's record whole."""
    write_json(folder / f"{key}.json", sealed(record))


def read_index(folder: Path) -> Index | None:
    """The index of the prepared folder; None where nothing was prepared. Raises FH-351 when it is damaged."""
    path = folder / INDEX
    if not path.exists():
        return None
    try:
        return Index.model_validate(_unsealed(read_json(path, "state/prepared/index.json")))
    except ValidationError:
        raise scans.PREPARED_DAMAGED.problem("state/prepared/index.json is not an index", where="state/prepared/index.json") from None


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """How often each code occurs, in order of the codes."""
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.code] = counts.get(finding.code, 0) + 1
    return dict(sorted(counts.items()))
