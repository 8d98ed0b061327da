"""The messages of computations on secret shares: a holder's key, a hospital's rows, and the holders' steps.

One computation stands for one phase of a study. The coordinator asks every holder for its key (`holder`), every hospital of the
roster for its rows (`rows`, sealed slot by slot to the holders), and then brings the holders' frames to each other (`hold`)
until all have finished. What was opened travels on as `SignedResults`, which hospitals believe where more holders than may
collude have signed them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray
from pydantic import Field

from shared_model.secure_sum.federation_messages import Body
from shared_model.shares.messages.opened_record import Opened
from shared_model.shares.messages.sealed_envelopes import Recipient, admission_of, admit, admitted, exchange_private, exchange_public
from site_config.problems import shares as problems
from site_config.study.plan_and_lock import Phase, StudyLock, canonical

Hex32 = Field(pattern=r"^[0-9a-f]{64}$")
ManifestText = Field(default="", max_length=1 << 22)
BOXES = "holder."
"""Arrays of a hospital's reply: `holder.K`, (slots, bytes of a box) uint8, for holder K."""
FRAME = "frame"
"""The array of a holder's frame, (bytes,) uint8."""


class HolderKeyRequest(Body):
    """Ask a holder for its key of one computation."""

    study: str
    phase: Phase


class HolderKeyReply(Body):
    """An X25519 public key for one computation, signed by the holder's long-term key, and the highest attempt it took part in.

    admissions: for each hospital of the lock, sealed to its long-term key, what shows this holder that a box comes from one.
    """

    public_key: str = Hex32
    admissions: dict[str, str]
    signature: str
    attempt: int = Field(default=0, ge=0, le=1 << 16)


class ResultRecord(Body):
    """One opened result: integers in units of 2^-bits, flat; 1 where a zero test found a zero."""

    name: str = Field(max_length=200)
    shape: tuple[int, ...]
    bits: int = Field(ge=0, le=64)
    units: tuple[int, ...]
    bit: bool = False

    def opened(self) -> Opened:
        """As the engine keeps it."""
        return Opened(self.name, self.shape, self.bits, self.units, bit=self.bit)


class SignedResults(Body):
    """What a computation opened, and the holders' signatures over it by their names."""

    phase: Phase
    results: tuple[ResultRecord, ...]
    signatures: dict[str, str]

    def numbers(self) -> dict[str, NDArray[Any]]:
        """The opened numbers by name."""
        return {record.name: record.opened().numbers() for record in self.results}


class RowsRequest(Body):
    """Ask a hospital for its rows. The broadcast state (weights) travels as the message's arrays.

    frozen: of a validation study the manifest of its bundle, whose SHA-256 stands in the lock.
    """

    study: str
    phase: Phase
    sites: tuple[str, ...]
    holders: dict[str, HolderKeyReply]
    earlier: tuple[SignedResults, ...] = ()
    frozen: str = ManifestText
    state: str


class RowsReply(Body):
    """How many slots travel in the arrays, and the hospital's signature over their hash."""

    slots: int = Field(ge=0, le=1 << 20)
    hash: str = Hex32
    signature: str


class HoldRequest(Body):
    """One step of a holder: 0 begins an attempt (the arrays hold the boxes), every further one brings the frame that came back.

    frozen: as in `RowsRequest`, at step 0.
    """

    study: str
    phase: Phase
    attempt: int = Field(ge=1, le=1 << 16)
    step: int = Field(ge=0, le=1 << 20)
    sites: tuple[str, ...] = ()
    holders: dict[str, HolderKeyReply] = Field(default_factory=dict)
    rows: dict[str, RowsReply] = Field(default_factory=dict)
    earlier: tuple[SignedResults, ...] = ()
    frozen: str = ManifestText


class HoldReply(Body):
    """The holder's frame travels as an array; at the end the results with this holder's signature."""

    step: int
    done: bool = False
    results: tuple[ResultRecord, ...] = ()
    signature: str = ""
    openings: int = 0


Side = Literal["key", "rows", "results"]


def _statement(side: Side, study: str, phase: str, content: object) -> bytes:
    return canonical(["fedhcc shares", side, study, phase, content])


def sign_key(key: Ed25519PrivateKey, lock: StudyLock, phase: str, private: X25519PrivateKey, attempt: int) -> HolderKeyReply:
    """A holder's signed key and its admissions."""
    public = private.public_key().public_bytes_raw().hex()
    hospitals = {entry.name: exchange_public(bytes.fromhex(entry.signing_key)) for entry in lock.roster}
    sealed = admit(private, hospitals, admission_of(private), _admission_context(lock, phase), secrets.token_bytes)
    admissions = {name: data.hex() for name, data in sealed.items()}
    signature = key.sign(_statement("key", lock.study_id, phase, [public, admissions])).hex()
    return HolderKeyReply(public_key=public, admissions=admissions, signature=signature, attempt=attempt)


def check_holder_keys(lock: StudyLock, phase: str, keys: Mapping[str, HolderKeyReply]) -> dict[int, bytes]:
    """Holder number → X25519 public key; FH-561 where a holder of the lock is missing, another is there, or a signature fails."""
    if set(keys) != set(lock.holders):
        raise problems.HOLDERS_DIFFER.problem("the keys are not those of the lock's holders")
    for name, reply in keys.items():
        check_holder_key(lock, phase, name, reply)
    return {number: bytes.fromhex(keys[name].public_key) for number, name in enumerate(lock.holders, 1)}


