"""The secure sum: what it adds up to, what it hides, and which keys it uses."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_model.secure_sum import pairwise_masks as secure_sum
from shared_model.secure_sum.federation_messages import Context
from shared_model.statistics.statistic_declaration import Segment
from site_config.problems import privacy
from site_config.problems.base import Problem


def context(**fields) -> Context:
    plain = {"study": "s", "phase": "clinical", "round": 1, "attempt": 1, "statistic": "t", "parameters": "p", "state": "w", "roster": "r"}
    return Context(**{**plain, **fields})


def drawn_from(blocks):
    """An entropy function that hands out these blocks."""
    source = iter(blocks)
    return lambda _n: next(source)


def masked_roster(segments, values, ctx, entropy=os.urandom):
    """Site → masked vectors, and the seeds, for values by site."""
    names = sorted(values)
    private = {name: X25519PrivateKey.from_private_bytes(entropy(32)) for name in names}
    public = {name: key.public_key().public_bytes_raw() for name, key in private.items()}
    seeds = {name: entropy(32) for name in names}
    vectors = {}
    for name in names:
        vectors[name] = secure_sum.encode(segments, values[name], len(names))
        digest = ctx.digest()
        keys = {peer: secure_sum.pair_key(private[name], public[peer], digest, (name, peer)) for peer in names if peer != name}
        secure_sum.add_pair_masks(vectors[name], name, keys)
        secure_sum.seed_mask(vectors[name], seeds[name], digest, name)
    return vectors, seeds


# ---------------------------------------------------------------- the sum


@settings(max_examples=40)
@given(
    st.integers(1, 52),
    st.sampled_from([32, 64]),
    st.sampled_from([1e-3, 1.0, 16.0, 1e6]),
    st.sampled_from([0.0, 2.0**-10, 2.0**-24, 1.0]),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["uniform", "extremes", "zeros"]),
)
def test_sum_of_sites_equals_plain_sum_to_the_step(n_sites, ring, bound, resolution, seed, kind):
    if resolution > bound:
        resolution = bound
    segment = Segment("v", (7,), bound=bound, ring=ring, resolution=resolution)
    rng = np.random.default_rng(seed)
    draw = {
        "uniform": lambda: rng.uniform(-bound, bound, 7),
        "extremes": lambda: rng.choice([-bound, bound], 7),
        "zeros": lambda: np.zeros(7),
    }[kind]
    values = {f"s{i:02d}": {"v": draw()} for i in range(n_sites)}
    vectors, seeds = masked_roster([segment], values, context())
    total = secure_sum.open_sum([segment], vectors, seeds, context(), n_sites)["v"]
    plain = sum(value["v"] for value in values.values())
    step = secure_sum.step(segment, n_sites)
    grid = 1.0 if bound % step else 0.5  # a bound off the grid is held to the grid point below it
    np.testing.assert_allclose(total, plain, atol=n_sites * step * (grid + 1e-6) + 1e-12 * n_sites * bound)
    if n_sites > 1 and kind == "uniform":
        assert any((vectors[name]["v"] != secure_sum.quantise(segment, values[name]["v"], n_sites)).any() for name in values)


@given(st.integers(1, 60), st.sampled_from([32, 64]), st.floats(1e-6, 1e9), st.sampled_from([0.0, 2.0**-24, 1.0]))
def test_no_roster_can_overflow(n_sites, ring, bound, resolution):
    segment = Segment("v", (2,), bound=bound, ring=ring, resolution=min(resolution, bound))
    try:
        top = secure_sum.limit(segment, n_sites)
    except ValueError:
        return  # refused as a declaration: it does not fit the ring
    assert n_sites * top < 2 ** (ring - 1)
    both = secure_sum.quantise(segment, np.array([bound, -bound]), n_sites)
    total = both * np.array(n_sites, dtype=both.dtype)
    assert (np.sign(secure_sum.dequantise(segment, total, n_sites)) == [1, -1]).all()


def test_bound_resolution_and_shape_survive():
    segment = Segment("q", (2, 3), bound=8.0, resolution=2.0**-10)
    values = {name: {"q": np.arange(6).reshape(2, 3) * 0.123} for name in ("a", "b", "c")}
    vectors, seeds = masked_roster([segment], values, context())
    total = secure_sum.open_sum([segment], vectors, seeds, context(), 3)["q"]
    assert total.shape == (2, 3)
    assert (total * 1024 == np.rint(total * 1024)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 8.001, -9.0])
def test_what_does_not_fit_is_refused_without_clip(bad):
    with pytest.raises(Problem) as caught:
        secure_sum.quantise(Segment("v", (2,), bound=8.0), np.array([0.0, bad]), 3)
    assert caught.value.kind is privacy.VALUE_OUT_OF_BOUNDS


def test_clipped_values_are_counted():
    segments = [Segment("v", (4,), bound=1.0, clip=True, ring=32), Segment("clipped", (1,), bound=3.0, resolution=1.0)]
    encoded = secure_sum.encode(segments, {"v": np.array([2.0, -2.0, 0.5, 1.0])}, 3)
    assert encoded["clipped"][0] == 2
    assert secure_sum.encode(segments, {"v": np.full(4, 9.0)}, 3)["clipped"][0] == 3  # stops at the declared bound
    with pytest.raises(ValueError, match="clipped"):
        secure_sum.encode(segments[:1], {"v": np.zeros(4)}, 3)


def test_missing_vector_seed_or_form_does_not_open():
    segment = Segment("v", (3,), bound=8.0)
    vectors, seeds = masked_roster([segment], {name: {"v": np.ones(3)} for name in "abc"}, context())
    for wrong in ({"a": vectors["a"], "b": vectors["b"]}, {**vectors, "d": vectors["a"]}):
        with pytest.raises(Problem):
            secure_sum.open_sum([segment], wrong, seeds, context(), 3)
    for form in (np.zeros(4, "<u8"), np.zeros(3, "<u4"), np.zeros((3, 1), "<u8")):
        with pytest.raises(Problem) as caught:
            secure_sum.open_sum([segment], {**vectors, "a": {"v": form}}, seeds, context(), 3)
        assert caught.value.kind is privacy.VECTOR_MALFORMED


@pytest.mark.parametrize("ring", [32, 64])
def test_sum_over_different_states_does_not_open(ring):
    segment = Segment("v", (64,), bound=8.0, ring=ring)
    values = {name: {"v": np.ones(64)} for name in "abc"}
    entropy = [hashlib.sha256(bytes([i])).digest() for i in range(6)]
    one, seeds = masked_roster([segment], values, context(), drawn_from(entropy))
    other, _ = masked_roster([segment], values, context(state="another"), drawn_from(entropy))
    secure_sum.open_sum([segment], one, seeds, context(), 3)
    with pytest.raises(Problem) as caught:
        secure_sum.open_sum([segment], {**one, "a": other["a"]}, seeds, context(), 3)
    assert caught.value.kind is privacy.SUM_DOES_NOT_OPEN


# ---------------------------------------------------------------- what it hides: a toy ring, exhaustively

MODULUS = 16
SITES = "abcd"
PAIRS = list(itertools.combinations(SITES, 2))


def views(inputs, coalition=(), fixed=3):
    """How often each view occurs over all pair masks the coalition does not know (those it knows are `fixed`).

    A view is what the coordinator holds after an opening, own masks removed: x_i ± pair masks of every site; together
    with the coalition's inputs and its masks, which are constants here.
    """
    honest = [pair for pair in PAIRS if not set(pair) & set(coalition)]
    grids = np.meshgrid(*[np.arange(MODULUS, dtype=np.uint16)] * len(honest), indexing="ij") if honest else []
    masks = {pair: (grids[honest.index(pair)].ravel() if pair in honest else np.uint16(fixed)) for pair in PAIRS}
    code = np.zeros(1, np.uint16)
    for site in SITES:
        seen = np.array([inputs[SITES.index(site)]], np.uint16)
        for pair in PAIRS:
            if site in pair:
                peer = pair[0] if pair[1] == site else pair[1]
                seen = seen + masks[pair] if secure_sum.adds(site, peer) else seen - masks[pair]
        code = code * np.uint16(MODULUS) + seen % np.uint16(MODULUS)
    return np.bincount(np.atleast_1d(code), minlength=MODULUS**4)


@pytest.mark.parametrize("coalition", [(), ("a",), ("d",), ("a", "b"), ("b", "d")])
def test_view_depends_on_the_honest_sum_only(coalition):
    honest = [SITES.index(site) for site in SITES if site not in coalition]
    rng = np.random.default_rng(5)
    base = rng.integers(0, MODULUS, 4)
    expected = views(base, coalition)
    for _ in range(2 if not coalition else 12):
        moved = base.copy()
        shift = rng.integers(0, MODULUS, len(honest))
        shift[-1] = -shift[:-1].sum()
        moved[honest] = (moved[honest] + shift) % MODULUS
        found = views(moved, coalition)
        np.testing.assert_array_equal(found, expected)
    other = base.copy()
    other[honest[0]] = (other[honest[0]] + 1) % MODULUS
    assert not np.array_equal(views(other, coalition), expected)  # the sum itself is what is opened


def test_all_views_with_one_sum_are_equally_likely():
    counts = views([3, 1, 4, 1])
    assert np.count_nonzero(counts) == MODULUS**3
    assert set(counts.tolist()) == {0, MODULUS**3}


def test_before_opening_every_vector_is_uniform_whatever_comes_late():
    own = np.arange(MODULUS)
    for value, pair_masks in itertools.product(range(MODULUS), range(MODULUS)):
        assert sorted((value + pair_masks + own) % MODULUS) == list(range(MODULUS))


def test_mutant_that_keeps_pair_masks_over_two_rosters_is_caught():
    """Two attempts with one set of masks, the second without site d: the views then tell d's value; with fresh ones they do not."""

    def difference(inputs, fresh):
        rng = np.random.default_rng(1)
        seen = set()
        for _ in range(200):
            first = rng.integers(0, MODULUS, len(PAIRS))
            second = rng.integers(0, MODULUS, len(PAIRS)) if fresh else first
            views_of_a = []
            for masks, roster in ((first, "abcd"), (second, "abc")):
                total = inputs[0]
                for pair, mask in zip(PAIRS, masks, strict=True):
                    if "a" in pair and set(pair) <= set(roster):
                        total += mask  # a sorts first: it adds
                views_of_a.append(total % MODULUS)
            seen.add((views_of_a[0] - views_of_a[1] - first[PAIRS.index(("a", "d"))]) % MODULUS)
        return seen

    assert difference([3, 1, 4, 1], fresh=False) == {0}
    assert len(difference([3, 1, 4, 1], fresh=True)) == MODULUS


