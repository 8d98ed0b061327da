"""Preparing patients in one process or several; models are loaded once a process and kept."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from client.cohort.one_patient import prepare_patient
from client.cohort.preparation_job import SOFTWARE, prepared_folder, store
from client.cohort.pseudonyms import keyed_hash, site_secret
from client.cohort.slice_provenance import Finding, Record
from client.segmentation.declared_models import SiteModels, check_targets
from client.segmentation.mask_cache import LabelCache
from client.segmentation.segmenter import Segmenter
from site_config.heap_memory import keep_heap
from site_config.problems import segmentation as problems
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Study, canonical
from site_config.tables.cohort_csv import Scan

if TYPE_CHECKING:
    from client.cohort.preparation_job import Job


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


def work(site: SiteConfig, study: Study, jobs: list[Job], scans: tuple[Scan, ...]) -> Iterator[str]:
    """Prepare the jobs and yield each key when its files are on disk, in `compute.workers` processes; `scans` are the site's.

    Raises problems of the models (FH-322, FH-340 … FH-346) and access problems of the state folder.
    """
    if not jobs:
        return
    keep_heap()
    check_targets(site, study, scans)
    if min(site.compute.workers, len(jobs)) == 1:
        for job in jobs:
            yield do(site, study, job)
        return
    yield from _in_processes(site, study, jobs)


def _in_processes(site: SiteConfig, study: Study, jobs: list[Job]) -> Iterator[str]:
    """The same in several processes, which live as long as the run and end with it."""
    context = multiprocessing.get_context("forkserver")
    models = any(target.model is not None for target in site.segmentation.targets.values())
    context.set_forkserver_preload([__name__, *(["client.segmentation.nnunet_import"] if models else [])])
    pool = ProcessPoolExecutor(min(site.compute.workers, len(jobs)), mp_context=context, initializer=_start)
    try:
        waiting = [pool.submit(do, site, study, job) for job in jobs]
        for finished in as_completed(waiting):
            yield finished.result()
    except BrokenProcessPool:
        raise problems.SEGMENTATION_FAILED.problem("a worker process was ended by the system; memory probably ran out") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start() -> None:
    """A worker uses one thread, leaves Ctrl-C to its parent, and ends when its parent does, however that ends."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    keep_heap()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def do(site: SiteConfig, study: Study, job: Job) -> str:
    """Prepare and store one patient; gives the key."""
    from safetensors.numpy import save

    folder = prepared_folder(site)
    secret, root = site_secret(site.state), site.path(site.paths.images)
    cache = LabelCache(folder, job.key, secret, root.resolve())
    segmenter = Segmenter(site.segmentation, study, SiteModels(site), cache)
    prepared = prepare_patient(job.scans, study, segmenter, job.declared, root if root.is_dir() else None)
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
        prints=prepared.prints,
        persons=tuple(sorted(keyed_hash(secret, "person", person).hex()[:24] for person in prepared.persons)),
        tensor_sha256=None if data is None else hashlib.sha256(data).hexdigest(),
    )
    store(folder, job.key, data, save(prepared.pictures), record)
    cache.tidy()
    return job.key
