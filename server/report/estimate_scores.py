"""How well scores order survival: Table 2, Table 3, ROC curves and subgroups, all from opened tables."""

from __future__ import annotations

import math

from server.report import opened
from server.report.numbers import Concordance, Estimate
from server.results import ScoreTable, SetName, StudyResult
from shared_model.survival import concordance as harrell
from site_config.study import ModelName, Study

SETS: tuple[SetName, ...] = ("train", "validation", "test")


def concordance_rows(result: StudyResult, study: Study) -> list[Concordance]:
    """C of every model on every set whose table was opened."""
    rows = []
    for model in study.models:
        for set_ in SETS:
            table = opened.find(result, model, set_)
            if table is not None:
                rows.append(concordance_row(table))
    return rows


def concordance_row(table: ScoreTable) -> Concordance:
    """One row of Table 2."""
    n, events = opened.size(table)
    source = opened.evaluation_table(table)
    found = harrell.concordance(source)
    apparent = table.set == "train"
    if found is None or not math.isfinite(found.se):
        none = Estimate(n=n, events=events, reason="no two patients can be compared")
        return Concordance(model=table.model, set=table.set, apparent=apparent, c=none, logit=none, exact=table.exact)
    low, high = found.plain_ci
    bound = 0.0
    if not table.exact:
        least, most = harrell.error_bound(source)
        bound = max(found.c - least, most - found.c)
    logit_low, logit_high = found.logit_ci
    return Concordance(
        model=table.model, set=table.set, apparent=apparent, exact=table.exact, error_bound=bound,
        c=Estimate(n=n, events=events, value=found.c, low=low, high=high, se=found.se),
        logit=Estimate(n=n, events=events, value=found.c, low=logit_low, high=logit_high, se=found.se),
    )  # fmt: skip
