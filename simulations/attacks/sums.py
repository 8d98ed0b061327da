"""Attacks on opened sums: a (adjacent cells), b (S0 at several β), g (everything, linear), h (evaluation table), k (pairs)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared_model.parameters import Covariates, CoxExact, CoxRound, ScoreSpec, Table
from shared_model.survival import cox
from shared_model.survival.hazard import exposures
from shared_model.survival.table import coarse_time_edges, site_table
from simulations.attacks import linear
from simulations.attacks.claims import NEAR_DAYS, Claims, score, summary
from simulations.attacks.cohorts import COLUMNS, LEVELS, Cohort, Floats, controls, draw, encode, patterns
from simulations.attacks.opened import (
    DEFAULT,
    FINE,
    CoxTranscript,
    ScoreOpened,
    clinical_model,
    column_counts,
    default_columns,
    rounded_sum,
    score_table,
)
from simulations.attacks.result import Result, control, gate, refused, statistical

ALL = tuple(range(len(COLUMNS)))
DEVELOPMENT_SEED = 500_000
CONTROL_CUTS = (90.0, *(90.0 + 200.0 * k for k in range(1, 9)))


@dataclass(frozen=True)
class Case:
    """One cohort with its controls and what a study at defaults opens of it; computed when first asked for."""

    n: int
    seed: int

    @cached_property
    def cohort(self) -> Cohort:
        """The patients."""
        return draw(self.n, self.seed)

    @cached_property
    def others(self) -> tuple[Cohort, ...]:
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
        case = self if not cox_code(self) else Case(207, DEVELOPMENT_SEED + self.seed)
        return lambda rows: case.clinical[1].linear_predictor(rows[:, list(case.columns)])

    @cached_property
    def table(self) -> ScoreOpened:
        """The default evaluation of CLN's score."""
        return score_table(self.cohort, self.known_score(self.cohort.x.astype(np.float64)))


def cases(n: int, seeds: Sequence[int]) -> list[Case]:
    """A case a seed."""
    return [Case(n, seed) for seed in seeds]


def cox_code(case: Case) -> str:
    """Whether the door opens a Cox round of this cohort at defaults."""
    k = max(len(case.columns), 1)
    parameters = CoxRound(
        covariates=Covariates(columns=COLUMNS[:k]), cut_days=(100.0,), mean=(0.0,) * k, sd=(1.0,) * k, beta=(0.0,) * k, rates=(0.0, 0.0)
    )
    c = case.cohort
    return gate("cox.round", parameters, sites=len(c.sites), patients=c.n, events=int(c.event.sum()))


def table_code(case: Case, *, exact: bool = False) -> str:
    """Whether the door opens an evaluation table of this cohort at defaults."""
    spec = ScoreSpec(model="CLN", columns=COLUMNS, coefficients=(0.0,) * 7)
    parameters = Table(split="train", score=spec, score_cuts=(0.0,), time_edges=(0.0, float(DEFAULT.clinical_cell_days)), exact=exact)
    c = case.cohort
    return gate("evaluation.table", parameters, sites=len(c.sites), patients=c.n, events=int(c.event.sum()))


# ------------------------------------------------------------------------------------------------ a


def differenced_days(cohort: Cohort, grid: float) -> Claims:
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
    """The same on the intervals of `totals`: who leaves within an interval, as one mean row and its middle day."""
    if transcript.end is None:
        return Claims.none()
    mean, sd = transcript.scale
    days = np.array([0.0, *transcript.cut_days])
    widths = np.diff(days)
    mass = transcript.rounds[-1].mass[:-1] / widths
    first = transcript.end.mass_x[:-1] / widths[:, None]
    lost, lost_x = mass[:-1] - mass[1:], first[:-1] - first[1:]
    inside = np.flatnonzero(lost > 0)
    rows = np.tile(np.array(linear.MOST_FREQUENT, dtype=np.float64), (len(inside), 1))
    rows[:, list(columns)] = np.rint(lost_x[inside] / lost[inside, None] * sd + mean)
    return Claims(encode(np.clip(rows, 0, np.array(LEVELS) - 1)), days[inside + 1])


