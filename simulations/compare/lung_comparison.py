"""The lung comparison: one Cox model fitted by sums over real hospitals, on pooled rows, and in each hospital alone.

NCCTG advanced lung cancer (Loprinzi et al. 1994, distributed with lifelines): 228 patients of 18 institutions, of which
those with all seven covariates known are analysed. The nearest public likeness of the clinical model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.cox.cox_by_day import CoxFit
from simulations.tabular.design_columns import merge_near_times
from simulations.tabular.fit_table import FitRows, SiteRows, fit_cox
from simulations.tabular.hospitals_alone import Alone, each_alone
from simulations.tabular.shares.table_cox_on_shares import fit_cox_on_shares

COVARIATES = ("age", "sex", "ph.ecog", "ph.karno", "pat.karno", "meal.cal", "wt.loss")


@dataclass(frozen=True)
class Lung:
    """The three ways side by side: by day sums, on secret shares, and lifelines on pooled rows (`pooled_*`)."""

    rows: FitRows
    exact: CoxFit
    shares: CoxFit
    pooled_coef: NDArray[np.float64]
    pooled_se: NDArray[np.float64]
    pooled_loglik: float
    pooled_c: float
    alone: tuple[Alone, ...]

    @property
    def largest_difference(self) -> float:
        """Largest |federated − pooled| over coefficients and standard errors."""
        return float(max(np.abs(self.exact.coef - self.pooled_coef).max(), np.abs(self.exact.se - self.pooled_se).max()))

    def as_dict(self) -> dict[str, Any]:
        """The JSON of `fedhcc-sim compare lung`."""
        return {
            "dataset": "NCCTG lung",
            "n": self.exact.n,
            "events": self.exact.events,
            "sites": self.exact.sites,
            "covariates": list(self.exact.covariates),
            "federated_exact": self.exact.as_dict(),
            "federated_shares": self.shares.as_dict(),
            "pooled": {
                "coef": self.pooled_coef.tolist(),
                "se": self.pooled_se.tolist(),
                "loglik": self.pooled_loglik,
                "concordance": self.pooled_c,
            },
            "largest_difference": self.largest_difference,
            "alone": [vars(one) for one in self.alone],
        }


def lung_rows() -> FitRows:
    """The complete patients by institution; event 1 = died."""
    from lifelines.datasets import load_lung

    frame = load_lung()
    used = frame.dropna(subset=["inst", "time", "status", *COVARIATES])
    time = merge_near_times(used["time"].to_numpy(dtype=np.float64))
    event = used["status"].to_numpy() == frame["status"].max()
    x = used[list(COVARIATES)].to_numpy(dtype=np.float64)
    institution = used["inst"].to_numpy(dtype=np.int64)
    sites = []
    for name in np.unique(institution):
        mine = institution == name
        count = int(mine.sum())
        sites.append(SiteRows(str(name), x[mine], time[mine], event[mine], np.zeros(count, dtype=np.int64), ("",) * count))
    return FitRows(tuple(sites), COVARIATES, ("",), (), len(frame) - len(used))


def compare_lung(holders: int = 0) -> Lung:
    """Fit all of it; a few seconds, most of them importing lifelines, longer with three or five `holders` of shares."""
    rows = lung_rows()
    coef, se, loglik, c = _pooled(rows)
    return Lung(rows, fit_cox(rows), fit_cox_on_shares(rows, holders=holders), coef, se, loglik, c, each_alone(rows))


def _pooled(rows: FitRows) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    import pandas as pd
    from lifelines import CoxPHFitter

    frame = pd.DataFrame(rows.x, columns=list(rows.names)).assign(time=rows.time, event=rows.event)
    fit = CoxPHFitter().fit(frame, "time", "event", fit_options={"precision": 1e-14})
    return fit.params_.to_numpy(), fit.standard_errors_.to_numpy(), float(fit.log_likelihood_), float(fit.concordance_index_)
