"""What t holders hold says nothing, and what t + 1 hold says everything."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from shared_model.shares.numbers.residues import COUNT, MAIN, PRIMES, Ring
from shared_model.shares.numbers.shamir import Sharing, uniform
from shared_model.shares.numbers.shared_randomness import derive_keys
from tests.shared_model.shares.shares_support import random_residues, token

TOY = Ring((7,))


@pytest.mark.parametrize("m", [3, 5])
def test_any_t_plus_1_holders_rebuild_rows_and_all_combine_products(m: int) -> None:
    sharing, x, y = Sharing(m), random_residues(PRIMES, 4, seed=1), random_residues(PRIMES, 4, seed=2)
    a, b = sharing.split(x, MAIN, token), sharing.split(y, MAIN, token)
    for holders in itertools.combinations(range(1, m + 1), sharing.t + 1):
        assert (sharing.rebuild({k: a[k - 1] for k in holders}, MAIN) == x).all()
    products = [MAIN.multiply(u, v) for u, v in zip(a, b, strict=True)]
    assert (sharing.combine(products, MAIN) == MAIN.multiply(x, y)).all()
    with pytest.raises(ValueError, match="do not determine"):
        sharing.rebuild({k: a[k - 1] for k in range(1, sharing.t + 1)}, MAIN)


@pytest.mark.parametrize("m", [3, 5])
def test_shares_of_t_holders_are_distributed_alike_for_every_secret(m: int) -> None:
    """All polynomials of a toy field: any t holders see every combination equally often."""
    sharing, p = Sharing(m), TOY.primes[0]
    every = np.array(list(itertools.product(range(p), repeat=sharing.t)), np.uint32).T
    for secret in range(p):
        rows = iter(every)
        feed = lambda count, rows=rows: next(rows).astype("<u4").tobytes()  # noqa: E731
        shares = sharing.split(np.full((1, every.shape[1]), secret, np.uint32), TOY, feed)
        for holders in itertools.combinations(range(m), sharing.t):
            seen = Counter(zip(*(shares[k][0].tolist() for k in holders), strict=True))
            assert set(seen.values()) == {1}
            assert len(seen) == p**sharing.t


def test_three_or_five_holders() -> None:
    with pytest.raises(ValueError, match="three or five"):
        Sharing(4)


def test_words_above_the_last_multiple_of_the_prime_are_drawn_again() -> None:
    words = iter([np.array([2**32 - 1, 4, 2**32 - 5, 9], "<u4"), np.array([2**32 - 2, 11], "<u4"), np.array([2**32 - 6], "<u4")])
    found = uniform(COUNT.first(1), 4, lambda count: next(words).tobytes())
    assert found.tolist() == [[2**32 - 6, 4, 11, 9]]


def test_members_of_a_set_draw_alike_and_every_attempt_and_opening_anew() -> None:
    sharing = Sharing(3)
    nonces = {k: token(32) for k in (1, 2, 3)}
    parts = {members: {k: token(32) for k in members} for members in sharing.sets}
    keys = {k: derive_keys(b"c", 1, nonces, {members: parts[members] for members in sharing.of(k)}) for k in (1, 2, 3)}
    first = keys[1].draws("opening", 1).words((1, 2), 70, 5)
    assert (keys[2].draws("opening", 1).words((1, 2), 70, 5) == first).all()
    assert first.shape == (3, 5)
    assert int(first[-1].max()) < 1 << 6
    assert (1, 2) not in keys[3].sets
    again = derive_keys(b"c", 2, nonces, {members: parts[members] for members in sharing.of(1)})
    fresh = derive_keys(b"c", 1, nonces | {3: token(32)}, {members: parts[members] for members in sharing.of(1)})
    others = [keys[1].draws("opening", 2), keys[1].draws("random", 1), again.draws("opening", 1), fresh.draws("opening", 1)]
    assert all((draws.words((1, 2), 70, 5) != first).any() for draws in others)
    assert keys[1].everybody == keys[3].everybody != again.everybody
