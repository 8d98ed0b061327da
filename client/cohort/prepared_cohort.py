"""The prepared cohort: what training, statistics and prediction read at a site.

Clinical data come from cohort.csv each time; images from state/prepared, one safetensors file a patient, written by
`prepare`. A site without images (no scans.csv) needs no preparation: its patients simply have none.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.cohort.preparation_job import prepared_folder
from client.cohort.prepare_cohort import PrepareSummary, prepare, settings_digest, shape_digest, tensor_shape
from client.cohort.pseudonyms import is_validation, patient_key, site_secret
from client.cohort.slice_provenance import Index, Record, read_index, read_record
from client.cohort.withdrawal import withdrawn_keys
from site_config.atomic_files import read_limited
from site_config.problems import scans as problems
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Role, Study, canonical
from site_config.study.prognostic_models import MODELS
from site_config.tables.cohort_csv import Cohort, Patient, load_cohort

__all__ = ["ImageStore", "Patients", "PrepareSummary", "load_patients", "prepare"]

CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class ImageStore:
    """Slices of one site's patients, read from disk when asked for; the last ones stay in memory (256 MiB)."""

    folder: Path
    keys: tuple[str, ...]
    shape: tuple[int, ...]
    digests: tuple[str | None, ...]
    _cache: OrderedDict[str, NDArray[np.float32]] = field(default_factory=OrderedDict, repr=False, compare=False)

    def load(self, index: int) -> NDArray[np.float32]:
        """One patient's slices, (V, O, S, H, W) float32; visits are baseline and follow-up, organs as in the study.

        Raises `IndexError` for a patient without images and FH-351 when the file is damaged.
        """
        key = self.keys[index]
        if self.digests[index] is None:
            raise IndexError(f"patient {index} has no images")
        if key not in self._cache:
            self._cache[key] = self._read(key, str(self.digests[index]))
            while len(self._cache) * int(np.prod(self.shape)) * 4 > CACHE_BYTES and len(self._cache) > 1:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]

    def _read(self, key: str, digest: str) -> NDArray[np.float32]:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        data = read_limited(self.folder / f"{key}.safetensors", 2**30, "a prepared file")
        try:
            tensor = load(data)["slices"]
        except (SafetensorError, KeyError):
            raise problems.PREPARED_DAMAGED.problem("a prepared file cannot be read", where="state/prepared") from None
        if hashlib.sha256(data).hexdigest() != digest or tensor.shape != self.shape:
            raise problems.PREPARED_DAMAGED.problem("a prepared file differs from its record", where="state/prepared")
        tensor.flags.writeable = False
        return np.asarray(tensor, dtype=np.float32)

    def subset(self, mask: NDArray[np.bool_]) -> ImageStore:
        """The store of some of the patients; what is in memory is shared."""
        chosen = np.flatnonzero(mask)
        return replace(self, keys=tuple(self.keys[i] for i in chosen), digests=tuple(self.digests[i] for i in chosen))


@dataclass(frozen=True)
class Patients:
    """One site's analysable patients in the order of their keys. Missing numbers are NaN.

    `clinical` (n, p) has the columns `clinical_names`, the study's design columns; `event_day` (n,) counts from the study's time
    zero; `is_validation` marks the validation part of a development site and is all False at evaluation sites. A patient
    without complete images stays in, with `has_images` False. `flow` counts who was enrolled and why images lack.
    `scan_interval` (n,) is the days between baseline and follow-up scan. `slices` tells a patient's slices from any others,
    `SETTINGS.CONTENT`; empty where no images are needed.
    """

    keys: tuple[str, ...]
    event_day: NDArray[np.float64]
    event: NDArray[np.bool_]
    clinical: NDArray[np.float64]
    clinical_names: tuple[str, ...]
    is_validation: NDArray[np.bool_]
    age: NDArray[np.float64]
    male: NDArray[np.float64]
    manufacturer: tuple[str, ...]
    response: tuple[str | None, ...]
    flags: tuple[frozenset[str], ...]
    scan_interval: NDArray[np.float64]
    images: ImageStore | None
    has_images: NDArray[np.bool_]
    flow: dict[str, int]
    slices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def subset(self, mask: NDArray[np.bool_]) -> Patients:
        """The patients where `mask` (n,) is true, in the same order; `flow` keeps telling of the whole site."""
        chosen = [int(i) for i in np.flatnonzero(mask)]
        return replace(
            self,
            keys=tuple(self.keys[i] for i in chosen),
            event_day=self.event_day[chosen],
            event=self.event[chosen],
            clinical=self.clinical[chosen],
            is_validation=self.is_validation[chosen],
            age=self.age[chosen],
            male=self.male[chosen],
            manufacturer=tuple(self.manufacturer[i] for i in chosen),
            response=tuple(self.response[i] for i in chosen),
            flags=tuple(self.flags[i] for i in chosen),
            scan_interval=self.scan_interval[chosen],
            images=None if self.images is None else self.images.subset(np.asarray(mask, dtype=bool)),
            has_images=self.has_images[chosen],
            slices=tuple(self.slices[i] for i in chosen) if self.slices else (),
        )


