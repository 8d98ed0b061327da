"""The models of a frozen bundle as a validation study on shares reads them: from the manifest whose hash stands in the lock.

A development study finds scores, slopes, baseline hazards, cut-offs and quartiles in its earlier phases; a validation study takes
the same facts from the bundle that study wrote. The manifest travels as text, and whoever computes with it holds its SHA-256
against the lock first, so nobody has to trust the coordinator for a coefficient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from math import isfinite

from pydantic import ValidationError

from shared_model.bundle.manifest_values import Formula, Manifest
from site_config.problems import shares as problems
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import MODELS, ModelName

Frozen = Mapping[ModelName, Formula]
"""Model → how it turns a patient into a score and into survival."""
NOTHING_FROZEN: Frozen = {}


def frozen_models(lock: StudyLock, manifest: str) -> Frozen:
    """The models of the bundle a validation study names, of those the study asks for; nothing for a development study.

    FH-562 where the text is not the manifest the lock names, or holds a number or column that no model of this study can have.
    """
    if lock.study.kind == "develop":
        if manifest:
            raise problems.FROZEN_MODELS.problem("a development study fits its own models")
        return NOTHING_FROZEN
    if hashlib.sha256(manifest.encode()).hexdigest() != lock.study.bundle_sha256:
        raise problems.FROZEN_MODELS.problem("the manifest has another SHA-256 than the lock names")
    try:
        models = Manifest.model_validate_json(manifest).models
    except ValidationError:
        raise problems.FROZEN_MODELS.problem("the manifest cannot be read") from None
    found = {one.name: models[one.name] for one in MODELS.fitted(lock.study.models) if one.name in models}
    columns = {column.name for column in lock.study.design}
    for name, formula in found.items():
        _require_sound(name, formula, columns)
    return found


def _require_sound(name: ModelName, formula: Formula, columns: set[str]) -> None:
    spec = formula.spec
    if spec.model != name or not set(spec.columns) <= columns:
        raise problems.FROZEN_MODELS.problem(f"the score of {name} reads a column that the study does not declare")
    hazards, quartiles = (_held(values) for values in (formula.cumulative_hazard, formula.quartiles))
    numbers = (formula.slope, *formula.time, *hazards, *quartiles, *_held((formula.cutoff,)))
    rising = all(values == sorted(values) for values in (list(formula.time), hazards, quartiles))
    whole = len(formula.time) == len(formula.cumulative_hazard) and formula.quartiles[1:2] in ((), (formula.cutoff,))
    if not (rising and whole and all(map(isfinite, numbers)) and min(hazards, default=0.0) >= 0):
        raise problems.FROZEN_MODELS.problem(f"{name} holds a number that no fit gives")


def _held(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
