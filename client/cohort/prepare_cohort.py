"""`prepare`: every patient of the site, resumable, in parallel over patients.

A patient is done when its record's fingerprint is the one its rows, files, models and the study's imaging settings give
now; everything else is made again. Files are written whole under their names, the tensor before the record and the record
before the index, so an interruption at any moment leaves either the former state or the new one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from client.cohort.preparation_job import SOFTWARE, Job, prepared_folder
from client.cohort.preparation_workers import sources_digest, work
from client.cohort.pseudonyms import keyed_hash, patient_key, site_secret
from client.cohort.slice_provenance import INDEX, Finding, Index, Record, read_record, sealed
from client.cohort.withdrawal import withdrawn_keys
from client.intake.file_stamp import stamp
from client.intake.slice_fingerprints import shared
from site_config.atomic_files import access_problem, make_folder, write_json
from site_config.file_lock import take
from site_config.problems import scans as scan_problems
from site_config.problems import which_scan
from site_config.problems.base import together
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Study, canonical
from site_config.tables.cohort_csv import Scan, check_together, load_cohort, load_scans
from site_config.tables.patient_moments import Declared

Progress = Callable[[int, int], None]
MOST_SHARED = 3


@dataclass(frozen=True)
class PrepareSummary:
    """What a run did: patients in all, made now, kept from before, with images, and the findings of each key."""

    patients: int
    made: int
    kept: int
    with_images: int
    carried_forward: int
    to_retry: int
    findings: tuple[tuple[str, Finding], ...]


def tensor_shape(study: Study) -> tuple[int, int, int, int, int]:
    """(V, O, S, H, W) of a patient's slices."""
    imaging = study.imaging
    return 2, len(study.organs), imaging.slices, imaging.size, imaging.size


def settings_digest(study: Study) -> str:
    """SHA-256, hex, of everything in a study that changes slices: imaging, organs and the version of the rule."""
    organs = [organ.model_dump(mode="json") for organ in study.organs]
    return hashlib.sha256(canonical([SOFTWARE, study.imaging.model_dump(mode="json"), organs])).hexdigest()


def shape_digest(study: Study) -> str:
    """SHA-256, hex, of what makes every patient's slices others: the rest (which scan, which slices, what is missing) may change a few."""
    imaging = study.imaging.model_dump(mode="json", include={"spacing_mm", "slices", "size", "field"})
    return hashlib.sha256(canonical([imaging, [organ.model_dump(mode="json") for organ in study.organs]])).hexdigest()


def prepare(site: SiteConfig, study: Study, *, progress: Progress | None = None) -> PrepareSummary:
    """Prepare every patient of the site for a study and write the index.

    `progress(done, all)` is called after each patient. Raises table problems (2xx), problems of the segmentation models
    (340–346), FH-353 when another run is at work, and access problems of the state folder. What is wrong with a patient's
    scans is a finding of that patient and never stops the others.
    """
    folder = make_folder(prepared_folder(site))
    secret = site_secret(site.state)
    cohort = load_cohort(site.path(site.paths.cohort), study)
    table = site.paths.scans
    rows = () if table is None else load_scans(site.path(table), site.path(site.paths.images), study, strict=False)
    faults, _ = check_together(cohort.patients, rows)
    if faults:
        raise together(faults)
    gone = withdrawn_keys(site.state)
    with only_one(folder):
        jobs = []
        root = site.path(site.paths.images).resolve()
        digest = settings_digest(study)
        for patient in cohort.patients:
            key = patient_key(secret, patient.key)
            scans = tuple(scan for scan in rows if scan.patient == patient.key)
            declared = Declared.of(patient)
            fingerprint = _fingerprint(secret, digest, sources_digest(site, study, scans), scans, declared, root)
            if key not in gone:
                jobs.append(Job(key, scans, fingerprint, declared))
        todo = [job for job in jobs if not is_current(folder, job)]
        done = len(jobs) - len(todo)
        for _ in work(site, study, todo, rows):
            done += 1
            if progress is not None:
                progress(done, len(jobs))
        return _finish(folder, digest, study, jobs, made=len(todo))


def _fingerprint(secret: bytes, settings: str, sources: str, scans: tuple[Scan, ...], declared: Declared, root: Path) -> str:
    """Keyed hash of all that a patient's slices depend on; files enter by relative name, size and time of change."""
    rows = [
        [
            *(str(part) for part in (scan.visit, scan.day, scan.date, scan.region, scan.phase, scan.series_uid, scan.manufacturer)),
            str(scan.acquisition),
            "no" if scan.same_person is False else bool(scan.same_person),
            stamp(scan.path, root),
            {target: stamp(path, root) for target, path in sorted(scan.masks.items())},
        ]
        for scan in scans
    ]
    return keyed_hash(secret, "fingerprint", settings, sources, canonical([rows, repr(declared)]).decode()).hex()


