"""The statistics of a study with differential privacy, in whole numbers and before noise, which the door adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from client.statistics.study_patients import Arrays, Bench, Floats, Values
from shared_model.privacy.noise_on_statistics import NoiseShare, PrivateHazard, PrivateUpdate
from shared_model.privacy.noise_schedule import baseline_rate
from shared_model.survival.broadcast_hazard import exposures, interval_of, scaled_risk
from site_config.lazy_modules import lazy
from site_config.study.differential_privacy import DifferentialPrivacy

if TYPE_CHECKING:
    from client.training import private_update as training
else:
    training = lazy("client.training.private_update")


def _declared(bench: Bench) -> DifferentialPrivacy:
    dp = bench.study.privacy.dp
    if dp is None:
        raise ValueError("the study declares no differential privacy")
    return dp


def private_update(bench: Bench, p: PrivateUpdate, arrays: Arrays) -> Values:
    """The patients' clipped gradients at the broadcast weights."""
    dp, patients = _declared(bench), bench.split("train")
    total = training.clipped_sum(
        bench.network(p.model, np.asarray(arrays[f"weights.{p.model}"])),
        patients,
        baseline_rate(dp) * patients.event_day,
        p.noise,
        dp.trainable,
        seed_parts=(bench.study.training.seed, bench.study_id, p.model, p.round),
        flips=bench.study.training.flips,
        device=bench.device,
    )
    return {"update": p.noise.held(total)}


def private_hazard(bench: Bench, p: PrivateHazard, arrays: Arrays) -> Values:
    """Expected events on the public baseline at the broadcast weights, and observed ones, by interval."""
    dp, patients = _declared(bench), bench.split("train")
    score = bench.radiology(patients, p.model, arrays)
    return {"events": p.noise.held(hazard_sum(score, patients.event_day, patients.event, p, baseline_rate(dp)))}


def hazard_sum(score: Floats, event_day: Floats, event: Any, p: PrivateHazard, rate: float) -> Any:
    """Σ over patients (2M,) in units: expected events by interval, shrunk to a norm of 1, then the event's own interval."""
    m = len(p.cut_days) + 1
    half = NoiseShare(norm=1.0, exponent=p.noise.exponent, variance=p.noise.variance)
    expected = rate * scaled_risk(score, 0.0)[:, None] * exposures(event_day, p.cut_days)
    observed = np.zeros((len(score), m))
    observed[np.arange(len(score)), interval_of(event_day, p.cut_days)] = np.where(event, 1.0, 0.0)
    total = np.zeros(2 * m, dtype=np.int64)
    for one, two in zip(expected, observed, strict=True):
        total += np.concatenate([half.part(one), half.part(two)])
    return total


FUNCTIONS: dict[str, Callable[[Bench, Any, Arrays], Values]] = {"private.update": private_update, "private.hazard": private_hazard}
