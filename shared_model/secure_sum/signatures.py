"""Who says what in a secure sum: the three signed messages of an attempt.

A site signs its ephemeral key over the context, and its vectors' hash over the context; the coordinator signs the list of
hashes it received. All are Ed25519 over `purpose ‖ context digest ‖ content`, so a signature serves one message of one
attempt and nothing else. Every function raises FH-517 for a signature that does not fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from shared_model.secure_sum.federation_messages import Context, KeysReply, ReleaseReply
from site_config.problems import privacy
from site_config.study.plan_and_lock import canonical

_KEY = b"fedhcc secure sum: ephemeral key\x00"
_AHEAD = b"fedhcc secure sum: ephemeral key ahead\x00"
_VECTORS = b"fedhcc secure sum: vectors\x00"
_CLEAR = b"fedhcc secure sum: vectors in the clear\x00"
_LIST = b"fedhcc secure sum: list of hashes\x00"
_SEED = b"fedhcc secure sum: seed\x00"
_PROBE = X25519PrivateKey.generate()


def _verify(public_key: str, signature: str, message: bytes, what: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        raise privacy.SIGNATURE_INVALID.problem(f"{what} is not signed by the key the lock names") from None


def _bytes32(text: str, what: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32 or found.hex() != text:
        raise privacy.SIGNATURE_INVALID.problem(f"{what} is not 32 bytes in lower-case hex")
    return found


def _usable(public: bytes, what: str) -> None:
    """A point of small order gives no secret: every peer would refuse it, and be blamed."""
    try:
        _PROBE.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise privacy.SIGNATURE_INVALID.problem(f"{what} is not a usable X25519 key") from None


def ahead_of(context: Context) -> Context:
    """What of a context is known a round earlier: everything but the parameters and the broadcast state."""
    return context.model_copy(update={"parameters": "", "state": ""})


def _of_key(context: Context, *, ahead: bool) -> bytes:
    return _AHEAD + ahead_of(context).digest() if ahead else _KEY + context.digest()


def sign_key(context: Context, public_key: bytes, signing_key: Ed25519PrivateKey, *, ahead: bool = False) -> KeysReply:
    """A site's ephemeral X25519 public key with its signature, over the whole context or over what is known of it `ahead`."""
    signature = signing_key.sign(_of_key(context, ahead=ahead) + public_key).hex()
    return KeysReply(public_key=public_key.hex(), signature=signature)


def check_keys(
    context: Context, replies: Mapping[str, KeysReply], sites: tuple[str, ...], signing_keys: Mapping[str, str], *, ahead: bool = False
) -> dict[str, bytes]:
    """Site → ephemeral public key of exactly the roster, every one signed by the key in the lock; no two alike (FH-516).

    All were given `ahead`, or none: a key of the one kind does not pass for one of the other.
    """
    if set(replies) != set(sites):
        raise privacy.CONTEXT_MISMATCH.problem(f"{len(replies)} ephemeral keys for a roster of {len(sites)}")
    found: dict[str, bytes] = {}
    said = _of_key(context, ahead=ahead)
    for site in sites:
        public = _bytes32(replies[site].public_key, f"the ephemeral key of {site}")
        _verify(signing_keys[site], replies[site].signature, said + public, f"the ephemeral key of {site}")
        _usable(public, f"the ephemeral key of {site}")
        found[site] = public
    if len(set(found.values())) != len(found):
        raise privacy.CONTEXT_MISMATCH.problem("two sites show the same ephemeral key")
    return found


def seed_commitment(context: Context, seed: bytes) -> str:
    """SHA-256, hex, of a site's seed in this attempt: shown with the vector, before the seed itself."""
    return hashlib.sha256(_SEED + context.digest() + seed).hexdigest()


def sign_vectors(context: Context, digest: str, signing_key: Ed25519PrivateKey, *, masked: bool, seed: bytes | None = None) -> ReleaseReply:
    """A site's statement that these vectors (their `vectors_hash`) are its release, masked (with its `seed`) or in the clear."""
    purpose = _VECTORS if masked else _CLEAR
    committed = "" if seed is None else seed_commitment(context, seed)
    signature = signing_key.sign(purpose + context.digest() + bytes.fromhex(digest) + bytes.fromhex(committed)).hex()
    return ReleaseReply(hash=digest, signature=signature, seed_hash=committed, masked=masked)


def check_vectors_signature(context: Context, reply: ReleaseReply, computed_hash: str, site: str, signing_key: str) -> None:
    """The vectors that arrived are those the site signed: `computed_hash` is the receiver's own `vectors_hash` of them."""
    if reply.hash != computed_hash:
        raise privacy.VECTOR_MALFORMED.problem(f"the vectors of {site} are not those it signed")
    purpose = _VECTORS if reply.masked else _CLEAR
    committed = _bytes32(reply.seed_hash, "the hash of a seed") if reply.seed_hash else b""
    said = purpose + context.digest() + _bytes32(reply.hash, "a vector's hash") + committed
    _verify(signing_key, reply.signature, said, f"the vector of {site}")


def list_bytes(context: Context, hashes: Mapping[str, str]) -> bytes:
    """What the coordinator signs: the context with every site's hash."""
    return _LIST + context.digest() + hashlib.sha256(canonical(dict(hashes))).digest()


def check_list(context: Context, hashes: Mapping[str, str], signature: str, sites: tuple[str, ...], coordinator_key: str) -> None:
    """The coordinator's list is signed and holds exactly the roster (FH-519)."""
    _verify(coordinator_key, signature, list_bytes(context, hashes), "the list of received vectors")
    if set(hashes) != set(sites):
        raise privacy.LIST_INCOMPLETE.problem(f"the list holds {len(hashes)} vectors for a roster of {len(sites)}")
