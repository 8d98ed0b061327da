"""Does a frozen model foretell this hospital's own patients? Predicted survival beside what was seen, for whoever wants to use it here.

Only with at least 30 patients: below that the interval says everything and nothing. Patients that the model learned from make
it look better than it is; the table says so, since a bundle does not tell whose rows it was fitted to. Nothing leaves the hospital.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client.cohort.prepared_cohort import load_patients
from client.cohort.pseudonyms import patient_key, site_secret
from client.training.local_training import scores
from shared_model.bundle.bundle_manifest import Bundle
from shared_model.bundle.prediction import predict
from shared_model.survival.evaluation_table import Cells
from shared_model.survival.kaplan_meier import kaplan_meier
from site_config.problems.base import Problem
from site_config.site_yaml import SiteConfig
from site_config.tables.cohort_csv import load_cohort

FEWEST = 30


@dataclass(frozen=True)
class CalibratedHere:
    """One model at one horizon (days): mean predicted survival, Kaplan–Meier with its 95 % interval, and what to make of it.

    `observed` and its interval are None where `note` says why: too few patients, or nobody followed for so long.
    """

    model: str
    horizon: int
    n: int
    events: int
    predicted: float | None
    observed: float | None
    low: float | None
    high: float | None
    note: str


def calibrate_here(bundle: Bundle, site: SiteConfig) -> tuple[CalibratedHere, ...]:
    """Every model of a bundle on the hospital's patients who have what it reads, at the study's horizons."""
    study = bundle.lock.study
    patients = load_patients(site, study, bundle.manifest.study_id, "evaluation")
    secret = site_secret(site.state)
    rows = {patient_key(secret, one.key): one.clinical for one in load_cohort(site.path(site.paths.cohort), study).patients}
    device, batch = site.compute.device, site.compute.micro_batch
    read = {one: scores(bundle.network(one), patients, device=device, micro_batch=batch) for one in bundle.manifest.networks}
    survival: dict[tuple[str, int], dict[int, float]] = {}
    for place, key in enumerate(patients.keys):
        clinical = {name: None if value is None else float(value) for name, value in rows[key].items()}
        radiology = {model: float(found[place]) for model, found in read.items() if not np.isnan(found[place])}
        for one in predict(bundle.manifest, study, clinical, radiology).models:
            for horizon, value in one.survival.items():
                if value is not None:
                    survival.setdefault((one.model, horizon), {})[place] = value
    return tuple(
        _compared(model, horizon, found, patients.event_day, patients.event) for (model, horizon), found in sorted(survival.items())
    )


def _compared(model: str, horizon: int, predicted: dict[int, float], day: NDArray[np.float64], event: NDArray[np.bool_]) -> CalibratedHere:
    chosen = np.array(sorted(predicted))
    n, events = len(chosen), int(event[chosen].sum())
    if n < FEWEST:
        return CalibratedHere(model, horizon, n, events, None, None, None, None, f"fewer than {FEWEST} patients")
    mean = float(np.mean([predicted[place] for place in chosen]))
    cells = Cells(np.zeros(n), day[chosen], event[chosen], np.ones(n), np.zeros(n, dtype=np.int64))
    curve = kaplan_meier(cells)
    try:
        observed = curve.at(horizon)
        low, high = curve.interval_at(horizon)
    except Problem:
        return CalibratedHere(model, horizon, n, events, mean, None, None, None, "nobody was followed for so long")
    words = "within the interval" if low <= mean <= high else "survival is overstated" if mean > high else "survival is understated"
    return CalibratedHere(model, horizon, n, events, mean, observed, low, high, words)
