"""Kaplan–Meier curves of groups on shared rows at declared points, exact for any number of ties; the log-rank test beside them.

Within a group give the deaths of a day the ranks r = 0, 1, … by slot, and let m = n − r with n patients at risk on that day. Then
both sums telescope over the deaths of a day, and are sums of a function of one whole number a death (`curve_steps`):

    −log S(t) = Σ log(m/(m − 1))        Greenwood's sum = Σ 1/(m (m − 1))        over deaths until t

Opened are −log S and Greenwood's sum at declared days, as long as enough patients are at risk, numbers at risk under the curve
(1 to 4 as a bit), and the numbers of patients and deaths. Follow-up (reverse Kaplan–Meier) is the same circuit over
`points.censored` rows.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared_model.analyses.count_minimum import minimum_result, reaches
from shared_model.analyses.groups.curve_steps import curve_steps
from shared_model.analyses.groups.declared_days import Points
from shared_model.analyses.groups.logrank_on_shares import gaps, logrank_results, open_logrank
from shared_model.analyses.groups.patient_groups import Admitted, Bits, Partition, admitted
from shared_model.analyses.groups.restricted_mean_on_shares import RestrictedMeans, restricted_means, restricted_results
from shared_model.analyses.groups.survival_medians import Median, interval, median
from shared_model.analyses.pairs_on_shares import Pairs, day_parts
from shared_model.analyses.patient_slots import Floats, Integers, Part, Rows
from shared_model.disclosure.limits import FEW, FINE_PATIENTS, GREENWOOD_BITS, POINT_PATIENTS, SURVIVAL_BITS
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.survival.cox.cox_result import ChiTest, FitFinding

_MOST = 24.0
"""Bounds −log S: the m of a group's deaths differ, so the sum is at most log N, and 4.1 for the last death of all."""


