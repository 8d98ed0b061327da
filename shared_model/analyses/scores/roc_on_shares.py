"""Time-dependent AUC with weights against censoring and its standard error, on shared rows, within the groups of a partition.

As R's timeROC has it (Blanche, Dartigues and Jacqmin-Gadda 2013): at horizon t a case died before t and weighs 1/G(T−), a control
was followed beyond t, a patient with T = t is neither, tied scores count one half. With a_i the share of case i in all cases'
weight and c controls, b_i = Σ_j controls won/c and A_j = Σ_i a_i won,

    AUC = Σ a_i b_i      e_i = a_i (b_i − AUC)      f_j = (A_j − AUC)/c

and a censoring k with R_k patients of its group at risk of it passes on what dies after it, q_k = Σ_{j after k} e_j/R_k:

    var = n/(n − 1) · Σ_i (e_i + f_i + q_i − Σ_{k until i} q_k/R_k)²

AUC is opened first and enters the variance as a public number. Beside it points of the curve are opened (`sensitivity_on_shares`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.count_minimum import minimum_result, reaches
from shared_model.analyses.groups.declared_days import Points
from shared_model.analyses.groups.patient_groups import Partition, admitted
from shared_model.analyses.pairs_on_shares import Pairs, compared, day_parts, level_parts
from shared_model.analyses.patient_slots import Floats, Part, Rows
from shared_model.analyses.scores.censoring_weights import InTime, Weights, main_requests, squared, weights
from shared_model.analyses.scores.sensitivity_on_shares import UNIT_BITS, WHOLE, Ranked, sensitivities
from shared_model.disclosure.limits import (
    AUC_BITS,
    AUC_VARIANCE_BITS,
    ROC_PATIENTS,
    SENSITIVITY_BITS,
    SENSITIVITY_PATIENTS,
)
from shared_model.shares.circuits.arithmetic import Arithmetic, F, Value, concatenate, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.reciprocals import reciprocal
from shared_model.survival.cox.cox_result import FitFinding
from site_config.problems import survival as problems


@dataclass(frozen=True)
class RocModel:
    """Which scores (name → declared levels) at which horizons (days), within which groups."""

    name: str
    scores: tuple[tuple[str, int], ...]
    horizons: tuple[int, ...]
    partition: Partition
    minimum: int = ROC_PATIENTS.value
    specificities: tuple[int, ...] = ()
    """In per cent, at which the sensitivity is opened; none: no point of a curve."""

    def parts(self, n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        scores = (part for name, levels in self.scores for part in level_parts(name, levels))
        return (*day_parts(n_days), *self.partition.parts, *scores)

    @property
    def days(self) -> tuple[int, ...]:
        """The declared points that are needed: died by the day before a horizon, followed on the day after."""
        return tuple(sorted({horizon + beside for horizon in self.horizons for beside in (-1, 1)}))

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        shape = (len(self.horizons), self.partition.n)
        guard = f"{self.partition.minimum} patients in the group and in the rest of its set, {self.minimum} cases and controls"
        return (
            *self.partition.results(self.name),
            minimum_result(f"{self.name}.compared", 2 * shape[0] * shape[1]),
            *(Result(f"{self.name}.{score}.auc", shape, AUC_BITS.value, 1.1, guard) for score, _ in self.scores),
            *(Result(f"{self.name}.{score}.variance", shape, AUC_VARIANCE_BITS.value, 2.0**20, guard) for score, _ in self.scores),
            *self._of_curves(shape),
        )

    @property
    def curve_minimum(self) -> int:
        """Cases, and controls, of a curve that is drawn."""
        return max(self.minimum, SENSITIVITY_PATIENTS.value)

    @property
    def sensitivities(self) -> tuple[str, ...]:
        """The results' names by score."""
        return tuple(f"{self.name}.{score}.sensitivity" for score, _ in self.scores)

    def _of_curves(self, shape: tuple[int, int]) -> tuple[Result, ...]:
        if not self.specificities:
            return ()
        guard = f"the AUC's minima, {self.curve_minimum} cases and controls"
        points = (len(self.specificities), *shape)
        return (
            minimum_result(f"{self.name}.drawn", 2 * shape[0] * shape[1]),
            *(Result(name, points, SENSITIVITY_BITS.value, 1.1, guard) for name in self.sensitivities),
        )


