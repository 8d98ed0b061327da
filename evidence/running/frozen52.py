"""Evidence: a fused study of the paper's size on secret shares, and its frozen models at new hospitals, at default minima.

`python -m evidence.running.frozen52` writes `docs/evidence/frozen52.json`. 52 simulated hospitals (37 + 15) with 207 patients go through
every phase of the `paper` preset on shares, fused models included; then the bundle is evaluated at 15 hospitals that nobody saw before,
with 60 patients and again with 120 others. No minimum is lifted. What is smaller than in the preset is `paper52.SMALLER`, with a faster
optimiser so that few rounds leave scores that differ. Every C-index is held against the pooled rows, and every kind of table that the
development study has of its test set must stand in a validation study too, unless its own patients do not allow it: a group below the
minimum, or fewer than five at risk on that day. What is missing for such a reason is listed with it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from client.cohort.prepared_cohort import load_patients
from client.statistics.study_patients import Bench
from evidence.record import record
from evidence.running.paper52 import SMALLER, cpu_seconds
from server.phases.phase_context import WEIGHTS
from server.study.opened_analyses import OpenedAnalyses
from server.study.study_results import StudyResult
from shared_model.bundle.bundle_manifest import load_bundle
from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import patient_cells
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.study.simulated_study import Options, federate, ready
from simulations.study.site_folders import Homes
from simulations.study.study_outputs import weights, write_out
from simulations.threads import one_thread
from site_config.documents.read_yaml_documents import dump_yaml
from site_config.study.plan_and_lock import Role, StudyLock
from site_config.study.prognostic_models import MODELS

SEED: Final = 7
NEW_SEEDS: Final = {60: 11, 120: 12}
"""Patients at 15 hospitals that nobody saw before, and the seed of their cohort."""
NEW_SITES: Final = 15
TRAINING: Final = {"rounds": 16, "batch": 207, "server": {"name": "adam", "rate": 2e-4}, "validate_every": 16}
COVERS: Final = [
    "server/phases/on_shares",
    "server/study/bundle_of_study.py",
    "shared_model/analyses/phases",
    "shared_model/bundle/manifest_values.py",
]
GRID: Final = 2.0**18
SMALLEST_SE: Final = 1e-3


def cohort(folder: Path, seed: int, sizes: tuple[tuple[int, int], tuple[int, int]] | None = None) -> None:
    """The preset's cohort on shares with smaller pictures; sizes: hospitals and patients of both roles."""
    base = PRESETS["paper"]
    assert base.phantom is not None
    study = {
        **base.study,
        "network": SMALLER["network"],
        "imaging": SMALLER["imaging"],
        "resolution": "shares",
        "training": {**base.study["training"], **TRAINING},
    }
    survival = replace(base.survival, sites=sizes[0], patients=sizes[1], lone_sites=0) if sizes else base.survival
    options = replace(base, survival=survival, study=study, segmenter="masks", truth_masks=False)
    make_cohort(replace(options, phantom=replace(base.phantom, **SMALLER["phantom"])), folder, seed, workers=2)


def finished(homes: Homes, seed: int) -> tuple[StudyLock, StudyResult]:
    """A study from enrolment to its report, in this process."""
    options = Options(homes.root, seed=seed, workers=2, pooled=False)
    lock = ready(options, homes, lambda _event: None)
    result = federate(options, homes, lock, lambda _event: None, lambda: False)
    write_out(homes, lock, result, None, lambda _event: None)
    return lock, result


def new_hospitals(developed: Homes, lock: StudyLock, homes: Homes, patients: int) -> None:
    """A validation study of the bundle over hospitals and patients of another seed."""
    cohort(homes.cohort, NEW_SEEDS[patients], ((3, NEW_SITES), (3, patients)))
    model = developed.coordinator / "studies" / lock.study_id / "run" / "model"
    study = homes.study()
    sites = tuple(site for site in study.sites if site.role == "evaluation")
    changes = {"kind": "validate", "bundle_sha256": load_bundle(model).sha256, "sites": sites, "title": "New hospitals"}
    (homes.cohort / "study.yaml").write_text(dump_yaml(study.model_copy(update=changes)))
    shutil.copytree(model, homes.cohort / "bundle")


def largest_error(homes: Homes, lock: StudyLock, result: StudyResult) -> dict[str, float]:
    """The largest difference of an opened C-index and of its error to the pooled rows, over models and sets."""
    assert result.analyses is not None
    worst = {"c": 0.0, "se": 0.0}
    arrays = {f"{WEIGHTS}{model}": weights(homes, lock, model) for model in result.weights}
    roles: dict[str, Role] = {"train": "development", "validation": "development", "test": "evaluation"}
    by_model = {spec.model: spec for spec in result.scores}
    benches = {
        site: Bench(lock.study, load_patients(homes.config(site), lock.study, lock.study_id, role))
        for role in set(roles.values())
        for site in lock.names(role)
    }
    for one in result.analyses.concordance:
        if one.set not in roles or one.variable != "all":
            continue
        held = [(benches[site], benches[site].split(one.set)) for site in lock.names(roles[one.set])]
        score = np.concatenate([bench.score(mine, by_model[one.model], arrays) for bench, mine in held])
        day, event = (np.concatenate([getattr(mine, name) for _, mine in held]) for name in ("event_day", "event"))
        oracle = concordance(patient_cells(np.rint(score * GRID), day, event))
        assert oracle is not None
        if oracle.se < SMALLEST_SE:  # all pairs in one order or tied: the root of a unit of the grid is all that is left
            continue
        worst = {"c": max(worst["c"], abs(one.c - oracle.c)), "se": max(worst["se"], abs(one.se - oracle.se))}
    return worst


