"""The federated Cox model from sums by day, which equals R's `coxph`: one import.

A site computes `exact_sums` of its own rows, an opener adds them over sites (in a loop in simulations, under masks in a
study of the resolution `exact`), and `fit_exact` does the rest. On secret shares `shared_model.analyses.cox_on_shares` fits it.
"""

from __future__ import annotations

from shared_model.survival.cox.covariate_moments import CovariateMoments, Scale, open_scale, site_moments
from shared_model.survival.cox.cox_result import Baseline, ChiTest, CoxFit, FitFinding, ProportionalHazards
from shared_model.survival.cox.exact_sums import DayGrid, ExactSums, exact_sums
from shared_model.survival.cox.newton_exact import ExactOpener, fit_exact

__all__ = [
    "Baseline",
    "ChiTest",
    "CovariateMoments",
    "CoxFit",
    "DayGrid",
    "ExactOpener",
    "ExactSums",
    "FitFinding",
    "ProportionalHazards",
    "Scale",
    "exact_sums",
    "fit_exact",
    "open_scale",
    "site_moments",
]
