"""The circuit of the evaluation phase: all analyses side by side, so that one opening serves them all."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.cindex_on_shares import ConcordanceEstimate, concordance
from shared_model.analyses.count_minimum import reaches
from shared_model.analyses.cox_on_shares import CoxEstimate
from shared_model.analyses.groups.calibration_on_shares import CalibrationEstimate, calibration
from shared_model.analyses.groups.declared_days import Points, censored, make_points
from shared_model.analyses.groups.hazard_ratio_on_shares import FamilySize, RatioModel, hazard_ratios
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierEstimate, KaplanMeierModel, kaplan_meier
from shared_model.analyses.groups.restricted_mean_on_shares import with_time_left
from shared_model.analyses.groups.table1_on_shares import CharacteristicsEstimate, characteristics
from shared_model.analyses.pairs_on_shares import Pairs, compared, make_pairs
from shared_model.analyses.patient_slots import Rows
from shared_model.analyses.phases.evaluation_openings import HELD_ENOUGH, EvaluationModel, merged_quarters
from shared_model.analyses.phases.table1_slots import HELD_RESPONSE, SET
from shared_model.analyses.scores.censoring_weights import InTime, in_time
from shared_model.analyses.scores.cutoff_on_shares import CutoffEstimate, cutoff, none_kept
from shared_model.analyses.scores.roc_on_shares import RocEstimate, roc
from shared_model.analyses.scores.score_levels import above, level_below, score_levels, score_of
from shared_model.analyses.scores.score_test_on_shares import Centre, ScoreSums, open_score_tests, score_sums
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate, stack, together
from shared_model.survival.cox.cox_result import FitFinding
from site_config.problems import survival as problems

Ratios = tuple[CoxEstimate | None, ...]


@dataclass(frozen=True)
class GroupedEstimate:
    """Curves of a grouping, and by family the second group's hazard ratio (None where a group is closed)."""

    curves: KaplanMeierEstimate
    ratios: Ratios


@dataclass(frozen=True)
class ModelEstimate:
    """Of one model: quarters of its training scores (the second is the cut-off), risk groups, calibration.

    quarters: (sets, 4, 4) which quarters of the score went into which calibration group.
    """

    quantiles: tuple[CutoffEstimate, ...]
    risk: GroupedEstimate | None = None
    calibration: CalibrationEstimate | None = None
    quarters: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class EvaluationEstimate:
    """Everything that the evaluation phase opened; None for what the study has none of. set_ratios: of the sets two by two."""

    survival: KaplanMeierEstimate
    set_ratios: Ratios
    follow_up: KaplanMeierEstimate
    table: CharacteristicsEstimate
    concordance: ConcordanceEstimate | None = None
    manufacturers: ConcordanceEstimate | None = None
    roc: RocEstimate | None = None
    response: GroupedEstimate | None = None
    models: dict[str, ModelEstimate] = field(default_factory=dict)
    score_tests: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """χ² of the score tests by model, a set each (sets,); NaN where closed."""


