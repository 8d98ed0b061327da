"""The attacks on a study on shares by letter: each at defaults, where minima are lifted, and where it must succeed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from evidence.attacks import opened_sums
from evidence.attacks.attack_result import AttackResult, control, statistical
from evidence.attacks.claims_about_patients import Claims, Score, score, summary, unique_hits
from evidence.attacks.shares.attacked_study import SharesCase, shares_case
from evidence.attacks.shares.differences import GENERATION, generation_score, one_apart, target_score
from evidence.attacks.shares.iterates import from_all_others
from evidence.attacks.shares.reconstruct import (
    from_curves,
    from_everything,
    from_fine_groups,
    from_groupings,
    from_predictions,
    from_score_groups,
    from_sensitivities,
    from_steps,
    from_swapped,
)
from evidence.attacks.shares.sensitivities import from_daily_curves

LARGEST = 207
"""Every result is open in a study of so many; smaller ones are also attacked with minima lifted."""
WORKS = 0.6
Scoring = Callable[[SharesCase], Score]


def _judge(claim: Callable[[SharesCase], Claims], case: SharesCase) -> Score:
    claims = claim(case)
    elsewhere = float(np.mean([unique_hits(claims, other) for other in case.strangers]))
    return replace(score(claims, case.cohort, case.others), independent_hit=elsewhere)


def _insider(case: SharesCase) -> Score:
    claims, asked = from_all_others(case)
    return score(claims, asked, case.strangers)


def _daily_curves(case: SharesCase) -> Score:
    claims, asked = from_daily_curves(case)
    return score(claims, asked, case.strangers)


def _over(letter: str, title: str, scoring: Scoring, n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """At defaults, and below the largest size with minima lifted."""
    results = [statistical(letter, title, n, summary([scoring(shares_case(n, seed)) for seed in seeds]))]
    if n < LARGEST:
        lifted = summary([scoring(shares_case(n, seed, lifted=True)) for seed in seeds])
        results.append(statistical(letter, title, n, lifted, "if it were permitted"))
    return results


def _control(letter: str, title: str, scoring: Scoring, n: int, seeds: Sequence[int], *, lifted: bool = False) -> AttackResult:
    figures = summary([scoring(shares_case(n, seed, lifted)) for seed in seeds])
    return control(letter, title, figures, figures["unique_hit_share"] >= WORKS, n)


def _sums(attack: Callable[..., Claims], *, seeded: bool = False) -> Scoring:
    return partial(_judge, lambda case: attack(case.cohort, case.seed) if seeded else attack(case.cohort))


def attack_b(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Sums that no study opens: by day, at three hundred coefficients, and products of two columns."""
    results = [
        _control("a", "Difference of sums by day", _sums(opened_sums.differenced_days), n, seeds),
        _control("b", "One sum by interval at 300 coefficients", _sums(opened_sums.chosen_coefficients, seeded=True), n, seeds),
    ]
    pairs, right = (sum(found) for found in zip(*(opened_sums.days_of_pairs(shares_case(n, seed).cohort) for seed in seeds), strict=True))
    figures = {"pairs_of_one": float(pairs), "days_found": float(right)}
    return [*results, control("k", "Products of two columns that one patient holds", figures, right >= 0.9 * pairs > 0, n)]


def attack_g(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Everything opened together."""
    sums = _control("g", "Sums of products by interval at several coefficients", _sums(opened_sums.products_at_iterates), n, seeds)
    title = "Everything: curves, Table 1, groupings, predictions, sensitivities, steps, variances and score tests"
    return [sums, *_over("g", title, partial(_judge, from_everything), n, seeds)]


def attack_h(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """From score to pattern: cut-offs and risk groups of the clinical score."""
    table = _control("h", "Score bins by day", _sums(opened_sums.score_by_day), n, seeds)
    return [table, *_over("h", "Cut-offs and risk groups of the clinical score to patterns", partial(_judge, from_score_groups), n, seeds)]


def attack_l(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Whole numbers from curves, numbers at risk and Table 1."""
    fine = _control("l", "Curves of 64 groups by day with pairs of columns", partial(_judge, from_fine_groups), n, seeds)
    return [fine, *_over("l", "Whole numbers from curves, numbers at risk and Table 1", partial(_judge, from_curves), n, seeds)]


def attack_m(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Groupings against each other."""
    apart = _control("m", "Two groups one patient apart", partial(_judge, one_apart), n, seeds)
    systems = _over("m", "Groupings of the clinical and the fused score with Table 1", partial(_judge, from_groupings), n, seeds)
    return [apart, *systems, *_over("m", "Two models' groups subtracted", partial(_judge, from_swapped), n, seeds)]


def attack_n(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Mean predictions of calibration groups as sums of known numbers, and sensitivities of the score."""
    apart = _control("n", "Mean predictions of two groups one patient apart", partial(_judge, one_apart), n, seeds)
    groups = _over("n", "Calibration groups: sizes, deaths and mean predictions", partial(_judge, from_predictions), n, seeds)
    points = _over("n", "Sensitivities at declared specificities with groupings", partial(_judge, from_sensitivities), n, seeds)
    if n < LARGEST:
        return [apart, *groups, *points]
    daily = _control("n", "Whole ROC curves at horizons a day apart", _daily_curves, n, seeds)
    return [apart, *groups, daily, *points]


def attack_o(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Two generations of the same study."""
    results = _over("o", f"Two studies, {GENERATION} training patients apart", partial(generation_score, new=GENERATION), n, seeds)
    if n < LARGEST:
        return results
    return [_control("o", "Two studies, one training patient apart", partial(generation_score, new=1), n, seeds), *results]


def attack_p(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """Steps, variances, coefficients and score tests of the clinical Cox model."""
    results = _over("p", "Steps, variances and score tests of the clinical Cox model", partial(_judge, from_steps), n, seeds)
    if n < LARGEST:
        return results
    return [_control("p", "One fit, and everybody else's rows", _insider, n, seeds), *results]


def attack_t(n: int, seeds: Sequence[int]) -> list[AttackResult]:
    """The day of a patient who is known to be in the study."""
    fine = _control("t", "Known covariates, curves of 64 groups by day", partial(_judge, from_fine_groups), n, seeds)
    return [fine, *_over("t", "Known covariates to the day of a training patient", target_score, n, seeds)]
