"""Every number of a request, held against the lock and against the policy's floors.

A resolution is not a word: 3,000 cells of one day are a list of patients whatever they are called. So cut points, grids,
columns, levels, rounds and coefficients are what the lock says, or within bounds that no honest fit leaves; and the cuts of a
table are fixed by the first one that was opened, because two sets of cuts are one set twice as fine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from client.release.earlier_releases import Ledger, TableKey
from shared_model.disclosure.limits import SLOTS
from shared_model.statistics import day_grids
from shared_model.statistics import statistic_parameters as asked
from shared_model.statistics.statistic_declaration import Parameters
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.horizon_spacing import APART_DAYS, close_horizons
from site_config.study.plan_and_lock import Role, Study, StudyLock
from site_config.study.prognostic_models import MODELS

LARGEST_BETA = 20.0
"""Of a standardised coefficient: e^20 is a hazard ratio of 5 · 10^8 for one standard deviation."""
LARGEST_COEFFICIENT = 50.0
LARGEST_MIX = 1e4
"""Of a network's score, whose standard deviation is small where training has hardly begun."""
LARGEST_MEAN = 1e3
SMALLEST_SD, LARGEST_SD = 1e-8, 1e4
LARGEST_CENTRE = 200.0
LARGEST_RATE = 1e9
"""Deaths a day of a hazard, relative to its centre."""
AT_WEIGHTS = ("training.update", "training.hazard", "validation.loss")
REPLAYED = 4
"""So many times all rounds: a graphics card computes a round that is asked again a little differently, which is another value."""
LIFTED = 1e4
"""How many times the bounds of coefficients and means are wider in a demonstration with made-up patients."""


def check_numbers(policy: Policy, lock: StudyLock, role: Role, name: str, parameters: Parameters, ledger: Ledger, *, lifted: bool) -> None:
    """Raise FH-532 for the first number that is not the lock's or lies beyond its bound."""
    study = lock.study
    _check_split(role, parameters)
    _check_columns(study, parameters)
    _check_cuts(study, parameters)
    slack = LIFTED if lifted else 1.0  # made-up patients: tiny cohorts fit to large coefficients, but not to any
    _check_model(study, parameters, slack)
    _check_hazard(study, parameters)
    _check_networks(study, parameters)
    _check_scores(study, parameters, slack)
    _check_turns(lock, name, ledger)
    if not lifted:
        _refuse_any(study_floor_faults(policy, study))
    key = table_key(lock.study_id, name, parameters)
    if key is not None and ledger.other_cuts(key):
        raise privacy.OUTSIDE_LOCK.problem("a table of this score on this set was opened with other cuts")


def _refuse(words: str) -> Problem:
    return privacy.OUTSIDE_LOCK.problem(words)


def _refuse_any(faults: Iterable[str]) -> None:
    for words in faults:
        raise _refuse(words)


def study_floor_faults(policy: Policy, study: Study) -> list[str]:
    """What a study declares that is finer than the hospital's policy allows, whatever its lock says; in words."""
    found: list[str] = []
    floor = policy.minimum_cell_days
    cuts = day_grids.training_cuts(study.training)
    if any(later - earlier < floor for earlier, later in zip((0.0, *cuts), cuts, strict=False)):
        found.append(f"cut points of the training hazard closer than {floor} days")
    if (near := close_horizons(study)) is not None:
        found.append(f"horizons {near[1] - near[0]} days apart, at {near[0]} and {near[1]}; at least {APART_DAYS} are asked")
    if study.shows_counts:
        found.append(
            f"rows filled up to a multiple of {study.shares.slots}, from which their number shows; "
            f"a power of two from {SLOTS.value} is asked"
        )
    if study.training.rounds > policy.maximum_rounds:
        found.append(f"more than {policy.maximum_rounds:,} rounds of training")
    return found


def _check_split(role: Role, parameters: Parameters) -> None:
    split = getattr(parameters, "split", None)
    if split is not None and (split == "test") != (role == "evaluation"):
        raise _refuse(f"the set {split} is not one of a hospital of the role {role}")


def _check_columns(study: Study, parameters: Parameters) -> None:
    known = {variable.name for variable in study.clinical} | {column.name for column in study.design}
    covariates = getattr(parameters, "covariates", None)
    names = [*getattr(parameters, "columns", ()), *(covariates.columns if covariates else ())]
    names += [column for score in scores_in(parameters) for column in score.columns]
    if isinstance(parameters, asked.PreCounts) and parameters.columns and study.resolution != "exact":
        raise _refuse("counts of patients by column, which this study finds out on shares")
    if not set(names) <= known or len(set(names)) > len(known):
        raise _refuse("a column that the study does not declare")


def _check_cuts(study: Study, parameters: Parameters) -> None:
    training = (asked.TrainingStart, asked.TrainingHazard, asked.TrainingUpdate)
    if isinstance(parameters, training) and parameters.cut_days != day_grids.training_cuts(study.training):
        raise _refuse("other cut points than the lock's")
    if isinstance(parameters, asked.TrainingHazard) and parameters.n_days and study.training.hazard_resolution != "exact":
        raise _refuse("a grid of days that the lock does not ask for")


def _within(values: Iterable[float], low: float, high: float, what: str) -> None:
    if not all(low <= value <= high for value in values):
        raise _refuse(f"{what} beyond its bound")