def tables(opened: OpenedAnalyses) -> list[str]:
    """Kinds of tables a study has of its test set, by model."""
    found = {f"C-index {one.model}" for one in opened.concordance if one.set == "test" and one.variable == "all"}
    found |= {f"difference {one.first} {one.second}" for one in opened.differences if one.set == "test"}
    found |= {f"AUC {one.model} day {one.horizon}" for one in opened.roc if one.set == "test"}
    found |= {f"risk groups {one.model}" for one in opened.kaplan_meier if one.grouping == "risk" and one.set == "test"}
    found |= {f"calibration {one.model} day {one.horizon}" for one in opened.calibration if one.set == "test"}
    found |= {"survival" for one in opened.kaplan_meier for curve in one.groups if one.grouping == "set" and curve.value == "test"}
    found |= {"characteristics" for one in opened.characteristics if one.set == "test"}
    return sorted(found)


def summary(homes: Homes, lock: StudyLock, result: StudyResult) -> dict[str, Any]:
    """What a study opened, what it cost, and how far it is from pooled rows."""
    opened = result.analyses
    assert opened is not None
    return {
        "label": result.label,
        "hospitals": {role: len(lock.names(role)) for role in lock.blocks},
        "holders": len(lock.holders),
        "sets": {one.set: [one.n, one.events] for one in opened.sets},
        "scores": [spec.model for spec in result.scores],
        "c_index": {f"{one.model} {one.set}": round(one.c, 4) for one in opened.concordance if one.variable == "all"},
        "largest_error": largest_error(homes, lock, result),
        "cost": [one.model_dump() for one in opened.cost],
        "seconds": result.timing,
        "tables": tables(opened),
        "closed": sorted({f"{one.analysis} {one.model or ''} {one.set or ''} {one.value}: {one.text}" for one in opened.closed}),
        "findings": sorted({f"{finding['code']} {finding['about']}: {finding['what']}" for finding in result.findings}),
    }


def without(developed: dict[str, Any], validated: dict[str, Any]) -> dict[str, list[str]]:
    """Tables of the development study's test set that the other study lacks: the sentences that say why it is closed."""
    missing = set(developed["tables"]) - set(validated["tables"])
    return {table: [line for line in validated["closed"] if _is_of(table, line)] for table in sorted(missing)}


def _is_of(table: str, line: str) -> bool:
    """Whether a sentence of what is closed speaks of this table: the same analysis and model, and the same day where it has one."""
    kind, _, rest = table.partition(" ")
    model, _, day = rest.removeprefix("groups ").partition(" ")
    analysis = {"C-index": "concordance", "AUC": "roc", "risk": "kaplan_meier"}.get(kind, kind)
    whole = {f"{analysis} {model} test {value}" for value in ("all", "low", "high")}
    return line.partition(":")[0] in whole and line.endswith(day)


def measure(root: Path) -> dict[str, Any]:
    """The study, and its models at both sets of new hospitals, below `root`."""
    one_thread()
    first = Homes(root / "developed")
    cohort(first.cohort, SEED)
    lock, result = finished(first, SEED)
    developed = summary(first, lock, result)
    sys.stderr.write(f"{developed}\n")
    validated = {}
    for patients, seed in NEW_SEEDS.items():
        homes = Homes(root / f"validated{patients}")
        new_hospitals(first, lock, homes, patients)
        validated[f"{patients} patients"] = summary(homes, *finished(homes, seed))
    missing = {name: without(developed, one) for name, one in validated.items()}
    studies = [developed, *validated.values()]
    preferred = MODELS.preferred(lock.study.models)[0].name
    return {
        "developed": developed,
        "validated": validated,
        "tables_missing_in_validation": missing,
        "cpu_s": round(cpu_seconds()),
        "bars": {
            "all are COMPLETE": all(one["label"] == "COMPLETE" for one in studies),
            "the preferred fused model has a score": all(preferred in one["scores"] for one in studies),
            "every table of the development study's test set, or the minimum that closes it": all(
                all(one.values()) for one in missing.values()
            ),
            "C within 1e-6, its SE within 1e-5": all(
                one["largest_error"]["c"] <= 1e-6 and one["largest_error"]["se"] <= 1e-5 for one in studies
            ),
        },
    }


def main() -> None:
    """Measure and record."""
    with tempfile.TemporaryDirectory(prefix="fedhcc-frozen-") as folder:
        figures = measure(Path(folder))
    sys.stderr.write(f"{figures}\n")
    record("frozen52", covers=COVERS, figures=figures, seeds=[SEED, *NEW_SEEDS.values()])


if __name__ == "__main__":
    main()