def check_holder_key(lock: StudyLock, phase: str, name: str, reply: HolderKeyReply) -> None:
    """FH-561 where a holder did not sign its key and admissions."""
    require_signature(lock, name, reply.signature, _statement("key", lock.study_id, phase, [reply.public_key, reply.admissions]))


def check_results(lock: StudyLock, phase: Phase, name: str, results: tuple[ResultRecord, ...], signature: str) -> None:
    """FH-561 where a holder did not sign these results."""
    require_signature(lock, name, signature, _results_statement(lock.study_id, phase, results))


def recipients(lock: StudyLock, phase: str, keys: Mapping[str, HolderKeyReply], site: str, key: Ed25519PrivateKey) -> dict[int, Recipient]:
    """Holder number → whom a hospital seals to; FH-561 as `check_holder_keys`, FH-553 where an admission is not for this hospital."""
    publics = check_holder_keys(lock, phase, keys)
    own, context = exchange_private(key), _admission_context(lock, phase)
    sealed = {number: bytes.fromhex(keys[name].admissions.get(site, "")) for number, name in enumerate(lock.holders, 1)}
    return {number: admitted(own, site, public, sealed[number], context) for number, public in publics.items()}


def _admission_context(lock: StudyLock, phase: str) -> bytes:
    return canonical(["fedhcc shares admission", lock.study_id, phase])


def boxes_hash(boxes: Mapping[str, NDArray[np.uint8]]) -> str:
    """SHA-256, hex, of a hospital's boxes for all holders."""
    digest = hashlib.sha256()
    for name in sorted(boxes):
        digest.update(canonical([name, list(boxes[name].shape)]))
        digest.update(np.ascontiguousarray(boxes[name]).tobytes())
    return digest.hexdigest()


def sign_rows(key: Ed25519PrivateKey, study: str, phase: str, slots: int, digest: str) -> RowsReply:
    """A hospital's signed reply."""
    return RowsReply(slots=slots, hash=digest, signature=key.sign(_statement("rows", study, phase, [slots, digest])).hex())


def check_rows(lock: StudyLock, phase: str, site: str, reply: RowsReply, boxes: Mapping[str, NDArray[np.uint8]]) -> None:
    """FH-561 or FH-558 where a hospital's boxes are not what it signed."""
    signed_slots(lock, phase, {site: reply})
    names = {f"{BOXES}{number}" for number in range(1, len(lock.holders) + 1)}
    if set(boxes) != names or any(box.dtype != np.uint8 or box.ndim != 2 or len(box) != reply.slots for box in boxes.values()):
        raise problems.SHARED_ROWS_MALFORMED.problem(f"{site}: the arrays are not one box a slot and holder")
    if boxes_hash(boxes) != reply.hash:
        raise problems.SHARED_ROWS_MALFORMED.problem(f"{site}: the boxes are not those that were signed")


def signed_slots(lock: StudyLock, phase: str, replies: Mapping[str, RowsReply]) -> int:
    """How many slots the hospitals together signed for; FH-561 where a signature fails."""
    for site, reply in replies.items():
        require_signature(lock, site, reply.signature, _statement("rows", lock.study_id, phase, [reply.slots, reply.hash]))
    return sum(reply.slots for reply in replies.values())


def records(results: Mapping[str, Opened]) -> tuple[ResultRecord, ...]:
    """Opened results as they travel, in order of their names."""
    return tuple(
        ResultRecord(name=one.name, shape=one.shape, bits=one.bits, units=one.units, bit=one.bit) for _, one in sorted(results.items())
    )


def _results_statement(study: str, phase: str, results: tuple[ResultRecord, ...]) -> bytes:
    return _statement("results", study, phase, [record.model_dump(mode="json") for record in results])


def sign_results(key: Ed25519PrivateKey, study: str, phase: str, results: tuple[ResultRecord, ...]) -> str:
    """A holder's signature over everything a computation opened."""
    return key.sign(_results_statement(study, phase, results)).hex()


def believe(lock: StudyLock, earlier: tuple[SignedResults, ...]) -> dict[str, dict[str, NDArray[Any]]]:
    """Phase → opened numbers by name; FH-561 unless more holders than may collude signed them."""
    found: dict[str, dict[str, NDArray[Any]]] = {}
    for signed in earlier:
        statement = _results_statement(lock.study_id, signed.phase, signed.results)
        for name, signature in signed.signatures.items():
            if name not in lock.holders:
                raise problems.HOLDERS_DIFFER.problem("results are signed by somebody who holds no shares")
            require_signature(lock, name, signature, statement)
        if len(signed.signatures) <= lock.collusion or signed.phase in found:
            raise problems.HOLDERS_DIFFER.problem(f"the results of the phase {signed.phase} are not signed by enough holders")
        found[signed.phase] = signed.numbers()
    return found


def require_signature(lock: StudyLock, site: str, signature: str, statement: bytes) -> None:
    """FH-561 where a site of the lock did not sign a statement."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(lock.entry(site).signing_key))
        key.verify(bytes.fromhex(signature), statement)
    except (InvalidSignature, ValueError, KeyError):
        raise problems.HOLDERS_DIFFER.problem(f"what {site} is said to have signed carries another signature") from None
