"""One patient's scores, risk groups and survival from a bundle, with whatever is known about the patient.

Which models apply follows from what is there: CLN needs all its clinical variables, Rad-S the baseline scan, Rad-D the
follow-up too, RadCLN both parts. Nothing is imputed: a model whose input is missing says what it misses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, isfinite

from shared_model.bundle.manifest_values import Formula, Manifest
from shared_model.bundle.prediction_cautions import cautions, disagreement, rests_on
from shared_model.bundle.survival_intervals import error_of, interval_at
from shared_model.survival.nomogram import nomogram
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS, ModelName


@dataclass(frozen=True)
class Position:
    """One nomogram axis: the patient's value on it, its label, and its points."""

    name: str
    value: float
    shown: str
    points: float


@dataclass(frozen=True)
class Prediction:
    """What one model says of a patient.

    `score` is the model's linear predictor (radiology + clinical contributions); `group` is high or low, None without a
    cut-off; `survival` by horizon in days, None beyond what was observed, `interval` its 95 % limits, None where the bundle does not
    hold what they need; `largest` the points of the worst patient.
    """

    model: ModelName
    score: float
    radiology: float
    clinical: float
    cutoff: float | None
    group: str | None
    survival: dict[int, float | None]
    interval: dict[int, tuple[float, float] | None]
    nomogram: tuple[Position, ...]
    total_points: float
    largest: float
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predictions:
    """Every model that applies, in order of preference, what each of the others misses, and what all of them rest on.

    `disagreement` is a sentence where they do not say the same.
    """

    models: tuple[Prediction, ...]
    missing: dict[ModelName, tuple[str, ...]]
    rests_on: str = ""
    disagreement: str | None = None


def predict(manifest: Manifest, study: Study, clinical: Mapping[str, float | None], radiology: Mapping[str, float]) -> Predictions:
    """Predictions from clinical values by variable and the networks' scores by model (`Rad-S`, `Rad-D`), each where known."""
    found: list[Prediction] = []
    missing: dict[ModelName, tuple[str, ...]] = {}
    clinical = entered(study, clinical)
    for model in (one.name for one in MODELS.preferred(manifest.models)):
        formula = manifest.models[model]
        lacking = _lacking(formula, study, clinical, radiology)
        if lacking:
            missing[model] = lacking
        else:
            found.append(_predict(formula, manifest, study, clinical, radiology))
    apart = disagreement({one.model: one.group for one in found}, {one.model: one.survival for one in found})
    return Predictions(tuple(found), missing, rests_on(manifest), apart)


def entered(study: Study, clinical: Mapping[str, float | None]) -> dict[str, float | None]:
    """Values by variable as the models' columns see them; None where one is not known."""
    found = {column.name: column.of(clinical.get(column.variable.name)) for column in study.design}
    return {name: value if isfinite(value) else None for name, value in found.items()}


def _lacking(formula: Formula, study: Study, clinical: Mapping[str, float | None], radiology: Mapping[str, float]) -> tuple[str, ...]:
    variable = {column.name: column.variable.name for column in study.design}
    absent = list(dict.fromkeys(variable[column] for column in formula.spec.columns if clinical.get(column) is None))
    if formula.spec.radiology is not None and formula.spec.radiology not in radiology:
        absent.append(MODELS[formula.spec.radiology].scans)
    return tuple(absent)


def _predict(
    formula: Formula, manifest: Manifest, study: Study, clinical: Mapping[str, float | None], radiology: Mapping[str, float]
) -> Prediction:
    spec = formula.spec
    weight_radiology, weight_clinical = spec.mix or (1.0, 1.0)
    image = weight_radiology * (radiology[spec.radiology] - spec.centre) if spec.radiology else 0.0
    rows = weight_clinical * sum(b * float(clinical[name] or 0.0) for name, b in zip(spec.columns, spec.coefficients, strict=True))
    score = image + rows
    survival = {horizon: survival_at(formula, score, horizon) for horizon in study.evaluation.horizons}
    error = error_of(formula, manifest, study, clinical, radiology)
    positions, total, largest = _positions(formula, manifest, study, clinical, radiology)
    return Prediction(
        model=spec.model,
        score=score,
        radiology=image,
        clinical=rows,
        cutoff=formula.cutoff,
        group=None if formula.cutoff is None else ("high" if score > formula.cutoff else "low"),
        survival=survival,
        interval={day: interval_at(formula, manifest, value, error, day) for day, value in survival.items()},
        nomogram=positions,
        total_points=total,
        largest=largest,
        cautions=cautions(formula, manifest, study, clinical, score, survival),
    )


def survival_at(formula: Formula, score: float, day: float) -> float | None:
    """S(day) = exp(−H0(day) e^{slope·score}), H0 linear between its days; None beyond the last day."""
    hazard = formula.hazard_at(day)
    return None if hazard is None else exp(-hazard * exp(min(formula.slope * score, 600.0)))


def _positions(
    formula: Formula, manifest: Manifest, study: Study, clinical: Mapping[str, float | None], radiology: Mapping[str, float]
) -> tuple[tuple[Position, ...], float, float]:
    """The patient's points on every axis, their sum, and the largest possible sum; empty where no axis can be drawn."""
    axes = _axes(formula, manifest, study, clinical, radiology)
    drawn = [axis for axis in axes if axis.low < axis.high]
    if not any(axis.slope for axis in drawn):
        return (), 0.0, 0.0
    chart = nomogram([axis.name for axis in drawn], [axis.slope for axis in drawn], [(axis.low, axis.high) for axis in drawn], {})
    points = [chart.points_per_unit * (axis.slope * axis.value - min(axis.slope * axis.low, axis.slope * axis.high)) for axis in drawn]
    positions = tuple(Position(axis.name, axis.value, axis.shown, value) for axis, value in zip(drawn, points, strict=True))
    return positions, sum(points), chart.largest_total


@dataclass(frozen=True)
class _Axis:
    name: str
    slope: float
    low: float
    high: float
    value: float
    shown: str


def _axes(
    formula: Formula, manifest: Manifest, study: Study, clinical: Mapping[str, float | None], radiology: Mapping[str, float]
) -> list[_Axis]:
    spec = formula.spec
    weight_radiology, weight_clinical = spec.mix or (formula.slope, 1.0)
    found: list[_Axis] = []
    if spec.radiology:
        alone, value = manifest.models.get(spec.radiology), radiology[spec.radiology] - spec.centre
        low, high = alone.axis if alone is not None and alone.axis is not None else (0.0, 0.0)
        found.append(_Axis(f"{spec.radiology} score", weight_radiology, low, high, value, f"{value:.2f}"))
    by_name = {column.name: column for column in study.design}
    for name, coefficient in zip(spec.columns, spec.coefficients, strict=True):
        column, value = by_name[name], float(clinical[name] or 0.0)
        found.append(_Axis(column.label, weight_clinical * coefficient, *column.span, value, column.shown(value)))
    return found
