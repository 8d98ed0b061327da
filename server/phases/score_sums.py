"""Openers over scores: moments and counts above thresholds, as the pure mathematics asks for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.phases.phase_context import Running, scalar
from shared_model.statistics.statistic_parameters import Covariates, Moments, ScoreCounts, ScoreSpec, Split
from site_config.study.plan_and_lock import Phase, Role

Floats = NDArray[np.float64]
THRESHOLD_GRID = 2.0**-20
SCORE_BINS = 16
"""Of the picture of a score's distribution; a bin, and each side of a cut-off, holds the study's minimum of patients."""


def role_of(split: Split) -> Role:
    """Who holds the patients of a split."""
    return "evaluation" if split == "test" else "development"


@dataclass(frozen=True)
class Spread:
    """Patients, mean and standard deviation of a score over a split."""

    n: int
    mean: float
    sd: float


@dataclass(frozen=True)
class ScoreOpener:
    """Opens what the cut-off and the bin edges need of one score over one split."""

    running: Running
    spec: ScoreSpec
    split: Split
    phase: Phase

    def spread(self) -> Spread:
        """Mean and standard deviation from two sums."""
        parameters = Moments(split=self.split, covariates=Covariates(scores=(self.spec,)), origin=(0.0,))
        values = self.running.total("moments", parameters, self.phase, role_of(self.split), self.spec)
        n = round(scalar(values, "patients"))
        mean = scalar(values, "total") / max(n, 1)
        variance = (scalar(values, "products") - n * mean**2) / max(n - 1, 1)
        return Spread(n, mean, float(np.sqrt(max(variance, 0.0))))

    def counts_above(self, thresholds: Floats) -> NDArray[np.int64]:
        """Patients above each threshold, over all blocks."""
        asked = tuple(float(np.round(t / THRESHOLD_GRID) * THRESHOLD_GRID) for t in thresholds)
        parameters = ScoreCounts(split=self.split, score=self.spec, thresholds=asked)
        values = self.running.total("score.counts", parameters, self.phase, role_of(self.split), self.spec)
        return np.asarray(np.rint(scalar(values, "patients") - values["at_most"]), dtype=np.int64)
