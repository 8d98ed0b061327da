"""How near to each other the days may be at which results of a study are opened."""

from __future__ import annotations

from itertools import pairwise

from site_config.study.plan_and_lock import Study

APART_DAYS = 180


def close_horizons(study: Study) -> tuple[int, int] | None:
    """The first two horizons that are nearer to each other than half a year; None where all are far enough apart.

    Predictions, baselines and curves of groups are opened at every horizon, whatever grid a curve has otherwise: two of them a day
    apart show who died in between. `exact` opens days by the hospitals' own consent, and made-up patients have nothing to hide.
    """
    if study.resolution != "shares" or (study.simulated and study.privacy.demonstration):
        return None
    days = sorted(study.evaluation.horizons)
    return next(((a, b) for a, b in pairwise(days) if b - a < APART_DAYS), None)