def is_current(folder: Path, job: Job) -> bool:
    """Whether a patient's files are whole and fit the job; something that could not be opened before is tried again."""
    record = read_record(folder, job.key)
    if record is None or record.fingerprint != job.fingerprint or record.retry or not (folder / f"{job.key}.view.safetensors").exists():
        return False
    if record.tensor_sha256 is None:
        return True
    try:
        data = (folder / f"{job.key}.safetensors").read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise access_problem(error, "a prepared file") from None
    return hashlib.sha256(data).hexdigest() == record.tensor_sha256


def _finish(folder: Path, digest: str, study: Study, jobs: list[Job], made: int) -> PrepareSummary:
    """Write the index, remove files of patients who are no longer in the cohort, and sum up."""
    records: dict[str, Record] = {}
    for job in jobs:
        record = read_record(folder, job.key)
        if record is None:
            raise scan_problems.PREPARED_DAMAGED.problem("a record that was just written cannot be read", where="state/prepared")
        records[job.key] = record
    usable = tuple(sorted(key for key, record in records.items() if record.usable))
    patients = {key: record.fingerprint for key, record in sorted(records.items())}
    overlaps = _joined(find_overlaps(records), find_persons(records))
    index = Index(settings=digest, size=tensor_shape(study), patients=patients, usable=usable, overlaps=overlaps)
    write_json(folder / INDEX, sealed(index))
    remove_strangers(folder, set(records))
    findings = tuple((key, finding) for key, record in sorted(records.items()) for finding in (*record.findings, *overlaps.get(key, ())))
    return PrepareSummary(
        patients=len(jobs),
        made=made,
        kept=len(jobs) - made,
        with_images=len(usable),
        carried_forward=sum(any(flag.endswith("_carried_forward") for flag in record.flags) for record in records.values()),
        to_retry=sum(record.retry for record in records.values()),
        findings=findings,
    )


def find_overlaps(records: dict[str, Record]) -> dict[str, tuple[Finding, ...]]:
    """Findings FH-328 by patient: scans of two patients, or two scans of one, that show the same slices."""
    found: dict[str, tuple[Finding, ...]] = {}
    scans = {(key, name): prints for key, record in records.items() for name, prints in record.prints.items()}
    for (first, one), (second, two), count in shared(scans):
        for key, mine, theirs, other in ((first, one, two, second), (second, two, one, first)):
            whose = "the same patient" if first == second else f"patient {other[:12]}"
            what = f"{count} slices of scan {mine} stand in scan {theirs} of {whose}"
            found[key] = (*found.get(key, ()), Finding.of(scan_problems.SCANS_OVERLAP.problem(what)))
            if first == second:
                break
    return found


def find_persons(records: dict[str, Record]) -> dict[str, tuple[Finding, ...]]:
    """Findings FH-357 by patient: one person under two patients. What most patients share an anonymiser put there."""
    holders: dict[str, set[str]] = {}
    for key, record in records.items():
        for person in record.persons:
            holders.setdefault(person, set()).add(key)
    found: dict[str, tuple[Finding, ...]] = {}
    for keys in holders.values():
        if len(keys) < 2 or (len(keys) > MOST_SHARED and len(keys) > len(records) / 2):
            continue
        for key in keys:
            others = ", ".join(other[:12] for other in sorted(keys - {key}))
            finding = Finding.of(which_scan.TWO_PATIENTS.problem(f"the images name the same person as those of patient {others}"))
            found[key] = (*found.get(key, ()), finding)
    return found


def _joined(*parts: dict[str, tuple[Finding, ...]]) -> dict[str, tuple[Finding, ...]]:
    return {
        key: tuple(finding for part in parts for finding in part.get(key, ())) for key in sorted({key for part in parts for key in part})
    }


def remove_strangers(folder: Path, keys: set[str]) -> None:
    """Remove files of patients outside `keys`, and temporary files an interruption left."""
    for path in folder.iterdir():
        known = path.name in (INDEX, ".lock") or path.name.split(".")[0] in keys
        if path.is_file() and not known:
            path.unlink(missing_ok=True)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system releases it when the process ends, however it ends. Raises FH-353."""
    handle = take(folder / ".lock")
    if handle is None:
        raise scan_problems.PREPARE_RUNNING.problem("another `data prepare` is at work", where="state/prepared")
    try:
        yield
    finally:
        os.close(handle)
