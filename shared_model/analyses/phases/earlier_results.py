"""What the evaluation phase knows from the phases before, or from a frozen bundle: how scores are formed, and what a score predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from shared_model.analyses.groups.hazard_on_shares import BaselineEstimate
from shared_model.analyses.phases.frozen_models import NOTHING_FROZEN, Frozen
from shared_model.analyses.phases.fusion_plan import FusionEstimate, fusion
from shared_model.analyses.phases.phase_plan import Earlier
from shared_model.analyses.phases.score_formation import centred, clinical_found, fused_spec, single_specs
from shared_model.bundle.manifest_values import Formula
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.study.plan_and_lock import Study, StudyLock
from site_config.study.prognostic_models import CLN, MODELS


@dataclass(frozen=True)
class KnownScores:
    """By model: its score, what that is multiplied by to be a linear predictor, and baseline hazards at score 0 by day.

    training_patients: as many as the fits counted; 0 where there was none. quartiles: of the training scores of a frozen model, None
    where one leaves too few beside it; a model that stands here is not asked for them again.
    """

    specs: Mapping[str, ScoreSpec] = field(default_factory=dict)
    slopes: Mapping[str, float] = field(default_factory=dict)
    hazards: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    training_patients: int = 0
    quartiles: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)


def known_scores(lock: StudyLock, earlier: Earlier, frozen: Frozen = NOTHING_FROZEN) -> KnownScores:
    """The models that have a score, in the order of their fitting: as this study fitted them, or as they were frozen."""
    if lock.study.kind == "validate":
        return _frozen_scores(lock.study, frozen)
    study = lock.study
    specs, slopes = single_specs(lock, earlier), {}
    baselines: dict[str, BaselineEstimate] = {}
    patients = 0
    clinical = clinical_found(lock, earlier)
    if clinical is not None and clinical.fit is not None:
        patients = clinical.fit.patients
        if clinical.baseline is not None:
            baselines[CLN.name] = clinical.baseline
    if "fusion" in earlier:
        found: FusionEstimate = fusion(lock, earlier).read(earlier["fusion"])
        specs = centred(specs, found.centres)
        for model in MODELS.fitted(study.models):
            fit = found.fits.get(model.name)
            patients = max(patients, fit.patients if fit else 0)
            spec = fused_spec(model, specs, fit) if model.is_fused else None
            if spec is not None:
                specs[model.name] = spec
            elif model.is_network and fit is not None and fit.coefficient is not None:
                slopes[model.name] = float(fit.coefficient[0])
        baselines |= found.baselines
    wanted = [one.name for one in MODELS.fitted(study.models) if one.name in specs]
    hazards = {name: _by_day(study.evaluation.horizons, baselines[name]) for name in wanted if name in baselines}
    return KnownScores({name: specs[name] for name in wanted}, slopes, hazards, patients)


def _frozen_scores(study: Study, frozen: Frozen) -> KnownScores:
    hazards: dict[str, dict[int, float]] = {name: {} for name in frozen}
    for name, formula in frozen.items():
        for day in study.evaluation.horizons:
            hazard = formula.hazard_at(day)
            if hazard is not None:
                hazards[name][day] = hazard
    return KnownScores(
        {name: formula.spec for name, formula in frozen.items()},
        {name: formula.slope for name, formula in frozen.items()},
        hazards,
        quartiles={name: quartiles_of(formula) for name, formula in frozen.items()},
    )


def quartiles_of(formula: Formula) -> tuple[float | None, ...]:
    """A frozen model's quartiles; of a bundle that holds none, its cut-off alone."""
    return formula.quartiles or (None, formula.cutoff, None)


def _by_day(horizons: tuple[int, ...], found: BaselineEstimate) -> dict[int, float]:
    return {day: float(value) for day, value in zip(horizons, found.hazard, strict=True) if np.isfinite(value)}


def every_score(study: Study) -> KnownScores:
    """As if every model of the study had been fitted: what may be opened at most is the same whatever the coefficients are."""
    names = [one.name for one in MODELS.fitted(study.models)]
    hazards = {name: dict.fromkeys(study.evaluation.horizons, 0.0) for name in names}
    quartiles = dict.fromkeys(names, (0.0, 0.0, 0.0)) if study.kind == "validate" else {}
    return KnownScores({name: ScoreSpec(model=name) for name in names}, hazards=hazards, quartiles=quartiles)
