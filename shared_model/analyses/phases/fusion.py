"""The fusion phase: every network's score calibrated to survival by a Cox model of it alone, and fused with the clinical score.

On the training patients of the development hospitals. Opened are the median of each single score (its cut-off), how far scores
reach from it, the fits, and baseline hazards at the study's horizons.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from shared_model.analyses.covariates import Continuous, SlotCovariates
from shared_model.analyses.cox import CoxEstimate, CoxModel, cox
from shared_model.analyses.groups.hazard import BaselineEstimate, baseline
from shared_model.analyses.groups.points import Points, make_points
from shared_model.analyses.pairs import Pairs, day_parts, make_pairs
from shared_model.analyses.phases.base import Earlier, SharedPlan, context, group_minimum, minima
from shared_model.analyses.phases.clinical import baseline_model
from shared_model.analyses.phases.scores import single_specs
from shared_model.analyses.rows import Part, Rows, layout
from shared_model.analyses.scores.cutoff import CutoffEstimate, CutoffModel, cutoff
from shared_model.analyses.scores.levels import LEVELS, LOW, STEP, as_covariate, range_result, score_levels, score_number, score_range
from shared_model.shares.arithmetic import Arithmetic, Value, together
from shared_model.shares.declaration import Declaration, Result
from shared_model.statistics.parameters import ScoreSpec
from site_config.study.model import Study, StudyLock
from site_config.study.prognostic_models import MODELS

UNIT = (0.0, 1.0)
"""Stands for a range that is not known yet where only the shapes of results matter."""


@dataclass(frozen=True)
class FusionEstimate:
    """By model: median score, range of a single score, Cox model (of the score alone, or of both parts), baseline."""

    cutoffs: dict[str, CutoffEstimate]
    ranges: dict[str, tuple[float, float]]
    fits: dict[str, CoxEstimate]
    baselines: dict[str, BaselineEstimate]


def cutoff_model(name: str, study: Study) -> CutoffModel:
    """The median of a model's score over the training patients."""
    return CutoffModel(f"{name}-cutoff", name, LEVELS, LOW, STEP, minimum_patients=group_minimum(study))


def covariates_of(model: str, ranges: Mapping[str, tuple[float, float]]) -> SlotCovariates:
    """The covariates of a model's fit: its own score, or those of its parts."""
    parts = MODELS[model].needs if MODELS[model].is_fused else (model,)
    return SlotCovariates(tuple(Continuous(part, *ranges[part]) for part in parts))


def fusion_models(study: Study, specs: Mapping[str, ScoreSpec]) -> tuple[str, ...]:
    """The models that are fitted here: networks, and fused ones whose parts there are."""
    fitted = MODELS.fitted(study.models)
    return tuple(one.name for one in fitted if one.name in specs and one.is_network) + tuple(
        one.name for one in fitted if one.is_fused and all(part in specs for part in one.needs)
    )


def fit_model(model: str, covariates: SlotCovariates, study: Study) -> CoxModel:
    """The Cox model of a score, or of two."""
    patients, events = minima(study)
    return CoxModel(f"{model}-fit", covariates, ties=study.training.ties, minimum_patients=patients, events_a_column=events)


def fusion(lock: StudyLock, earlier: Earlier) -> SharedPlan:
    """Medians of single scores, Cox models of scores and of pairs of scores, and their baseline hazards."""
    study = lock.study
    specs = single_specs(lock, earlier)
    models = fusion_models(study, specs)

    async def circuit(a: Arithmetic, rows: Rows) -> FusionEstimate:
        return await _Fusion(a, rows, study, tuple(specs), models).run()

    days = study.shares.longest_days
    parts: list[Part] = [*day_parts(days)]
    for name in specs:
        parts += [*score_levels(name), score_number(name)]
    return SharedPlan(
        phase="fusion",
        roles=("development",),
        splits=("train",),
        parts=layout(parts),
        declaration=Declaration.of(*(_results(name, study) for name in models), *(_single_results(name, study) for name in specs)),
        circuit=circuit,
        context=context(lock, "fusion"),
        scores=specs,
    )


def fusion_results(study: Study) -> tuple[Result, ...]:
    """What may be revealed at most: where every model of the study can be fitted."""
    needed = {part for model in MODELS.preferred(study.models) for part in (model.needs or (model.name,))}
    fitted = [one.name for one in MODELS.fitted(study.models) if not one.variables]
    single = [one for name in sorted(needed) for one in _single_results(name, study)]
    return (*single, *(one for name in fitted for one in _results(name, study)))


def _single_results(name: str, study: Study) -> tuple[Result, ...]:
    return (*cutoff_model(name, study).results, range_result(name))


def _results(name: str, study: Study) -> tuple[Result, ...]:
    covariates = covariates_of(name, dict.fromkeys((name, *MODELS[name].needs), UNIT))
    model = fit_model(name, covariates, study)
    return (*model.results, *baseline_model(model, (0.0,) * len(covariates), study).results)


@dataclass
class _Fusion:
    """One run: what is found on the way."""

    a: Arithmetic
    rows: Rows
    study: Study
    singles: tuple[str, ...]
    models: tuple[str, ...]

    async def run(self) -> FusionEstimate:
        """Medians, then ranges, then fits side by side, then baselines."""
        a, rows = self.a, self.rows
        first: list[Awaitable[Any]] = [
            make_pairs(a, rows),
            make_points(a, rows, self.study.evaluation.horizons),
            *(cutoff(a, rows, cutoff_model(name, self.study)) for name in self.singles),
        ]
        pairs, points, *found = await together(*first)
        cutoffs = dict(zip(self.singles, found, strict=True))
        known = [name for name in self.singles if cutoffs[name].level is not None]
        reached = await together(*(score_range(a, rows, name, cutoffs[name].level or 0) for name in known)) if known else []
        ranges = dict(zip(known, reached, strict=True))
        made = await together(*(as_covariate(a, rows, name, *ranges[name]) for name in known)) if known else []
        smooth = {f"smooth.{column.name}": value for column, value in made}
        fitted = [name for name in self.models if all(column in ranges for column in MODELS[name].needs or (name,))]
        fits, baselines = await self._fits({**rows, **smooth}, pairs, points, fitted, ranges)
        return FusionEstimate(cutoffs, ranges, fits, baselines)

    async def _fits(
        self, rows: Mapping[str, Value], pairs: Pairs, points: Points, names: list[str], ranges: Mapping[str, tuple[float, float]]
    ) -> tuple[dict[str, CoxEstimate], dict[str, BaselineEstimate]]:
        models = {name: fit_model(name, covariates_of(name, ranges), self.study) for name in names}
        if not models:
            return {}, {}
        found = await together(*(cox(self.a, rows, pairs, model) for model in models.values()))
        fits = dict(zip(models, found, strict=True))
        estimated = [name for name in models if fits[name].coefficient is not None]
        wanted = [
            baseline(self.a, rows, pairs, points, baseline_model(models[name], tuple(map(float, _coefficient(fits[name]))), self.study))
            for name in estimated
        ]
        return fits, dict(zip(estimated, await together(*wanted) if wanted else [], strict=True))


def _coefficient(fit: CoxEstimate) -> list[float]:
    return [] if fit.coefficient is None else [float(value) for value in fit.coefficient]