@dataclass(frozen=True)
class KaplanMeierModel:
    """Curves of a partition's groups at `days`, which in sets of fewer than `fine_patients` patients are `coarse` only.

    ticks: days of `days` with the numbers at risk. logrank: whether groups of a family are compared.
    """

    name: str
    partition: Partition
    days: tuple[int, ...]
    ticks: tuple[int, ...] = ()
    coarse: tuple[int, ...] = ()
    fine_patients: int = FINE_PATIENTS.value
    logrank: bool = True
    sets: bool = False
    """Whether the groups are sets themselves, each large or small by its own patients."""
    means: tuple[int, ...] = ()
    """Days of `days` until which restricted means are opened."""

    @property
    def judged(self) -> int:
        """How many sets are judged to be large or small."""
        return self.partition.n if self.sets else len(self.partition.of_family)

    def parts(self, n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return (*day_parts(n_days), *self.partition.parts)

    @property
    def compares(self) -> bool:
        """Whether there is anything to compare."""
        return self.logrank and any(len(family) > 1 for family in self.partition.of_family)

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        name, n, points, ticks = self.name, self.partition.n, len(self.days), len(self.ticks)
        group = f"{self.partition.minimum} patients in the group and in the rest of its set"
        point, few = f"{group}, {POINT_PATIENTS.value} at risk", f"{group}, not from 1 to {FEW.value}"
        test = "none: it is the test of the minimum"
        return (
            *self.partition.results(name),
            *([minimum_result(f"{name}.large", self.judged)] if self.coarse else []),
            minimum_result(f"{name}.followed", points * n),
            Result(f"{name}.ended", (points, n), 0, 1.0, test, bit=True),
            Result(f"{name}.few_deaths", (n,), 0, 1.0, test, bit=True),
            Result(f"{name}.patients", (n,), 0, 2.0**20, group),
            Result(f"{name}.deaths", (n,), 0, 2.0**20, few),
            *([Result(f"{name}.nobody", (ticks, n), 0, 1.0, test, bit=True)] if ticks else []),
            *([Result(f"{name}.at_risk", (ticks, n), 0, 2.0**20, point)] if ticks else []),
            Result(f"{name}.hazard", (points, n), SURVIVAL_BITS.value, _MOST, point),
            Result(f"{name}.greenwood", (points, n), GREENWOOD_BITS.value, 2.0**24, point),
            *(restricted_results(name, len(self.means), n, point) if self.means else ()),
            *(logrank_results(f"{name}.logrank", self.partition) if self.compares else ()),
        )


@dataclass(frozen=True)
class KaplanMeierEstimate:
    """By group, NaN where closed: `patients` and `deaths` (G,); S and its interval (G, days); `at_risk` (G, ticks), NaN for 1 to 4.

    median: of every group, with the medians of the interval's lower and upper end. logrank: of every family. means: until the
    model's days of means.
    """

    patients: Floats
    deaths: Floats
    survival: Floats
    low: Floats
    high: Floats
    at_risk: Floats
    median: tuple[tuple[Median | None, Median | None, Median | None], ...]
    logrank: tuple[ChiTest | None, ...]
    findings: tuple[FitFinding, ...] = ()
    means: RestrictedMeans | None = None


@dataclass(frozen=True)
class _Counts:
    """In the main field: members and the dead among them (N, G), sizes and deaths (G,), `followed` [T ≥ day] and `left` after that
    day's deaths (P, G), and m (N,); in the counting one `reach` (N, G) and `tied` (N, F)."""

    members: Value
    sizes: Value
    deaths: Value
    followed: Value
    left: Value
    m: Value
    dead: Value
    reach: Value
    tied: Value


async def kaplan_meier(a: Arithmetic, rows: Rows, pairs: Pairs, points: Points, model: KaplanMeierModel) -> KaplanMeierEstimate:
    """Curves and test; about 20 openings, with restricted means about 35."""
    counts = await _counts(a, rows, pairs, points, model)
    wanted: list[Awaitable[Any]] = [_shown(a, counts, model), curve_steps(a, counts.m, counts.dead)]
    if model.compares:
        wanted.append(_compared(a, rows, pairs, counts, model))
    shown, steps, *gap = await together(*wanted)
    dead = points.dead[:, points.columns(model.days)].T
    last: list[Awaitable[Any]] = [
        _open_counts(a, counts, shown, model),
        _open_curve(a, a.dot(dead, steps.hazard), a.dot(dead, steps.greenwood), shown, model),
    ]
    if gap:
        last.append(open_logrank(a, f"{model.name}.logrank", gap[0], shown.groups, model.partition))
    at = [model.days.index(day) for day in model.means]
    if model.means:
        last.append(restricted_means(a, model.name, steps, counts.members, points, model.means, shown.points[at]))
    (at_risk, deaths), (survival, low, high), *more = await together(*last)
    means = more.pop().where_all_live(survival[:, at], model.means) if model.means else None
    medians = tuple(
        (median(model.days, middle), median(model.days, lower), median(model.days, upper))
        for middle, lower, upper in zip(survival, low, high, strict=True)
    )
    logrank = tuple(more[0]) if more else (None,) * len(model.partition.of_family)
    patients = np.where(shown.groups.shown, shown.patients, np.nan)
    return KaplanMeierEstimate(patients, deaths, survival, low, high, at_risk, medians, logrank, shown.groups.findings(), means)


async def _counts(a: Arithmetic, rows: Rows, pairs: Pairs, points: Points, model: KaplanMeierModel) -> _Counts:
    """Two openings."""
    n, at = len(pairs.died), points.columns(model.days)
    members, why = model.partition.members(rows, pairs), "a count of patients"
    earlier = pairs.tied * np.tril(np.ones((n, n), dtype=np.int64), -1)
    followed = a.dot(points.at_risk[:, at].T, members).assume(n, why)
    left = (followed - a.dot(points.dies[:, at].T, members)).assume(n, why)
    first: list[Awaitable[Any]] = [
        a.reduce(*(a.dot(matrix, members).assume(n, why) for matrix in (pairs.at_risk, earlier, pairs.tied))),
        *(a.lift(value) for value in (members, members.sum(0).assume(n, why), a.dot(pairs.died, members).assume(n, why), followed, left)),
    ]
    (reach, rank, tied), *lifted = await together(*first)
    m = a.times(members, reach - rank).sum(1).assume(n, why)
    dead = a.times(pairs.died.reshape(n, 1), members).assume(1.0, "died and in a group")
    m, dead = await together(a.lift(m), a.lift(dead))
    tied = (tied @ model.partition.matrix).assume(n, why)
    of_groups, sizes, deaths, followed, left = lifted
    return _Counts(of_groups, sizes, deaths, followed, left, m, dead, reach, tied)


async def _compared(a: Arithmetic, rows: Rows, pairs: Pairs, counts: _Counts, model: KaplanMeierModel) -> tuple[Value, Value]:
    """O − E and covariance of the log-rank test."""
    n, partition = len(pairs.died), model.partition
    family = (partition.members(rows, pairs) @ partition.matrix).assume(1.0, "one group a patient")
    reach, tied, died = await together(
        a.lift(a.times(counts.reach, family[:, partition.family]).assume(n, "a count of patients")),
        a.lift(a.times(counts.tied, family).assume(n, "a count of patients")),
        a.lift(a.times(pairs.died.reshape(n, 1), family).assume(1.0, "died and in a family")),
    )
    return await gaps(a, reach, tied, died, counts.deaths, partition)


@dataclass(frozen=True)
class _Shown:
    """What may be opened: groups, points (P, G) with enough at risk and on the permitted grid, of those where S = 0, and few deaths."""

    groups: Admitted
    patients: Floats
    followed: Bits
    points: Bits
    ended: Bits
    few_deaths: Bits


async def _shown(a: Arithmetic, counts: _Counts, model: KaplanMeierModel) -> _Shown:
    """The minima: first of groups and sets, then of points and counts in the groups that are shown."""
    name, n, points = model.name, model.partition.n, len(model.days)
    first: list[Awaitable[Any]] = [admitted(a, name, counts.sizes, model.partition)]
    if model.coarse:
        whole = counts.sizes if model.sets else (counts.sizes @ model.partition.matrix).assume(counts.sizes.bound, "patients of a set")
        first.append(reaches(a, f"{name}.large", whole, model.fine_patients))
    groups, *large = await together(*first)
    keep = groups.keep
    second: list[Awaitable[Any]] = [
        reaches(a, f"{name}.followed", (counts.followed * keep).reshape(points * n), POINT_PATIENTS.value),
        a.reveal_zero(f"{name}.ended", counts.left * keep + (1 - keep)),
        a.reveal_zero(f"{name}.few_deaths", *(counts.deaths * keep - k for k in range(1, FEW.value + 1))),
        a.reveal(f"{name}.patients", counts.sizes * keep, 0),
    ]
    followed, ended, few_deaths, patients = await together(*second)
    followed = followed.reshape(points, n)
    permitted = np.ones((points, n), dtype=np.bool_)
    if large:
        coarse = np.array([day in model.coarse for day in model.days])
        fine = large[0] if model.sets else large[0][model.partition.family]
        permitted = fine[None, :] | coarse[:, None]
    return _Shown(groups, patients, followed, followed & permitted, ended & groups.shown, few_deaths)


async def _open_counts(a: Arithmetic, counts: _Counts, shown: _Shown, model: KaplanMeierModel) -> tuple[Floats, Floats]:
    """Numbers at risk at the ticks (G, ticks) and of deaths (G,), NaN where closed."""
    name, open_ = model.name, shown.groups.shown
    told = open_ & ~shown.few_deaths
    wanted: list[Awaitable[Any]] = [a.reveal(f"{name}.deaths", counts.deaths * told.astype(np.int64), 0)]
    at = np.array([model.days.index(day) for day in model.ticks], dtype=np.int64)
    enough = shown.followed[at]
    if model.ticks:
        asked = (open_ & ~enough).astype(np.int64)
        wanted += [
            a.reveal(f"{name}.at_risk", counts.followed[at] * enough.astype(np.int64), 0),
            a.reveal_zero(f"{name}.nobody", counts.followed[at] * asked + (1 - asked)),
        ]
    deaths, *ticks = await together(*wanted)
    at_risk = np.where(enough, ticks[0], np.where(ticks[1], 0.0, np.nan)).T if ticks else np.zeros((len(open_), 0))
    return at_risk, np.where(told, deaths, np.nan)


async def _open_curve(
    a: Arithmetic, hazard: Value, greenwood: Value, shown: _Shown, model: KaplanMeierModel
) -> tuple[Floats, Floats, Floats]:
    """S and its interval (G, P), from −log S and Greenwood's sum times the patients of the group."""
    keep: Integers = (shown.points & ~shown.ended).astype(np.int64)
    most = float(max(shown.patients.max(initial=0.0), 1.0))
    hazard = (hazard * keep).assume(_MOST, "log N and what the last death adds")
    greenwood = (greenwood * keep).assume(1.01, "the sum of 1/m(m − 1) over different m from 2")
    wanted: list[Awaitable[Any]] = [
        a.reveal(f"{model.name}.hazard", hazard, SURVIVAL_BITS.value),
        a.reveal(
            f"{model.name}.greenwood",
            (greenwood * shown.patients.astype(np.int64)).assume(1.01 * most, "of one group at most 1"),
            GREENWOOD_BITS.value,
        ),
    ]
    opened, variance = await together(*wanted)
    patients = np.maximum(shown.patients, 1.0)
    hazard_ = np.where(shown.ended, np.inf, opened).T
    found = interval(hazard_, variance.T / patients[:, None], patients)
    closed = np.where(shown.points.T, 1.0, np.nan)
    return found[0] * closed, found[1] * closed, found[2] * closed
