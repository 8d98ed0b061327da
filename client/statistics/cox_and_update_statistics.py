"""Survival statistics of one site's patients: Cox sums, hazard sums, the model update, the validation loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from client.cohort.prepared_cohort import Patients
from client.statistics.study_patients import Bench
from shared_model.statistics import statistic_parameters as asked
from shared_model.survival.broadcast_hazard import (
    PiecewiseHazard,
    day_sums,
    exposures,
    hazard_from_dict,
    interval_of,
    log_rates,
    piecewise_sums,
)
from shared_model.survival.cox import cox_by_day as cox
from site_config.lazy_modules import lazy

if TYPE_CHECKING:
    from client.training import local_training as update
else:
    update = lazy("client.training.local_training")

Floats = NDArray[np.float64]
Values = dict[str, NDArray[Any]]
Arrays = Mapping[str, NDArray[Any]]


def cox_exact(bench: Bench, p: asked.CoxExact, arrays: Arrays) -> Values:
    """Sums by day (opt-in)."""
    patients = bench.split("train")
    x = bench.covariates(patients, p.covariates, arrays)
    found = cox.exact_sums(x, patients.event_day, patients.event, p.beta, p.mean, p.sd, p.n_days)
    return {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}


def training_start(bench: Bench, p: asked.TrainingStart, _arrays: Arrays) -> Values:
    """Deaths and days at risk per interval of the training patients."""
    patients = bench.split("train")
    m = len(p.cut_days) + 1
    return {
        "deaths": np.bincount(interval_of(patients.event_day[patients.event], p.cut_days), minlength=m).astype(float),
        "exposure": exposures(patients.event_day, p.cut_days).sum(axis=0),
        "patients": np.array([float(len(patients.keys))]),
        "events": np.array([float(patients.event.sum())]),
    }


def _hazard_sums(patients: Patients, score: Floats, cut_days: tuple[float, ...], centre: float) -> Values:
    sums = piecewise_sums(score, patients.event_day, patients.event, cut_days, centre)
    return {"mass": sums.mass, "deaths": sums.deaths, "event_score": np.array([float(((score - centre) * patients.event).sum())])}


def training_hazard(bench: Bench, p: asked.TrainingHazard, arrays: Arrays) -> Values:
    """Hazard sums of an eval-mode pass at the broadcast weights, on intervals or (opt-in) on day cells."""
    patients = bench.split("train")
    score = bench.radiology(patients, p.model, arrays)
    common = {"patients": np.array([float(len(score))])}
    if not p.n_days:
        return _hazard_sums(patients, score, p.cut_days, p.centre) | common
    sums = day_sums(score, patients.event_day, patients.event, p.n_days, p.centre)
    event_score = np.array([float(((score - p.centre) * patients.event).sum())])
    return {"mass": sums.mass, "death_mass": sums.death_mass, "deaths": sums.deaths, "event_score": event_score} | common


def training_update(bench: Bench, p: asked.TrainingUpdate, arrays: Arrays) -> Values:
    """One round at the broadcast weights: the summed update in units of its tensors' ranges, and the hazard sums of an eval-mode pass."""
    network = bench.network(p.model, np.asarray(arrays[f"weights.{p.model}"]))
    patients = bench.split("train")
    found = update.local_update(
        network,
        patients,
        hazard_from_dict(p.hazard),
        p.centre,
        bench.study.training,
        seed_parts=(bench.study.training.seed, bench.study_id, p.model, p.round),
        device=bench.device,
        micro_batch=bench.micro_batch,
    )
    sums = _hazard_sums(patients, found.score, p.cut_days, p.centre)
    scaled = p.scale.divide(found.update)
    return {
        "update": scaled,
        "largest": p.scale.largest(scaled),
        "patients": np.array([float(found.patients)]),
        "events": np.array([float(found.event.sum())]),
        "mass": sums["mass"],
        "event_score": sums["event_score"],
        "loss": np.array([found.loss_sum]),
    }


def validation_loss(bench: Bench, p: asked.ValidationLoss, arrays: Arrays) -> Values:
    """Negative log-likelihood of the validation patients under the broadcast hazard, on the scale of the training loss."""
    patients = bench.split("validation")
    score = bench.radiology(patients, p.model, arrays) - p.centre
    hazard = PiecewiseHazard.from_dict(p.hazard)
    expected = np.exp(np.minimum(score, 30.0)) * hazard.for_patients(patients.event_day, patients.event)
    logs = log_rates(hazard, patients.event_day)
    return {
        "loss": np.array([float((expected - (score + logs) * patients.event).sum())]),
        "patients": np.array([float(len(score))]),
        "events": np.array([float(patients.event.sum())]),
    }


FUNCTIONS: dict[str, Callable[[Bench, Any, Arrays], Values]] = {
    "cox.exact": cox_exact,
    "training.start": training_start,
    "training.hazard": training_hazard,
    "training.update": training_update,
    "validation.loss": validation_loss,
}
