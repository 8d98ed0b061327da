"""The evaluation phase on shares: what the holders opened, as documents; every part that stays closed with its reason."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from server.phases.on_shares.curve_documents import TOO_SMALL, closed_group, count, curve, families, logrank_of, median_of, ratio_of
from server.phases.on_shares.fit_phases import analyses, compute, keep_cutoff
from server.phases.on_shares.table1_documents import characteristics
from server.phases.phase_context import Event, Running
from server.study.opened_analyses import (
    ClosedResult,
    OpenedAnalyses,
    OpenedAuc,
    OpenedCalibration,
    OpenedCalibrationGroup,
    OpenedConcordance,
    OpenedCount,
    OpenedDifference,
    OpenedDistribution,
    OpenedFollowUp,
    OpenedGroupCurves,
    OpenedQuartiles,
    OpenedSet,
    Population,
)
from shared_model.analyses.phases.earlier_results import known_scores
from shared_model.analyses.phases.evaluation_circuit import EvaluationEstimate, ModelEstimate
from shared_model.analyses.phases.evaluation_openings import EvaluationModel
from shared_model.analyses.phases.frozen_models import frozen_models
from shared_model.analyses.phases.table1_slots import PROGRESSION
from shared_model.analyses.scores.roc_on_shares import RocEstimate
from shared_model.shares.messages.share_messages import believe
from shared_model.statistics.statistic_parameters import MANUFACTURERS
from shared_model.survival.cox.cox_result import ChiTest
from site_config.study.plan_and_lock import StudyLock

HELD: tuple[Population, ...] = ("validation", "test")
"""Sets that no model was fitted on."""


def populations(model: EvaluationModel) -> tuple[Population, ...]:
    """The sets that are read, in their order."""
    return cast("tuple[Population, ...]", model.read)


def held_out(model: EvaluationModel) -> Population:
    """What the groupings of held-out patients are of: validation and test together, or the test set where there is no other."""
    held = [set_ for set_ in populations(model) if set_ in HELD]
    return "combined" if len(held) > 1 else held[0]


def evaluate_on_shares(running: Running) -> None:
    """Everything of the evaluation into the result's document."""
    running.tell(Event("evaluation", 0, 1, "all analyses on shared rows"))
    earlier = believe(running.lock, tuple(running.shared.values()))
    model = EvaluationModel(running.study, known_scores(running.lock, earlier, frozen_models(running.lock, running.frozen)))
    keep_evaluation(running, compute(running, "evaluation"), model)
    running.tell(Event("evaluation", 1, 1, "results opened"))


def keep_evaluation(running: Running, found: EvaluationEstimate, model: EvaluationModel) -> None:
    """What was opened of the evaluation, into the result's document."""
    kept = analyses(running)
    document(found, model, kept)
    for name, one in found.models.items():
        keep_cutoff(running, name, one.quantiles[1])
        kept.quartiles.append(OpenedQuartiles(model=name, value=[quantile.value for quantile in one.quantiles]))
        _models(kept, found, model, name)
    missing = absent_sets(running.lock)
    kept.closed = [one for one in kept.closed if one.set not in missing]


def absent_sets(lock: StudyLock) -> frozenset[str]:
    """Sets that the study has none of by its plan: nothing of them is closed, there is nothing."""
    train = bool(lock.names("development"))
    held = {"train": train, "validation": train and lock.study.validation_fraction > 0, "test": bool(lock.names("evaluation"))}
    held["combined"] = held["validation"] or held["test"]
    return frozenset(name for name, there in held.items() if not there)


def document(found: EvaluationEstimate, model: EvaluationModel, kept: OpenedAnalyses) -> None:
    """Everything that is not of one model alone."""
    _sets(kept, found, model)
    kept.characteristics += characteristics(found.table, model)
    sizes = dict(zip(populations(model), zip(found.survival.patients, found.survival.deaths, strict=True), strict=True))
    if found.concordance is not None:
        for s, set_ in enumerate(populations(model)):
            _concordance(kept, found, model, s, set_, *sizes[set_])
    if found.roc is not None:
        for name in model.scores:
            for h, horizon in enumerate(model.horizons):
                for s, set_ in enumerate(populations(model)):
                    _area(kept, found.roc, name, (h, horizon), (s, set_), sizes[set_], model.roc.specificities)
    if found.response is not None and model.response is not None:
        opened, closed = families(found.response, model.response, (held_out(model),), PROGRESSION, "response")
        kept.kaplan_meier += opened
        kept.closed += closed
    if found.manufacturers is not None:
        _manufacturers(kept, found, model)