def _check_turns(lock: StudyLock, name: str, ledger: Ledger) -> None:
    """A round asked again with another hazard or other weights is one more: an office that lost its state may train anew, not for ever."""
    turns = REPLAYED * lock.study.training.rounds * len(MODELS.networks(lock.study.models))
    if name in AT_WEIGHTS and ledger.opened(lock.study_id, name) >= turns:
        raise _refuse(f"more than {turns:,} values of {name}, {REPLAYED} times the rounds of the lock")


def _check_model(study: Study, parameters: Parameters, slack: float) -> None:
    """What a fit broadcasts: means, standard deviations, coefficients, rates and centres, one a covariate or interval."""
    if isinstance(parameters, asked.Moments):
        _lengths(parameters.covariates.size, parameters.origin)
        _within(parameters.origin, -LARGEST_MEAN * slack, LARGEST_MEAN * slack, "an origin")
    if isinstance(parameters, asked.CoxExact):
        size = parameters.covariates.size
        _lengths(size, parameters.mean, parameters.sd)
        _within(parameters.mean, -LARGEST_MEAN * slack, LARGEST_MEAN * slack, "a mean")
        _within(parameters.sd, SMALLEST_SD if slack == 1.0 else 0.0, LARGEST_SD * slack, "a standard deviation")
        _lengths(size, parameters.beta)
        _within(parameters.beta, -LARGEST_BETA * slack, LARGEST_BETA * slack, "a coefficient")
    if isinstance(parameters, asked.TrainingUpdate | asked.TrainingHazard | asked.ValidationLoss):
        _within((parameters.centre,), -LARGEST_CENTRE * slack, LARGEST_CENTRE * slack, "the centre of scores")
    if isinstance(parameters, asked.TrainingUpdate) and parameters.round >= study.training.rounds:
        raise _refuse("a round beyond the lock's")


def _check_hazard(study: Study, parameters: Parameters) -> None:
    """A broadcast hazard steps where the lock cuts, and nowhere else: one that jumps at a chosen day counts who was followed until it."""
    if not isinstance(parameters, asked.TrainingUpdate | asked.ValidationLoss):
        return
    hazard, cuts = parameters.hazard, day_grids.training_cuts(study.training)
    by_day = isinstance(parameters, asked.TrainingUpdate) and study.training.hazard_resolution == "exact"
    if hazard.get("kind") == "step" and by_day:
        _check_form(hazard, ("cumulative", "correction"), "ties")
        _lengths(day_grids.LONGEST_DAYS, hazard["cumulative"], hazard["correction"])
        _check_rates((*hazard["cumulative"], *hazard["correction"]))
    else:
        _check_form(hazard, ("cut_days", "rate"))
        if hazard["kind"] != "piecewise" or tuple(hazard["cut_days"]) != cuts:
            raise _refuse("a hazard on other days than the lock's cut points")
        _lengths(len(cuts) + 1, hazard["rate"])
        _check_rates(hazard["rate"])
    if hazard["centre"] != parameters.centre:
        raise _refuse("a hazard of another centre than the scores'")


def _check_form(hazard: Mapping[str, Any], lists: tuple[str, ...], *words: str) -> None:
    if set(hazard) != {"kind", "centre", *lists, *words} or not all(isinstance(hazard[name], list | tuple) for name in lists):
        raise _refuse("a hazard in another form than the declared one")


def _check_rates(rates: Iterable[Any]) -> None:
    """Numbers from 0 to `LARGEST_RATE`."""
    known = (isinstance(rate, int | float) and not isinstance(rate, bool) and 0 <= rate <= LARGEST_RATE for rate in rates)
    if not all(known):
        raise _refuse("a rate of a hazard beyond its bound")


def _check_networks(study: Study, parameters: Parameters) -> None:
    """A network that the study trains or reads: its scores are results of the study, another's are not."""
    asked_for = {score.radiology for score in scores_in(parameters)} | {getattr(parameters, "model", None)}
    if not asked_for <= {None, *MODELS.networks(study.models)}:
        raise _refuse("a network that the study does not train")


def _lengths(size: int, *vectors: tuple[Any, ...]) -> None:
    if any(len(vector) != size for vector in vectors):
        raise _refuse("a vector of another length than its covariates or intervals")


def scores_in(parameters: Parameters) -> tuple[ScoreSpec, ...]:
    """Every score a request names, as one or as a covariate."""
    covariates = getattr(parameters, "covariates", None)
    found = (getattr(parameters, "score", None), *getattr(parameters, "scores", ()), *(covariates.scores if covariates else ()))
    return tuple(score for score in found if isinstance(score, ScoreSpec))


def _check_scores(study: Study, parameters: Parameters, slack: float) -> None:
    for score in scores_in(parameters):
        _within(score.coefficients, -LARGEST_COEFFICIENT * slack, LARGEST_COEFFICIENT * slack, "a coefficient")
        _within(score.mix or (), -LARGEST_MIX * slack, LARGEST_MIX * slack, "a coefficient")
        _within((score.centre,), -LARGEST_CENTRE * slack, LARGEST_CENTRE * slack, "a score's centre")


def table_key(study: str, name: str, parameters: Parameters) -> TableKey | None:
    """What of a table may be opened with one set of cuts only, and those cuts; None for what is no table."""
    if not isinstance(parameters, asked.Table):
        return None
    what = (study, name, parameters.split, parameters.score.model, parameters.variable, parameters.value)
    return TableKey(what, (parameters.score_cuts, parameters.time_edges))
