"""What the statistics work on: one site's patients of one study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from client.cohort.prepared_cohort import Patients
from shared_model.secure_sum.federation_messages import state_hash
from shared_model.statistics import statistic_parameters as asked
from site_config.lazy_modules import lazy
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS

if TYPE_CHECKING:
    from client.training import local_training as update
    from shared_model.networks import rad_networks
    from shared_model.networks import weight_vector as weights_of
else:
    update = lazy("client.training.local_training")
    rad_networks = lazy("shared_model.networks.rad_networks")
    weights_of = lazy("shared_model.networks.weight_vector")

Floats = NDArray[np.float64]


"""Of six patients a standard deviation lies below a tenth of the true one in 3 of 100,000 cases."""
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
    read: set[str] = field(default_factory=set)
    """Whose rows were read since somebody cleared it."""
    _scores: dict[str, tuple[str, Floats]] = field(default_factory=dict)
    _networks: dict[str, Any] = field(default_factory=dict)

    def analysed(self) -> NDArray[np.bool_]:
        """Patients complete for every model of the study, shape (n,)."""
        complete = np.ones(len(self.patients.keys), dtype=bool)
        if MODELS.read_scans(self.study.models):
            complete &= self.patients.has_images
        if MODELS.read_variables(self.study.models):
            complete &= ~np.isnan(self.patients.clinical).any(axis=1)
        return complete

    def split(self, split: str) -> Patients:
        """The analysis set of `train`, `validation` (development sites) or `test` (evaluation sites)."""
        patients = self.patients.subset(self.analysed() & self.members(split))
        self.read.update(patients.keys)
        return patients

    def members(self, split: str) -> NDArray[np.bool_]:
        """Patients of a split, analysed or not, shape (n,)."""
        everybody = np.ones(len(self.patients), dtype=bool)
        return everybody if split == "test" else self.patients.is_validation == (split == "validation")

    def network(self, model: str, weights: NDArray[Any]) -> Any:
        """A network of the study holding the given flat weights; built once and kept."""
        if model not in self._networks:
            self._networks[model] = rad_networks.build(self.study, model)
        weights_of.from_vector(self._networks[model], weights)
        return self._networks[model]

    def radiology(self, patients: Patients, model: str, arrays: Arrays) -> Floats:
        """Scores of a network at the broadcast weights, shape (n,), computed once a patient and weights."""
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
            known[1][mask] = update.scores(network, self.patients.subset(mask), device=self.device, micro_batch=self.micro_batch)
        return np.asarray(known[1][rows], dtype=np.float64)

    def parts(self, patients: Patients, spec: asked.ScoreSpec, arrays: Arrays) -> tuple[Floats, Floats]:
        """Radiological and clinical contribution to a score, each shape (n,); the score is their sum."""
        zero = np.zeros(len(patients.keys))
        radiology = self.radiology(patients, spec.radiology, arrays) - spec.centre if spec.radiology else zero
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
