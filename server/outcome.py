"""What a finished study leaves: the report with its metrics, and the model somebody can use; and how a frozen model comes back.

A `validate` study starts from the bundle of an earlier one: its scores, cut-offs and baselines are taken as they are and
nothing is fitted, so that admission, evaluation and report are all there is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from server.phases.study import Running
from server.results import Cutoff, StudyResult
from server.state import StudyFolder, load_arrays
from shared_model.bundle import Bundle, Formula, Manifest, load_bundle, write_bundle
from shared_model.parameters import ScoreSpec
from site_config.catalogue import federation
from site_config.study import StudyLock

if TYPE_CHECKING:
    from server.report.numbers import Metrics

MODEL_FOLDER = "model"
SAME = ("clinical", "organs", "imaging", "network")


def write_outcome(result: StudyResult, lock: StudyLock, folder: StudyFolder, out: Path) -> Path:
    """`report.html`, `metrics.json` and `model/` below `out`; returns the report's path."""
    from server.report import build

    report = build(result, out)
    if lock.study.kind == "develop" and result.scores:
        write_model(result, lock, folder, out / MODEL_FOLDER)
    return report


def write_model(result: StudyResult, lock: StudyLock, folder: StudyFolder, out: Path) -> str:
    """The bundle of a finished study; its SHA-256."""
    from server.report.metrics import compute

    metrics = compute(result)
    manifest = Manifest(
        study_id=result.study_id,
        title=result.title,
        label=result.label,
        simulated=result.simulated,
        created=result.created,
        software=result.software,
        models={spec.model: formula(result, spec) for spec in result.scores},
        clinical=result.clinical,
        fusion=result.fusion,
        cohort={c.set: {"patients": c.n, "events": c.events, "sites": c.sites} for c in result.characteristics},
        metrics=held_out(metrics),
        notes=tuple(result.notes),
    )
    networks: tuple[Literal["Rad-S", "Rad-D"], ...] = ("Rad-S", "Rad-D")
    weights = {model: load_arrays(folder.weights_file(model))[0]["weights"] for model in networks if model in result.weights}
    return write_bundle(out, manifest, lock, weights)


def formula(result: StudyResult, spec: ScoreSpec) -> Formula:
    """How one model of the result turns a patient into survival."""
    baseline = result.baseline.get(spec.model, {"time": [], "cumulative_hazard": []})
    alone = result.fusion.get(spec.model) if spec.mix is None and spec.radiology else None
    axis = result.score_ranges.get(spec.model)
    return Formula(
        spec=spec,
        slope=float(alone["coef"][0] or 0.0) if alone else 1.0,
        time=tuple(baseline["time"]),
        cumulative_hazard=tuple(baseline["cumulative_hazard"]),
        cutoff=next((c.value for c in result.cutoffs if c.model == spec.model), None),
        axis=(axis[0], axis[1]) if axis else None,
    )


def held_out(metrics: Metrics) -> dict[str, dict[str, object]]:
    """C-index with interval, n and events on the held-out set, by model."""
    found: dict[str, dict[str, object]] = {}
    for row in metrics.concordance:
        if row.set == "test":
            found[row.model] = {"set": "test", **row.c.model_dump(mode="json")}
    return found


def adopt(running: Running, path: Path) -> Bundle:
    """Take a frozen bundle's models into a `validate` study.

    Raises FH-610 when the bundle is not the one the study names, FH-757 when the study reads patients another way.
    """
    bundle = load_bundle(path, sha256=running.study.bundle_sha256)
    mine, theirs = running.study, bundle.lock.study
    differing = [name for name in SAME if getattr(mine, name) != getattr(theirs, name)]
    if differing:
        raise federation.BUNDLE_STUDY_DIFFERS.problem(f"the study's {', '.join(differing)} differ from those the bundle was made with")
    for network, file in bundle.manifest.networks.items():
        from shared_model.weights import to_vector

        running.weights[network] = to_vector(bundle.network(network))
        running.result.weights[network] = file.sha256
    for model, how in bundle.manifest.models.items():
        if model not in running.study.models:
            continue
        running.specs[model] = how.spec
        running.result.baseline[model] = {
            "time": list(how.time),
            "cumulative_hazard": [h if h is not None else float("inf") for h in how.cumulative_hazard],
        }
        if how.cutoff is not None:
            running.result.cutoffs.append(Cutoff(model=model, value=how.cutoff, patients_above=0, patients_below=0))
        if how.axis is not None:
            running.result.score_ranges[model] = list(how.axis)
    running.result.clinical = bundle.manifest.clinical
    running.result.fusion = dict(bundle.manifest.fusion)
    running.result.notes += list(bundle.manifest.notes)
    return bundle
