"""Attacks on opened sums: a (adjacent cells), b (S0 at several β), g (everything, linear), h (evaluation table)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evidence.attacks import linear
from evidence.attacks.claims import Claims, Score, score, summary
from evidence.attacks.cohorts import COLUMNS, LEVELS, AttackedCohort, Floats, controls, draw, encode, patterns
from evidence.attacks.opened import (
    DEFAULT,
    FINE,
    FINEST,
    CoxTranscript,
    ScoreOpened,
    clinical_model,
    default_columns,
    fused_model,
    rounded_sum,
    score_table,
)
from evidence.attacks.result import AttackResult, control, gate, refused, statistical
from shared_model.statistics.parameters import IMAGE_PART, Covariates, CoxExact, CoxRound, ScoreCounts, ScoreSpec, Table
from shared_model.survival.cox import api as cox
from shared_model.survival.hazard import exposures
from shared_model.survival.table import coarse_time_edges, site_table

ALL = tuple(range(len(COLUMNS)))
DEVELOPMENT_SEED = 500_000
RUN_ON_SE = 0.01
CONTROL_CUTS = (90.0, *(90.0 + 200.0 * k for k in range(1, 9)))


@dataclass(frozen=True)
class AttackedCase:
    """One cohort with its controls and what a study at defaults opens of it; computed when first asked for."""

    n: int
    seed: int

    @cached_property
    def cohort(self) -> AttackedCohort:
        """The patients."""
        return draw(self.n, self.seed)

    @cached_property
    def others(self) -> tuple[AttackedCohort, ...]:
        """Control cohorts."""
        return controls(self.n, self.seed)

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Columns that the pre-counts leave."""
        return default_columns(self.cohort)

    @cached_property
    def clinical(self) -> tuple[CoxTranscript, cox.CoxFit]:
        """CLN on the columns left."""
        return clinical_model(self.cohort, self.columns)

    @cached_property
    def known_score(self) -> Callable[[Floats], Floats]:
        """CLN's score of covariate rows (k, 7): of this cohort's own model, or, where it is too small for one, of a
        development cohort's, of which this one is the held-out set."""
        case = self if not cox_code(self) else AttackedCase(207, DEVELOPMENT_SEED + self.seed)
        return lambda rows: case.clinical[1].linear_predictor(rows[:, list(case.columns)])

    @cached_property
    def image(self) -> Floats:
        """A radiological score (n,) without any relation to survival: the less it explains, the more a fusion gives away."""
        return np.random.default_rng([self.seed, 17]).normal(size=self.cohort.n)

    @cached_property
    def fused(self) -> CoxTranscript:
        """The Cox model of the radiological and the clinical score."""
        return fused_model(self.cohort, self.image, self.known_score(self.cohort.x.astype(np.float64)))[0]

    def clinical_part(self, rows: Floats) -> Floats:
        """The clinical score of rows (k, 7) in its standard deviations."""
        return self.known_score(rows) / float(self.known_score(self.cohort.x.astype(np.float64)).std())

    @cached_property
    def fused_table(self) -> ScoreOpened:
        """The evaluation of a fused score in which the image's part has the least standard deviation that is permitted."""
        clinical = self.clinical_part(self.cohort.x.astype(np.float64))
        bins, days = DEFAULT.score_bins, DEFAULT.small_cell_days if self.n < DEFAULT.small_set else DEFAULT.cell_days
        return score_table(self.cohort, clinical, IMAGE_PART * self.image, bins=bins, cell_days=days, sums=True)

    def clinical_table(
        self, bins: int = DEFAULT.clinical_bins, cell_days: int = DEFAULT.clinical_cell_days, *, sums: bool = False
    ) -> ScoreOpened:
        """The evaluation of the clinical score, where it is opened."""
        return score_table(self.cohort, self.known_score(self.cohort.x.astype(np.float64)), bins=bins, cell_days=cell_days, sums=sums)


def cases(n: int, seeds: Sequence[int]) -> list[AttackedCase]:
    """A case a seed."""
    return [AttackedCase(n, seed) for seed in seeds]


