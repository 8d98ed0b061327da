"""What an opening tells: nothing of a product, exhaustively in a toy ring, and of a rounded one less than its mask allows, counted."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Sequence

import numpy as np
import pytest

from shared_model.shares.holder.mask_and_truncate import HIDE, Masked, Masker, _carry, bits_of
from shared_model.shares.numbers.residues import COUNT, MAIN, Ring
from shared_model.shares.numbers.shamir import HolderSet, Sharing
from shared_model.shares.numbers.shared_randomness import Keys, derive_keys
from site_config.problems.base import Problem
from tests.shared_model.shares.shares_support import token


class Listed:
    """`Draws` that a test lists beforehand, by set, in the order in which they are drawn."""

    def __init__(self, listed: dict[HolderSet, Sequence[np.ndarray]]) -> None:
        self.left = {members: deque(arrays) for members, arrays in listed.items()}

    def residues(self, members: HolderSet, ring: Ring, n: int) -> np.ndarray:
        found = np.asarray(self.left[members].popleft(), np.uint32).reshape(1, n)
        return np.repeat(found, ring.k, axis=0)

    def words(self, members: HolderSet, bits: int, n: int) -> np.ndarray:
        found = np.asarray(self.left[members].popleft(), np.uint32).reshape(1, n)
        assert bits < 32
        assert int(found.max(initial=0)) < 1 << bits
        return found


def keys_of(m: int) -> dict[int, Keys]:
    sharing = Sharing(m)
    nonces = {k: token(32) for k in range(1, m + 1)}
    parts = {members: {k: token(32) for k in members} for members in sharing.sets}
    return {k: derive_keys(b"c", 1, nonces, {members: parts[members] for members in sharing.of(k)}) for k in nonces}


def opened(sharing: Sharing, masked: Sequence[Masked]) -> np.ndarray:
    found = sharing.combine([one.sent for one in masked], masked[0].ring)
    return sharing.rebuild({k: one.finish(found) for k, one in enumerate(masked, 1)}, MAIN)


# exhaustively, in a toy field


@pytest.mark.parametrize("m", [3, 5])
def test_honest_messages_of_an_exact_opening_are_uniform_whatever_is_multiplied(m: int) -> None:
    """For every secret and every coalition of t holders, all messages of the others occur equally often: t + 1 uniform numbers."""
    sharing, ring = Sharing(m), Ring((7,))
    rng = np.random.default_rng(0)
    every = np.array(list(itertools.product(range(7), repeat=sharing.t + 1))).T
    n = every.shape[1]
    for secret, coalition in itertools.product(range(7), itertools.combinations(range(1, m + 1), sharing.t)):
        hidden = tuple(k for k in range(1, m + 1) if k not in coalition)
        known = {members: [np.full(n, rng.integers(7)) for _ in range(sharing.t + 1)] for members in sharing.sets if members != hidden} | {
            hidden: list(every)
        }
        shares = np.full((1, n), secret, np.uint32)  # what is unknown to the coalition is the draw, not the sharing
        masked = [Masker(sharing, k, ring).exact(shares, ring, Listed(known)) for k in range(1, m + 1)]
        seen = Counter(zip(*(masked[k - 1].sent[0].tolist() for k in hidden), strict=True))
        assert len(seen) == 7 ** (sharing.t + 1)
        assert set(seen.values()) == {1}


def test_a_coalition_and_the_coordinator_see_the_same_of_two_cohorts_with_one_result() -> None:
    """The whole way in F_5: two rows are dealt, multiplied, the product is opened as a fresh sharing, and then revealed.

    Everything that holder 1 does not hold is enumerated, for 30 settings of what it holds.
    """
    sharing, ring, p = Sharing(3), Ring((5,)), 5
    free = np.array(list(itertools.product(range(p), repeat=5))).T  # the dealer's two, then mask, zero and zero of set (2, 3)
    n = free.shape[1]
    rng = np.random.default_rng(1)
    for _ in range(30):
        held = {members: [np.full(n, rng.integers(p)) for _ in range(3)] for members in ((1, 2), (1, 3))} | {(2, 3): list(free[2:])}
        views = {cohort: _view(sharing, ring, cohort, free[:2], held) for cohort in ((1, 4), (2, 2), (3, 3), (1, 3))}
        assert views[1, 4] == views[2, 2] == views[3, 3]
        assert views[1, 3] != views[1, 4]  # another result: the reveal tells it, and only that
        assert {view[-1] for view in views[1, 3]} == {3}


def _view(sharing: Sharing, ring: Ring, cohort: tuple[int, int], dealt: np.ndarray, held: dict[HolderSet, list[np.ndarray]]) -> Counter:
    p = ring.primes[0]
    shares = [[((cohort[i] + dealt[i] * k) % p).astype(np.uint32)[None] for i in (0, 1)] for k in (1, 2, 3)]
    maskers = [Masker(sharing, k, ring) for k in (1, 2, 3)]
    draws = [Listed(held) for _ in maskers]
    first = [masker.exact(ring.multiply(*share), ring, draw) for masker, share, draw in zip(maskers, shares, draws, strict=True)]
    between = sharing.combine([one.sent for one in first], ring)
    product = [one.finish(between) for one in first]
    last = [masker.plain(share, ring, draw) for masker, share, draw in zip(maskers, product, draws, strict=True)]
    result = sharing.combine([one.sent for one in last], ring)
    seen = [*shares[0], product[0], *(one.sent for one in first), between, *(one.sent for one in last), result]
    return Counter(zip(*(row[0].tolist() for row in seen), strict=True))


@pytest.mark.parametrize("drop", [0, 2])
def test_what_a_bounded_mask_lets_through_is_counted(drop: int) -> None:
    """Of two values at the ends of the range, the opened numbers differ in 2^-hide of all cases at most."""
    sharing, ring, hide, bound = Sharing(3), Ring((251, 241, 239, 233)), 6, 3
    top = max(bits_of(bound), drop)
    low, high = 1 << drop, 1 << top + 1 + hide - drop
    every = np.array(list(itertools.product(range(low), range(high)))).T
    n = every.shape[1]
    views = []
    for z in (bound, -bound):
        share = ring.encode(np.full(n, z))
        other = [np.zeros(n)] * (3 if drop else 2)
        mine = [every[0], every[1], np.zeros(n)] if drop else [every[1], np.zeros(n)]
        masked = [
            Masker(sharing, k, ring, hide).rounded(share, bound, drop, Listed({(1, 2): other, (1, 3): other, (2, 3): mine}))
            for k in (1, 2, 3)
        ]
        views.append(Counter(masked[0].ring.unsigned(sharing.combine([one.sent for one in masked], masked[0].ring)).tolist()))
    distance = sum((views[0] - views[1]).values()) / n
    assert 0 < distance <= 2.0**-hide


# at full size


@pytest.mark.parametrize("m", [3, 5])
@pytest.mark.parametrize("drop", [0, 1, 40, 80])
def test_a_product_is_rounded_without_bias_by_a_few_units(m: int, drop: int) -> None:
    sharing, keys = Sharing(m), keys_of(m)
    rng = np.random.default_rng(drop)
    n, bound = 4000, 1 << 100
    z = [(int(u) << 38) + int(v) for u, v in zip(rng.integers(-(2**62), 2**62, n), rng.integers(0, 2**38, n), strict=True)]
    shares = sharing.split(MAIN.encode(np.array(z, dtype=object)), MAIN, token)
    masked = [Masker(sharing, k, MAIN).rounded(shares[k - 1], bound, drop, keys[k].draws("opening", drop)) for k in keys]
    found = MAIN.signed(opened(sharing, masked))
    errors = np.array([int(a) * 2**drop - b for a, b in zip(found, z, strict=True)], dtype=object) / 2.0**drop
    if drop == 0:
        assert not errors.any()
        return
    assert float(np.abs(errors).max()) < {3: 1.5, 5: 2.0}[m]
    left = 0.0 if m == 5 else 2.0 ** -(drop + 1)  # half of the smallest unit cannot be given
    assert abs(float(errors.mean())) < 5 * np.sqrt((sharing.n_groups + 1) / 12 / n) + left


@pytest.mark.parametrize("z", range(-8, 9))
def test_two_openings_of_one_number_by_three_holders_are_at_most_two_units_apart(z: int) -> None:
    """All low parts of all three sets are listed, so every rounding there is, of numbers at every place between two units."""
    sharing, drop = Sharing(3), 3
    every = np.array(list(itertools.product(range(1 << drop), repeat=3)))
    n = len(every)
    rest = np.random.default_rng(1).integers(0, 2**10, (3, 3, n))
    listed = {members: [every[:, k], *rest[k]] for k, members in enumerate(sharing.sets)}
    shares = sharing.split(MAIN.encode(np.full(n, z, dtype=object)), MAIN, token)
    masked = [Masker(sharing, k, MAIN, hide=8).rounded(shares[k - 1], 8.0, drop, Listed(listed)) for k in (1, 2, 3)]
    found = np.array(MAIN.signed(opened(sharing, masked))).astype(np.int64)
    assert found.max() - found.min() <= 2
    assert found.mean() - z / 2**drop == pytest.approx(-(2.0 ** -(drop + 1)), abs=1e-12)


@pytest.mark.parametrize("m", [3, 5])
@pytest.mark.parametrize("bits", [1, 31, 32, 33, 64, 80])
def test_what_known_low_parts_carry_over_is_counted(m: int, bits: int) -> None:
    rng = np.random.default_rng(bits)
    numbers = [[(1 << bits) - 1 - int(x) for x in rng.integers(0, 2 ** min(bits, 62), 50)] + [(1 << bits) - 1, 0] for _ in range(m)]
    limbs = [np.array([[x >> 32 * k & 0xFFFFFFFF for x in one] for k in range(-(-bits // 32))], np.uint32) for one in numbers]
    assert _carry(limbs, bits).tolist() == [sum(parts) >> bits for parts in zip(*numbers, strict=True)]


def test_small_values_travel_in_fewer_primes() -> None:
    masker = Masker(Sharing(3), 1, MAIN)
    assert [masker.fits(2.0**bits) for bits in (1, 30, 60, 100, 106, 108)] == [3, 4, 5, 6, 6, None]
    with pytest.raises(Problem, match="FH-555"):
        masker.rounded(MAIN.zeros((1,)), 2.0**108, 40, keys_of(3)[1].draws("opening", 1))


def test_counts_are_lifted_exactly_with_their_sign() -> None:
    sharing, keys = Sharing(3), keys_of(3)
    z = np.arange(-5000, 5000)
    shares = sharing.split(COUNT.encode(z), COUNT, token)
    masked = [Masker(sharing, k, MAIN).lifted(shares[k - 1], 5000.0, COUNT, keys[k].draws("opening", 1)) for k in keys]
    assert (MAIN.signed(opened(sharing, masked)) == z).all()
    with pytest.raises(Problem, match="FH-555"):
        Masker(sharing, 1, MAIN).lifted(shares[0], 2.0**93, COUNT, keys[1].draws("opening", 2))


def test_an_opened_number_beyond_its_mask_is_refused() -> None:
    keys = keys_of(3)
    masked = Masker(Sharing(3), 1, MAIN).rounded(MAIN.zeros((1,)), 2.0**90, 40, keys[1].draws("opening", 1))
    with pytest.raises(Problem, match="FH-556"):
        masked.finish(MAIN.encode(np.array([MAIN.modulus - 1], dtype=object)))


def test_the_mask_is_2_80_wider_than_the_value() -> None:
    assert HIDE == 80
    assert [bits_of(bound) for bound in (0, 1, 3, 4, 2.0**52, 2.0**90)] == [1, 2, 3, 3, 53, 91]


def test_at_full_size_openings_of_the_smallest_and_the_largest_value_look_alike() -> None:
    """A spot check: the leading bits of what the coordinator opens, in 64 classes, for both ends of the range."""
    sharing, keys, n, bound = Sharing(3), keys_of(3), 20_000, 2.0**80
    counts = []
    for number, z in enumerate((int(bound), -int(bound))):
        shares = sharing.split(MAIN.encode(np.full(n, z, dtype=object)), MAIN, token)
        masked = [Masker(sharing, k, MAIN).rounded(shares[k - 1], bound, 40, keys[k].draws("opening", number)) for k in keys]
        found = masked[0].ring.unsigned(sharing.combine([one.sent for one in masked], masked[0].ring))
        counts.append(np.bincount([int(c) >> 158 for c in found], minlength=64))
        assert masked[0].distance == 2.0**-80
    both = counts[0] + counts[1] > 10
    statistic = float((((counts[0] - counts[1]) ** 2)[both] / (counts[0] + counts[1])[both]).sum())
    assert statistic < both.sum() + 5 * np.sqrt(2 * both.sum())


def test_how_much_each_mask_lets_through() -> None:
    masker, draws = Masker(Sharing(5), 1, MAIN), keys_of(5)[1]
    count, main = COUNT.zeros((1,)), MAIN.zeros((1,))
    assert masker.exact(main, MAIN, draws.draws("opening", 1)).distance == 0
    assert masker.plain(main, MAIN, draws.draws("opening", 2)).distance == 0
    assert masker.lifted(count, 1.0, COUNT, draws.draws("opening", 3)).distance <= 2.0**-88
    assert masker.lifted(count, 2.0**24 - 1, COUNT, draws.draws("opening", 4)).distance <= 2.0**-64


@pytest.mark.parametrize("kind", ["revealed", "rounded", "lifted"])
def test_the_messages_behind_one_opened_number_are_uniform(kind: str) -> None:
    """Of a bounded mask or none too: over all shares of zero, every honest message occurs once and the sum stays the same."""
    p, sharing = 65521, Sharing(3)
    ring = Ring((p,))
    zeros, masks = np.arange(p), [np.full(p, value) for value in (3, 5, 7)]
    draws = {
        members: [*([] if kind == "revealed" else [mask] if kind == "lifted" else [mask % 2, mask]), zeros if members == (2, 3) else mask]
        for members, mask in zip(sharing.sets, masks, strict=True)
    }
    share, sent = ring.encode(np.full(p, 2)), []
    for k in (1, 2, 3):
        masker, listed = Masker(sharing, k, ring, 4), Listed(draws)
        match kind:
            case "revealed":
                masked = masker.plain(share, ring, listed)
            case "rounded":
                masked = masker.rounded(share, 2.0, 1, listed)
            case _:
                masked = masker.lifted(share, 2.0, ring, listed)
        sent.append(masked.sent)
    assert sorted(sent[1][0].tolist()) == sorted(sent[2][0].tolist()) == list(range(p))
    assert len(np.unique(sharing.combine(sent, ring))) == len(np.unique(sent[0])) == 1
