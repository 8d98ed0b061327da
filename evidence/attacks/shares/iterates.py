"""The opened steps of the clinical Cox model, its variances, and the score's test as equations for pattern × cell.

At coefficients b the opened step s solves I(b) s = U(b). With S⁰ and the mean covariates of every risk set taken at the last
estimate, both sides are linear in the unknown masses; what is in order within an interval is error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evidence.attacks.attacked_cohorts import COLUMNS, Floats, patterns
from evidence.attacks.claims_about_patients import Claims
from evidence.attacks.nonnegative_solver import System
from evidence.attacks.shares.attacked_study import SharesCase, StudyCohort, on_grid
from evidence.attacks.shares.equations import SeenStudy, Unknowns
from shared_model.analyses.newton_on_shares import Newton
from shared_model.analyses.phases.clinical_plan import clinical_model
from shared_model.analyses.scores.score_levels import STEP, level_of
from shared_model.analyses.scores.score_test_on_shares import Centre
from site_config.study.prognostic_models import CLN

WITHIN = 0.3
"""How far a patient's share at risk within a death's own interval is from one half, as a standard deviation."""


@dataclass(frozen=True)
class Iterate:
    """Coefficients (p,) a unit of each covariate, and the step that was opened there."""

    b: Floats
    step: Floats


@dataclass(frozen=True)
class AtRisk:
    """At coefficients and the last estimate, by interval with deaths (M,): deaths, S⁰, mean covariates (M, p), and weights (P,)."""

    deaths: Floats
    s0: Floats
    mean: Floats
    weight: Floats
    share: Floats


def iterates(seen: SeenStudy) -> Iterator[Iterate]:
    """Where each step was asked, and what came."""
    opened, kept = seen.opened.opened["clinical"], len(seen.clinical.kept)
    model = clinical_model(seen.opened.lock.study)
    width = model.covariates.only(seen.clinical.kept).width
    newton = Newton(kept)
    number = 1
    while True:
        step = next((opened[name] for name in (f"cln.step.{number}", f"cln.fine.{number}") if name in opened), None)
        if step is None:
            return
        yield Iterate(newton.b / width, step[:kept] / width)
        newton.take(np.asarray(step[:kept]))
        number += 1


def _at(unknowns: Unknowns, z: Floats, b: Floats, mass: Floats) -> AtRisk:
    u = mass.reshape(unknowns.size)
    weight = np.exp(z @ b - float((z @ b).max()))
    deaths = np.zeros(len(unknowns.found.end))
    np.add.at(deaths, unknowns.interval[unknowns.dies], unknowns.found.deaths[unknowns.interval[unknowns.dies]])
    where = np.flatnonzero(deaths)
    share = unknowns.at_risk[where]
    by_interval = (weight[:, None] * u) @ share.T
    s0 = np.maximum(by_interval.sum(axis=0), 1e-9)
    return AtRisk(deaths[where], s0, (by_interval.T @ z) / s0[:, None], weight, share)


def _information(there: AtRisk, unknowns: Unknowns, left: Floats, right: Floats) -> Floats:
    """left' I right as a feature of the unknowns (P, C), for centred products left, right (M, P)."""
    by = (there.deaths / there.s0)[:, None] * left * right * there.weight[None, :]
    return np.asarray(by.T @ there.share)


def add_iterates(system: System, unknowns: Unknowns, seen: SeenStudy, mass: Floats) -> None:
    """Steps and variances, made linear at `mass`."""
    fit = seen.clinical.fit
    if fit is None or not seen.clinical.kept:
        return
    z = unknowns.x[:, [COLUMNS.index(name) for name in seen.clinical.kept]]
    last: AtRisk | None = None
    for one in iterates(seen):
        last = there = _at(unknowns, z, one.b, mass)
        centred = z[None, :, :] - there.mean[:, None, :]
        along = centred @ one.step
        for j in range(z.shape[1]):
            left = _information(there, unknowns, centred[:, :, j], along)
            expected = (there.deaths / there.s0)[:, None] * centred[:, :, j] * there.weight[None, :]
            score = z[:, j, None] * unknowns.dies[None, :] - expected.T @ there.share
            constant = float(there.deaths @ there.mean[:, j])
            system.add(left - score, -constant, _error(unknowns, there))
    if last is not None and fit.se is not None:
        _add_variances(system, unknowns, z, last, np.asarray(fit.se) ** 2, mass)