def cox_code(case: AttackedCase) -> str:
    """Whether the door opens a Cox round of this cohort at defaults."""
    k = max(len(case.columns), 1)
    parameters = CoxRound(
        covariates=Covariates(columns=COLUMNS[:k]), cut_days=(100.0,), mean=(0.0,) * k, sd=(1.0,) * k, beta=(0.0,) * k, rates=(0.0, 0.0)
    )
    c = case.cohort
    return gate("cox.round", parameters, sites=len(c.sites), patients=c.n, events=int(c.event.sum()))


def counts_code(case: AttackedCase) -> str:
    """Whether the door opens counts above thresholds of this cohort's clinical score at defaults."""
    spec = ScoreSpec(model="CLN", columns=COLUMNS, coefficients=(0.0,) * 7)
    c = case.cohort
    parameters = ScoreCounts(split="train", score=spec, thresholds=(0.0,))
    return gate("score.counts", parameters, sites=len(c.sites), patients=c.n, events=int(c.event.sum()))


def table_code(case: AttackedCase, *, exact: bool = False) -> str:
    """Whether the door opens an evaluation table of this cohort at defaults."""
    spec = ScoreSpec(model="CLN", columns=COLUMNS, coefficients=(0.0,) * 7)
    parameters = Table(split="train", score=spec, score_cuts=(0.0,), time_edges=(0.0, float(DEFAULT.clinical_cell_days)), exact=exact)
    c = case.cohort
    return gate("evaluation.table", parameters, sites=len(c.sites), patients=c.n, events=int(c.event.sum()))


# ------------------------------------------------------------------------------------------------ a


def differenced_days(cohort: AttackedCohort, grid: float) -> Claims:
    """Day cells of S0 and S1 at one β: a day on which one patient leaves gives that patient's covariates as S1/S0."""
    beta = np.linspace(0.1, 0.7, 7)
    weight = np.exp(cohort.x @ beta)
    last = int(cohort.day.max()) + 2

    def at_risk(at: NDArray[np.bool_]) -> Floats:
        order = np.arange(last)[:, None] <= cohort.day[at][None, :]
        return np.concatenate([order @ weight[at, None], order @ (weight[at, None] * cohort.x[at])], axis=1).astype(np.float64)

    cells = rounded_sum(cohort, at_risk, grid)
    left = cells[:-1] - cells[1:]
    days = np.flatnonzero(left[:, 0] > 0.5)
    rows = np.clip(np.rint(left[days, 1:] / left[days, :1]), 0, np.array(LEVELS) - 1)
    return Claims(encode(rows), days.astype(np.float64))


def differenced_intervals(transcript: CoxTranscript, columns: tuple[int, ...]) -> Claims:
    """The same on the intervals of `totals`: who leaves within an interval, as one mean row and its middle day.

    Covariate sums by interval are not opened; the means learned from the rounds stand in for them.
    """
    if transcript.end_at is None:
        return Claims.none()
    mean, sd = transcript.scale
    days = np.array([0.0, *transcript.cut_days])
    widths = np.diff(days)
    mass = transcript.rounds[-1].mass[:-1] / widths
    first = mass[:, None] * transcript.end_at[2][:-1]
    lost, lost_x = mass[:-1] - mass[1:], first[:-1] - first[1:]
    inside = np.flatnonzero(lost > 0)
    rows = np.tile(np.array(linear.MOST_FREQUENT, dtype=np.float64), (len(inside), 1))
    rows[:, list(columns)] = np.rint(lost_x[inside] / lost[inside, None] * sd + mean)
    return Claims(encode(np.clip(rows, 0, np.array(LEVELS) - 1)), days[inside + 1])