def attack_a(n: int, seeds: Sequence[int]) -> list[Result]:
    """Differencing adjacent cells of one opened vector."""
    title = "Difference of adjacent cells"
    chosen = cases(n, seeds)
    fine = summary([score(differenced_days(case.cohort, FINE), case.cohort, case.others) for case in chosen])
    results = [control("a", f"{title}: S0 and S1 by day", fine, fine["patients_hit_share"] >= 0.8, n)]
    exact = CoxExact(covariates=Covariates(columns=COLUMNS), mean=(0.0,) * 7, sd=(1.0,) * 7, beta=(0.0,) * 7, n_days=4000)
    results.append(refused("a", f"{title}: S0 and S1 by day", gate("cox.exact", exact, sites=52, patients=n, events=n), n=n))
    return results + _totals("a", f"{title}: intervals", chosen, lambda case: differenced_intervals(case.clinical[0], case.columns))


def _totals(letter: str, title: str, chosen: list[Case], claim: Callable[[Case], Claims]) -> list[Result]:
    """An attack on the resolution `totals`; where the door refuses it, what it would have given is shown as such."""
    code = cox_code(chosen[0])
    figures = summary([score(claim(case), case.cohort, case.others) for case in chosen])
    n = chosen[0].n
    if not code:
        return [statistical(letter, title, n, figures)]
    return [refused(letter, title, code, n=n), statistical(letter, title, n, figures, "if it were permitted")]


# ------------------------------------------------------------------------------------------------ b, g


def attack_b(n: int, seeds: Sequence[int]) -> list[Result]:
    """S0 by interval at the β of all rounds; the control sees three hundred chosen β on a fine grid."""
    title = "S0 at several coefficients"
    chosen = cases(n, seeds)
    found = []
    for case in chosen:
        c, rng = case.cohort, np.random.default_rng(case.seed)
        transcript = CoxTranscript(c, CONTROL_CUTS, FINE)
        transcript.scale = (c.x.mean(axis=0), np.maximum(c.x.std(axis=0), 1e-3))
        zero = np.zeros(len(CONTROL_CUTS) + 1)
        for _ in range(300):
            transcript.totals_round(rng.normal(0, 0.6, 7), zero, *transcript.scale)
        sums = [(asked.beta, asked.mass, None, None) for asked in transcript.rounds]
        found.append(score(linear.from_risk_sums(transcript, sums, CONTROL_CUTS[0]), c, case.others))
    figures = summary(found)
    worked = figures["unique_hit_share"] >= 0.6
    results = [control("b", f"{title}: 300 chosen, 2^-24", figures, worked, n)]
    return results + _totals("b", f"{title}: all rounds, 2^-10", chosen, lambda case: linear.from_masses(case.columns, case.clinical[0]))


def risk_sums(case: Case, iterates: int = 6) -> Claims:
    """Positive control of g: S0, S1, S2 over ten intervals at the iterates of the fit, on a grid of 2^-24."""
    c = case.cohort
    transcript, _ = clinical_model(c, ALL, grid=FINE)
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


def everything(case: Case, *, finer: bool = False) -> Claims:
    """Attack g at defaults, or with the table of a clinical score as fine as that of a score with images."""
    transcript, fitted = case.clinical
    table = case.table
    if finer:
        scores = case.known_score(case.cohort.x.astype(np.float64))
        table = score_table(case.cohort, scores, bins=DEFAULT.score_bins, cell_days=DEFAULT.cell_days, sums=True)
    return linear.from_totals(case.columns, transcript, fitted.coef, table)


