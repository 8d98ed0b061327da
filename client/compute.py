"""Statistic → function of a hospital's patients. Pure: patients, parameters and broadcast arrays in, segments out.

Every statistic speaks of the *analysis set* of a split: patients complete for all models of the study, so that all models
are fitted and compared on the same patients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.prepared import Patients
from shared_model import parameters as asked
from shared_model.parameters import EXCLUSIONS, FLAGS, MANUFACTURERS, RESPONSES
from shared_model.statistics import Parameters
from shared_model.survival.cox_moments import site_moments
from site_config.study import Study

Floats = NDArray[np.float64]
Values = dict[str, NDArray[Any]]
Arrays = Mapping[str, NDArray[Any]]


@dataclass
class Bench:
    """What the functions work on: one site's patients of one study, and scores already computed at the current weights."""

    study: Study
    patients: Patients
    device: str = "cpu"
    micro_batch: int = 1
    study_id: str = ""
    _scores: dict[str, tuple[str, Floats]] = field(default_factory=dict)
    _networks: dict[str, Any] = field(default_factory=dict)

    def analysed(self) -> NDArray[np.bool_]:
        """Patients complete for every model of the study, shape (n,)."""
        complete = np.ones(len(self.patients.keys), dtype=bool)
        if any(model.startswith("Rad") for model in self.study.models):
            complete &= self.patients.has_images
        if any(model in ("CLN", "RadCLN-S", "RadCLN-D") for model in self.study.models):
            complete &= ~np.isnan(self.patients.clinical).any(axis=1)
        return complete

    def split(self, split: str) -> Patients:
        """The analysis set of `train`, `validation` (development sites) or `test` (evaluation sites)."""
        return self.patients.subset(self.analysed() & self.members(split))

    def members(self, split: str) -> NDArray[np.bool_]:
        """Patients of a split, analysed or not, shape (n,)."""
        everybody = np.ones(len(self.patients), dtype=bool)
        return everybody if split == "test" else self.patients.is_validation == (split == "validation")

    def network(self, model: str, weights: NDArray[Any]) -> Any:
        """A network of the study holding the given flat weights; built once and kept."""
        from shared_model.networks import build
        from shared_model.weights import from_vector

        if model not in self._networks:
            self._networks[model] = build(self.study, "Rad-S" if model == "Rad-S" else "Rad-D")
        from_vector(self._networks[model], weights)
        return self._networks[model]

    def radiology(self, patients: Patients, model: str, arrays: Arrays) -> Floats:
        """Scores of a network at the broadcast weights, shape (n,), computed once a patient and weights."""
        from client.training import scores
        from shared_model.protocol import state_hash

        weights = np.asarray(arrays[f"weights.{model}"])
        digest = state_hash({"weights": weights})
        known = self._scores.get(model)
        if known is None or known[0] != digest:
            known = (digest, np.full(len(self.patients.keys), np.nan))
            self._scores[model] = known
        where = {key: i for i, key in enumerate(self.patients.keys)}
        rows = np.array([where[key] for key in patients.keys], dtype=int)
        wanted = rows[np.isnan(known[1][rows])]
        if wanted.size:
            mask = np.zeros(len(self.patients.keys), dtype=bool)
            mask[wanted] = True
            network = self.network(model, weights)
            known[1][mask] = scores(network, self.patients.subset(mask), device=self.device, micro_batch=self.micro_batch)
        return np.asarray(known[1][rows], dtype=np.float64)

    def parts(self, patients: Patients, spec: asked.ScoreSpec, arrays: Arrays) -> tuple[Floats, Floats]:
        """Radiological and clinical contribution to a score, each shape (n,); the score is their sum."""
        zero = np.zeros(len(patients.keys))
        radiology = self.radiology(patients, spec.radiology, arrays) if spec.radiology else zero
        clinical = columns(patients, spec.columns) @ np.asarray(spec.coefficients) if spec.columns else zero
        if spec.mix is not None:
            return spec.mix[0] * radiology, spec.mix[1] * clinical
        return radiology, clinical

    def score(self, patients: Patients, spec: asked.ScoreSpec, arrays: Arrays) -> Floats:
        """A linear predictor, shape (n,)."""
        radiology, clinical = self.parts(patients, spec, arrays)
        return np.asarray(radiology + clinical, dtype=np.float64)

    def covariates(self, patients: Patients, spec: asked.Covariates, arrays: Arrays) -> Floats:
        """The covariates of a Cox model, shape (n, p)."""
        scores = [self.score(patients, score, arrays) for score in spec.scores]
        return np.asarray(np.column_stack([columns(patients, spec.columns), *scores]), dtype=np.float64)


def columns(patients: Patients, names: tuple[str, ...]) -> Floats:
    """Clinical columns by name, shape (n, len(names)); an unknown name is refused by the door as a bad parameter."""
    order = [patients.clinical_names.index(name) for name in names]
    return patients.clinical[:, order]


def precounts(bench: Bench, p: asked.PreCounts, _arrays: Arrays) -> Values:
    """Contributing sites, patients, events; non-zero patients and contributing sites per column and pair; the flow."""
    patients = bench.split(p.split)
    nonzero = (columns(patients, p.columns) != 0).astype(float)
    pairs = nonzero.T @ nonzero
    whole = bench.patients.subset(bench.members(p.split))
    radiology = any(model.startswith("Rad") for model in bench.study.models)
    no_images = int((~whole.has_images).sum()) if radiology else 0
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
    clinical = np.zeros((16, 8))
    for j, variable in enumerate(bench.study.clinical[:16]):
        for k, value in enumerate(sorted(variable.values)[:8]):
            clinical[j, k] = float((patients.clinical[:, j] == value).sum())
    return {
        "sites": np.array([float(bool(patients.keys))]),
        "patients": np.array([float(len(patients.keys))]),
        "events": np.array([float(patients.event.sum())]),
        "male": np.array([float(np.nansum(patients.male))]),
        "sex_known": np.array([float((~np.isnan(patients.male)).sum())]),
        "age_known": np.array([float(known_age.sum())]),
        "age": np.array([age.sum(), (age**2).sum()]),
        "clinical": clinical,
        "manufacturer": tally(patients.manufacturer, MANUFACTURERS, "unknown"),
        "response": tally([response or "UNKNOWN" for response in patients.response], RESPONSES, "UNKNOWN"),
        "flags": np.array([float(sum(any(one.endswith(flag) for one in flags) for flags in patients.flags)) for flag in FLAGS]),
    }


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
    from client import compute_evaluation, compute_survival

    functions = FUNCTIONS | compute_survival.FUNCTIONS | compute_evaluation.FUNCTIONS
    return functions[name](bench, parameters, arrays)
