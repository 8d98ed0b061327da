"""Preparing patients in one process or several; models are loaded once a process and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from client.prepared_patient import prepare_patient
from client.prepared_record import Finding, Record
from client.prepared_run import SOFTWARE, prepared_folder, store
from client.segmentation.segmenter import Segmenter
from site_config.cohort import Scan
from site_config.site import SiteConfig
from site_config.study import Study, canonical

if TYPE_CHECKING:
    from client.prepared_run import Job


def targets_of(study: Study) -> tuple[str, ...]:
    """All targets the study's organs need, in order."""
    return tuple(dict.fromkeys(target for organ in study.organs for target in organ.targets))


def sources_digest(site: SiteConfig, study: Study, scans: tuple[Scan, ...]) -> str:
    """SHA-256, hex, of where this patient's masks come from: targets, labels, and the files of the models used."""
    segmentation = site.segmentation
    used = {target: segmentation.targets[target] for target in targets_of(study) if target in segmentation.targets}
    models = {source.model: segmentation.models[source.model] for source in used.values() if source.model in segmentation.models}
    described = {name: model.model_dump(mode="json", exclude={"folder"}) for name, model in models.items() if name is not None}
    return hashlib.sha256(canonical([{k: v.model_dump(mode="json") for k, v in used.items()}, described])).hexdigest()


def work(site: SiteConfig, study: Study, jobs: list[Job]) -> Iterator[str]:
    """Prepare the jobs and yield each key when its files are on disk."""
    from client.segmentation.models import SiteModels, check_targets

    if jobs:
        check_targets(site, study)
    segmenter = Segmenter(site.segmentation, study, SiteModels(site))
    for job in jobs:
        do(site, study, segmenter, job)
        yield job.key


def do(site: SiteConfig, study: Study, segmenter: Segmenter, job: Job) -> None:
    """Prepare and store one patient."""
    from safetensors.numpy import save

    prepared = prepare_patient(job.scans, study, segmenter)
    data = None if prepared.tensor is None else save({"slices": prepared.tensor})
    record = Record(
        fingerprint=job.fingerprint,
        software=SOFTWARE,
        usable=data is not None,
        refused=prepared.refused,
        retry=prepared.retry,
        flags=tuple(sorted(prepared.flags)),
        manufacturer=prepared.manufacturer,
        interval_days=prepared.interval_days,
        organs=prepared.organs,
        findings=tuple(Finding.of(problem) for problem in prepared.findings),
        tensor_sha256=None if data is None else hashlib.sha256(data).hexdigest(),
    )
    store(prepared_folder(site), job.key, data, record)
