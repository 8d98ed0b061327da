"""The two statistics of a study with differential privacy; nothing else leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared_model.privacy.noise_on_statistics import Noised, PrivateHazard, PrivateUpdate
from shared_model.statistics.statistic_declaration import REGISTRY, Statistic, no_covariates
from site_config.study.plan_and_lock import Study


def _sensitivity(name: str) -> Any:
    def declared(p: Noised) -> Mapping[str, float]:
        return {name: p.noise.norm / p.noise.unit}

    return declared


def _declared(study: Study) -> bool:
    return study.privacy.dp is not None


REGISTRY.add(
    Statistic(
        name="private.update",
        title="Summed clipped gradients with noise",
        reads="slices, days, events",
        parameters=PrivateUpdate,
        segments=lambda p: (p.noise.segment("update", p.dimension),),
        resolution=lambda _p: "update",
        split=lambda _p: "train",
        sensitivity=_sensitivity("update"),
        covariates=no_covariates,
        roles=frozenset({"development"}),
        phases=frozenset({"training"}),
        asked_in=_declared,
    )
)
REGISTRY.add(
    Statistic(
        name="private.hazard",
        title="Expected and observed events by interval with noise",
        reads="slices, days, events",
        parameters=PrivateHazard,
        segments=lambda p: (p.noise.segment("events", 2 * (len(p.cut_days) + 1)),),
        resolution=lambda _p: "update",
        split=lambda _p: "train",
        sensitivity=_sensitivity("events"),
        covariates=no_covariates,
        roles=frozenset({"development"}),
        phases=frozenset({"training"}),
        asked_in=_declared,
    )
)
