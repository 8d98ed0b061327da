"""From a finished study to a bundle, and from a bundle back into a study that validates it at new hospitals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from server.phases.on_shares.fit_phases import keep_frozen
from server.phases.phase_context import Running
from server.report.parts.discrimination.cindex_table import CONCORDANCE
from server.report.parts.part import ReportedStudy
from server.report.parts.patients.set_sizes import SIZES
from server.report.parts.patients.table1_characteristics import CHARACTERISTICS
from server.study.study_results import Cutoff, StudyResult, score_slope
from shared_model.analyses.phases.frozen_models import frozen_models
from shared_model.bundle.bundle_manifest import Bundle, load_bundle, write_bundle
from shared_model.bundle.manifest_values import Formula, Manifest
from shared_model.networks.weight_vector import to_vector
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.problems import model as problems
from site_config.study.plan_and_lock import Study, StudyLock
from site_config.study.prognostic_models import MODELS, ModelName, NetworkName

METRICS = {"value": "C-index", "low": "95 % from", "high": "to"}


def formulas(result: StudyResult) -> dict[ModelName, Formula]:
    """How every model of a finished study turns a patient into a score and into survival; models it could not estimate are not there.

    The scores are the study's own, as it asked hospitals for them.
    """
    fitted = {spec.model for spec in result.scores if spec.model in result.fusion or MODELS[spec.model].variables}
    return {spec.model: _formula(result, spec, score_slope(result, spec.model)) for spec in result.scores if spec.model in fitted}


def _formula(result: StudyResult, spec: ScoreSpec, slope: float) -> Formula:
    baseline = result.baseline.get(spec.model, {})
    cutoff = next((one.value for one in result.cutoffs if one.model == spec.model), None)
    axis = result.score_ranges.get(spec.model)
    opened = result.analyses.quartiles if result.analyses else []
    quartiles = next((tuple(one.value) for one in opened if one.model == spec.model), ())
    return Formula(
        spec=spec,
        slope=slope,
        time=tuple(baseline.get("time", ())),
        cumulative_hazard=tuple(baseline.get("cumulative_hazard", ())),
        cutoff=cutoff,
        quartiles=quartiles,
        axis=None if axis is None else (axis[0], axis[1]),
    )


def metrics_of(result: StudyResult) -> dict[str, dict[str, Any]]:
    """C-index with its interval on the held-out set, by model, for the card."""
    rows = [row for row in ReportedStudy(result).of(CONCORDANCE) if row.set == "test"]
    return {row.model: {shown: getattr(row.c, name) for name, shown in METRICS.items()} for row in rows}


def means_of(result: StudyResult) -> dict[str, float]:
    """Design column → its mean over the training patients as far as Table 1 shows it; nothing a hidden count would be needed for."""
    report = ReportedStudy(result)
    rows = {row.variable: row for row in report.of(CHARACTERISTICS) if row.set == "train"}
    found: dict[str, float] = {}
    for column in report.study.design:
        row, variable = rows.get(column.variable.name), column.variable
        if row is not None and not variable.coded and row.mean is not None:
            found[column.name] = column.of(row.mean)
        if row is None or not variable.coded:
            continue
        codes = {label: code for code, label in variable.values.items()}
        cells = [(column.of(codes[cell.value]), cell.count) for cell in row.counts if cell.value in codes]
        known = [(value, n) for value, n in cells if n is not None]
        total = sum(n for _, n in known)
        if len(known) == len(cells) and total:
            found[column.name] = sum(value * n for value, n in known) / total
    return found


def bundle_result(result: StudyResult, lock: StudyLock, weights: Mapping[NetworkName, NDArray[Any]], folder: Path) -> str:
    """Write a finished study's bundle; returns its SHA-256. `weights` are the final flat vectors (D,)."""
    manifest = Manifest(
        study_id=result.study_id,
        title=result.title,
        label=result.label,
        simulated=result.simulated,
        created=result.created,
        software=result.software,
        models=formulas(result),
        clinical=result.clinical,
        fusion=result.fusion,
        cohort={
            one.set: {"patients": one.n, **({} if one.events is None else {"events": one.events}), "sites": one.sites}
            for one in ReportedStudy(result).of(SIZES)
        },
        means=means_of(result),
        metrics=metrics_of(result),
        notes=tuple(result.notes),
    )
    return write_bundle(folder, manifest, lock, weights)


def adopt(running: Running, folder: Path) -> Bundle:
    """Take models, cut-offs and baseline survival of the bundle a validation study names, in place of fitting them.

    FH-610 for another bundle or a changed one. FH-614 for a study whose imaging, organs, clinical variables or network differ from the
    bundle's: its patients would be measured with another instrument.
    """
    bundle = load_bundle(folder, sha256=running.study.bundle_sha256)
    differing = differences(bundle.lock.study, running.study)
    if differing:
        raise problems.BUNDLE_DIFFERS.problem(f"the study differs from the bundle in {', '.join(differing)}", where="study.yaml")
    result, manifest = running.result, bundle.manifest
    running.frozen = bundle.text
    if running.study.resolution == "shares":
        keep_frozen(running, frozen_models(running.lock, bundle.text))
    for model, formula in manifest.models.items():
        if model not in running.study.models:
            continue
        running.specs[model] = formula.spec
        result.baseline[model] = {"time": list(formula.time), "cumulative_hazard": [value or 0.0 for value in formula.cumulative_hazard]}
        if formula.axis is not None:
            result.score_ranges[model] = list(formula.axis)
        if formula.cutoff is not None:
            result.cutoffs.append(Cutoff(model=model, value=formula.cutoff, patients_above=0, patients_below=0))
    for name in manifest.networks:
        running.weights[name] = to_vector(bundle.network(name))
        result.weights[name] = manifest.networks[name].sha256
    result.clinical, result.fusion = manifest.clinical, dict(manifest.fusion)
    result.notes.append(f"Models, cut-offs and baseline survival are those of the bundle {bundle.sha256} of study {manifest.study_id}.")
    return bundle


def differences(one: Study, two: Study) -> list[str]:
    """What must be the same for a bundle's models to mean the same: fields of the study that differ."""
    fields = ("endpoint", "clinical", "organs", "imaging", "network")
    return [name for name in fields if getattr(one, name) != getattr(two, name)]
