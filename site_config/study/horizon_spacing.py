"""How near to each other the days may be at which results of a study are opened."""

from __future__ import annotations

from itertools import pairwise

from site_config.study.plan_and_lock import Study

APART_DAYS = 180
WEEK = 7
"""Of a cut of the training hazard from a point of the curves: these are monthly, so that no day is half a month from each."""
QUARTER = 91.3125
"""Days of a quarter of a year, where training hazards are cut unless a study says where."""


def close_horizons(study: Study) -> tuple[int, int] | None:
    """The first two horizons that are nearer to each other than half a year; None where all are far enough apart.

    Predictions, baselines and curves of groups are opened at every horizon, whatever grid a curve has otherwise: two of them a day
    apart show who died in between. `exact` opens days by the hospitals' own consent, and made-up patients have nothing to hide.
    """
    if study.resolution != "shares" or (study.simulated and study.privacy.demonstration):
        return None
    days = sorted(study.evaluation.horizons)
    return next(((a, b) for a, b in pairwise(days) if b - a < APART_DAYS), None)


def horizon_beside_cut(study: Study) -> tuple[int, int] | None:
    """The first horizon and the last whole day before a cut of the training hazard that are other days, less than a week apart."""
    if study.resolution != "shares" or (study.simulated and study.privacy.demonstration) or study.privacy.dp is not None:
        return None
    if study.kind != "develop" or not study.reads_scans or study.training.hazard_resolution == "exact":
        return None
    cuts = study.training.cut_days
    days = [int(cut) for cut in (cuts if cuts is not None else (QUARTER * m for m in range(1, study.training.intervals)))]
    return next(((day, cut) for day in study.evaluation.horizons for cut in days if 0 < abs(day - cut) < WEEK), None)