def _sets(kept: OpenedAnalyses, found: EvaluationEstimate, model: EvaluationModel) -> None:
    """Sizes, survival and follow-up of the sets."""
    n, deaths = found.survival.patients, found.survival.deaths
    for s, set_ in enumerate(populations(model)):
        if np.isfinite(n[s]):
            kept.sets.append(OpenedSet(set=set_, n=count(n[s]), events=count(deaths[s])))
            kept.follow_up.append(OpenedFollowUp(set=set_, median=median_of(found.follow_up.median[s])))
        else:
            kept.closed.append(closed_group("kaplan_meier", TOO_SMALL.format(model.minimum), None, set_, "set", set_))
    together: tuple[tuple[Population, list[int]], ...] = (
        ("combined", [s for s, set_ in enumerate(populations(model)) if set_ in HELD]),
        ("all", list(range(len(n)))),
    )
    for set_, some in together:
        if len(some) > 1 and np.isfinite(n[some]).all():
            kept.sets.append(OpenedSet(set=set_, n=count(n[some].sum()), events=count(deaths[some].sum())))
    shown = [s for s in range(len(n)) if np.isfinite(n[s])]
    curves = [curve(model.read[s], found.survival, s, model.survival) for s in shown]
    if curves:
        test = logrank_of(found.survival.logrank[0])
        kept.kaplan_meier.append(OpenedGroupCurves(grouping="set", set="all", groups=curves, logrank=test))
    of_set = dict(zip(shown, curves, strict=True))
    for (first, second), fit in zip(model.set_ratio.families, found.set_ratios, strict=True):
        ratio = ratio_of(fit)
        if ratio is not None:
            two = [of_set[first], of_set[second]]
            kept.kaplan_meier.append(OpenedGroupCurves(grouping="set", set="all", groups=two, hazard_ratio=ratio))


def _concordance(
    kept: OpenedAnalyses, estimate: EvaluationEstimate, model: EvaluationModel, s: int, set_: Population, n: float, deaths: float
) -> None:
    """C-indices of one set with their score tests, and their differences, the later of two models first."""
    found = estimate.concordance
    assert found is not None
    for name in model.scores:
        c, se = float(found.c[name][s]), float(found.se[name][s])
        if np.isfinite(c):
            p = score_p(kept, estimate, model, name, s, deaths)
            kept.concordance.append(OpenedConcordance(model=name, set=set_, c=c, se=se, score_p=p, n=count(n), events=count(deaths)))
        else:
            text = TOO_SMALL.format(model.minimum) + ", or no two of them can be compared"
            kept.closed.append(ClosedResult(analysis="concordance", reason="small_group", text=text, model=name, set=set_))
    for at, first in enumerate(model.scores):
        for second in model.scores[at + 1 :]:
            difference, se = float(found.c[f"{first}-{second}"][s]), float(found.se[f"{first}-{second}"][s])
            if np.isfinite(difference):
                pair = {"first": second, "second": first, "set": set_, "difference": -difference, "se": se}
                kept.differences.append(OpenedDifference.model_validate({**pair, "n": count(n), "events": count(deaths)}))


def score_p(kept: OpenedAnalyses, estimate: EvaluationEstimate, model: EvaluationModel, name: str, s: int, deaths: float) -> float | None:
    """p of the score test of a model on a set; None where it stays closed, with the reason."""
    chi2 = float(estimate.score_tests[name][s]) if name in estimate.score_tests else float("nan")
    if np.isfinite(chi2):
        return ChiTest(chi2, 1).p
    least, set_ = model.score_test.minimum_deaths, populations(model)[s]
    if not deaths >= least:
        text = f"p: fewer than {least} deaths"
        kept.closed.append(ClosedResult(analysis="score_test", reason="few_events", text=text, model=name, set=set_))
        return None
    text = (
        "p: patients at risk together hardly differ in the score, or its quarters of the training patients are not open or are one number"
    )
    kept.closed.append(ClosedResult(analysis="score_test", reason="not_estimable", text=text, model=name, set=set_))
    return None


