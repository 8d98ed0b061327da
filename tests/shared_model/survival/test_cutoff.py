"""Cut-off and score bins by bisection on masked counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_model.survival.cutoff import counts_above, median_cutoff, quantile_edges
from site_config.problems.base import Problem


class Counts:
    def __init__(self, scores, sites=9):
        self.parts = [scores[k::sites] for k in range(sites)]
        self.asked = []

    def counts_above(self, thresholds):
        self.asked.append(thresholds)
        return sum(counts_above(part, thresholds) for part in self.parts)


@given(seed=st.integers(0, 2**31), n=st.integers(20, 300), kind=st.sampled_from(["normal", "skewed", "tied"]))
def test_splits_as_the_median_does(seed, n, kind):
    rng = np.random.default_rng(seed)
    score = {"normal": rng.normal(size=n), "skewed": np.exp(2 * rng.normal(size=n)), "tied": rng.integers(0, 6, n).astype(float)}[kind]
    expected = int((score > np.median(score)).sum())
    if min(expected, n - expected) < 10:
        with pytest.raises(Problem) as problem:
            median_cutoff(Counts(score), n, score.mean(), score.std())
        assert problem.value.code == "FH-812"
        return
    opener = Counts(score)
    found = median_cutoff(opener, n, float(score.mean()), float(score.std()))
    assert found.queries == len(opener.asked)
    assert found.above == int((score > found.value).sum())
    assert abs(found.above - expected) <= (1 if kind == "skewed" else 0)


def test_too_few_patients_have_no_cutoff():
    with pytest.raises(Problem) as problem:
        median_cutoff(Counts(np.arange(19.0)), 19, 9.0, 5.5)
    assert problem.value.code == "FH-812"


@given(seed=st.integers(0, 2**31), n=st.integers(1, 400), tied=st.booleans())
def test_bins_hold_at_least_ten_and_are_at_most_sixteen(seed, n, tied):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 5, n).astype(float) if tied else rng.normal(size=n)
    opener = Counts(score)
    edges = quantile_edges(opener, n, float(score.mean()), float(score.std()))
    held = np.histogram(score, bins=np.nan_to_num(edges, posinf=1e9, neginf=-1e9))[0]
    assert len(edges) - 1 <= 16
    assert (edges[0], edges[-1]) == (-np.inf, np.inf)
    below = np.array([(score <= edge).sum() for edge in edges[1:]])
    assert len(edges) == 2 or np.diff(np.concatenate([[0], below])).min() >= 10
    assert held.sum() == n
    if not tied and n >= 160:
        assert len(edges) - 1 >= 12
    assert len(opener.asked) <= 12
