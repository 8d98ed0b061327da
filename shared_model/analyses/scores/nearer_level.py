"""Scores far from all others: between which ends they are counted, where a fit's numbers have no room for the whole range.

A fit on shares has room for risks that differ by e^32 between the ends of the scores' range. One score at thirty standard deviations,
or a network that tells its own training patients apart nearly perfectly, can need more. Then the range becomes the median and a
declared number of standard deviations on either side (from the quartiles, so that the extreme scores have no part in it), and who
lies beyond is counted as lying there: the order of patients stays, and so does everything about the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared_model.analyses.cox_on_shares import CoxEstimate
from shared_model.analyses.scores.cutoff_on_shares import CutoffModel
from shared_model.analyses.scores.score_levels import LEVELS, LOW, STEP, wide_enough
from shared_model.survival.cox.cox_result import FitFinding
from site_config.problems import survival as problems

Ends = tuple[float, float]
Ranges = Mapping[str, Ends]
CLIPPED = "clipped-fit"
"""Kind of a fit whose extreme scores were moved."""
DISTANCE = 3.0
"""Standard deviations from the median, at least, up to the next declared distance: in scores without tails hardly anybody lies beyond."""
QUARTERS = ((1, 4), (3, 4))
_QUARTILES_APART = 1.349
"""Of a normal distribution, in standard deviations."""
SAID = "{}: scores below {:.6g} or above {:.6g}, far from the others, count as these in the fit"


def quarter_models(name: str, minimum: int) -> tuple[CutoffModel, ...]:
    """The quartiles of a score."""
    return tuple(CutoffModel(f"{name}-spread-{a}-{b}", name, LEVELS, LOW, STEP, (a, b), minimum_patients=minimum) for a, b in QUARTERS)


def nearer_ends(whole: Ends, centre: float, quarters: tuple[float | None, float | None]) -> Ends:
    """The range of the declared standard deviations on either side, never wider than the whole; this where quartiles do not tell."""
    low, high = quarters
    if low is None or high is None or not high > low:
        return whole
    width = wide_enough(DISTANCE * (high - low) / _QUARTILES_APART)
    return max(whole[0], centre - width), min(whole[1], centre + width)


def with_extremes_said(fit: CoxEstimate, ends: Ranges, ranges: Ranges) -> CoxEstimate:
    """The fit with a finding for every part whose ends were moved; without an estimate there is nothing to say of it."""
    if fit.coefficient is None:
        return fit
    moved = tuple(FitFinding.of(problems.EXTREME_SCORES, SAID.format(part, *ends[part])) for part in ends if ends[part] != ranges[part])
    return replace(fit, findings=(*fit.findings, *moved))