@dataclass(frozen=True)
class RocEstimate:
    """By score, (horizons, groups), NaN where closed: AUC, its standard error; (specificities, horizons, groups): sensitivities."""

    auc: dict[str, Floats]
    se: dict[str, Floats]
    sensitivity: dict[str, Floats] = field(default_factory=dict)
    findings: tuple[FitFinding, ...] = ()


@dataclass(frozen=True)
class _Sides:
    """Main field. Members and the dead among them (N, G); columns are horizons by groups (N, C): `cases`, `controls`.

    Counting field, by score (N, N): `won`, 2 where i's is above j's and 1 where equal; `equal`, where a curve is drawn, 1 where equal.
    """

    members: Value
    dead: Value
    time: InTime
    cases: Value
    controls: Value
    won: Sequence[Value]
    equal: Sequence[Value]
    counted: Value


@dataclass(frozen=True)
class _Shown:
    """Columns (C,) that are opened, and of which a curve is drawn.

    With 1/controls (C,), 1/(n − 1) (G,) and 1/Σ weights (C,), 0 or 1 shown.
    """

    keep: NDArray[np.int64]
    drawn: NDArray[np.int64]
    by_controls: Value
    by_rest: Value
    by_mass: Value
    findings: tuple[FitFinding, ...]


async def roc(
    a: Arithmetic,
    rows: Rows,
    pairs: Pairs,
    points: Points,
    model: RocModel,
    orders: Mapping[str, Value] | None = None,
    time: InTime | None = None,
) -> RocEstimate:
    """AUCs and errors; about 75 openings. orders: what `compared` gives of each score; time: of all patients; where they are there."""
    sides = await _sides(a, rows, pairs, points, model, orders or {}, time)
    known = await weights(a, sides.time, sides.members, sides.dead)
    n = len(sides.members)
    (weight,) = await a.reduce(a.times(known.weight.reshape(n, 1), sides.cases).assume(1.01, "one over those at risk, or less"))
    shown = await _shown(a, sides, weight.sum(0).assume(1.01, "1 − S"), model)
    keep = shown.keep
    won = await together(*(a.lift(a.dot(one, sides.counted * keep).assume(2 * n, "at most 2 a control")) for one in sides.won))
    why = "a share of a whole"
    shared = a.times(weight * keep, shown.by_mass).assume(1.01, why)
    share, units, part, *half = await a.reduce(
        shared,
        shared,
        a.times(sides.controls * keep, shown.by_controls).assume(1.01, why),
        *(a.times(one, shown.by_controls).scaled(0.5, 1).assume(1.01, why) for one in won),
        fraction=(F, UNIT_BITS, F, *(F for _ in won)),
    )
    wanted: list[Awaitable[Any]] = [_areas(a, sides, known, (share, units.units(), part, half), shown, model)]
    if model.specificities:
        wanted.append(_curves(a, sides, units, shown, model))
    (auc, se), *curves = await together(*wanted)
    closed = np.where(keep.reshape(len(model.horizons), model.partition.n), 1.0, np.nan)
    return RocEstimate(
        {name: value * closed for name, value in auc.items()},
        {name: value * closed for name, value in se.items()},
        curves[0] if curves else {},
        shown.findings,
    )


