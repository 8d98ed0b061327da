"""One patient's preparation as a value: its key, its rows, its fingerprint, and how its files are stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from client.cohort.slice_provenance import Record, write_record
from site_config.atomic_files import write_atomic
from site_config.site_yaml import SiteConfig
from site_config.tables.cohort_csv import Scan
from site_config.tables.patient_moments import Declared

SOFTWARE = "3"  # raise when the same inputs would give other slices


@dataclass(frozen=True)
class Job:
    """One patient to prepare: the key of its files, its rows, the fingerprint they give, and what cohort.csv declares."""

    key: str
    scans: tuple[Scan, ...]
    fingerprint: str
    declared: Declared | None = None


def prepared_folder(site: SiteConfig) -> Path:
    """Where the site's prepared cohort lies."""
    return site.state / "prepared"


def store(folder: Path, key: str, tensor_bytes: bytes | None, picture_bytes: bytes, record: Record) -> None:
    """Write one patient: pictures and the tensor first, then the record that vouches for them."""
    write_atomic(folder / f"{key}.view.safetensors", picture_bytes)
    path = folder / f"{key}.safetensors"
    if tensor_bytes is None:
        path.unlink(missing_ok=True)
    else:
        write_atomic(path, tensor_bytes)
    write_record(folder, key, record)