# ---------------------------------------------------------------- keys

DIGEST = "31b45b667d66c8464c76ab249677a993516d9e9f6f236de5d3e7b2977d69c69c"
PINNED_32 = 3019767852
PINNED_64 = 3583478004237902598


def derived_keys(digest_of=lambda c: c.digest(), sizes=(1, 3)):
    """Every AES key of a small universe of studies, rounds, attempts, statistics, labels, lengths, rings and pairs."""
    private = {name: X25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()) for name in "abc"}
    public = {name: key.public_key().public_bytes_raw() for name, key in private.items()}
    fields = {
        "study": ("s", "t"), "phase": ("clinical", "training"), "round": (1, 11), "attempt": (1, 2),
        "statistic": ("u", "v"), "parameters": ("p", "q"), "state": ("w", "x"), "roster": ("r", "z"),
    }  # fmt: skip
    keys = []
    for combination in itertools.product(*fields.values()):
        digest = digest_of(context(**dict(zip(fields, combination, strict=True))))
        for one, two in itertools.combinations("abc", 2):
            pair = secure_sum.pair_key(private[one], public[two], digest, (one, two))
            assert pair == secure_sum.pair_key(private[two], public[one], digest, (two, one))
            keys += [secure_sum.segment_key(pair, label, size, ring) for label in "mn" for size in sizes for ring in (32, 64)]
        for site in "ab":
            own = secure_sum.seed_key(b"\x07" * 32, digest, site)
            keys += [secure_sum.segment_key(own, label, size, 64) for label in "mn" for size in sizes]
    return keys