async def _areas(
    a: Arithmetic, sides: _Sides, known: Weights, shares: tuple[Value, Value, Value, Sequence[Value]], shown: _Shown, model: RocModel
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """AUCs and their errors from a case's share of its column, the same in units, a control's share, and what every score wins (N, C)."""
    share, units, part, half = shares
    auc, won_from = await _open_auc(a, sides, share, units, half, model)
    scores, columns, why = len(model.scores), sides.cases.shape[1], "a share of a whole"
    public = np.concatenate([auc[name].reshape(columns) for name, _ in model.scores]) * np.tile(shown.keep, scores)
    wide = np.tile(np.arange(columns), scores)
    e, f = await a.reduce(
        a.times(share[:, wide], (concatenate(half, 1) - public).assume(1.01, why)),
        a.times(part[:, wide], (won_from - public).assume(1.01, why)),
    )
    return auc, await _open_errors(a, sides, known, e, f, shown, model)


async def _curves(a: Arithmetic, sides: _Sides, units: Value, shown: _Shown, model: RocModel) -> dict[str, Floats]:
    """Sensitivities by score (specificities, horizons, groups), NaN where no curve is drawn."""
    ranked = Ranked(sides.won, sides.equal, sides.members.units(), sides.counted, (units * shown.drawn).units())
    found = await sensitivities(a, ranked, model.specificities, model.sensitivities)
    closed = np.where(shown.drawn.reshape(len(model.horizons), model.partition.n), 1.0, np.nan)
    return {name: np.clip(one, 0.0, 1.0) * closed for (name, _), one in zip(model.scores, found, strict=True)}


async def _sides(
    a: Arithmetic, rows: Rows, pairs: Pairs, points: Points, model: RocModel, orders: Mapping[str, Value], known: InTime | None
) -> _Sides:
    """Who is compared with whom."""
    n, groups = len(pairs.died), model.partition.n
    members = model.partition.members(rows, pairs)
    before, beyond = (points.columns([horizon + beside for horizon in model.horizons]) for beside in (-1, 1))
    columns = len(model.horizons) * groups
    followed = points.at_risk[:, beyond].reshape(n, len(model.horizons), 1)
    controls = a.times(followed, members.reshape(n, 1, groups)).reshape(n, columns).assume(1.0, "followed beyond, of a group")
    ties = bool(model.specificities)
    ranks = [_won(a, [rows[part.name] for part in level_parts(name, levels)], orders.get(name), ties) for name, levels in model.scores]
    wanted: list[Awaitable[Any]] = [*main_requests(a, rows, pairs, members, known), a.lift(controls), *ranks]
    lifted, dead, time, controls, *ordered = await together(*wanted)
    died = points.dead[:, before].reshape(n, len(model.horizons), 1)
    cases = a.times(died, lifted.reshape(n, 1, groups)).reshape(n, columns)
    (cases,) = await a.reduce(cases.assume(1.0, "died before, of a group"))
    won, equal = ([pair[which] for pair in ordered if len(pair) > which] for which in (0, 1))
    return _Sides(lifted, dead, time, cases, controls, won, equal, controls.units())


async def _won(a: Arithmetic, digits: Sequence[Value], known: Value | None, ties: bool) -> tuple[Value, ...]:
    """2 where i's score is above j's, 1 where they are equal (N, N), of present patients; with `ties` also who are equal."""
    n, order = len(digits[0]), await compared(a, digits) if known is None else known
    won = squared(order, (2 - order).assume(2.0, "the other way round"), n)
    if not ties:
        return (won,)
    (same,) = await a.reduce(a.times(order, 2 - order).assume(1.0, "1 where the order is 1, of 0, 1 and 2"))
    return won, squared(same, same, n)


async def _shown(a: Arithmetic, sides: _Sides, mass: Value, model: RocModel) -> _Shown:
    """The minima, and what is divided by."""
    n, sizes = len(sides.members), sides.members.sum(0).assume(len(sides.members), "a count of patients")
    cases, controls = (value.sum(0).assume(n, "a count of patients") for value in (sides.cases, sides.controls))
    wanted: list[Awaitable[Any]] = [
        admitted(a, model.name, sizes, model.partition),
        reaches(a, f"{model.name}.compared", concatenate([cases, controls]), model.minimum),
    ]
    if model.specificities:
        wanted.append(reaches(a, f"{model.name}.drawn", concatenate([cases, controls]), model.curve_minimum))
    groups, enough, *more = await together(*wanted)
    both = enough[: cases.size] & enough[cases.size :]
    open_ = np.tile(groups.shown, len(model.horizons))
    keep = (both & open_).astype(np.int64)
    drawn = keep * (more[0][: cases.size] & more[0][cases.size :]) if more else keep * 0
    rest = keep.reshape(len(model.horizons), model.partition.n).max(axis=0)  # a set with so many cases and controls has patients enough
    counts = concatenate([controls * keep + model.minimum * (1 - keep), sizes * rest - 1 + (model.minimum + 1) * (1 - rest)])
    low = float(model.minimum)
    ways = await together(
        reciprocal(a, counts.assume(float(n + model.minimum), "a count, or the minimum"), low, float(n) + low, largest=1.0 / low),
        reciprocal(a, (mass * keep + (1 - keep)).assume(1.01, "a probability"), min(0.99 * low / n, 0.5), 1.01, largest=n / low),
    )
    few = FitFinding.of(problems.BEYOND_FOLLOW_UP, f"fewer than {model.minimum} died before a horizon or were followed beyond it")
    findings = (*groups.findings(), *([few] if (open_ & ~both).any() else []))
    return _Shown(keep, drawn, ways[0][: cases.size], ways[0][cases.size :], ways[1], findings)


async def _open_auc(
    a: Arithmetic, sides: _Sides, share: Value, units: Value, half: Sequence[Value], model: RocModel
) -> tuple[dict[str, Floats], Value]:
    """AUC by score (horizons, groups), and of every patient the cases' share that wins over it (N, scores · C)."""
    shape = (len(model.horizons), model.partition.n)
    lost = [a.dot(one.T, units).assume(2 * WHOLE * 2.0**UNIT_BITS, "twice shares of a whole") for one in sides.won]
    areas = [a.times(share, one).sum(0).assume(1.01, "a mean of numbers up to 1").reshape(*shape) for one in half]
    wanted: list[Awaitable[Any]] = [
        a.lift(concatenate(lost, 1)),
        *(a.reveal(f"{model.name}.{name}.auc", area, AUC_BITS.value) for (name, _), area in zip(model.scores, areas, strict=True)),
    ]
    twice, *opened = await together(*wanted)
    won_from = twice.scaled(2.0 ** -(UNIT_BITS + 1), UNIT_BITS + 1).assume(WHOLE, "shares of a whole, in units")
    return dict(zip((name for name, _ in model.scores), opened, strict=True)), won_from


async def _open_errors(
    a: Arithmetic, sides: _Sides, known: Weights, e: Value, f: Value, shown: _Shown, model: RocModel
) -> dict[str, Floats]:
    """Standard errors by score (horizons, groups), from what cases and controls add themselves (N, scores · C)."""
    n, columns = e.shape
    group = np.tile(np.arange(model.partition.n), columns // model.partition.n)
    one_over = known.one_over.reshape(n, 1)
    lost = (sides.members - sides.dead).assume(1.0, "in a group and did not die")
    why = "shares of a whole add up to at most 1"
    following = (1 - sides.time.after.T).assume(1.0, "after or not")
    after, by_risk = await a.reduce(a.dot(following, e).assume(1.01, why), a.times(lost, one_over))
    (q,) = await a.reduce(a.times(after, by_risk[:, group]).assume(1.01, "the same over a number of patients"))
    (d,) = await a.reduce(a.times(q, one_over).assume(1.01, "once more"))
    (drift,) = await a.reduce(a.dot(sides.time.after.T, d).assume(2.0, "the sum of 1/R² is below π²/6"))
    (x,) = await a.reduce((e + f + q) - a.times(sides.members[:, group], drift))
    (squares,) = await a.reduce(a.times(x, x).sum(0))
    spread = a.times(squares, (1 + shown.by_rest[group]).assume(2.0, "n/(n − 1)"))
    shape, bits = (len(model.scores), len(model.horizons), model.partition.n), AUC_VARIANCE_BITS.value
    (spread,) = await a.reduce(spread.reshape(*shape), fraction=bits)
    names = [name for name, _ in model.scores]
    opened = await together(
        *(a.reveal(f"{model.name}.{name}.variance", spread[k], AUC_VARIANCE_BITS.value) for k, name in enumerate(names))
    )
    return {name: np.sqrt(np.maximum(value, 0.0)) for name, value in zip(names, opened, strict=True)}
