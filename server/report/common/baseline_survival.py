"""Survival at score 0 on a day, and why it is not known on some days."""

from __future__ import annotations

import numpy as np

from server.report import number_text
from server.study.opened_analyses import OpenedAnalyses
from server.study.study_results import StudyResult
from site_config.study.prognostic_models import ModelName


def baseline_at(result: StudyResult, model: ModelName, horizon: float) -> float | None:
    """H0(horizon) at score 0: between the cut points of a piecewise-constant hazard a straight line, else a step.

    None beyond the last day the hazard speaks of: what it is there was not estimated, and the last value is no answer.
    """
    if result.analyses is not None and model not in result.baseline:
        return _opened(result.analyses, model, horizon)
    base = result.baseline.get(model)
    if not base or not base.get("time"):
        return None
    time, hazard = np.asarray(base["time"], dtype=np.float64), np.asarray(base["cumulative_hazard"], dtype=np.float64)
    if not np.isfinite(hazard).all() or horizon > time[-1]:
        return None
    at = int(np.searchsorted(time, horizon, side="right")) - 1
    return float(hazard[at]) if at >= 0 else 0.0


def _opened(analyses: OpenedAnalyses, model: ModelName, horizon: float) -> float | None:
    """On shares the hazard is known on the declared days alone; before all of them it is 0."""
    days = {
        float(day): value
        for one in analyses.baseline
        if one.model == model
        for day, value in zip(one.day, one.cumulative_hazard, strict=True)
    }
    return days.get(float(horizon), 0.0 if days and horizon == 0 else None)


def beyond(result: StudyResult, model: ModelName, horizons: tuple[int, ...]) -> str:
    """The sentence about horizons at which nothing is predicted; empty where every one is reached."""
    base = result.baseline.get(model)
    if not base or not base.get("time"):
        return ""
    lost = [str(h) for h in horizons if baseline_at(result, model, h) is None]
    if not lost:
        return ""
    days = number_text.listed(lost)
    return f"{model}: nothing is predicted for {days} days, beyond day {base['time'][-1]:.0f}, where its baseline hazard ends."
