"""Cox's model on shared rows: exact Breslow or Efron coefficients and variances, the score test at 0, in a few dozen openings.

With the sums of `risk_sums` for every death i and y_i = 1/S⁰_i: v_i = y_i S¹_i, score U = Σ u − Σ v_i, information
I = Σ y_i S²_i − Σ v_i v_i'. A Newton step is I⁻¹U; reciprocals and the inverse start from the last step's, whose distance the
opened step bounds:

    Δb'(u − ½) in [−h, h]  ⇒  S⁰_new · y_old in [e^−h, e^h],  eigenvalues of I_new I_old⁻¹ in [e^−2h, e^2h]

(the second because every risk set's covariance is the smallest second moment about any centre). Opened are steps of b on a
coarse, the last ones on a fine grid, the variances (no covariances), the score statistic, the numbers of patients and deaths.
Source: Efron 1977; Therneau and Grambsch 2000.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared_model.analyses.covariates_on_shares import SlotCovariates
from shared_model.analyses.newton_on_shares import COARSE, DONE_BELOW, FAR, FINE, STEPS, Newton
from shared_model.analyses.pairs_on_shares import Pairs, day_parts
from shared_model.analyses.patient_slots import Floats, Part, Rows
from shared_model.analyses.risk_sums_on_shares import Start, largest_weight, prepare
from shared_model.disclosure.limits import COX_PATIENTS, EVENTS_A_COLUMN, VARIANCE_BITS
from shared_model.shares.circuits.arithmetic import Arithmetic, F, Value, concatenate, stack, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.exact_constants import exp, shorten
from shared_model.shares.circuits.reciprocals import inverse, reciprocal
from shared_model.survival.cox.cox_result import FitFinding
from site_config.problems import survival as problems
from site_config.problems.base import Kind

SMALLEST = 2.0**-13
"""Eigenvalues of the information below this share of their largest possible value are not inverted exactly."""
RIDGE = 2.0**-20
"""Share of the largest possible eigenvalue added to all of them, so that no inverse leaves its range; variances are corrected for it."""
FLAT = 4096.0
"""A variance (of b, times deaths) beyond which the likelihood is flat: several columns say the same, or one says nothing."""
SCORE_BITS = 24
"""Of the score statistic divided by deaths."""
_LARGEST = 2.0**26
SHARE_BITS = 22  # of one divided by the deaths, nine of them significant: up to 2^13 deaths
MONOTONE = "the likelihood flattens before {} settles; the coefficient may be infinite"
TOO_WIDE = "the risks at the ends of the declared ranges differ too much, most by {}"
FLAT_COLUMNS = "{}: does not vary, or not beyond the other covariates"


@dataclass(frozen=True)
class CoxModel:
    """What is fitted: a name (first part of every result's name), columns, and how ties are dealt with."""

    name: str
    covariates: SlotCovariates
    ties: str = "efron"
    minimum_patients: int = COX_PATIENTS.value
    events_a_column: int = EVENTS_A_COLUMN.value
    declared: int = 0
    """Columns that were declared, where some of them are left out: results have their number, with zeros at the end."""

    def of(self, covariates: SlotCovariates) -> CoxModel:
        """The same model of fewer columns."""
        return replace(self, covariates=covariates, declared=self.width)

    @property
    def width(self) -> int:
        """Numbers of a result that has one a column."""
        return self.declared or len(self.covariates)

    def parts(self, n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return (*day_parts(n_days), *self.covariates.blocks)

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        p = self.width
        guard = f"{self.minimum_patients} patients and {self.events_a_column} deaths a column"
        steps = [
            Result(f"{self.name}.{grid}.{k}", (p,), bits, _LARGEST, guard)
            for k in range(1, STEPS + 1)
            for grid, bits in (("step", COARSE), ("fine", FINE))
        ]
        count = "the minima of admission"
        return (
            Result(f"{self.name}.patients", (), 0, 2.0**20, count),
            Result(f"{self.name}.deaths", (), 0, 2.0**20, count),
            Result(f"{self.name}.score", (), SCORE_BITS, _LARGEST, guard),
            Result(f"{self.name}.variance", (p,), VARIANCE_BITS.value, _LARGEST, guard),
            *steps,
        )


@dataclass(frozen=True)
class CoxEstimate:
    """On the columns' own scales: `coefficient` and `se` (p,), the score χ² at 0; None with a finding that says why."""

    patients: int
    deaths: int
    coefficient: Floats | None
    se: Floats | None
    score: float | None
    steps: int
    findings: tuple[FitFinding, ...] = ()
    too_wide: bool = False
    """The risks at the ends of the ranges differ by more than the numbers have room for: narrower ranges may serve."""
    openings: int = 0
    """From the pairs to the end, those of whatever ran beside it among them."""


async def cox(a: Arithmetic, rows: Rows, pairs: Pairs, model: CoxModel) -> CoxEstimate:
    """Fit the model to the rows of all hospitals."""
    before = a.openings
    start = await prepare(a, rows, pairs, model.covariates, model.ties)
    n, deaths = await together(a.reveal(f"{model.name}.patients", start.n, 0), a.reveal(f"{model.name}.deaths", start.died.sum(), 0))
    found = await fit_from(a, model, start, int(n), int(deaths))
    return replace(found, openings=a.openings - before)


async def fit_from(a: Arithmetic, model: CoxModel, start: Start, n: int, deaths: int) -> CoxEstimate:
    """Fit the model to sums over risk sets that are there already, n patients and their deaths being opened."""
    fit = PairFit(a, model, start, n, deaths)
    few = fit.too_few()
    return fit.without(few) if few else await fit.run()


class NewtonFit(ABC):
    """One fit under way: the inverse (p, p) of the last step, and the public Newton state; how sums are formed is left open."""

    def __init__(self, a: Arithmetic, model: CoxModel, n: int, deaths: int) -> None:
        self.a, self.model, self.n, self.deaths = a, model, n, deaths
        self.p = len(model.covariates)
        self.newton = Newton(self.p)
        self.x: Value | None = None
        self.variance: Value | None = None
        self.share = shorten(1 / max(deaths, 1), 9)
        self.score = 0.0
        self.ridge = RIDGE * max(self.p / 4, 1.0)

    def too_few(self) -> FitFinding | None:
        """The minima that numbers of patients and deaths must reach."""
        if not self.deaths:
            return FitFinding.of(problems.NO_EVENTS, "no events: no coefficient can be estimated")
        if self.n < self.model.minimum_patients or self.deaths < self.model.events_a_column * self.p:
            return FitFinding.of(problems.FEW_EVENTS, f"{self.n} patients and {self.deaths} events for {self.p} covariates")
        return None

    def without(self, *findings: FitFinding) -> CoxEstimate:
        """No estimate, and why."""
        return CoxEstimate(self.n, self.deaths, None, None, None, len(self.newton.steps), findings)

    async def run(self) -> CoxEstimate:
        """Newton steps until one is small, or a finding."""
        newton = self.newton
        for k in range(1, STEPS + 1):
            u, information = await self.score_and_information()
            await self._invert(information)
            fine = newton.fine
            newton.take(await self._open_step(u, k, fine))
            if newton.growing:
                return self.without(self._of_columns(problems.MONOTONE, MONOTONE, newton.growing))
            if newton.too_far:
                found = self.without(self._of_columns(problems.RANGE_TOO_WIDE, TOO_WIDE, newton.too_far))
                return replace(found, too_wide=True)
            if fine and newton.reach < DONE_BELOW:
                return await self._finished()
        return self.without(FitFinding.of(problems.NOT_CONVERGED, f"not converged in {STEPS} steps"))

    @abstractmethod
    async def score_and_information(self) -> tuple[Value, Value]:
        """Score (p,) and information (p, p) at the present coefficients, both divided by the number of deaths."""

    async def _invert(self, information: Value) -> None:
        """The inverse of information/deaths, a mean covariance of numbers in [0, 1]: cold, or from the last one where that is shorter."""
        reach, digits = self.newton.reach, 26 if self.newton.fine or self.x is None else 10
        cold = self.x is None or reach > FAR
        low, high = (self.ridge / RIDGE * SMALLEST, 1.002 * self.p / 4) if cold else (0.998 * exp(-reach), 1.002 * exp(reach))
        bent = information + np.eye(self.p) * self.ridge
        self.x = await inverse(self.a, bent, low, high, warm=None if cold else self.x, digits=digits, largest=1 / self.ridge)

    async def _open_step(self, u: Value, k: int, fine: bool) -> Floats:
        """Open the step; on the way the variances and, in the first step, the score statistic U' I⁻¹ U are made."""
        a, x = self.a, self.x
        assert x is not None
        grid, bits = ("fine", FINE) if fine else ("step", COARSE)
        product = a.dot(x, u).assume(1.1 * x.bound * self.p**0.5, "the norm of I⁻¹ times that of U")
        step, exact, small = await a.reduce(product, product, x.scaled(2.0**-10, 10), fraction=[bits, F, F])
        square = stack([a.dot(small[j], small[j]) for j in range(self.p)]).scaled(self.ridge * 2.0**20, 2)
        diagonal = x.reshape(self.p * self.p)[np.arange(self.p) * (self.p + 1)] + square
        diagonal = diagonal.assume(2 * x.bound, "the ridge times the inverse is at most 1")
        wanted: list[Awaitable[Any]] = [
            a.reduce(diagonal, fraction=VARIANCE_BITS.value),
            a.reveal(f"{self.model.name}.{grid}.{k}", self._wide(step), bits),
        ]
        if k == 1:
            statistic = a.dot(exact, u).assume(1.1 * x.bound * self.p, "the norm of I⁻¹ times that of U, squared")
            wanted.append(a.reveal(f"{self.model.name}.score", statistic, SCORE_BITS))
        (self.variance,), opened, *score = await together(*wanted)
        if score:
            self.score = float(score[0]) / self.share
        return np.asarray(opened)[: self.p]

    def _wide(self, x: Value) -> Value:
        """A number a column, with zeros for the columns that were left out."""
        missing = self.model.width - self.p
        return concatenate([x, *[x[:1] * 0] * missing]) if missing else x

    def _of_columns(self, kind: Kind, text: str, columns: Iterable[int]) -> FitFinding:
        names = [self.model.covariates.columns[j].name for j in columns]
        return FitFinding.of(kind, text.format(", ".join(names)), names)

    async def _finished(self) -> CoxEstimate:
        """Open the variances, and say what they tell."""
        assert self.variance is not None
        opened = (await self.a.reveal(f"{self.model.name}.variance", self._wide(self.variance), VARIANCE_BITS.value))[: self.p]
        flat = np.flatnonzero(opened > FLAT)
        if flat.size:
            return self.without(self._of_columns(problems.COLLINEAR, FLAT_COLUMNS, flat))
        width = self.model.covariates.width
        se = np.sqrt(np.maximum(opened, 0) * self.share) / width
        return CoxEstimate(self.n, self.deaths, self.newton.b / width, se, self.score, len(self.newton.steps))


class PairFit(NewtonFit):
    """A fit to sums over risk sets of days: the reciprocals y (N,) of the last step."""

    def __init__(self, a: Arithmetic, model: CoxModel, start: Start, n: int, deaths: int) -> None:
        super().__init__(a, model, n, deaths)
        self.start = start
        self.y: Value | None = None

    async def score_and_information(self) -> tuple[Value, Value]:
        """Score (p,) and information (p, p), both divided by the number of deaths."""
        a, pairs = self.a, self.model.covariates.pairs
        sums = await self.start.sums.at(a, self.newton.b)
        y = self.y = await self._reciprocals(sums.s0)
        v, t = await a.reduce(
            a.times(y.reshape(-1, 1), sums.s1).assume(1.01, "a weighted mean of u"),
            a.dot(y, sums.s2).assume(1.01 * self.deaths, "weighted means of u u' over deaths"),
        )
        outer = stack([a.dot(v[:, j], v[:, k]) for j, k in pairs])
        half, u = await a.reduce(
            (t - outer).scaled(self.share, SHARE_BITS).assume(1.01, "a mean covariance of numbers in [0, 1]"),
            (self.start.dead - v.sum(0)).scaled(self.share, SHARE_BITS).assume(1.01, "a mean difference of numbers in [0, 1]"),
        )
        full = np.zeros((self.p, self.p), dtype=np.int64)
        for at, (j, k) in enumerate(pairs):
            full[j, k] = full[k, j] = at
        return u, half[full.reshape(-1)].reshape(self.p, self.p)

    async def _reciprocals(self, s0: Value) -> Value:
        """1/S⁰ of every death, and 1 for everybody else."""
        newton = self.newton
        s0 = s0 + (1 - self.start.died)
        if self.y is None:
            return await reciprocal(self.a, s0, 1.0, self._most(), digits=28, largest=1.0)
        digits, most = 36 if newton.fine else 12, largest_weight(newton.b)
        return await reciprocal(self.a, s0, 0.999 / newton.ratio, 1.001 * newton.ratio, warm=self.y, digits=digits, largest=most)

    def _most(self) -> float:
        """Largest S⁰ at b = 0."""
        return float(self.n * self.deaths if self.model.ties == "efron" else self.n)