def test_no_derived_key_repeats():
    keys = derived_keys()
    assert len(keys) == 256 * (3 * 8 + 2 * 4)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("forgotten", ["study", "round", "attempt", "state", "roster", "parameters", "statistic", "phase"])
def test_mutant_that_reuses_a_key_is_caught(forgotten):
    fixed = {"study": "s", "round": 1, "attempt": 1, "state": "w", "roster": "r", "parameters": "p", "statistic": "u", "phase": "clinical"}
    keys = derived_keys(lambda c: c.model_copy(update={forgotten: fixed[forgotten]}).digest(), sizes=(1,))
    assert len(set(keys)) < len(keys)


def hkdf(secret, salt, info):
    """RFC 5869 by hand, 32 bytes."""
    return hmac.new(hmac.new(salt, secret, "sha256").digest(), info + b"\x01", "sha256").digest()


def aes_ctr(key, n):
    """AES-256-CTR from single blocks, counter from zero."""
    ecb = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return b"".join(ecb.update(counter.to_bytes(16, "big")) for counter in range(n // 16 + 1))[:n]


BOB = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
ALICE_PUBLIC = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
SHARED = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"  # RFC 7748, section 6.1


@pytest.mark.parametrize(("ring", "first"), [(32, PINNED_32), (64, PINNED_64)])
def test_known_answer_of_a_pair_mask(ring, first):
    """The whole derivation against RFC 7748's shared secret, RFC 5869 by hand and AES block by block; and pinned values."""
    digest = context().digest()
    assert digest.hex() == DIGEST
    key = secure_sum.pair_key(
        X25519PrivateKey.from_private_bytes(bytes.fromhex(BOB)), bytes.fromhex(ALICE_PUBLIC), digest, ("bob", "alice")
    )
    assert key == hkdf(bytes.fromhex(SHARED), digest, b'["fedhcc pair","alice","bob"]')
    size = 70_000 if ring == 32 else 40_000  # more than one chunk
    stream = hmac.new(key, f'["fedhcc segment","update",{size},{ring}]'.encode() + b"\x01", "sha256").digest()
    expected = np.frombuffer(aes_ctr(stream, size * ring // 8), dtype=f"<u{ring // 8}")
    for site, peer, sign in (("alice", "bob", 1), ("bob", "alice", -1)):
        buffers = {"update": np.arange(size, dtype=expected.dtype)}
        secure_sum.add_pair_masks(buffers, site, {peer: key})
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(buffers["update"], np.arange(size, dtype=expected.dtype) + (expected if sign > 0 else -expected))
    assert int(expected[0]) == first


def test_known_answer_of_an_own_mask():
    digest = context().digest()
    key = hkdf(b"\x07" * 32, digest, b'["fedhcc seed","alice"]')
    stream = hmac.new(key, b'["fedhcc segment","n",1,64]\x01', "sha256").digest()
    buffers = {"n": np.zeros(1, "<u8")}
    secure_sum.seed_mask(buffers, b"\x07" * 32, digest, "alice")
    assert buffers["n"].tobytes() == aes_ctr(stream, 8)
    secure_sum.seed_mask(buffers, b"\x07" * 32, digest, "alice", remove=True)
    assert buffers["n"][0] == 0


def test_unusable_public_key_is_refused():
    with pytest.raises(Problem) as caught:
        secure_sum.pair_key(X25519PrivateKey.generate(), bytes(32), b"\x00" * 32, ("a", "b"))
    assert caught.value.kind is privacy.SIGNATURE_INVALID
