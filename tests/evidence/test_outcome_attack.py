"""The attack on outcomes under noise: two patients of one release are told apart by a joint likelihood, which keeps to its bound."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm

from evidence.attacks.outcome import SeenRounds, pairs_told_apart


def _release(random: np.random.Generator, patients: int, size: int, deviation: float) -> tuple[SeenRounds, np.ndarray]:
    parts, others = random.standard_normal((2, 2, patients, size))
    sums = [one.sum(axis=0) + deviation * random.standard_normal(size) for one in parts]
    return SeenRounds(sums, list(parts), list(others), [], deviation), random.random(patients) < 0.5


def test_pairs_are_judged_by_the_densities_of_both_cases() -> None:
    """The same as scipy's densities of all rounds, one exchange after another."""
    seen, event = _release(np.random.default_rng(5), 8, 3, 2.0)
    right = []
    for i in np.flatnonzero(event):
        for j in np.flatnonzero(~event):
            found = 0.0
            for total, parts, others in zip(seen.sums, seen.parts, seen.others, strict=True):
                swapped = parts.copy()
                swapped[[i, j]] = others[[i, j]]
                for sign, case in ((1, parts), (-1, swapped)):
                    found += sign * norm.logpdf(total, case.sum(axis=0), seen.deviation).sum()
            right.append(found > 0)
    assert pairs_told_apart(seen, event) == np.mean(right)


def test_two_patients_who_would_change_the_sum_alike_are_not_told_apart() -> None:
    """Scores that know the other's outcome would tell them apart every time: the sum holds one death of two alike in either case."""
    random = np.random.default_rng(6)
    parts = [random.integers(-9, 10, (2, 4)).astype(float)]
    move = np.array([1.0, -2.0, 3.0, 4.0])
    event = np.array([True, False])
    others = [parts[0] + np.where(event[:, None], -move, move)]
    total = parts[0].sum(axis=0) + random.integers(-9, 10, 4)
    assert pairs_told_apart(SeenRounds([total], parts, others, [], 1.0), event) == 0.5


def test_opposite_moves_reach_the_bound() -> None:
    """Two who move the sum by 2C in opposite directions: told apart in Φ(2μ) of releases, μ = C/σ."""
    random, length, deviation, releases = np.random.default_rng(7), 2.0, 4.0, 4000
    event, found = np.array([True, False]), 0.0
    for _ in range(releases):
        parts = [np.array([[length, 0.0], [length, 0.0]])]
        total = parts[0].sum(axis=0) + deviation * random.standard_normal(2)
        found += pairs_told_apart(SeenRounds([total], parts, [np.zeros((2, 2))], [], deviation), event)
    bound = float(ndtr(2 * (length / 2) / deviation))
    assert abs(found / releases - bound) < 4 * (bound * (1 - bound) / releases) ** 0.5
