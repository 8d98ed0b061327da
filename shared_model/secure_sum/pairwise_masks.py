"""Secure sum over a roster: fixed point, pairwise masks, own masks, and what the coordinator does with them.

Every pair (i, j) of a roster shares an X25519 secret, from which HKDF-SHA256 derives one AES-256-CTR key per context,
segment and pair. The site whose name sorts first adds the stream, the other subtracts it, so the pair cancels in the sum
over the whole roster. Each site adds PRG(b_i) as well; the coordinator learns b_i only in the open step, so vectors of an
attempt that never completes stay random whatever arrives late. After Bonawitz et al., "Practical secure aggregation for
privacy-preserving machine learning" (CCS 2017), with a fixed roster instead of drop-out recovery.

Arithmetic is modulo 2^32 or 2^64 on NumPy's unsigned integers. With K sites and contributions rounded to a step s and
held within ±bound, K·bound/s < 2^(ring-1): the sum cannot wrap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from numpy.typing import NDArray

from shared_model.secure_sum.federation_messages import Arrays, Context
from shared_model.statistics.statistic_declaration import Segment
from site_config.problems import privacy
from site_config.study.plan_and_lock import canonical

Unsigned = NDArray[Any]
CHUNK_BYTES = 1 << 18
CLIPPED = "clipped"


def dtype(segment: Segment) -> np.dtype[Any]:
    """Little-endian unsigned integers of the segment's ring."""
    return np.dtype("<u4" if segment.ring == 32 else "<u8")


def step(segment: Segment, n_sites: int) -> float:
    """What one unit of the ring is worth: the declared grid, or a coarser one where the ring has no room for it."""
    return float(max(segment.resolution, 2.0 ** -segment.scale_bits(n_sites)))


def limit(segment: Segment, n_sites: int) -> int:
    """Largest magnitude of one site's integer; `n_sites` times it stays below half the ring."""
    found = int(segment.bound / step(segment, n_sites))
    if found < 1 or n_sites * found >= 1 << (segment.ring - 1):
        raise ValueError(f"segment {segment.name}: bound {segment.bound} and {n_sites} sites do not fit the ring 2^{segment.ring}")
    return found


def quantise(segment: Segment, values: NDArray[Any], n_sites: int) -> Unsigned:
    """One site's values as ring integers, shape (size,); raises FH-520 for what does not fit and may not be clipped."""
    return quantise_counting(segment, values, n_sites)[0]


def quantise_counting(segment: Segment, values: NDArray[Any], n_sites: int) -> tuple[Unsigned, int]:
    """`quantise` with the number of values that were clipped, in chunks so that no copy of the vector is made."""
    flat = np.asarray(values).reshape(-1)
    if flat.size != segment.size:
        raise privacy.VALUE_OUT_OF_BOUNDS.problem(f"segment {segment.name} has {flat.size} values, declared are {segment.size}")
    unit, top = step(segment, n_sites), limit(segment, n_sites)
    kind = dtype(segment)
    out = np.empty(segment.size, kind)
    clipped = 0
    width = CHUNK_BYTES // 8
    for start in range(0, segment.size, width):
        part = flat[start : start + width].astype(np.float64)
        broken = ~np.isfinite(part)
        if broken.any() and segment.clip:
            np.nan_to_num(part, copy=False, nan=0.0, posinf=segment.bound, neginf=-segment.bound)
        elif broken.any():
            raise privacy.VALUE_OUT_OF_BOUNDS.problem(f"segment {segment.name} holds a value that is not a number")
        beyond = int(np.count_nonzero((np.abs(part) > segment.bound) | broken))
        if beyond and not segment.clip:
            raise privacy.VALUE_OUT_OF_BOUNDS.problem(f"segment {segment.name} holds a value beyond ±{segment.bound:g}")
        clipped += beyond
        np.clip(part, -segment.bound, segment.bound, out=part)
        part /= unit
        np.rint(part, out=part)
        # float(top) may round up above 2^53, so the last word is the integer's
        units = np.clip(np.clip(part, -float(top), float(top)).astype(np.int64), -top, top)
        out[start : start + width] = units.astype(kind)
    return out, clipped


def encode(segments: Sequence[Segment], values: Mapping[str, NDArray[Any]], n_sites: int) -> dict[str, Unsigned]:
    """All segments of one site as ring integers.

    Where a segment declares `clip`, the number of clipped values is added to the first value of the segment `clipped`,
    so that it travels inside the masked vector (it stops at that segment's bound); the statistic has to declare it.
    """
    names = {segment.name for segment in segments}
    if any(segment.clip for segment in segments) and CLIPPED not in names:
        raise ValueError("a statistic that clips declares the segment `clipped`")
    if set(values) | {CLIPPED} != names | {CLIPPED}:
        raise privacy.VALUE_OUT_OF_BOUNDS.problem(f"computed segments {sorted(values)}, declared are {sorted(names)}")
    encoded: dict[str, Unsigned] = {}
    count = 0
    for segment in segments:
        if segment.name != CLIPPED:
            encoded[segment.name], clipped = quantise_counting(segment, values[segment.name], n_sites)
            count += clipped
    for segment in segments:
        if segment.name == CLIPPED:
            total = np.array(values.get(CLIPPED, np.zeros(segment.size)), dtype=np.float64).reshape(-1)
            total[0] = min(total[0] + count, segment.bound)
            encoded[CLIPPED] = quantise(segment, total, n_sites)
    return encoded