def add_score_test(system: System, unknowns: Unknowns, seen: SeenStudy, at: int, mass: Floats) -> None:
    """U and I of the clinical score's score test in a set: its mean and spread among those at risk when somebody died."""
    opened, spec = seen.opened.opened["evaluation"], seen.model.known.specs.get(CLN.name)
    centre = Centre.of([None if cut is None else int(level_of(np.array(cut))) for cut in seen.quarters(CLN.name)])
    name = f"{seen.model.score_test.name}.{CLN.name}"
    if spec is None or centre is None or f"{name}.gap" not in opened or not opened[f"{name}.information"][at]:
        return
    x = on_grid(spec, unknowns.x)[:, None] / (STEP * 2.0**centre.power)
    x -= x.min()
    there = _at(unknowns, x, np.zeros(1), mass)
    centred, deaths = (x[None, :, :] - there.mean[:, None, :])[:, :, 0], float(there.deaths.sum())
    expected = (there.deaths / there.s0)[:, None] * centred * there.weight[None, :]
    score = x * unknowns.dies[None, :] - expected.T @ there.share
    error = _error(unknowns, there)
    system.add(score, deaths * float(opened[f"{name}.gap"][at]) + float(there.deaths @ there.mean[:, 0]), error)
    spread = deaths * float(opened[f"{name}.information"][at])
    system.add(_information(there, unknowns, centred, centred), spread, max(error, WITHIN * spread / 2))


def _add_variances(system: System, unknowns: Unknowns, z: Floats, there: AtRisk, variance: Floats, mass: Floats) -> None:
    centred = z[None, :, :] - there.mean[:, None, :]
    p = z.shape[1]
    features = [[_information(there, unknowns, centred[:, :, j], centred[:, :, k]) for k in range(p)] for j in range(p)]
    u = mass.reshape(unknowns.size)
    now = np.array([[float((features[j][k] * u).sum()) for k in range(p)] for j in range(p)])
    inverse = np.linalg.pinv(now)
    for j in range(p):
        v = inverse[:, j]
        feature = np.asarray(sum(v[a] * v[b] * features[a][b] for a in range(p) for b in range(p)))
        system.add(feature, 2 * inverse[j, j] - float(variance[j]), 0.02 * float(variance[j]))


def _error(unknowns: Unknowns, there: AtRisk) -> float:
    """Of a score: patients of a death's own interval are at risk for half of it, more or less."""
    held = (unknowns.at_risk == 0.5).sum(axis=1).max()
    return float(WITHIN * np.sqrt(np.sum(there.deaths * held / np.maximum(there.share.sum(axis=1), 1.0) ** 2)) + 0.05)


def from_all_others(case: SharesCase, patients: int = 10) -> tuple[Claims, StudyCohort]:
    """Positive control of p: somebody who has all rows but one finds that one as the row at which the opened β solves U(β) = 0.

    Claims on some of the training patients who died and whose pattern is unique, and who they are.
    """
    seen, train = SeenStudy(case.opened), case.cohort.chosen(case.cohort.set == 0)
    fit, rows = seen.clinical.fit, patterns()
    targets = np.flatnonzero(train.unique & train.event)[:patients]
    kept = [COLUMNS.index(name) for name in seen.clinical.kept]
    if fit is None or fit.coefficient is None or not kept:
        return Claims.none(), train.chosen(np.isin(np.arange(train.n), targets))
    beta = np.asarray(fit.coefficient)
    claimed, days = [], []
    for patient in targets:
        rest = train.chosen(np.arange(train.n) != patient)
        pattern, day = _missing_row(rest.x[:, kept].astype(np.float64), rest.day, rest.event, beta, rows[:, kept])
        claimed.append(pattern)
        days.append(day)
    return Claims(np.array(claimed, dtype=np.int64), np.array(days)), train.chosen(np.isin(np.arange(train.n), targets))


def _missing_row(x: Floats, day: Floats, event: NDArray[np.bool_], beta: Floats, rows: Floats) -> tuple[int, float]:
    """The row (of `rows`) and day that make U(β) smallest, a death or a loss between the deaths known."""
    at = np.sort(day[event])
    weight, own = np.exp(x @ beta), np.exp(rows @ beta)
    risk = (day[None, :] >= at[:, None]).astype(np.float64)
    s0, s1 = risk @ weight, risk @ (weight[:, None] * x)
    dead = x[event].sum(axis=0)
    with_it = (s1[None] + (own[:, None] * rows)[:, None, :]) / (s0[None] + own[:, None])[:, :, None]
    change = np.concatenate([np.zeros((len(rows), 1, x.shape[1])), np.cumsum(with_it - (s1 / s0[:, None])[None], axis=1)], axis=1)
    score = dead - (s1 / s0[:, None]).sum(axis=0) - change  # (rows, deaths + 1, p): of a loss after so many of the deaths
    after = np.concatenate([s0, [0.0]]), np.concatenate([s1, np.zeros((1, x.shape[1]))])
    own_mean = (after[1][None] + (own[:, None] * rows)[:, None, :]) / (after[0][None] + own[:, None])[:, :, None]
    died = score + rows[:, None, :] - own_mean
    best = min((np.linalg.norm(one, axis=2).min(), k) for k, one in enumerate((score, died)))[1]
    norms = np.linalg.norm((score, died)[best], axis=2)
    pattern, place = np.unravel_index(int(norms.argmin()), norms.shape)
    ends = np.concatenate([[0.0], at, [float(day.max())]])
    return int(pattern), float((ends[place] + ends[place + 1]) / 2)
