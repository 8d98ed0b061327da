"""Sealing: from a hospital to one holder (the sender stays unnamed), and between two holders (both authenticated).

A hospital seals with an X25519 key made for one box and forgotten: ephemeral key ‖ AES-256-GCM(HKDF-SHA256(exchange,
admission)). The *admission* is a secret that a holder sealed to every hospital of the roster beforehand: it shows that a box
comes from one of them, though not from which, and the coordinator, who has none, can make no box. Two holders share the key of
their X25519 pair; HKDF makes from it one key a direction and attempt, and the step is bound to every message, so that nothing
replayed or exchanged opens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared_model.shares.numbers.shamir import Source
from site_config.problems import shares as problems

_P = 2**255 - 19
PUBLIC_BYTES = 32
TAG_BYTES = 16
NONCE_BYTES = 12
BOX_BYTES = PUBLIC_BYTES + TAG_BYTES
"""What a hospital's box is longer than its content."""
ENVELOPE_BYTES = NONCE_BYTES + TAG_BYTES
"""What a holder's envelope is longer than its content."""


def exchange_private(signing: Ed25519PrivateKey) -> X25519PrivateKey:
    """The X25519 key that belongs to an Ed25519 signing key: both have the same secret number (RFC 8032, 5.1.5)."""
    return X25519PrivateKey.from_private_bytes(hashlib.sha512(signing.private_bytes_raw()).digest()[:32])


def exchange_public(signing: bytes) -> bytes:
    """The X25519 public key of an Ed25519 public key (32 bytes): u = (1 + y)/(1 - y) (RFC 7748, 4.1)."""
    y = int.from_bytes(signing, "little") & (1 << 255) - 1
    if len(signing) != PUBLIC_BYTES or y in (1, 0) or y >= _P:
        raise problems.SEALED_MESSAGE_FOREIGN.problem("A signing key is not a point of its curve")
    return ((1 + y) * pow(1 - y, -1, _P) % _P).to_bytes(32, "little")


def admission_of(private: X25519PrivateKey) -> bytes:
    """A holder's admission for the computation that its X25519 key was made for."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"fedhcc shares admission").derive(private.private_bytes_raw())


@dataclass(frozen=True)
class Recipient:
    """A holder as a hospital sees it: its X25519 public key, and the admission (32 bytes) it gave to the hospitals of the roster."""

    public: bytes
    admission: bytes


def seal(holder: Recipient, content: bytes, context: bytes) -> bytes:
    """`content` for a holder, in one context."""
    own = X25519PrivateKey.generate()
    ephemeral = own.public_key().public_bytes_raw()
    key = _derive(_exchange(own, holder.public) + holder.admission, context, b"box" + ephemeral + holder.public)
    return ephemeral + AESGCM(key).encrypt(bytes(NONCE_BYTES), content, context)


def unseal(private: X25519PrivateKey, admission: bytes, box: bytes, context: bytes) -> bytes:
    """What `seal` sealed; FH-553 for another key, admission or context, or a damaged box."""
    ephemeral, sealed = box[:PUBLIC_BYTES], box[PUBLIC_BYTES:]
    if len(box) < BOX_BYTES:
        raise problems.SEALED_MESSAGE_FOREIGN.problem("A hospital's box is cut off")
    key = _derive(_exchange(private, ephemeral) + admission, context, b"box" + ephemeral + private.public_key().public_bytes_raw())
    try:
        return AESGCM(key).decrypt(bytes(NONCE_BYTES), sealed, context)
    except InvalidTag:
        raise problems.SEALED_MESSAGE_FOREIGN.problem("A hospital's box does not open with this holder's key") from None


def seal_to(private: X25519PrivateKey, name: str, public: bytes, content: bytes, context: bytes, random: Source) -> bytes:
    """`content` for one hospital by its name and X25519 public key; it shows that it comes from who holds `private`."""
    return _sealed(AESGCM(_derive(_exchange(private, public), context, b"admission" + name.encode())), content, random)


def opened_from(private: X25519PrivateKey, name: str, public: bytes, sealed: bytes, context: bytes) -> bytes:
    """What the holder of `public` sealed to the hospital `name`, whose key is `private`; FH-553 for anything else."""
    key = AESGCM(_derive(_exchange(private, public), context, b"admission" + name.encode()))
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], b"")
    except (InvalidTag, ValueError):
        raise problems.SEALED_MESSAGE_FOREIGN.problem("What was sealed to this hospital does not open with its key") from None


def admit(private: X25519PrivateKey, hospitals: Mapping[str, bytes], admission: bytes, context: bytes, random: Source) -> dict[str, bytes]:
    """A holder's admission sealed to each hospital of the roster. hospitals: name → X25519 public key that the holder trusts."""
    return {name: seal_to(private, name, public, admission, context, random) for name, public in hospitals.items()}


def admitted(private: X25519PrivateKey, name: str, holder: bytes, sealed: bytes, context: bytes) -> Recipient:
    """The holder (an X25519 public key that the hospital trusts) with its admission for this hospital; FH-553 for anything else."""
    return Recipient(holder, opened_from(private, name, holder, sealed, context))


class Envelopes:
    """One holder's sealed messages with its peers in one attempt. `publics`: holder → X25519 public key, its own included."""

    def __init__(self, private: X25519PrivateKey, publics: Mapping[int, bytes], holder: int, context: bytes, random: Source) -> None:
        if publics.get(holder) != private.public_key().public_bytes_raw():
            raise problems.SEALED_MESSAGE_FOREIGN.problem(f"The key of holder {holder} is not this program's")
        self.peers = tuple(sorted(set(publics) - {holder}))
        self._holder, self._context, self._random = holder, context, random
        self._out, self._in = {}, {}
        for peer in self.peers:
            secret = _exchange(private, publics[peer])
            self._out[peer] = AESGCM(_derive(secret, context, b"from %d to %d" % (holder, peer)))
            self._in[peer] = AESGCM(_derive(secret, context, b"from %d to %d" % (peer, holder)))

    def close(self, peer: int, step: int, content: bytes) -> bytes:
        """Sealed for a peer, as this step's message."""
        nonce = self._random(NONCE_BYTES)
        return nonce + self._out[peer].encrypt(nonce, content, b"%d" % step)

    def open(self, peer: int, step: int, sealed: bytes) -> bytes:
        """A peer's message of this step; FH-553 for anything else."""
        try:
            return self._in[peer].decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], b"%d" % step)
        except (InvalidTag, ValueError):
            raise problems.SEALED_MESSAGE_FOREIGN.problem(f"Step {step}: the message of holder {peer} does not open") from None


def _sealed(key: AESGCM, content: bytes, random: Source) -> bytes:
    nonce = random(NONCE_BYTES)
    return nonce + key.encrypt(nonce, content, b"")


def _exchange(private: X25519PrivateKey, public: bytes) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise problems.SEALED_MESSAGE_FOREIGN.problem("A public key is not a usable X25519 key") from error


def _derive(secret: bytes, context: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=context, info=b"fedhcc shares " + info).derive(secret)
