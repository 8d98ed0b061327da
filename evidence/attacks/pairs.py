"""Attack k: a pair of covariates that one patient holds alone gives that patient's day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evidence.attacks import linear
from evidence.attacks.claims import NEAR_DAYS
from evidence.attacks.cohorts import Floats
from evidence.attacks.opened import FINE, CoxTranscript, clinical_model, column_counts, rounded_sum
from evidence.attacks.result import AttackResult, control, refused
from evidence.attacks.sums import ALL, CONTROL_CUTS, AttackedCase, cases, cox_code
from shared_model.survival.hazard import exposures


def single_pairs(case: AttackedCase, columns: tuple[int, ...]) -> list[tuple[int, int]]:
    """Positions in `columns` of pairs that one patient holds alone, as opened pre-counts tell."""
    counts = column_counts(case.cohort).pair_nonzero
    k = len(columns)
    return [(a, b) for a in range(k) for b in range(a + 1, k) if counts[columns[a], columns[b]] == 1]


def _judge_days(case: AttackedCase, columns: tuple[int, ...], found: dict[tuple[int, int], float]) -> tuple[int, int, float]:
    """Pairs, days right within 15, and how many would be right by chance."""
    c = case.cohort
    hits, chance = 0, 0.0
    for (a, b), day in found.items():
        patient = (c.x[:, columns[a]] > 0) & (c.x[:, columns[b]] > 0)
        hits += bool(np.abs(c.day[patient] - day).min() <= NEAR_DAYS)
        chance += float(np.mean([np.mean(np.abs(other.day - day) <= NEAR_DAYS) for other in case.others]))
    return len(found), hits, chance


def days_from_risk_sums(case: AttackedCase) -> tuple[int, int, float]:
    """Control: S2 by interval at one β is that patient's w·e_m; everybody is at risk all through the first interval."""
    c = case.cohort
    weight = np.exp(c.x @ np.linspace(0.1, 0.7, 7))

    def contribution(at: NDArray[np.bool_]) -> Floats:
        mass = weight[at, None] * exposures(c.day[at], CONTROL_CUTS)
        return np.asarray(np.einsum("nm,na,nb->abm", mass, (c.x[at] > 0).astype(float), (c.x[at] > 0).astype(float)))

    sums = rounded_sum(c, contribution, FINE)
    found = {(a, b): float(sums[a, b].sum() / (sums[a, b, 0] / CONTROL_CUTS[0])) for a, b in single_pairs(case, ALL)}
    return _judge_days(case, ALL, found)


def days_from_products(case: AttackedCase, columns: tuple[int, ...]) -> tuple[int, int, float]:
    """From the products at the end of `totals`: w·H at known rates; other columns are taken at their most frequent value."""
    transcript, _ = clinical_model(case.cohort, columns)
    if transcript.end is None or transcript.end_at is None:
        return 0, 0, 0.0
    beta, rates, _ = transcript.end_at
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
    """Σ w H x_a x_b from the products, G and Σ w H, which are about standardised covariates.

    The products are about the centres asked, so those count as the means of every interval.
    """
    assert transcript.end is not None and transcript.end_at is not None
    mean, sd = transcript.scale
    _, rates, centres = transcript.end_at
    last = transcript.rounds[-1]
    second = transcript.end.second + (centres * (rates * last.mass)[:, None]).T @ centres
    total = float(last.mass @ rates)
    first = transcript.end.weighted
    raw = second[a, b] * sd[a] * sd[b] + mean[a] * first[b] * sd[b] + mean[b] * first[a] * sd[a] + mean[a] * mean[b] * total
    return float(raw)


def attack_k(n: int, seeds: Sequence[int]) -> list[AttackResult]:
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
    results.append(AttackResult("k", f"{title}: no pre-counts", "if it were permitted", verdict, None, without, n))
    code, name = cox_code(chosen[0]), f"{title}: pre-counts"
    if code:
        return [*results, refused("k", name, code, n=n)]
    opened = figures([(len(single_pairs(case, case.columns)), 0, 0.0) for case in chosen])
    none = opened["pairs_of_one"] == 0
    return [*results, AttackResult("k", name, "default", "no such pair is opened" if none else "succeeds", none, opened, n)]
