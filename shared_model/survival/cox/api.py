"""The federated Cox model: one import for both resolutions.

`totals` opens M + p numbers a round and is what studies use; `exact` opens sums by day and equals R's `coxph`. A site
computes `totals_start`, `totals_round`, `totals_end` or `exact_sums` of its own rows, an opener adds them over sites (in
a loop in simulations, under masks in a study), and `fit_totals` or `fit_exact` does the rest.
"""

from __future__ import annotations

from shared_model.survival.cox.exact import ExactOpener, fit_exact
from shared_model.survival.cox.exact_sums import DayGrid, ExactSums, exact_sums
from shared_model.survival.cox.moments import CovariateMoments, Scale, open_scale, site_moments
from shared_model.survival.cox.result import Baseline, ChiTest, CoxFit, FitFinding, ProportionalHazards
from shared_model.survival.cox.totals import CLINICAL_CUTS, TotalsOpener, fit_totals, quarter_grid
from shared_model.survival.cox.totals_sums import (
    TotalsEnd,
    TotalsRound,
    TotalsStart,
    totals_end,
    totals_round,
    totals_start,
)

__all__ = [
    "CLINICAL_CUTS",
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
    "TotalsEnd",
    "TotalsOpener",
    "TotalsRound",
    "TotalsStart",
    "exact_sums",
    "fit_exact",
    "fit_totals",
    "open_scale",
    "quarter_grid",
    "site_moments",
    "totals_end",
    "totals_round",
    "totals_start",
]
