"""What this very cohort would release for a study, before anything is decided or sent.

Everything a first pass would add up that does not depend on other hospitals: the counts, and the deaths the training starts
from. They are shown without their masks; a coordinator never sees them for one hospital. What depends on broadcast weights
is named with its length; rows leave as secret shares only, which say nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import shared_model.statistics.list_of_statistics  # noqa: F401 - fills the registry
from client.cohort.prepared_cohort import load_patients
from client.statistics.count_statistics import compute
from client.statistics.study_patients import Bench
from shared_model.statistics.statistic_declaration import REGISTRY, Parameters
from shared_model.statistics.statistic_parameters import PreCounts, Split, TrainingStart
from site_config.lazy_modules import lazy
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import MODELS

if TYPE_CHECKING:
    from shared_model.networks import rad_networks, weight_vector
else:
    rad_networks = lazy("shared_model.networks.rad_networks")
    weight_vector = lazy("shared_model.networks.weight_vector")

SHOWN = 24
EXAMPLE_CUTS = (182.5, 365.0, 547.5, 730.0)


def questions(lock: StudyLock, role: str) -> list[tuple[str, Parameters]]:
    """The first questions a coordinator puts to a site of this role."""
    study = lock.study
    splits: tuple[Split, ...] = ("train", "validation") if role == "development" else ("test",)
    found: list[tuple[str, Parameters]] = []
    for split in splits:
        found.append(("precounts", PreCounts(split=split, columns=())))
    if role == "development" and MODELS.read_scans(study.models):
        found.append(("training.start", TrainingStart(cut_days=study.training.cut_days or EXAMPLE_CUTS)))
    return found


def preview(site: SiteConfig, lock: StudyLock) -> list[dict[str, object]]:
    """One entry a vector: statistic, segment, its numbers, and a text of the first of them."""
    role = lock.entry(site.site).role
    patients = load_patients(site, lock.study, lock.study_id, role)
    bench = Bench(lock.study, patients, "cpu", site.compute.micro_batch, lock.study_id)
    shown: list[dict[str, object]] = []
    for name, parameters in questions(lock, role):
        values = compute(name, bench, parameters, {})
        for segment in REGISTRY[name].segments(parameters):
            vector = np.asarray(values[segment.name], dtype=np.float64).ravel()
            shown.append({"statistic": name, "segment": segment.name, "values": vector.tolist(), "text": _text(vector)})
    for model in MODELS.networks(lock.study.models):
        if role == "development":
            length = dimension(lock, model)
            shown.append({"statistic": "training.update", "segment": model, "values": [], "text": f"{length:,} numbers a round, masked"})
    return shown


def _text(vector: Any) -> str:
    first = ", ".join(f"{value:g}" for value in vector[:SHOWN])
    return first if len(vector) <= SHOWN else f"{first}, … ({len(vector)} numbers)"


def dimension(lock: StudyLock, model: str) -> int:
    """How many weights a network of a study has."""
    return len(weight_vector.to_vector(rad_networks.build(lock.study, model)))
