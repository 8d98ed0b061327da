"""Statistic → function of a hospital's patients. Pure: patients, parameters and broadcast arrays in, segments out.

Every statistic speaks of the *analysis set* of a split: patients complete for all models of the study, so that all models
are fitted and compared on the same patients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from client.cohort.prepared_cohort import Patients
from client.statistics import cox_and_update_statistics as compute_survival
from client.statistics import evaluation_statistics as compute_evaluation
from client.statistics import private_statistics_of_site as compute_private
from client.statistics.study_patients import Arrays, Bench, Floats, Values, columns
from shared_model.analyses.phases.table1_slots import LONGEST_INTERVAL
from shared_model.statistics import statistic_parameters as asked
from shared_model.statistics.statistic_declaration import Parameters
from shared_model.statistics.statistic_parameters import EXCLUSIONS, FLAGS, MANUFACTURERS, RESPONSES
from shared_model.survival.cox.covariate_moments import site_moments
from site_config.study.plan_and_lock import ClinicalVariable
from site_config.study.prognostic_models import MODELS


def precounts(bench: Bench, p: asked.PreCounts, _arrays: Arrays) -> Values:
    """Contributing sites, patients, events; non-zero patients and contributing sites per column and pair; the flow."""
    patients = bench.split(p.split)
    # Of a continuous column every known value counts as held: zero is a value among others.
    continuous = {column.name for column in bench.study.design if column.levels is None}
    nonzero = (columns(patients, p.columns) != 0) | np.array([name in continuous for name in p.columns], dtype=np.bool_)
    nonzero = nonzero.astype(float)
    pairs = nonzero.T @ nonzero
    whole = bench.patients.subset(bench.members(p.split))
    no_images = int((~whole.has_images).sum()) if MODELS.read_scans(bench.study.models) else 0
    flow = {"enrolled": len(whole), "analysed": len(patients), "no_images": no_images}
    flow["clinical_missing"] = flow["enrolled"] - flow["analysed"] - flow["no_images"]
    return {
        "sites": np.array([float(bool(patients.keys))]),
        "patients": np.array([float(len(patients.keys))]),
        "events": np.array([float(patients.event.sum())]),
        "nonzero": nonzero.sum(axis=0),
        "nonzero_sites": (nonzero.sum(axis=0) > 0).astype(float),
        "pair_nonzero": pairs,
        "pair_nonzero_sites": (pairs > 0).astype(float),
        "flow": np.array([float(flow.get(name, 0)) for name in EXCLUSIONS]),
    }


def characteristics(bench: Bench, p: asked.SplitOnly, _arrays: Arrays) -> Values:
    """Table 1 as counts and sums. Clinical values beyond the eighth and variables beyond the sixteenth are not shown."""
    patients = bench.split(p.split)
    known_age = ~np.isnan(patients.age)
    age = np.clip(patients.age[known_age], 0, 120)
    known_interval = ~np.isnan(patients.scan_interval)
    interval = np.clip(patients.scan_interval[known_interval], 0, LONGEST_INTERVAL)
    clinical, continuous = np.zeros((16, 8)), np.zeros((16, 3))
    for j, variable in enumerate(bench.study.clinical[:16]):
        held = entered(patients, variable)
        if variable.coded:
            clinical[j] = [float((held == place).sum()) if place < len(variable.codes) else 0.0 for place in range(8)]
        else:
            low, high = variable.span
            unit = np.clip((held[~np.isnan(held)] - low) / (high - low), 0.0, 1.0)
            continuous[j] = [len(unit), unit.sum(), (unit**2).sum()]
    return {
        "sites": np.array([float(bool(patients.keys))]),
        "patients": np.array([float(len(patients.keys))]),
        "events": np.array([float(patients.event.sum())]),
        "male": np.array([float(np.nansum(patients.male))]),
        "sex_known": np.array([float((~np.isnan(patients.male)).sum())]),
        "age_known": np.array([float(known_age.sum())]),
        "age": np.array([age.sum(), (age**2).sum()]),
        "interval_known": np.array([float(known_interval.sum())]),
        "interval": np.array([interval.sum(), (interval**2).sum()]),
        "clinical": clinical,
        "continuous": continuous,
        "manufacturer": tally(patients.manufacturer, MANUFACTURERS, "unknown"),
        "response": tally([response or "UNKNOWN" for response in patients.response], RESPONSES, "UNKNOWN"),
        "flags": np.array([float(sum(any(one.endswith(flag) for one in flags) for flags in patients.flags)) for flag in FLAGS]),
    }


def entered(patients: Patients, variable: ClinicalVariable) -> Floats:
    """A variable's values as they enter models (n,): the place of a code, or the number; NaN where not known."""
    if variable.kind != "nominal":
        return columns(patients, (variable.name,))[:, 0]
    places = list(range(1, len(variable.codes)))
    dummies = columns(patients, tuple(f"{variable.name}_{variable.codes[place]}" for place in places))
    return np.asarray(dummies @ np.asarray(places, dtype=np.float64), dtype=np.float64)


def tally(values: Any, names: tuple[str, ...], other: str) -> Floats:
    """Counts by name; what is not a name counts as `other`."""
    known = [value if value in names else other for value in values]
    return np.array([float(known.count(name)) for name in names])


def moments(bench: Bench, p: asked.Moments, arrays: Arrays) -> Values:
    """n, events, Σ(x − origin) and Σ(x − origin)(x − origin)', for means and standard deviations."""
    patients = bench.split(p.split)
    found = site_moments(bench.covariates(patients, p.covariates, arrays), patients.event, np.asarray(p.origin))
    return {
        "total": found.total,
        "products": found.products,
        "patients": np.array([float(found.n)]),
        "events": np.array([float(found.events)]),
    }


def score_counts(bench: Bench, p: asked.ScoreCounts, arrays: Arrays) -> Values:
    """Patients scoring at most each threshold."""
    patients = bench.split(p.split)
    score = bench.score(patients, p.score, arrays)
    at_most = (score[:, None] <= np.asarray(p.thresholds)[None, :]).sum(axis=0)
    return {"at_most": at_most.astype(float), "patients": np.array([float(len(score))])}


Function = Callable[[Bench, Any, Arrays], Values]
FUNCTIONS: dict[str, Function] = {
    "precounts": precounts,
    "characteristics": characteristics,
    "moments": moments,
    "score.counts": score_counts,
}


def compute(name: str, bench: Bench, parameters: Parameters, arrays: Arrays) -> Values:
    """The named statistic of one site's patients, segment by segment."""
    functions = FUNCTIONS | compute_survival.FUNCTIONS | compute_evaluation.FUNCTIONS | compute_private.FUNCTIONS
    return functions[name](bench, parameters, arrays)