def dequantise(segment: Segment, total: Unsigned, n_sites: int) -> NDArray[np.float64]:
    """The opened sum in the statistic's units, in the segment's shape; raises FH-522 when the masks did not cancel."""
    signed = total.view("<i4" if segment.ring == 32 else "<i8")
    top = n_sites * limit(segment, n_sites)
    if signed.size and (int(signed.max()) > top or int(signed.min()) < -top):
        raise privacy.SUM_DOES_NOT_OPEN.problem(f"segment {segment.name} opens to a value that {n_sites} sites cannot reach")
    return (signed.astype(np.float64) * step(segment, n_sites)).reshape(segment.shape)


def pair_key(own_private: X25519PrivateKey, peer_public: bytes, context_digest: bytes, names: tuple[str, str]) -> bytes:
    """The pair's 32-byte key in this context; both sites derive the same one whatever the order of `names`."""
    try:
        secret = own_private.exchange(X25519PublicKey.from_public_bytes(peer_public))
    except ValueError as error:
        raise privacy.SIGNATURE_INVALID.problem("a peer's public key is not a usable X25519 key") from error
    info = canonical(["fedhcc pair", *sorted(names)])
    return HKDF(algorithm=SHA256(), length=32, salt=context_digest, info=info).derive(secret)


def segment_key(key: bytes, label: str, size: int, ring: int) -> bytes:
    """The AES-256 key of one segment under a pair's key or a seed's key."""
    return HKDFExpand(algorithm=SHA256(), length=32, info=canonical(["fedhcc segment", label, size, ring])).derive(key)


def seed_key(seed: bytes, context_digest: bytes, site: str) -> bytes:
    """The 32-byte key of a site's own mask from its seed b_i."""
    return HKDF(algorithm=SHA256(), length=32, salt=context_digest, info=canonical(["fedhcc seed", site])).derive(seed)


def add_streams(buffer: Unsigned, streams: Iterable[tuple[bytes, bool]]) -> None:
    """Add (True) or subtract (False) AES-256-CTR key streams to a contiguous vector, in place, a cache-sized chunk at a time.

    A key serves one vector once, so the counter starts at zero.
    """
    ciphers = [(Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor(), plus) for key, plus in streams]
    zeros = bytes(min(CHUNK_BYTES, buffer.nbytes))
    scratch = bytearray(len(zeros) + 15)  # update_into wants room for one more block
    width = CHUNK_BYTES // buffer.itemsize
    for start in range(0, buffer.size, width):
        part = buffer[start : start + width]
        stream = np.frombuffer(scratch, dtype=buffer.dtype, count=part.size)
        plain = memoryview(zeros)[: part.nbytes]
        for cipher, plus in ciphers:
            cipher.update_into(plain, scratch)
            (np.add if plus else np.subtract)(part, stream, out=part)


def adds(site: str, peer: str) -> bool:
    """Whether `site` adds the stream it shares with `peer`; of a pair exactly one adds and the other subtracts."""
    return site < peer


def _ring(buffer: Unsigned) -> int:
    return int(buffer.itemsize) * 8


def add_pair_masks(buffers: Mapping[str, Unsigned], site: str, pair_keys: Mapping[str, bytes]) -> None:
    """Add the masks `site` shares with every peer to its vectors, in place. `pair_keys`: peer → `pair_key`."""
    for label, buffer in buffers.items():
        keys = ((segment_key(key, label, buffer.size, _ring(buffer)), adds(site, peer)) for peer, key in sorted(pair_keys.items()))
        add_streams(buffer, keys)


def seed_mask(buffers: Mapping[str, Unsigned], seed: bytes, context_digest: bytes, site: str, *, remove: bool = False) -> None:
    """Add the mask PRG(b_i) of a site to its vectors, in place; `remove` subtracts it, as the coordinator does."""
    key = seed_key(seed, context_digest, site)
    for label, buffer in buffers.items():
        add_streams(buffer, [(segment_key(key, label, buffer.size, _ring(buffer)), not remove)])


def vectors_hash(arrays: Arrays) -> str:
    """SHA-256, hex, of masked vectors: names, number types, lengths and little-endian bytes in sorted order."""
    digest = hashlib.sha256(b"fedhcc vectors")
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(canonical([name, array.dtype.str, list(array.shape)]))
        digest.update(array.view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def check_vectors(segments: Sequence[Segment], arrays: Arrays) -> None:
    """Refuse (FH-521) vectors that are not exactly the declared segments, one-dimensional and in their ring."""
    expected = {segment.name: (dtype(segment), (segment.size,)) for segment in segments}
    found = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    if found != expected:
        wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise privacy.VECTOR_MALFORMED.problem(f"segments {', '.join(wrong)} have not the declared form")


def open_sum(
    segments: Sequence[Segment],
    vectors: Mapping[str, Arrays],
    seeds: Mapping[str, bytes],
    context: Context,
    n_sites: int,
) -> dict[str, NDArray[np.float64]]:
    """The sum over the whole roster in the statistic's units and shapes.

    `vectors`: site → masked vectors; `seeds`: site → b_i of the same sites, or empty for vectors released in the clear.
    Raises FH-519 when the roster is not whole, FH-521 for malformed vectors, FH-522 when the masks do not cancel.
    """
    if len(vectors) != n_sites or (seeds and set(seeds) != set(vectors)):
        raise privacy.LIST_INCOMPLETE.problem(f"{len(vectors)} vectors and {len(seeds)} seeds for a roster of {n_sites}")
    for arrays in vectors.values():
        check_vectors(segments, arrays)
    totals = {segment.name: np.zeros(segment.size, dtype(segment)) for segment in segments}
    for arrays in vectors.values():
        for name, total in totals.items():
            total += arrays[name]
    digest = context.digest()
    for site, seed in seeds.items():
        seed_mask(totals, seed, digest, site, remove=True)
    return {segment.name: dequantise(segment, totals[segment.name], n_sites) for segment in segments}
