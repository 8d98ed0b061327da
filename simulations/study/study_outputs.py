"""After the last phase: the report, the metrics, the model somebody can use, and each hospital's own scores."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from client.cohort.prepared_cohort import load_patients
from client.statistics.study_patients import Bench
from server.phases.phase_context import WEIGHTS, Event
from server.study.deliverables import write_outcome
from server.study.resume_state import StudyFolder, load_arrays
from server.study.study_results import StudyResult
from shared_model.bundle.bundle_manifest import load_bundle
from shared_model.networks.weight_vector import to_vector
from simulations.study.heat_maps import add_heat_maps
from simulations.study.pooled_twin import Beside
from simulations.study.site_folders import Homes
from site_config.atomic_files import write_atomic
from site_config.study.plan_and_lock import StudyLock


def write_out(homes: Homes, lock: StudyLock, result: StudyResult, beside: Beside | None, tell: Callable[[Event], None]) -> Path:
    """`report.html`, `metrics.json`, `model/` and `scores/SITE.csv` in the run's folder; the report's path."""
    if beside is not None:
        beside.add_to(result)
        add_heat_maps(homes, lock, result)
    tell(Event("report", 0, 1, "figures"))
    folder = StudyFolder(homes.coordinator / "studies" / lock.study_id / "run")
    path = write_outcome(result, folder, homes.root)
    for entry in lock.roster:
        write_scores(homes, lock, result, entry.name)
    tell(Event("report", 1, 1, "report.html"))
    return path


def write_scores(homes: Homes, lock: StudyLock, result: StudyResult, site: str) -> None:
    """One hospital's patients with every model's score, under their pseudonyms: what that hospital could compute by itself.

    A hospital of a real federation has these at home only; on one machine the researcher is every hospital.
    """
    patients = load_patients(homes.config(site), lock.study, lock.study_id, lock.entry(site).role)
    bench = Bench(lock.study, patients)
    arrays = {f"{WEIGHTS}{model}": weights(homes, lock, model) for model in result.weights}
    rows: list[tuple[object, ...]] = []
    for split in ("train", "validation", "test"):
        if (split == "test") != (lock.entry(site).role == "evaluation"):
            continue
        chosen = bench.split(split)
        scores = {spec.model: bench.score(chosen, spec, arrays) for spec in result.scores}
        rows += [(key, split, model, repr(float(values[i]))) for i, key in enumerate(chosen.keys) for model, values in scores.items()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("pseudonym", "set", "model", "score"))
    writer.writerows(rows)
    target = homes.root / "scores" / f"{site}.csv"
    target.parent.mkdir(exist_ok=True)
    write_atomic(target, text.getvalue().encode())


def weights(homes: Homes, lock: StudyLock, model: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The final weights (D,) of a network: of this study, or of the bundle a `validate` study took up."""
    root = homes.coordinator / "studies" / lock.study_id
    if lock.study.kind == "validate":
        return to_vector(load_bundle(root / "bundle").network(model))
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = load_arrays(StudyFolder(root / "run").weights_file(model))[0]["weights"]
    return found
