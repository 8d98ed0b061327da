"""A bundle's prediction for one of the hospital's patients, and where the network looked. Nothing of it leaves the site.

Clinical values come from cohort.csv and `--value`; slices are cut from the patient's rows of scans.csv, exactly as for
training. A patient without a usable follow-up still has Rad-S and RadCLN-S.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from client.cohort.contact_sheets import read_views
from client.cohort.one_patient import prepare_patient
from client.cohort.preparation_job import prepared_folder
from client.cohort.prepared_cohort import load_patients
from client.segmentation.declared_models import SiteModels
from client.segmentation.segmenter import Segmenter
from client.training.local_training import scores
from shared_model.bundle.bundle_manifest import Bundle
from shared_model.bundle.prediction import Predictions, predict
from shared_model.networks.grad_cam import grad_cam
from site_config.problems import model as problems
from site_config.problems import scans as scan_problems
from site_config.problems.base import Problem
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS
from site_config.tables.cohort_csv import load_cohort, load_scans

if TYPE_CHECKING:
    from site_config.tables.cohort_csv import Scan

Slices = NDArray[np.float32]
Pictures = dict[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Case:
    """What is known of one patient: clinical values by variable, slices (V, O, S, H, W), and what was remarked on the scans."""

    clinical: dict[str, float | None]
    slices: Slices | None
    has_followup: bool
    pictures: Pictures
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class CaseReading:
    """Predictions for a case, the network that was read for the picture, and its maps (V, O, S, H, W)."""

    predictions: Predictions
    radiology: dict[str, float]
    shown: str | None
    maps: Slices | None


def find_case(site: SiteConfig, study: Study, patient: str, values: Mapping[str, float]) -> Case:
    """One patient by the key of cohort.csv or scans.csv; `values` replace clinical ones. FH-352 when nobody has the key."""
    clinical: dict[str, float | None] = dict.fromkeys((variable.name for variable in study.clinical), None)
    row = _row(site, study, patient)
    scans = _scans(site, study, patient)
    if row is None and not scans and not values:
        raise scan_problems.KEY_UNKNOWN.problem("no row of cohort.csv or scans.csv has the key given")
    clinical |= row or {}
    clinical |= checked_values(study, values)
    return Case(clinical, *_slices(site, study, scans))


def checked_values(study: Study, values: Mapping[str, float]) -> dict[str, float]:
    """Clinical values a person gave; FH-612 for a variable or a value the study does not know."""
    known = {variable.name: variable for variable in study.clinical}
    for name, value in values.items():
        if name not in known:
            raise problems.UNKNOWN_VALUE.problem(f"the bundle has no variable {name}; it has {', '.join(known)}", where="--value")
        if not known[name].coded:
            low, high = known[name].bounds or (0.0, 0.0)
            if not low <= value <= high:
                raise problems.UNKNOWN_VALUE.problem(f"{name} is a number from {low:g} to {high:g}", where="--value")
        elif value not in known[name].values:
            listed = ", ".join(f"{number} ({label})" for number, label in known[name].values.items())
            raise problems.UNKNOWN_VALUE.problem(f"{name} is one of {listed}", where="--value")
    return dict(values)


def _row(site: SiteConfig, study: Study, patient: str) -> dict[str, float | None] | None:
    path = site.path(site.paths.cohort)
    if not path.exists():
        return None
    found = next((one for one in load_cohort(path, study).patients if one.key == patient), None)
    return None if found is None else {name: None if value is None else float(value) for name, value in found.clinical.items()}


def _scans(site: SiteConfig, study: Study, patient: str) -> tuple[Scan, ...]:
    if site.paths.scans is None or not site.path(site.paths.scans).exists():
        return ()
    rows = load_scans(site.path(site.paths.scans), site.path(site.paths.images), study, strict=False)
    return tuple(scan for scan in rows if scan.patient == patient)


def _slices(site: SiteConfig, study: Study, scans: tuple[Scan, ...]) -> tuple[Slices | None, bool, Pictures, tuple[str, ...]]:
    """Slices, whether the follow-up is real, pictures, remarks."""
    if not scans:
        return None, False, {}, ("no scans are listed",)
    segmenter = Segmenter(site.segmentation, study, SiteModels(site))
    prepared = prepare_patient(scans, study, segmenter)
    if prepared.tensor is not None:
        return prepared.tensor, True, prepared.pictures, _told(prepared.findings)
    baseline = tuple(scan for scan in scans if scan.visit == "baseline")
    # The baseline stands in both visits so that a whole tensor can be cut; only networks of the baseline will read it.
    doubled = prepare_patient((*baseline, *(replace(scan, visit="followup") for scan in baseline)), study, segmenter)
    return doubled.tensor, False, prepared.pictures, _told(prepared.findings)


def _told(findings: tuple[Problem, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{problem.code} {problem.what}" for problem in findings))


def read_case(bundle: Bundle, case: Case, *, heatmaps: bool = True) -> CaseReading:
    """All predictions for a case, and the Grad-CAM maps of the network behind the first of them."""
    import torch

    study = bundle.lock.study
    radiology: dict[str, float] = {}
    networks: dict[str, Any] = {}
    for model in bundle.manifest.networks:
        if case.slices is not None and MODELS[model].can_read(followup=case.has_followup):
            networks[model] = bundle.network(model)
            with torch.inference_mode():
                radiology[model] = float(networks[model](torch.from_numpy(case.slices)[None].to(_kind(networks[model]))))
    predictions = predict(bundle.manifest, study, case.clinical, radiology)
    shown = next((one.model for one in predictions.models if radiology_of(bundle, one.model) in networks), None)
    network = radiology_of(bundle, shown) if shown else None
    maps = None
    if heatmaps and network is not None and case.slices is not None:
        maps = grad_cam(networks[network], case.slices)
    return CaseReading(predictions, radiology, network, maps)


def radiology_of(bundle: Bundle, model: str | None) -> str | None:
    """The network a model reads, if any."""
    return next((formula.spec.radiology for name, formula in bundle.manifest.models.items() if name == model), None)


def _kind(network: Any) -> Any:
    return next(network.parameters()).dtype


@dataclass(frozen=True)
class Extreme:
    """One of the site's patients at an end of the risk scale: local key, score, slices, maps and pictures."""

    key: str
    risk: str
    score: float
    maps: Slices
    pictures: Pictures


def extremes(
    bundle: Bundle, site: SiteConfig, study_id: str, count: int, *, device: str = "auto", micro_batch: int = 1
) -> tuple[Extreme, ...]:
    """The `count` prepared patients of highest and of lowest risk, as in figure 5 of Xia et al. 2024, with their maps."""
    model = bundle.best_network
    if model is None:
        raise problems.NOT_IN_BUNDLE.problem("the bundle holds no network")
    patients = load_patients(site, bundle.lock.study, study_id, "evaluation")
    network = bundle.network(model)
    score = scores(network, patients, device=device, micro_batch=micro_batch)
    order = [int(i) for i in np.argsort(score) if not np.isnan(score[i])]
    if len(order) < 2 * count or patients.images is None:
        raise problems.TOO_FEW_TO_SHOW.problem(f"{len(order)} patients have images, {2 * count} are asked for")
    network.to("cpu")
    folder = prepared_folder(site)
    found = []
    for i in (*order[: -count - 1 : -1], *order[:count]):
        risk = "highest risk" if i in order[-count:] else "lowest risk"
        key = patients.keys[i]
        found.append(Extreme(key, risk, float(score[i]), grad_cam(network, patients.images.load(i)), read_views(folder, key)))
    return tuple(found)
