"""A small bundle for tests: a made-up clinical model, networks with random weights, a lock."""

from __future__ import annotations

from pathlib import Path

from shared_model.bundle.bundle_manifest import write_bundle
from shared_model.bundle.manifest_values import Formula, Manifest
from shared_model.networks.rad_networks import build
from shared_model.networks.weight_vector import to_vector
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.study.plan_and_lock import RosterEntry, Study, StudyLock, StudySite
from site_config.study.prognostic_models import NetworkName

COLUMNS = ("differentiation", "nash", "pvtt", "surgery", "ebrt", "tace", "rfa")
COEFFICIENTS = (-0.3, 0.4, 0.5, -0.2, 0.1, -0.1, 0.2)
BASELINE = {"time": (365.0, 730.0, 1095.0), "cumulative_hazard": (0.4, 0.9, 1.3)}


def lock_of(backbone: str = "small", size: int = 64) -> StudyLock:
    return lock_for(study_of(backbone, size))


def study_of(backbone: str, size: int) -> Study:
    return Study.model_validate(
        {
            "title": "Bundle under test",
            "simulated": True,
            "sites": [StudySite(name="alpha", role="development")],
            "network": {"backbone": backbone, "norm": "group"},
            "imaging": {"size": size},
        }
    )


def lock_for(study: Study) -> StudyLock:
    entry = RosterEntry(name="alpha", role="development", signing_key="00" * 32, node_fingerprint="00" * 32)
    return StudyLock(study=study, roster=(entry,), blocks={"development": (("alpha",),)}, code_digest="0", coordinator_key="00" * 32)


def manifest_of(lock: StudyLock) -> Manifest:
    clinical = {"columns": COLUMNS, "coefficients": COEFFICIENTS}
    fused = {**clinical, "mix": (1.2, 0.8)}
    models = {
        "CLN": Formula(spec=ScoreSpec.model_validate({"model": "CLN", **clinical}), cutoff=0.1, axis=(-2, 2), **BASELINE),
        "Rad-S": Formula(spec=ScoreSpec(model="Rad-S", radiology="Rad-S"), slope=1.1, axis=(-1, 1), cutoff=0.0, **BASELINE),
        "Rad-D": Formula(spec=ScoreSpec(model="Rad-D", radiology="Rad-D"), slope=1.3, axis=(-1, 1), cutoff=0.0, **BASELINE),
        "RadCLN-S": Formula(spec=ScoreSpec.model_validate({"model": "RadCLN-S", "radiology": "Rad-S", **fused}), cutoff=0.2, **BASELINE),
        "RadCLN-D": Formula(spec=ScoreSpec.model_validate({"model": "RadCLN-D", "radiology": "Rad-D", **fused}), cutoff=0.2, **BASELINE),
    }
    return Manifest(
        study_id=lock.study_id,
        title=lock.study.title,
        label="COMPLETE",
        simulated=True,
        created="2026-11-23T08:00:00+00:00",
        software="fedhcc 0.1.0",
        models=models,  # type: ignore[arg-type]
        cohort={"train": {"patients": 40, "events": 25, "sites": 12}},
        metrics={"RadCLN-D": {"C-index": 0.712, "events": 20}},
        notes=("Field cropped to the organ.",),
    )


def bundle_in(folder: Path, backbone: str = "small", size: int = 64, models: tuple[NetworkName, ...] = ("Rad-S", "Rad-D")) -> str:
    return bundle_for(lock_of(backbone, size), folder, models)


def bundle_for(lock: StudyLock, folder: Path, models: tuple[NetworkName, ...] = ("Rad-S", "Rad-D")) -> str:
    weights = {model: to_vector(build(lock.study, model, seed=3)) for model in models}
    return write_bundle(folder, manifest_of(lock), lock, weights)
