"""Label maps of a patient's scans, kept beside the prepared slices: another window or size needs no second segmentation.

A map is named by a keyed hash of the scan's files, the model and the grid, so it is found again exactly as long as none of
them changes. Files that no scan of the patient uses any more are removed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.cohort.pseudonyms import keyed_hash
from client.intake.file_stamp import stamp
from site_config.atomic_files import read_limited, write_atomic
from site_config.study.plan_and_lock import canonical
from site_config.tables.cohort_csv import Scan

LabelMap = NDArray[np.uint8]
SUFFIX = ".labels"
MOST_BYTES = 2**28


@dataclass(frozen=True)
class LabelCache:
    """The label maps of one patient (`key`) in the prepared `folder`; `root` is the images folder."""

    folder: Path
    key: str
    secret: bytes
    root: Path
    used: set[str] = field(default_factory=set)

    def read(self, scan: Scan, model: str, spacing_mm: float) -> LabelMap | None:
        """The label map made earlier by the model of this digest; None where there is none, or where it does not read."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self._path(scan, model, spacing_mm)
        if not path.exists():
            return None
        try:
            return np.asarray(load(zlib.decompress(read_limited(path, MOST_BYTES, "a kept label map")))["labels"], dtype=np.uint8)
        except (zlib.error, SafetensorError, KeyError):
            return None

    def write(self, scan: Scan, model: str, spacing_mm: float, labels: LabelMap) -> None:
        """Keep a label map."""
        from safetensors.numpy import save

        write_atomic(self._path(scan, model, spacing_mm), zlib.compress(save({"labels": np.ascontiguousarray(labels)}), 1))

    def tidy(self) -> None:
        """Remove this patient's maps that were neither read nor written."""
        for path in self.folder.glob(f"{self.key}.*{SUFFIX}"):
            if path.name not in self.used:
                path.unlink(missing_ok=True)

    def _path(self, scan: Scan, model: str, spacing_mm: float) -> Path:
        seen = canonical([stamp(scan.path, self.root), scan.series_uid, scan.acquisition, scan.phase, scan.region, spacing_mm]).decode()
        name = f"{self.key}.{keyed_hash(self.secret, 'labels', model, seen).hex()[:24]}{SUFFIX}"
        self.used.add(name)
        return self.folder / name
