"""A fit on shares as every other Cox model is shown: `CoxFit`, with NaN for what was not opened (likelihoods, covariances)."""

from __future__ import annotations

import numpy as np

from shared_model.analyses.cox_on_shares import CoxEstimate
from shared_model.survival.broadcast_hazard import Ties
from shared_model.survival.cox.cox_result import Baseline, ChiTest, CoxFit, FitFinding

NAN = float("nan")


def fitted(
    found: CoxEstimate, names: tuple[str, ...], *, sites: int, ties: Ties, findings: tuple[FitFinding, ...] = (), dropped: int = 0
) -> CoxFit:
    """The estimate under the columns' names; without coefficients nothing is kept, and the findings say why."""
    p = len(names)
    estimated = found.coefficient is not None and found.se is not None
    coef = found.coefficient if found.coefficient is not None else np.zeros(p)
    se = found.se if found.se is not None else np.zeros(p)
    empty = np.zeros(0)
    return CoxFit(
        n=found.patients,
        events=found.deaths,
        sites=sites,
        covariates=names,
        coef=coef,
        covariance=np.diag(se**2),
        kept=np.full(p, estimated),
        loglik=NAN,
        loglik_null=NAN,
        score_test=ChiTest(NAN if found.score is None else found.score, p if estimated else 0),
        baseline=Baseline(empty, empty),
        iterations=found.steps,
        resolution="shares",
        ties=ties,
        dropped_rows=dropped,
        findings=(*findings, *found.findings),
    )
