"""What a study declares of differential privacy: how much noise, who adds it, and what is trained under it.

Everything here is public. Off unless a study declares it, because it costs accuracy: docs/differential-privacy.md says how much.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from site_config.study.clinical_variables import Strict

Trainable = Literal["head", "lstm+head", "all"]


class DifferentialPrivacy(Strict):
    """Noise on every number that leaves a hospital in a study that trains networks, sized for one patient's presence.

    `results` above 0 opens counts and Kaplan-Meier curves too, noised inside secret shares; everything else stays closed.
    """

    epsilon: float = Field(gt=0, le=64, description="what the whole study may cost a patient")
    delta: float = Field(default=1e-5, gt=0, le=1e-3)
    clip_norm: float = Field(default=1.0, gt=0, le=1e6, description="largest norm C of one patient's gradient")
    placement: Literal["distributed", "local"] = "distributed"
    trainable: Trainable = "head"
    honest: int = Field(default=3, ge=1, le=10_000, description="fewest hospitals of a sum that keep their noise to themselves")
    patients: int = Field(ge=1, le=1_000_000, description="training patients of a block as everybody may know them; steps divide by it")
    results: float = Field(
        default=0.0, ge=0, le=0.9, description="part of the budget (of μ²) for noised counts and Kaplan-Meier curves; 0 opens none"
    )
    median_days: float = Field(default=500.0, ge=1, le=20_000, description="median survival from the literature, the public baseline")
