"""How sure a predicted survival is: a 95 % interval from what a bundle holds, rather too wide than too narrow.

S(t) = exp(−H) with log H = log H0(t) + lp. Around the average training patient, whose covariates are x̄,

    se(log H)² ≈ 1/d(t) + u²,    u = Σ_j |x_j − x̄_j| · se_j

(the variance of Tsiatis 1981 and Link 1984 with the risk sets' means replaced by x̄). d(t) is about the deaths until t. The
coefficients' correlations are not opened by a study on shares, so their errors are added as if all erred together: u is the most
that any correlations allow. What the images' network could have learned otherwise is not in it, and the page says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, isfinite, sqrt
from typing import Any

from shared_model.bundle.manifest_values import Formula, Manifest
from shared_model.survival.normal_tails import Z95
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS

INTERVALS_SAY = (
    "95 % intervals are of the survival of patients like this one, from the standard errors of the Cox coefficients and the number "
    "of deaths; what the networks could have learned otherwise is not in them."
)


def error_of(
    formula: Formula, manifest: Manifest, study: Study, entered: Mapping[str, float | None], radiology: Mapping[str, float]
) -> float | None:
    """u, the standard error of a patient's linear predictor against the average training patient's; None where it is not known.

    `entered` are values by design column, `radiology` scores by network.
    """
    spec = formula.spec
    if spec.radiology is None:
        return _clinical_error(formula, manifest, study, entered)
    fit = manifest.fusion.get(spec.model)
    errors = _errors(fit)
    if errors is None:
        return None
    image = _from_median(manifest, spec.radiology, radiology[spec.radiology])
    if spec.mix is None:
        return None if image is None else image * errors[0]
    part = next((manifest.models[one] for one in MODELS[spec.model].needs if one in manifest.models and MODELS[one].variables), None)
    if part is None or image is None:
        return None
    inner = _clinical_error(part, manifest, study, entered)
    score = sum(b * float(entered.get(name) or 0.0) for name, b in zip(spec.columns, spec.coefficients, strict=True))
    clinical = _from_median(manifest, part.spec.model, score)
    if inner is None or clinical is None:
        return None
    return image * errors[0] + clinical * errors[1] + abs(spec.mix[1]) * inner


def interval_at(
    formula: Formula, manifest: Manifest, survival: float | None, error: float | None, day: float
) -> tuple[float, float] | None:
    """The interval of a survival at a day, on the log(−log) scale; None where its error or the number of deaths is not known."""
    deaths = _deaths_until(formula, manifest, day)
    if error is None or deaths is None or survival is None or not 0.0 < survival < 1.0:
        return None
    half = min(Z95 * sqrt(1.0 / deaths + error**2), 600.0)
    return survival ** exp(half), survival ** exp(-half)


def _clinical_error(formula: Formula, manifest: Manifest, study: Study, entered: Mapping[str, float | None]) -> float | None:
    """Σ |x − x̄| se over the columns of the clinical model; a mean that is not known lies as far away as it can."""
    fit = manifest.clinical or {}
    errors = dict(zip(fit.get("covariates", ()), fit.get("se", ()), strict=False))
    columns = {column.name: column for column in study.design}
    total = 0.0
    for name in formula.spec.columns:
        se, value = errors.get(name), entered.get(name)
        if se is None or value is None or not isfinite(se):
            return None
        mean = manifest.means.get(name)
        total += se * (max(abs(value - end) for end in columns[name].span) if mean is None else abs(value - mean))
    return total


def _errors(fit: Mapping[str, Any] | None) -> list[float] | None:
    found = [] if fit is None else fit.get("se", [])
    return None if not found or any(one is None or not isfinite(one) for one in found) else [float(one) for one in found]


def _from_median(manifest: Manifest, model: str, score: float) -> float | None:
    """How far a score is from the median of the training patients, which is the cut-off of the model whose score it is."""
    known = next((one.cutoff for name, one in manifest.models.items() if name == model), None)
    return None if known is None else abs(score - known)


def _deaths_until(formula: Formula, manifest: Manifest, day: float) -> float | None:
    """About how many training patients had died by a day: as many of all as the median patient's survival says, at most all deaths."""
    train, hazard = manifest.cohort.get("train", {}), formula.hazard_at(day)
    if hazard is None or formula.cutoff is None or not train.get("events") or not train.get("patients"):
        return None
    died = train["patients"] * (1.0 - exp(-hazard * exp(min(formula.slope * formula.cutoff, 600.0))))
    return None if died < 1.0 else min(died, float(train["events"]))