def _area(
    kept: OpenedAnalyses,
    found: RocEstimate,
    name: str,
    at: tuple[int, int],
    of: tuple[int, Population],
    size: tuple[float, float],
    percent: tuple[int, ...],
) -> None:
    """One AUC with the points of its curve; at: place and day of the horizon; of: place and name of the set."""
    (h, horizon), (s, set_), (n, deaths) = at, of, size
    auc, se = float(found.auc[name][h, s]), float(found.se[name][h, s])
    if np.isfinite(auc):
        points = found.sensitivity[name][:, h, s]
        curve = {"specificity": [one / 100 for one in percent], "sensitivity": points.tolist()} if np.isfinite(points).all() else {}
        sized = {"n": count(n), "events": count(deaths)}
        kept.roc.append(OpenedAuc.model_validate({"model": name, "set": set_, "horizon": horizon, "auc": auc, "se": se, **sized, **curve}))
        return
    text = f"fewer than 5 had their event before day {horizon} or were followed beyond it, or the set is too small"
    kept.closed.append(ClosedResult(analysis="roc", reason="few_at_risk", text=text, model=name, set=set_))


def _manufacturers(kept: OpenedAnalyses, found: EvaluationEstimate, model: EvaluationModel) -> None:
    """C of the preferred model by scanner, of validation and test together."""
    estimate, name = found.manufacturers, model.primary
    if estimate is None or name is None:
        return
    counts, set_ = found.table.counts["table.manufacturer"], held_out(model)
    held = [s for s, name_ in enumerate(populations(model)) if name_ in HELD]
    for at, maker in enumerate(MANUFACTURERS):
        c, se = float(estimate.c[name][at]), float(estimate.se[name][at])
        n = count(counts[at, held].sum())
        if np.isfinite(c):
            one = OpenedConcordance(model=name, set=set_, variable="manufacturer", value=maker, c=c, se=se, n=n, events=None)
            kept.concordance.append(one)
        elif n != 0:
            kept.closed.append(closed_group("concordance", TOO_SMALL.format(model.minimum), name, set_, "manufacturer", maker))


def _models(kept: OpenedAnalyses, found: EvaluationEstimate, model: EvaluationModel, name: str) -> None:
    """Risk groups, calibration and distribution of one model."""
    one = found.models[name]
    if one.risk is not None:
        opened, closed = families(one.risk, model.risk(name), populations(model), ("low", "high"), "risk", name, one.quantiles[1].value)
        kept.kaplan_meier += opened
        kept.closed += closed
    if one.calibration is None or one.quarters is None:
        text = "no cut-off, or no baseline hazard at a horizon"
        kept.closed.append(ClosedResult(analysis="calibration", reason="not_estimable", text=text, model=name))
        return
    _calibration(kept, one, model, name)
    _distribution(kept, one, model, name)


def _calibration(kept: OpenedAnalyses, one: ModelEstimate, model: EvaluationModel, name: str) -> None:
    """By set and horizon the groups that are shown."""
    asked, estimate = model.calibrated(name), one.calibration
    if asked is None or estimate is None:
        return
    for s, set_ in enumerate(populations(model)):
        for h, horizon in enumerate(asked.horizons):
            groups = [
                OpenedCalibrationGroup(
                    n=int(estimate.patients[g]),
                    predicted=float(estimate.predicted[g, h]),
                    observed=float(estimate.observed[g, h]),
                    low=float(estimate.low[g, h]),
                    high=float(estimate.high[g, h]),
                )
                for g in range(4 * s, 4 * s + 4)
                if np.isfinite(estimate.observed[g, h])
            ]
            if groups:
                kept.calibration.append(OpenedCalibration(model=name, set=set_, horizon=horizon, groups=groups))
            else:
                text = f"fewer than {model.minimum} patients in a group, or fewer than 5 at risk on day {horizon}"
                kept.closed.append(ClosedResult(analysis="calibration", reason="few_at_risk", text=text, model=name, set=set_))


def _distribution(kept: OpenedAnalyses, one: ModelEstimate, model: EvaluationModel, name: str) -> None:
    """Patients by the calibration groups of their score, which are runs of quarters of the training scores."""
    levels = [quantile.value for quantile in one.quantiles]
    if one.calibration is None or one.quarters is None or any(value is None for value in levels):
        return
    edges: list[float | None] = [None, *levels, None]
    for s, set_ in enumerate(populations(model)):
        groups = [g for g in range(4) if np.isfinite(one.calibration.patients[4 * s + g])]
        if not groups:
            continue
        runs: list[Any] = [np.flatnonzero(one.quarters[s][:, g]) for g in groups]
        cuts = [edges[int(run[0])] for run in runs] + [edges[int(runs[-1][-1]) + 1]]
        counts = [OpenedCount(value=str(k), n=int(one.calibration.patients[4 * s + g])) for k, g in enumerate(groups)]
        kept.distributions.append(OpenedDistribution(model=name, set=set_, edges=cuts, counts=counts))