def attack_g(n: int, seeds: Sequence[int]) -> list[Result]:
    """Non-negative least squares over all opened statistics of all iterates."""
    title = "Linear reconstruction over everything opened"
    chosen = cases(n, seeds)
    figures = summary([score(risk_sums(case), case.cohort, case.others) for case in chosen])
    results = [control("g", f"{title}: S0, S1, S2 at 2^-24", figures, figures["unique_hit_share"] >= 0.6, n)]
    results += _totals("g", f"{title}: totals, tables, counts", chosen, everything)
    if cox_code(chosen[0]):
        return results
    finer = summary([score(everything(case, finer=True), case.cohort, case.others) for case in chosen])
    name = f"{title}: with {DEFAULT.score_bins} bins, {DEFAULT.cell_days} days and bin sums"
    return [*results, statistical("g", name, n, finer, "if it were permitted")]


# ------------------------------------------------------------------------------------------------ h


def pattern_prior(case: Case) -> Floats:
    """Probability of each of 256 patterns, columns independent at their opened frequencies."""
    rows = patterns().astype(np.int64)
    shares = [np.bincount(case.cohort.x[:, k], minlength=levels) / case.cohort.n for k, levels in enumerate(LEVELS)]
    return np.asarray(np.prod([share[rows[:, k]] for k, share in enumerate(shares)], axis=0))


def from_table(case: Case, opened: ScoreOpened, pattern_score: Floats) -> Claims:
    """The likeliest patterns of a score bin, as many as a time cell holds patients, on the middle day of the cell."""
    prior = pattern_prior(case)
    edges, days = opened.table.score_edges, opened.table.time_edges
    inside = np.clip(np.searchsorted(edges, pattern_score, side="left") - 1, 0, len(edges) - 2)
    held = opened.table.events + opened.table.censored
    found: list[tuple[int, float]] = []
    for k in np.flatnonzero(held.sum(axis=1)):
        members = np.flatnonzero((inside == k) & (prior > 0))
        likely = members[np.argsort(-prior[members], kind="stable")]
        for cell in np.flatnonzero(held[k]):
            found += [(int(pattern), float(days[cell] + days[cell + 1]) / 2) for pattern in likely[: int(held[k, cell])]]
    return Claims(np.array([p for p, _ in found], dtype=np.int64), np.array([day for _, day in found]))


def attack_h(n: int, seeds: Sequence[int]) -> list[Result]:
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
    code = table_code(chosen[0])
    for name, bins, days, setting in (
        (
            f"{title}: {DEFAULT.clinical_bins} bins, {DEFAULT.clinical_cell_days} days",
            DEFAULT.clinical_bins,
            DEFAULT.clinical_cell_days,
            "default",
        ),
        (f"{title}: {DEFAULT.score_bins} bins, {DEFAULT.cell_days} days", DEFAULT.score_bins, DEFAULT.cell_days, "if it were permitted"),
    ):
        if code and setting == "default":
            results.append(refused("h", name, code, n=n))
        tables = [
            score_table(case.cohort, case.known_score(case.cohort.x.astype(np.float64)), bins=bins, cell_days=days) for case in chosen
        ]
        found = [
            score(from_table(case, table, case.known_score(every)), case.cohort, case.others)
            for case, table in zip(chosen, tables, strict=True)
        ]
        results.append(statistical("h", name, n, summary(found), "if it were permitted" if code or setting != "default" else "default"))
    return results


# ------------------------------------------------------------------------------------------------ k


def single_pairs(case: Case, columns: tuple[int, ...]) -> list[tuple[int, int]]:
    """Positions in `columns` of pairs that one patient holds alone, as opened pre-counts tell."""
    counts = column_counts(case.cohort).pair_nonzero
    k = len(columns)
    return [(a, b) for a in range(k) for b in range(a + 1, k) if counts[columns[a], columns[b]] == 1]


def _judge_days(case: Case, columns: tuple[int, ...], found: dict[tuple[int, int], float]) -> tuple[int, int, float]:
    """Pairs, days right within 15, and how many would be right by chance."""
    c = case.cohort
    hits, chance = 0, 0.0
    for (a, b), day in found.items():
        patient = (c.x[:, columns[a]] > 0) & (c.x[:, columns[b]] > 0)
        hits += bool(np.abs(c.day[patient] - day).min() <= NEAR_DAYS)
        chance += float(np.mean([np.mean(np.abs(other.day - day) <= NEAR_DAYS) for other in case.others]))
    return len(found), hits, chance


