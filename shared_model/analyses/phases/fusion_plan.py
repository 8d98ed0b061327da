"""The fusion phase: every network's score calibrated to survival by a Cox model of it alone, and fused with the clinical score.

On the training patients of the development hospitals. Opened are the median of each single score (its cut-off), how far scores
reach from it, the fits, and baseline hazards at the study's horizons. A network's score counts from its median from here on: the
coefficient of one that hardly varies is large, and its risks would leave every range if they counted from elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared_model.analyses.covariates_on_shares import Continuous, SlotCovariates
from shared_model.analyses.cox_on_shares import CoxEstimate, CoxModel, cox
from shared_model.analyses.groups.declared_days import Points, make_points
from shared_model.analyses.groups.hazard_on_shares import BaselineEstimate, baseline
from shared_model.analyses.pairs_on_shares import Pairs, day_parts, make_pairs
from shared_model.analyses.patient_slots import Part, Rows, layout
from shared_model.analyses.phases.clinical_plan import baseline_model
from shared_model.analyses.phases.phase_plan import Earlier, SharedPlan, context, group_minimum, minima
from shared_model.analyses.phases.score_formation import single_specs
from shared_model.analyses.scores.cutoff_on_shares import CutoffEstimate, CutoffModel, cutoff
from shared_model.analyses.scores.nearer_level import CLIPPED, Ends, Ranges, nearer_ends, quarter_models, with_extremes_said
from shared_model.analyses.scores.score_levels import (
    LEVELS,
    LOW,
    STEP,
    as_covariate,
    clipped,
    range_result,
    score_levels,
    score_number,
    score_range,
)
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, together
from shared_model.shares.circuits.declared_results import Declaration, Result
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.study.plan_and_lock import Study, StudyLock
from site_config.study.prognostic_models import MODELS

UNIT = (0.0, 1.0)
"""Stands for a range that is not known yet where only the shapes of results matter."""


@dataclass(frozen=True)
class FusionEstimate:
    """By model: median score, range of a single score, Cox model (of the score alone, or of both parts), baseline.

    clips: of a model whose fit needed it, by part between which scores the others are counted as the nearer one.
    """

    cutoffs: dict[str, CutoffEstimate]
    ranges: dict[str, Ends]
    fits: dict[str, CoxEstimate]
    baselines: dict[str, BaselineEstimate]
    clips: dict[str, Ranges] = field(default_factory=dict)

    @property
    def centres(self) -> dict[str, float]:
        """The median training score of every network: from there its score counts after fusion."""
        return centres_of(self.cutoffs)


def centres_of(cutoffs: Mapping[str, CutoffEstimate]) -> dict[str, float]:
    """The medians that were opened, of networks."""
    return {name: found.value for name, found in cutoffs.items() if MODELS[name].is_network and found.value is not None}


def cutoff_model(name: str, study: Study) -> CutoffModel:
    """The median of a model's score over the training patients."""
    return CutoffModel(f"{name}-cutoff", name, LEVELS, LOW, STEP, minimum_patients=group_minimum(study))


def parts_of(model: str) -> tuple[str, ...]:
    """The scores that a model is fitted to: its own, or those of its parts."""
    return tuple(MODELS[model].needs) or (model,)


def covariates_of(model: str, ranges: Ranges) -> SlotCovariates:
    """The covariates of a model's fit."""
    return SlotCovariates(tuple(Continuous(part, *ranges[part]) for part in parts_of(model)))


def fusion_models(study: Study, specs: Mapping[str, ScoreSpec]) -> tuple[str, ...]:
    """The models that are fitted here: networks, and fused ones whose parts there are."""
    fitted = MODELS.fitted(study.models)
    return tuple(one.name for one in fitted if one.name in specs and one.is_network) + tuple(
        one.name for one in fitted if one.is_fused and all(part in specs for part in one.needs)
    )


def fit_model(model: str, covariates: SlotCovariates, study: Study, kind: str = "fit") -> CoxModel:
    """The Cox model of a score, or of two."""
    patients, events = minima(study)
    return CoxModel(f"{model}-{kind}", covariates, ties=study.training.ties, minimum_patients=patients, events_a_column=events)


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
    quarters = (one for model in quarter_models(name, group_minimum(study)) for one in model.results)
    return (*cutoff_model(name, study).results, range_result(name), *quarters)


def _results(name: str, study: Study) -> tuple[Result, ...]:
    covariates = covariates_of(name, dict.fromkeys((name, *MODELS[name].needs), UNIT))
    found: list[Result] = []
    for kind in ("fit", CLIPPED):
        model = fit_model(name, covariates, study, kind)
        found += [*model.results, *baseline_model(model, (0.0,) * len(covariates), study).results]
    return tuple(found)


@dataclass(frozen=True)
class _Fitted:
    """A model, the rows it is fitted to, and the fit."""

    model: CoxModel
    rows: Rows
    fit: CoxEstimate


