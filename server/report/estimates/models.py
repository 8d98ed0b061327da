"""Fitted Cox models as the report shows them."""

from __future__ import annotations

from typing import Any

from server.report.numbers import Coefficient, ShownCoxModel, Test
from server.study.results import StudyResult
from site_config.study.model import Study
from site_config.study.prognostic_models import MODELS, ModelName

LARGEST_COEFFICIENT = 9.0
"""Beyond a hazard ratio of e^9 the likelihood has no maximum worth printing (monotone likelihood)."""


def cox_model(model: ModelName, fit: dict[str, Any], study: Study) -> ShownCoxModel:
    """One `CoxFit.as_dict()` with labels; a dropped covariate carries the model's finding about it as its reason."""
    labels = {part.name: part.label for part in MODELS} | {column.name: column.label for column in study.design}
    warnings = [f"{w.get('code', '')} {w.get('what', '')}".strip() for w in fit.get("warnings", [])]
    rows = [_coefficient(fit, index, labels, warnings) for index in range(len(fit["covariates"]))]
    return ShownCoxModel(
        model=model,
        n=fit["n"],
        events=fit["events"],
        sites=fit.get("sites"),
        coefficients=rows,
        concordance=fit.get("concordance"),
        likelihood_ratio=_test(fit.get("lr_test")),
        warnings=warnings,
    )


def _coefficient(fit: dict[str, Any], index: int, labels: dict[str, str], warnings: list[str]) -> Coefficient:
    name = fit["covariates"][index]
    label = labels.get(name, name)
    coef, se, interval = fit["coef"][index], fit["se"][index], fit["hr_ci"][index]
    estimable = coef is not None and se is not None and se > 0 and abs(coef) < LARGEST_COEFFICIENT and se < LARGEST_COEFFICIENT
    low, high = interval if interval is not None else (None, None)
    wald = (coef / se) ** 2 if estimable else None
    reason = None if estimable else next((w for w in warnings if name in w or label in w), "no finite estimate")
    return Coefficient(
        covariate=name,
        label=label,
        n=fit["n"],
        events=fit["events"],
        coef=coef,
        se=se,
        hr=fit["hr"][index] if estimable else None,
        low=low,
        high=high,
        p=fit["p"][index] if estimable else None,
        wald_chi2=wald,
        reason=reason,
    )


def _test(found: dict[str, Any] | None) -> Test | None:
    if not found or found.get("chi2") is None or found.get("p") is None:
        return None
    return Test(chi2=found["chi2"], df=found["df"], p=found["p"])


def fusions(result: StudyResult, study: Study) -> list[ShownCoxModel]:
    """The fused models, and single scores calibrated to survival, in the study's order."""
    return [cox_model(model, result.fusion[model], study) for model in study.models if model in result.fusion]
