"""What each hospital of a table could say from its own patients, and how well that orders everybody else's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import patient_cells
from simulations.tabular.fit_table import FitRows, SiteRows, fit_cox

REASONS = {"FH-801": "no deaths", "FH-807": "coefficients run to infinity", "FH-808": "does not converge"}


@dataclass(frozen=True)
class Alone:
    """What one hospital gets from its own patients: is a model estimable, and its C-index on everybody else."""

    site: str
    n: int
    events: int
    estimable: bool
    c_elsewhere: float | None
    reason: str


def each_alone(rows: FitRows) -> tuple[Alone, ...]:
    """Every hospital of a table by itself, in the table's order."""
    return tuple(_alone(rows, site) for site in rows.sites)


def _alone(rows: FitRows, site: SiteRows) -> Alone:
    """A hospital's own model: estimable when Newton converges to finite coefficients with nothing dropped."""
    own = FitRows((site,), rows.names, ("",), (), 0)
    fit = fit_cox(own)
    n, dead = len(site.time), int(site.event.sum())
    codes = {finding.code for finding in fit.findings}
    reason = next((text for code, text in REASONS.items() if code in codes), "")
    if not reason and not fit.kept.all():
        reason = "covariates cannot be told apart"
    others = [other for other in rows.sites if other.name != site.name]
    if not others:
        return Alone(site.name, n, dead, not reason, None, reason)
    x, time, event = (np.concatenate([getattr(other, part) for other in others]) for part in ("x", "time", "event"))
    found = concordance(patient_cells(fit.linear_predictor(x), time, event)) if fit.kept.any() else None
    return Alone(site.name, n, dead, not reason, found.c if found else None, reason)
