"""Phases on secret shares: each computes its plan over the roster's rows and reads the few numbers that were opened.

Cox: `shared_model.analyses.cox` says what is fitted; nothing here sees a sum. What was opened in earlier phases travels with the
holders' signatures, so that a hospital believes a coefficient only where more holders than may collude signed it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from server.asking.shared import Shared, SharedComputation
from server.phases.context import Running
from shared_model.analyses.cox import CoxEstimate
from shared_model.analyses.plan import plan_of
from shared_model.shares.protocol import believe
from shared_model.shares.replay import replay
from shared_model.survival.cox.result import ChiTest, number
from shared_model.survival.normal import Z95, two_sided
from site_config.study.model import Phase


def compute(running: Running, phase: Phase, *scores: Any) -> Any:
    """What a phase's circuit returned; its results are asked once, and answered from the study's folder after that."""
    earlier = tuple(running.shared.values())
    plan = plan_of(running.lock, phase, believe(running.lock, earlier))
    what = Shared(plan, plan.sites(running.lock), running.state(*scores), earlier)
    found = SharedComputation(running.asker, running.folder, what).results()
    running.shared[phase] = found
    return replay(plan.circuit, plan.parts, plan.declaration, found.numbers())


def clinical_fit(running: Running) -> CoxEstimate:
    """CLN on shares."""
    found: CoxEstimate = compute(running, "clinical")
    return found


def fit_as_dict(found: CoxEstimate, names: tuple[str, ...], sites: int, ties: str) -> dict[str, Any]:
    """The JSON of a fit as `CoxFit.as_dict` gives it; what was not opened (likelihoods, covariances) is None."""
    p = len(names)
    coef = np.full(p, np.nan) if found.coefficient is None else found.coefficient
    se = np.full(p, np.nan) if found.se is None else found.se
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        z = coef / se
        low, high, hr = np.exp(coef - Z95 * se), np.exp(coef + Z95 * se), np.exp(coef)
    score = None if found.score is None else ChiTest(found.score, p).as_dict()
    return {
        "n": found.patients,
        "events": found.deaths,
        "sites": sites,
        "covariates": list(names),
        "coef": [number(value) for value in coef],
        "se": [number(value) for value in se],
        "hr": [number(value) for value in hr],
        "hr_ci": [[number(a), number(b)] if np.isfinite(c) else None for a, b, c in zip(low, high, coef, strict=True)],
        "z": [number(value) for value in z],
        "p": [two_sided(float(value)) if np.isfinite(value) else None for value in z],
        "loglik": None,
        "loglik_null": None,
        "lr_test": None,
        "wald_test": None,
        "score_test": score,
        "concordance": None,
        "concordance_se": None,
        "baseline": {"time": [], "cumulative_hazard": []},
        "iterations": found.steps,
        "dropped_rows": 0,
        "resolution": "shares",
        "ties": ties,
        "proportional_hazards": None,
        "warnings": [finding.as_dict() for finding in found.findings],
    }
