"""The messages of the federation, independent of what carries them.

A message is a `kind`, a JSON body and named one-dimensional arrays. Requests go from the coordinator to a site; a reply
is either a body of the matching model or a problem code. One ask of a statistic is three exchanges over one roster:
`keys`, `release`, `open` (DESIGN section 5). A round of training is the last two: its keys came with the opening before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from site_config.study.plan_and_lock import SignedLock, canonical

Kind = Literal["admission", "keys", "release", "open", "status", "finish", "holder", "rows", "hold", "statements"]
Arrays = Mapping[str, NDArray[Any]]
Digest = Annotated[str, Field(max_length=64)]
Hex = Annotated[str, Field(max_length=256, pattern=r"^[0-9a-f]*$")]
Name = Annotated[str, Field(max_length=200)]
Counter = Annotated[int, Field(ge=0, lt=1 << 63)]
Code = Annotated[str, Field(pattern=r"^FH-\d{3}$")]
Words = Annotated[str, Field(max_length=120, pattern=r"^[\w .+:/()-]*$")]
MOST_SITES = 10_000
LAST_TIME = 1 << 37
"""Seconds since 1970, in the year 6325: what a calendar can still write."""


class Body(BaseModel):
    """Base of every message body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Context(Body):
    """What a mask and a signature are bound to: sites that were shown different things do not cancel."""

    study: Digest
    phase: Digest
    round: Counter
    attempt: Counter
    statistic: Digest
    parameters: Digest
    state: Digest
    roster: Digest

    def digest(self) -> bytes:
        """SHA-256 of the canonical serialisation, 32 bytes."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).digest()


class AdmissionRequest(Body):
    """The signed lock, offered to a site. `journal` is the last hash of its journal that the coordinator was shown, '' for none."""

    signed: SignedLock
    canary: bool = False
    journal: Hex = ""


class AdmissionReply(Body):
    """The declared fields of an admission, and nothing else.

    `step_seconds`: how long a training step took in this hospital's rehearsal, up to a power of two; 0 where there was none.
    `device`, `disk_gib` (down to a power of two) and `prepared` (the study's scans were) are for the coordinator's board.
    """

    accepted: bool
    refusals: Annotated[tuple[Code, ...], Field(max_length=100)] = ()
    software: Words = ""
    code_digest: Hex = ""
    journal: Hex = ""
    step_seconds: Annotated[int, Field(ge=0, le=1 << 16)] = 0
    device: Annotated[str, Field(max_length=20, pattern=r"^[a-z]*$")] = ""
    disk_gib: Annotated[int, Field(ge=0, le=1 << 30)] = 0
    prepared: bool = False


class KeysRequest(Body):
    """Ask a site for its ephemeral key of one attempt."""

    context: Context
    sites: Annotated[tuple[Name, ...], Field(max_length=MOST_SITES)]


class KeysReply(Body):
    """An ephemeral X25519 public key, signed over the context by the site's long-term key (hex)."""

    public_key: Hex
    signature: Hex


class OpenedCounts(Body):
    """What masked pre-counts opened for this roster and split; sites hold it against their minima."""

    sites: Counter
    patients: Counter
    events: Counter


class ReleaseRequest(Body):
    """Ask for the masked vectors. The broadcast state travels as the message's arrays.

    `parameters` is the canonical form (`canonical_parameters`). `counts` is needed for everything finer than counts.
    `sites` is read in clear mode only, where no exchange of keys has named the roster.
    """

    context: Context
    parameters: dict[str, Any]
    keys: Annotated[dict[Name, KeysReply], Field(max_length=MOST_SITES)]
    counts: OpenedCounts | None = None
    sites: Annotated[tuple[Name, ...], Field(max_length=MOST_SITES)] = ()


class ReleaseReply(Body):
    """Hash (hex) of the vectors that travel as arrays, signed over hash and context, and whether they are masked.

    `seed_hash` (`seed_commitment`) binds the site to the seed of its own mask before it shows it, so that a seed that does
    not fit is this site's fault by name, not a sum that nobody can open; empty in clear mode.
    """

    hash: Hex
    signature: Hex
    seed_hash: Hex = ""
    masked: bool = True


class OpenRequest(Body):
    """The coordinator's signed list of the hashes it received, one for every site of the roster.

    `ahead` asks for the key of this roster's next turn at the same statistic as well: a context without parameters and state.
    """

    context: Context
    hashes: Annotated[dict[Name, Hex], Field(max_length=MOST_SITES)]
    signature: Hex
    ahead: Context | None = None


class OpenReply(Body):
    """The 32-byte seed of the site's own mask (hex), and its key of the next turn where it was asked for and is given."""

    seed: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    ahead: KeysReply | None = None


class StatusReply(Body):
    """Alive, and which phase; nothing else."""

    phase: Digest = ""


class StudyReference(Body):
    """A study by its id."""

    study: Digest


class Refusal(Body):
    """A problem code in place of a reply; what lies behind it stays in the site's own log.

    `until` is the end of a planned pause (FH-721), in whole seconds since 1970, and 0 with every other code.
    """

    code: Code
    until: int = Field(default=0, ge=0, lt=LAST_TIME)


@dataclass(frozen=True)
class Message:
    """What a transport carries.

    `room` stays with the sender of a request: the most bytes that the arrays of its reply may hold, known from the declared
    segments before anything of the reply is read; 0 allows no arrays.
    """

    kind: Kind | Literal["refusal"]
    body: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    room: int = field(default=0, compare=False)


def step_of(message: Message) -> str:
    """What a request asks to be done, as seconds are kept by: its kind, and its statistic where it names one.

    >>> step_of(Message("release", {"context": {"statistic": "training.update"}})), step_of(Message("status", {}))
    ('release training.update', 'status')
    """
    context = message.body.get("context")
    statistic = context.get("statistic") if isinstance(context, dict) else None
    return f"{message.kind} {statistic[:64]}" if isinstance(statistic, str) else str(message.kind)


def roster_hash(sites: tuple[str, ...], signing_keys: Mapping[str, str]) -> str:
    """SHA-256, hex, of the roster's names with their signing keys, in sorted order."""
    return hashlib.sha256(canonical([[name, signing_keys[name]] for name in sorted(sites)])).hexdigest()


def parameters_hash(parameters: Mapping[str, Any]) -> str:
    """SHA-256, hex, of canonical parameters."""
    return hashlib.sha256(canonical(dict(parameters))).hexdigest()


def canonical_parameters(parameters: BaseModel) -> dict[str, Any]:
    """Validated parameters as they travel and are hashed: every field, defaults included, as JSON values."""
    return parameters.model_dump(mode="json")


def state_hash(arrays: Arrays) -> str:
    """SHA-256, hex, of named arrays: names, dtypes, shapes and little-endian bytes in sorted order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(canonical([name, array.dtype.str, list(array.shape)]))
        digest.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()
