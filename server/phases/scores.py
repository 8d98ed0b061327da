"""Openers over scores: moments and counts above thresholds, as the pure mathematics asks for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.phases.context import Running, scalar
from shared_model.statistics.parameters import Covariates, Moments, ScoreCounts, ScoreSpec, Split
from site_config.problems import federation
from site_config.study.model import Phase, Role

Floats = NDArray[np.float64]
THRESHOLD_GRID = 2.0**-20


def role_of(split: Split) -> Role:
    """Who holds the patients of a split."""
    return "evaluation" if split == "test" else "development"


def clinical_minimum(running: Running) -> int:
    """Patients behind what is opened of a score that gives covariate patterns away."""
    study = running.study
    lifted = (study.privacy.demonstration and study.simulated) or study.evaluation.resolution == "exact"
    return 1 if lifted else study.privacy.minimum_clinical_score_patients


def withheld(running: Running, spec: ScoreSpec, patients: int) -> bool:
    """Whether counts and tables of a score stay closed for so few patients; one finding a model says so."""
    least = clinical_minimum(running)
    if not spec.clinical_only or patients >= least:
        return False
    if not any(finding.get("about") == spec.model for finding in running.result.findings):
        images = "" if spec.mix is None else ", images having too small a part in it"
        what = (
            f"{spec.model}: cut-off and discrimination are not opened on sets of fewer than {least} patients: with the published "
            f"coefficients the score gives clinical variables away{images}; `minimum_clinical_score_patients`, lowered in the study and at "
            "every hospital, would open it"
        )
        running.find(federation.SCORE_WITHHELD.problem(what), spec.model)
    return True


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