async def evaluated(a: Arithmetic, rows: Rows, model: EvaluationModel) -> EvaluationEstimate:
    """All of it: about 200 openings, whatever the number of models."""
    reverse = censored(rows)
    ranks = [compared(a, [rows[part.name] for part in score_levels(name)]) for name in model.scores]
    first: list[Awaitable[Any]] = [
        make_pairs(a, rows),
        make_points(a, rows, model.all_days),
        make_pairs(a, reverse),
        make_points(a, reverse, model.follow_up.days),
        *ranks,
        *([in_time(a, rows)] if model.scores or model.horizons else []),
    ]
    pairs, points, back, back_points, *orders = await together(*first)
    if model.horizons:
        points = await with_time_left(a, rows, points, model.horizons, orders[-1])
    known = dict(zip(model.scores, orders[: len(model.scores)], strict=True))
    wanted: dict[str, Awaitable[Any]] = {
        "sets": grouped(a, rows, pairs, points, rows[SET], model.survival, model.set_ratio),
        "follow_up": kaplan_meier(a, reverse, back, back_points, model.follow_up),
        "table": characteristics(a, rows, model.table),
    }
    if model.scores:
        wanted["concordance"] = concordance(a, rows, pairs, model.concordance, known)
        time: InTime = orders[-1]
        wanted["models"] = _models(a, rows, pairs, points, time, model)
        if model.horizons:
            wanted["roc"] = roc(a, rows, pairs, points, model.roc, known, time)
    if model.manufacturers:
        wanted["manufacturers"] = concordance(a, rows, pairs, model.manufacturers, known)
    if model.response:
        wanted["response"] = _by_response(a, rows, pairs, points, model, model.response)
    found = dict(zip(wanted, await together(*wanted.values()), strict=True))
    sets: GroupedEstimate = found.pop("sets")
    if model.scores:
        found["models"], sums = found["models"]
        if sums is not None:
            curves = sets.curves
            found["score_tests"] = await open_score_tests(a, sums, curves.patients, curves.deaths, model.score_test)
    return EvaluationEstimate(survival=sets.curves, set_ratios=sets.ratios, **found)


async def _by_response(
    a: Arithmetic, rows: Rows, pairs: Pairs, points: Points, model: EvaluationModel, curves: KaplanMeierModel
) -> GroupedEstimate:
    """Curves by progression of the held sets that are large enough themselves.

    Were a small validation set among them, both groups together without the test set would be its curve.
    """
    members, held = rows[HELD_RESPONSE], model.held
    sets = rows[SET] @ held
    sizes = await a.lift(sets.sum(0).assume(len(sets), "a count of patients"))
    enough = await reaches(a, HELD_ENOUGH, sizes, model.minimum)
    if not enough.all():
        kept = (sets @ enough.astype(np.int64)).assume(1.0, "one set a patient").reshape(len(sets), 1)
        (members,) = await a.reduce(a.times(members, kept).assume(1.0, "one group a patient"))
    found = await grouped(a, {**rows, HELD_RESPONSE: members}, pairs, points, members, curves, model.response_ratio)
    left = ", ".join(name for name, bit in zip(model.held_sets, enough, strict=True) if not bit)
    if not left:
        return found
    told = FitFinding.of(problems.NOT_ESTIMABLE, f"by progression without the {left} set, which has fewer than {model.minimum} patients")
    return replace(found, curves=replace(found.curves, findings=(*found.curves.findings, told)))


def frozen_cutoff(value: float | None) -> CutoffEstimate:
    """A cut-off that was frozen before, on the grid of scores."""
    if value is None:
        return none_kept("the frozen model has none")
    level = level_below(value)
    return CutoffEstimate(level, score_of(level))


async def grouped(
    a: Arithmetic, rows: Rows, pairs: Pairs, points: Points, members: Value, curves: KaplanMeierModel, ratio: RatioModel
) -> GroupedEstimate:
    """Curves, and hazard ratios where both groups of a family are shown with the number of their deaths."""
    found = await kaplan_meier(a, rows, pairs, points, curves)
    sizes = [_size(found, family) for family in ratio.families]
    return GroupedEstimate(found, tuple(await hazard_ratios(a, pairs, members, sizes, ratio)))


def _size(found: KaplanMeierEstimate, family: tuple[int, int]) -> FamilySize | None:
    """Patients and deaths of both groups; None where either is closed."""
    n, deaths = found.patients[list(family)], found.deaths[list(family)]
    return FamilySize(int(n.sum()), int(deaths.sum())) if np.isfinite(n).all() and np.isfinite(deaths).all() else None


