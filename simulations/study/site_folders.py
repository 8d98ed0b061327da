"""The folders of a simulated study, and its enrolment through the very functions a hospital and a trial office use."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from client import keys_kit_and_decisions as at_site
from client.release import known_hospitals
from client.release.site_policy import refusals
from server import hospital_register as at_office
from server import office_setup, published_studies
from server.study.resume_state import StudyFolder
from site_config.atomic_files import write_atomic
from site_config.documents.read_yaml_documents import dump_yaml, load_site, load_study
from site_config.keys_and_signatures import CoordinatorIdentity, SiteIdentity, private_folder, sign_lock
from site_config.problems.base import together
from site_config.site_yaml import Paths, SiteConfig
from site_config.study.code_digest import code_digest, office_digest, software
from site_config.study.lock_study import lock_study
from site_config.study.plan_and_lock import Study, StudyLock

ADDRESS = "127.0.0.1:9443"


@dataclass(frozen=True)
class Homes:
    """Where everything of one simulated study lies."""

    root: Path

    @property
    def cohort(self) -> Path:
        """The cohort: `study.yaml` and `sites/NAME`."""
        return self.root / "cohort"

    @property
    def coordinator(self) -> Path:
        """The trial office's home."""
        return self.root / "coordinator"

    def site(self, name: str) -> Path:
        """A hospital's home."""
        return self.cohort / "sites" / name

    def study(self) -> Study:
        """The declared study."""
        return load_study(self.cohort / "study.yaml")

    def sites(self) -> dict[str, Path]:
        """Every hospital's home by name, in the study's order."""
        return {site.name: self.site(site.name) for site in self.study().sites}

    def config(self, name: str) -> SiteConfig:
        """A hospital's configuration."""
        return load_site(self.site(name) / "site.yaml")


def adopt(folder: Path, homes: Homes) -> None:
    """Lay out an own folder's study and hospitals under the run: documents here, tables and images where they are.

    Keys, state and everything else a run writes stand below the run's folder; the own folder is never written to. A wrong
    folder or a faulty document raises its problems before anything is made.
    """
    study = load_study(folder / "study.yaml")
    sites = {site.name: load_site(folder / "sites" / site.name / "site.yaml") for site in study.sites}
    if homes.cohort.is_symlink():  # as runs of earlier versions left it
        homes.cohort.unlink()
    for name, site in sites.items():
        home = homes.site(name)
        home.mkdir(parents=True, exist_ok=True)
        write_atomic(home / "site.yaml", dump_yaml(elsewhere(site)).encode(), 0o644)
    for part in ("bundle", "pretrained"):
        if (folder / part).is_dir() and not (homes.cohort / part).exists():
            shutil.copytree(folder / part, homes.cohort / part)
    for file in ("study.yaml", "truth.json"):
        if (folder / file).is_file():
            write_atomic(homes.cohort / file, (folder / file).read_bytes(), 0o644)


def elsewhere(site: SiteConfig) -> SiteConfig:
    """A hospital's configuration for another home: what it reads by absolute paths, its state in the new home."""
    paths = site.paths
    absolute = {
        "cohort": site.path(paths.cohort).resolve(),
        "scans": None if paths.scans is None else site.path(paths.scans).resolve(),
        "images": site.path(paths.images).resolve(),
        "state": Paths().state,
    }
    models = {
        name: model.model_copy(update={"folder": site.path(model.folder).resolve()}) for name, model in site.segmentation.models.items()
    }
    return site.model_copy(
        update={"paths": Paths(**absolute), "segmentation": site.segmentation.model_copy(update={"models": models})}  # type: ignore[arg-type]
    )


def enrol(homes: Homes, seed: int) -> None:
    """Keys, requests, approvals and kits of every hospital; what exists is kept.

    A simulated hospital's secret (it keys pseudonyms, the validation split and flips) follows from the seed, so that a
    simulation can be repeated; that of one with real patients never does.
    """
    study = homes.study()
    if not (homes.coordinator / "register.json").exists():
        office_setup.init(homes.coordinator, study.title, ADDRESS)
    for file in sorted((homes.cohort / "pretrained").glob("*")):
        write_atomic(private_folder(homes.coordinator / "pretrained") / file.name, file.read_bytes())
    for site in study.sites:
        state = private_folder(homes.config(site.name).state)
        secret = state / "secret"
        if study.simulated and not secret.exists():
            write_atomic(secret, hashlib.sha256(f"fedhcc simulated site {seed} {site.name}".encode()).digest())
        if not (state / "identity" / "name").exists():
            at_site.init(state, site.name)
        if not (state / "identity" / "kit.json").exists():
            request = SiteIdentity.load(state).request(software()).model_dump_json().encode()
            kit = at_office.enrol(homes.coordinator, request, site.role)
            at_site.join(state, kit.model_dump_json().encode())


def publish(homes: Homes) -> StudyLock:
    """Lock, sign and publish the study; an unchanged study keeps its id and its folder.

    A `validate` study's frozen bundle lies in `bundle/` beside `study.yaml` and is copied into the study's folder.
    """
    study = homes.study()
    identity = CoordinatorIdentity.load(homes.coordinator)
    entries = at_office.roster(homes.coordinator, {site.name: site.role or "development" for site in study.sites})
    published = published_studies.published(homes.coordinator)
    lock = lock_study(
        study,
        entries,
        code_digest=code_digest(),
        office_digest=office_digest(),
        coordinator_key=identity.public_key,
        published=published,
    )
    folder = StudyFolder(private_folder(private_folder(homes.coordinator / "studies") / lock.study_id))
    if study.kind == "validate" and not (folder.root / "bundle").exists():
        shutil.copytree(homes.cohort / "bundle", folder.root / "bundle")
    if not folder.lock_file.exists():
        write_atomic(folder.lock_file, sign_lock(lock, identity).model_dump_json().encode() + b"\n")
    return lock


def approve_everywhere(homes: Homes, lock: StudyLock) -> None:
    """Offer the study to every hospital and approve it there: on one machine the researcher is every hospital's IT.

    Raises what a hospital's policy would refuse of the study, alike refusals of several hospitals once, before anything is asked.
    """
    refused = {
        (problem.code, problem.what): problem
        for name in lock.study.sites
        for problem in refusals(homes.config(name.name).policy, lock, name.name)
    }
    if refused:
        raise together(list(refused.values()))
    signed = StudyFolder(homes.coordinator / "studies" / lock.study_id).signed_lock()
    for entry in lock.roster:
        state = homes.config(entry.name).state
        at_site.offer(state, signed)
        for other in lock.roster:  # the researcher sits at both ends of every telephone
            if other.name != entry.name and not homes.config(entry.name).policy.simulated_patients:
                known_hospitals.check(state, other, other.fingerprint, datetime.now(UTC).isoformat(timespec="seconds"))
        if at_site.decision(state, lock.study_id) == "pending":
            at_site.decide(state, lock.study_id, "approved", datetime.now(UTC).isoformat(timespec="seconds"))