def attack_a(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Differencing adjacent cells of one opened vector."""
    title = "Difference of adjacent cells"
    chosen = cases(n, seeds)
    fine = summary([score(differenced_days(case.cohort, FINE), case.cohort, case.others) for case in chosen])
    results = [control("a", f"{title}: S0 and S1 by day", fine, fine["patients_hit_share"] >= 0.8, n)]
    exact = CoxExact(covariates=Covariates(columns=COLUMNS), mean=(0.0,) * 7, sd=(1.0,) * 7, beta=(0.0,) * 7, n_days=4000)
    results.append(refused("a", f"{title}: S0 and S1 by day", gate("cox.exact", exact, sites=52, patients=n, events=n), n=n))
    return results + _totals("a", f"{title}: intervals", chosen, lambda case: differenced_intervals(case.clinical[0], case.columns))


def _totals(letter: str, title: str, chosen: list[AttackedCase], claim: Callable[[AttackedCase], Claims]) -> list[AttackResult]:
    """An attack on the resolution `totals`; where the door refuses it, what it would have given is shown as such."""
    code = cox_code(chosen[0])
    figures = summary([score(claim(case), case.cohort, case.others) for case in chosen])
    n = chosen[0].n
    if not code:
        return [statistical(letter, title, n, figures)]
    return [refused(letter, title, code, n=n), statistical(letter, title, n, figures, "if it were permitted")]


# ------------------------------------------------------------------------------------------------ b, g


def attack_b(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """S0 by interval at the β of all rounds; the control sees three hundred chosen β on a fine grid."""
    title = "S0 at several coefficients"
    chosen = cases(n, seeds)
    found = []
    for case in chosen:
        c, rng = case.cohort, np.random.default_rng(case.seed)
        transcript = CoxTranscript(c, c.x.astype(np.float64), CONTROL_CUTS, FINEST)
        transcript.scale = (c.x.mean(axis=0), np.maximum(c.x.std(axis=0), 1e-3))
        zero = np.zeros(len(CONTROL_CUTS) + 1)
        for _ in range(300):
            transcript.totals_round(rng.normal(0, 0.6, 7), zero, *transcript.scale)
        sums = [(asked.beta, asked.mass, None, None) for asked in transcript.rounds]
        found.append(score(linear.from_risk_sums(transcript, sums, CONTROL_CUTS[0]), c, case.others))
    figures = summary(found)
    worked = figures["unique_hit_share"] >= 0.6
    results = [control("b", f"{title}: 300 chosen, 2^-24", figures, worked, n)]
    return results + _totals("b", f"{title}: all rounds", chosen, lambda case: linear.from_masses(case.columns, case.clinical[0]))


def risk_sums(case: AttackedCase, iterates: int = 6) -> Claims:
    """Positive control of g: S0, S1, S2 over ten intervals at the iterates of a fit that is run on, on a grid of 2^-24."""
    c = case.cohort
    transcript, _ = clinical_model(c, ALL, grids=FINEST, tolerance_se=RUN_ON_SE)
    mean, sd = transcript.scale
    width = len(CONTROL_CUTS) + 1
    sums = []
    for asked in transcript.rounds[:iterates]:

        def contribution(at: NDArray[np.bool_], beta: Floats = asked.beta) -> Floats:
            z = (c.x[at] - mean) / sd
            mass = np.exp(z @ beta)[:, None] * exposures(c.day[at], CONTROL_CUTS)
            second = np.einsum("nm,na,nb->mab", mass, z, z)
            return np.concatenate([mass.sum(axis=0), (mass.T @ z).ravel(), second.ravel()])

        opened = rounded_sum(c, contribution, FINE)
        parts = np.split(opened, [width, 8 * width])
        sums.append((asked.beta, parts[0], parts[1].reshape(width, 7), parts[2].reshape(width, 7, 7)))
    return linear.from_risk_sums(transcript, sums, CONTROL_CUTS[0])


def everything(case: AttackedCase, clinical_table: ScoreOpened | None = None) -> Claims:
    """Attack g at defaults: counts, both Cox models, and the evaluation of a fused score as clinical as is permitted.

    With `clinical_table` also what is opened of the clinical score where hospitals permit it.
    """
    scores: list[tuple[Callable[[Floats], Floats], ScoreOpened]] = [(case.clinical_part, case.fused_table)]
    if clinical_table is not None:
        scores.append((case.known_score, clinical_table))
    return linear.from_totals(linear.OpenedSums(case.cohort, case.columns, case.clinical[0], (case.fused, case.known_score), tuple(scores)))


def held_out(case: AttackedCase) -> Claims:
    """Attack g on a held-out cohort: counts and the evaluation of a fused score that was fitted elsewhere."""
    return linear.from_totals(linear.OpenedSums(case.cohort, scores=((case.clinical_part, case.fused_table),)))


def attack_g(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Non-negative least squares over all opened statistics of all iterates."""
    title = "Linear reconstruction over everything opened"
    chosen = cases(n, seeds)
    figures = summary([score(risk_sums(case), case.cohort, case.others) for case in chosen])
    results = [control("g", f"{title}: S0, S1, S2 at 2^-24", figures, figures["unique_hit_share"] >= 0.6, n)]
    results += _totals("g", f"{title}: counts, totals, fused tables", chosen, everything)
    outside = summary([score(held_out(case), case.cohort, case.others) for case in chosen])
    results.append(statistical("g", f"{title}: of a held-out cohort", n, outside))
    if cox_code(chosen[0]):
        return results
    permitted = [everything(case, case.clinical_table()) for case in chosen]
    found = summary([score(claims, case.cohort, case.others) for claims, case in zip(permitted, chosen, strict=True)])
    name = f"{title}: and the clinical score's table of {DEFAULT.clinical_bins} bins, {DEFAULT.clinical_cell_days} days"
    return [*results, statistical("g", name, n, found, "if it were permitted")]


# ------------------------------------------------------------------------------------------------ h


def from_table(case: AttackedCase, opened: ScoreOpened, pattern_score: Floats) -> Claims:
    """The likeliest patterns of a score bin, as many as a time cell holds patients, on the middle day of the cell."""
    prior = linear.pattern_prior(case.cohort)
    days = opened.table.time_edges
    held = opened.table.events + opened.table.censored
    inside = linear.membership(opened.table.score_edges, pattern_score, opened.noise) * prior
    found: list[tuple[int, float]] = []
    for k in np.flatnonzero(held.sum(axis=1)):
        members = np.flatnonzero(inside[k] > 0)
        likely = members[np.argsort(-inside[k, members], kind="stable")]
        for cell in np.flatnonzero(held[k]):
            found += [(int(pattern), float(days[cell] + days[cell + 1]) / 2) for pattern in likely[: int(held[k, cell])]]
    return Claims(np.array([p for p, _ in found], dtype=np.int64), np.array([day for _, day in found]))


def attack_h(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """From score to covariate pattern: coefficients are known, so a narrow score bin names its pattern."""
    title = "Score to pattern from an evaluation table"
    chosen = cases(n, seeds)
    every = patterns()
    fine = []
    for case in chosen:
        c, seven = case.cohort, clinical_model(case.cohort, ALL)[1]
        exact = seven.linear_predictor(every)
        edges = np.linspace(exact.min() - 1e-9, exact.max() + 1e-9, 4097)
        table = site_table(seven.linear_predictor(c.x), c.day, c.event, edges, coarse_time_edges(float(c.day.max()), 1))
        fine.append(score(from_table(case, ScoreOpened(table, None, ()), exact), c, case.others))
    figures = summary(fine)
    results = [control("h", f"{title}: 4096 bins", figures, figures["patients_hit_share"] >= 0.9, n)]
    results.append(refused("h", f"{title}: exact", table_code(chosen[0], exact=True), n=n))
    results += [refused("h", "Score thresholds to pattern", code, n=n)] if (code := counts_code(chosen[0])) else []
    for bins, days in ((DEFAULT.clinical_bins, DEFAULT.clinical_cell_days), (DEFAULT.score_bins, DEFAULT.cell_days)):
        name, tables = f"{title}: {bins} bins, {days} days", [case.clinical_table(bins, days) for case in chosen]
        found = summary([_judge_table(case, table, case.known_score) for case, table in zip(chosen, tables, strict=True)])
        code = table_code(chosen[0]) if days == DEFAULT.clinical_cell_days else ""
        results += [refused("h", name, code, n=n)] if code else []
        results.append(
            statistical("h", name, n, found, "if it were permitted" if code or days != DEFAULT.clinical_cell_days else "default")
        )
    found = summary([_judge_table(case, case.fused_table, case.clinical_part) for case in chosen])
    return [*results, statistical("h", f"{title} of a fused score", n, found)]


def _judge_table(case: AttackedCase, opened: ScoreOpened, pattern_score: Callable[[Floats], Floats]) -> Score:
    return score(from_table(case, opened, pattern_score(patterns())), case.cohort, case.others)