@dataclass
class _Fusion:
    """One run: what is found on the way."""

    a: Arithmetic
    rows: Rows
    study: Study
    singles: tuple[str, ...]
    models: tuple[str, ...]

    async def run(self) -> FusionEstimate:
        """Medians, then ranges, then fits side by side, those with extreme scores once more, then baselines."""
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
        smooth = await self._smooth({name: (rows[score_number(name).name], ranges[name]) for name in known})
        fits = await self._fits(pairs, ranges, smooth)
        clips, nearer = await self._once_more(pairs, ranges, cutoffs, fits)
        fits |= nearer
        baselines = await self._baselines(pairs, points, cutoffs, fits)
        return FusionEstimate(cutoffs, ranges, {name: one.fit for name, one in fits.items()}, baselines, clips)

    async def _smooth(self, wanted: Mapping[str, tuple[Value, Ends]]) -> dict[str, Value]:
        """Polynomials of scores by name."""
        made = await together(*(as_covariate(self.a, x, name, *ends) for name, (x, ends) in wanted.items())) if wanted else []
        return {name: value for name, (_, value) in zip(wanted, made, strict=True)}

    async def _fits(self, pairs: Pairs, ranges: Ranges, smooth: Mapping[str, Value]) -> dict[str, _Fitted]:
        names = [name for name in self.models if all(part in ranges for part in parts_of(name))]
        models = {name: fit_model(name, covariates_of(name, ranges), self.study) for name in names}
        rows = {**self.rows, **{f"smooth.{name}": value for name, value in smooth.items()}}
        found = await together(*(cox(self.a, rows, pairs, model) for model in models.values())) if models else []
        return {name: _Fitted(models[name], rows, fit) for name, fit in zip(models, found, strict=True)}

    async def _once_more(
        self, pairs: Pairs, ranges: Ranges, cutoffs: Mapping[str, CutoffEstimate], fits: Mapping[str, _Fitted]
    ) -> tuple[dict[str, Ranges], dict[str, _Fitted]]:
        """Fits whose effect is too large for the range of all scores, with the scores far from the others moved nearer."""
        clips = await self._clips(ranges, cutoffs, fits)
        if not clips:
            return {}, {}
        a, places = self.a, [(name, part) for name, ends in clips.items() for part in ends]
        moved = await together(*(clipped(a, self.rows, part, *clips[name][part]) for name, part in places))
        polynomials = [as_covariate(a, x, part, *clips[name][part]) for (name, part), x in zip(places, moved, strict=True)]
        rows: dict[str, dict[str, Value]] = {name: dict(self.rows) for name in clips}
        for (name, part), (_, value) in zip(places, await together(*polynomials), strict=True):
            rows[name][f"smooth.{part}"] = value
        models = {name: fit_model(name, covariates_of(name, ends), self.study, CLIPPED) for name, ends in clips.items()}
        again = await together(*(cox(a, rows[name], pairs, model) for name, model in models.items()))
        fitted = {name: with_extremes_said(fit, clips[name], ranges) for name, fit in zip(models, again, strict=True)}
        return clips, {name: _Fitted(models[name], rows[name], fit) for name, fit in fitted.items()}

    async def _clips(self, ranges: Ranges, cutoffs: Mapping[str, CutoffEstimate], fits: Mapping[str, _Fitted]) -> dict[str, Ranges]:
        """By model whose fit left its range: between which scores, by part, the others are counted as the nearer one."""
        far = [name for name, one in fits.items() if one.fit.too_wide]
        parts = sorted({part for name in far for part in parts_of(name)})
        asked = [(part, one) for part in parts for one in quarter_models(part, group_minimum(self.study))]
        found = await together(*(cutoff(self.a, self.rows, one) for _, one in asked)) if asked else []
        values = [one.value for one in found]
        quarters = {part: (values[2 * at], values[2 * at + 1]) for at, part in enumerate(parts)}
        centres = {part: cutoffs[part].value or 0.0 for part in parts}
        ends = {part: nearer_ends(ranges[part], centres[part], quarters[part]) for part in parts}
        clips = {name: {part: ends[part] for part in parts_of(name)} for name in far}
        return {name: ends for name, ends in clips.items() if any(ends[part] != ranges[part] for part in ends)}

    async def _baselines(
        self, pairs: Pairs, points: Points, cutoffs: Mapping[str, CutoffEstimate], fits: Mapping[str, _Fitted]
    ) -> dict[str, BaselineEstimate]:
        wanted, centres = {}, centres_of(cutoffs)
        for name, one in fits.items():
            if one.fit.coefficient is not None:
                origin = tuple(centres.get(part, 0.0) for part in parts_of(name))
                model = baseline_model(one.model, tuple(float(value) for value in one.fit.coefficient), self.study, origin)
                wanted[name] = baseline(self.a, one.rows, pairs, points, model)
        return dict(zip(wanted, await together(*wanted.values()) if wanted else [], strict=True))