async def _models(
    a: Arithmetic, rows: Rows, pairs: Pairs, points: Points, time: InTime, model: EvaluationModel
) -> tuple[dict[str, ModelEstimate], ScoreSums | None]:
    """Quantiles of every model's training scores, or those it was frozen with; then what is grouped by them, and the score tests' sums."""
    train = rows[SET][:, 0]
    asked = [(name, one) for name in model.scores for one in model.quantiles(name)]
    found = await together(*(cutoff(a, rows, one, train) for _, one in asked)) if asked else []
    quantiles = {name: tuple(est for (of, _), est in zip(asked, found, strict=True) if of == name) for name in model.scores}
    quantiles |= {name: tuple(map(frozen_cutoff, values)) for name, values in model.known.quartiles.items()}
    wanted: list[Awaitable[Any]] = [_grouped_by(a, rows, pairs, points, model, name, quantiles[name]) for name in model.scores]
    centres = {name: centre for name in model.scores if (centre := Centre.of([one.level for one in quantiles[name]])) is not None}
    if centres:
        wanted.append(score_sums(a, rows, pairs, time, rows[SET], centres, model.score_test.ties))
    done = await together(*wanted)
    return dict(zip(model.scores, done[: len(model.scores)], strict=True)), done[-1] if centres else None


async def _grouped_by(
    a: Arithmetic, rows: Rows, pairs: Pairs, points: Points, model: EvaluationModel, name: str, quantiles: tuple[CutoffEstimate, ...]
) -> ModelEstimate:
    """Risk groups and calibration of one model."""
    middle = quantiles[1].level
    if middle is None:
        return ModelEstimate(quantiles)
    levels = [middle if one.level is None else one.level for one in quantiles]
    sets = rows[SET]
    n, s = len(sets), len(model.read)
    beyond = await above(a, rows, name, levels)
    (inside,) = await a.reduce(a.times(sets.reshape(n, s, 1), beyond.reshape(n, 1, 3)).assume(1.0, "of a set and above"))
    why = "one group a patient"
    ends = [sets, *(inside[:, :, k] for k in range(3))]
    low_high = stack([(sets - ends[2]).assume(1.0, why), ends[2]], 2).reshape(n, 2 * s)
    quarters = stack([*((ends[k] - ends[k + 1]).assume(1.0, why) for k in range(3)), ends[3]], 2).reshape(n, 4 * s)
    curves = model.risk(name)
    wanted: list[Awaitable[Any]] = [
        grouped(a, {**rows, f"risk.{name}": low_high}, pairs, points, low_high, curves, model.risk_ratio(name)),
        _calibrated(a, rows, pairs, points, quarters, model, name),
    ]
    risk, (calibrated, merged) = await together(*wanted)
    return ModelEstimate(quantiles, risk, calibrated, merged)


async def _calibrated(
    a: Arithmetic, rows: Rows, pairs: Pairs, points: Points, quarters: Value, model: EvaluationModel, name: str
) -> tuple[CalibrationEstimate | None, NDArray[np.int64] | None]:
    """Quarters joined to groups that all have the minimum, then predicted against observed."""
    asked, n, s = model.calibrated(name), len(quarters), len(model.read)
    if asked is None:
        return None, None
    sizes = await a.lift(quarters.sum(0).assume(n, "a count of patients"))
    halves = sizes.reshape(2 * s, 2).sum(1).assume(n, "a count of patients")
    enough = await reaches(a, f"{name}-groups.enough", concatenate([sizes, halves]), model.minimum)
    merged = np.stack(
        [merged_quarters(np.concatenate([enough[4 * k : 4 * k + 4], enough[4 * s + 2 * k : 4 * s + 2 * k + 2]])) for k in range(s)]
    )
    members = (quarters @ _block_diagonal(merged)).assume(1.0, "one group a patient")
    found = await calibration(a, {**rows, f"quarter.{name}": members}, pairs, points, asked)
    return found, merged


def _block_diagonal(blocks: Sequence[NDArray[np.int64]] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Square blocks along a diagonal."""
    size = sum(len(block) for block in blocks)
    found = np.zeros((size, size), dtype=np.int64)
    start = 0
    for block in blocks:
        found[start : start + len(block), start : start + len(block)] = block
        start += len(block)
    return found