def days_from_risk_sums(case: Case) -> tuple[int, int, float]:
    """Control: S2 by interval at one β is that patient's w·e_m; everybody is at risk all through the first interval."""
    c = case.cohort
    weight = np.exp(c.x @ np.linspace(0.1, 0.7, 7))

    def contribution(at: NDArray[np.bool_]) -> Floats:
        mass = weight[at, None] * exposures(c.day[at], CONTROL_CUTS)
        return np.asarray(np.einsum("nm,na,nb->abm", mass, (c.x[at] > 0).astype(float), (c.x[at] > 0).astype(float)))

    sums = rounded_sum(c, contribution, FINE)
    found = {(a, b): float(sums[a, b].sum() / (sums[a, b, 0] / CONTROL_CUTS[0])) for a, b in single_pairs(case, ALL)}
    return _judge_days(case, ALL, found)


def days_from_products(case: Case, columns: tuple[int, ...]) -> tuple[int, int, float]:
    """From Q at the end of `totals`: w·H at known rates; other columns are taken at their most frequent value."""
    transcript, _ = clinical_model(case.cohort, columns)
    if transcript.end is None or transcript.end_at is None:
        return 0, 0, 0.0
    beta, rates = transcript.end_at
    mean, sd = transcript.scale
    days = np.arange(1.0, 3000.0)
    cumulative = exposures(days, transcript.cut_days) @ rates
    found = {}
    for a, b in single_pairs(case, columns):
        row = np.array(linear.MOST_FREQUENT, dtype=np.float64)[list(columns)]
        row[[a, b]] = 1
        hazard = _raw_product(transcript, a, b) / float(np.exp(((row - mean) / sd) @ beta))
        found[a, b] = float(days[np.argmin(np.abs(cumulative - hazard))])
    return _judge_days(case, columns, found)


def _raw_product(transcript: CoxTranscript, a: int, b: int) -> float:
    """Σ w H x_a x_b from Q, G and Σ w H, which are about standardised covariates."""
    assert transcript.end is not None and transcript.end_at is not None
    mean, sd = transcript.scale
    rates = transcript.end_at[1]
    last = transcript.rounds[-1]
    total = float(last.mass @ rates)
    first = transcript.end.mass_x.T @ rates
    raw = transcript.end.second[a, b] * sd[a] * sd[b] + mean[a] * first[b] * sd[b] + mean[b] * first[a] * sd[a] + mean[a] * mean[b] * total
    return float(raw)


def attack_k(n: int, seeds: Sequence[int]) -> list[Result]:
    """A product of two columns that one patient holds alone gives that patient's cumulative hazard, hence the day."""
    title = "Pairs of covariates held by one patient"
    chosen = cases(n, seeds)

    def figures(found: list[tuple[int, int, float]]) -> dict[str, float]:
        pairs, hits, chance = np.sum(np.array(found, dtype=np.float64), axis=0)
        return {"pairs_of_one": float(pairs), "days_found": float(hits), "days_by_chance": float(chance), "cohorts": float(len(found))}

    fine = figures([days_from_risk_sums(case) for case in chosen])
    worked = fine["days_found"] >= 0.9 * fine["pairs_of_one"] > 0
    results = [control("k", f"{title}: S2 by interval", fine, worked, n)]
    without = figures([days_from_products(case, ALL) for case in chosen])
    verdict = "succeeds" if without["days_found"] > 2 * without["days_by_chance"] + 2 else "no better than chance"
    results.append(Result("k", f"{title}: no pre-counts, 2^-10", "if it were permitted", verdict, None, without, n))
    code, name = cox_code(chosen[0]), f"{title}: pre-counts"
    if code:
        return [*results, refused("k", name, code, n=n)]
    opened = figures([(len(single_pairs(case, case.columns)), 0, 0.0) for case in chosen])
    none = opened["pairs_of_one"] == 0
    return [*results, Result("k", name, "default", "no such pair is opened" if none else "succeeds", none, opened, n)]