def load_patients(site: SiteConfig, study: Study, study_id: str, role: Role, cohort: Cohort | None = None) -> Patients:
    """This site's patients for a study, of `cohort` or of the table as it stands.

    Raises table problems (2xx), FH-350 when scans were not prepared for this study,
    and FH-354 when the study refuses patients without a chest scan.
    """
    secret = site_secret(site.state)
    folder = prepared_folder(site)
    gone = withdrawn_keys(site.state)
    if cohort is None:
        cohort = load_cohort(site.path(site.paths.cohort), study)
    rows = sorted(((patient_key(secret, patient.key), patient) for patient in cohort.patients), key=lambda pair: pair[0])
    kept = [(key, patient) for key, patient in rows if key not in gone]
    keys = tuple(key for key, _ in kept)
    records = _records(site, study, folder, keys)
    flow = {"enrolled": len(rows), "withdrawn": len(rows) - len(kept), **_flow(records)}
    validation = [role == "development" and is_validation(secret, patient.key, study.validation_fraction) for _, patient in kept]
    usable = np.array([record is not None and record.usable for record in records], dtype=bool)
    digests = tuple(record.tensor_sha256 if record is not None and record.usable else None for record in records)
    images = None if not needs_images(site, study) else ImageStore(folder, keys, tensor_shape(study), digests)
    design = study.design
    return Patients(
        keys=keys,
        event_day=_numbers(kept, lambda patient: patient.time_days),
        event=np.array([patient.event for _, patient in kept], dtype=bool),
        clinical=np.array([[column.of(patient.clinical.get(column.variable.name)) for column in design] for _, patient in kept]).reshape(
            len(kept), len(design)
        ),
        clinical_names=tuple(column.name for column in design),
        is_validation=np.array(validation, dtype=bool),
        age=_numbers(kept, lambda patient: patient.age),
        male=_numbers(kept, lambda patient: patient.male),
        manufacturer=tuple("unknown" if record is None else record.manufacturer for record in records),
        response=tuple(patient.response for _, patient in kept),
        flags=tuple(frozenset() if record is None else frozenset(record.flags) for record in records),
        scan_interval=np.array([_interval(record) for record in records], dtype=np.float64),
        images=images,
        has_images=usable,
        flow=flow,
        slices=() if images is None else tuple(_mark(shape_digest(study), record) for record in records),
    )


def needs_images(site: SiteConfig, study: Study) -> bool:
    """Whether this site has scans and the study a model that reads images."""
    return site.paths.scans is not None and MODELS.read_scans(study.models)


def _mark(settings: str, record: Record | None) -> str:
    """The shape of the slices, and all that results read of a patient's scans."""
    if record is None or not record.usable:
        return ""
    read = [record.tensor_sha256, record.manufacturer, record.interval_days, record.flags]
    return f"{settings[:8]}.{hashlib.sha256(canonical(read)).hexdigest()[:16]}"


def _interval(record: Record | None) -> float:
    """Days between a patient's two visits; NaN where not known."""
    return float("nan") if record is None or record.interval_days is None else record.interval_days


def _records(site: SiteConfig, study: Study, folder: Path, keys: tuple[str, ...]) -> list[Record | None]:
    """Each patient's record, None throughout where no images are needed; what is missing or stale is a problem, not a gap."""
    if not needs_images(site, study):
        return [None] * len(keys)
    index: Index | None = read_index(folder)
    if index is None:
        raise problems.NOT_PREPARED.problem("no cohort has been prepared yet")
    if index.settings != settings_digest(study):
        raise problems.NOT_PREPARED.problem("the cohort was prepared for other imaging settings")
    absent = sum(key not in index.patients for key in keys)
    if absent:
        raise problems.NOT_PREPARED.problem(f"{absent} of {len(keys)} patients have not been prepared")
    records: list[Record | None] = []
    for key in keys:
        record = read_record(folder, key)
        if record is None or record.fingerprint != index.patients[key]:
            raise problems.PREPARED_DAMAGED.problem("a prepared record differs from the index", where="state/prepared")
        records.append(record)
    refused = sum(record is not None and record.refused for record in records)
    if refused:
        raise problems.MISSING_REFUSED.problem(f"{refused} of {len(keys)} patients lack a chest scan")
    return records


def _flow(records: list[Record | None]) -> dict[str, int]:
    """Counts of patients by what became of their images."""
    known = [record for record in records if record is not None]
    flow = {"analysed": len(records), "with_images": sum(record.usable for record in known)}
    for record in known:
        codes = {finding.code for finding in record.findings}
        if not record.usable:
            reason = next((kind.name for kind in (problems.NO_BASELINE, problems.NO_FOLLOWUP) if kind.label in codes), "no-images")
            flow[reason] = flow.get(reason, 0) + 1
        if any(flag.endswith("_carried_forward") for flag in record.flags):
            flow["carried-forward"] = flow.get("carried-forward", 0) + 1
    return flow


def _number(value: float | bool | None) -> float:
    return float("nan") if value is None else float(value)


def _numbers(rows: list[tuple[str, Patient]], pick: Callable[[Patient], float | bool | None]) -> NDArray[np.float64]:
    return np.array([_number(pick(patient)) for _, patient in rows], dtype=np.float64)
