"""What each hospital says of itself to the others of a study: how many patients it contributes, and whose digits it heard.

The minima of a hospital count patients, and whoever signs the roster could invent them. So every hospital states its own numbers,
signed with its key of the lock and sealed to each other hospital: the coordinator carries the boxes and reads none, so that it
learns no number of one hospital. A number is worth what its sender is worth: a hospital counts those it knows, and those whom
hospitals it counts have heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, ValidationError

from shared_model.secure_sum.federation_messages import MOST_SITES, Body, Counter, Digest, Hex, Name
from shared_model.shares.messages.sealed_envelopes import exchange_private, exchange_public, opened_from, seal_to
from shared_model.shares.messages.share_messages import SignedResults
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock, canonical

PADDED = 512
"""Boxes are a multiple of so many bytes, so that their length tells no number."""
Sealed = Annotated[str, Field(max_length=1 << 17, pattern=r"^[0-9a-f]*$")]
Boxes = Annotated[dict[Name, Sealed], Field(max_length=MOST_SITES)]


class Statement(Body):
    """Patients by set, and the places in the lock's roster of the hospitals whose digits a person heard there."""

    study: Digest
    site: Name
    patients: Annotated[dict[Digest, Counter], Field(max_length=8)]
    heard: Annotated[tuple[Counter, ...], Field(max_length=MOST_SITES)]
    signature: Hex = ""

    def signed(self) -> bytes:
        """The bytes under the signature."""
        return canonical(["fedhcc statement", self.model_dump(mode="json", exclude={"signature"})])


class StatementsRequest(Body):
    """Without boxes: state your numbers. With them: what every other hospital sealed to this one.

    opened: what the holders found when they compared the rows with those of earlier studies, where they did.
    """

    study: Digest
    opened: Annotated[tuple[SignedResults, ...], Field(max_length=1)] = ()
    boxes: Boxes = Field(default_factory=dict)


class StatementsReply(Body):
    """The hospital's statement, sealed to each other hospital of the lock."""

    boxes: Boxes


def make(lock: StudyLock, site: str, key: Ed25519PrivateKey, patients: Mapping[str, int], heard: frozenset[str]) -> Statement:
    """A signed statement. heard: fingerprints that were heard on the telephone."""
    places = tuple(place for place, entry in enumerate(lock.roster) if entry.name != site and entry.fingerprint in heard)
    plain = Statement(study=lock.study_id, site=site, patients=dict(patients), heard=places)
    return plain.model_copy(update={"signature": key.sign(plain.signed()).hex()})


def sealed(statement: Statement, lock: StudyLock, key: Ed25519PrivateKey, random: Callable[[int], bytes]) -> dict[str, str]:
    """Name of each other hospital → box, hex."""
    content = canonical(statement.model_dump(mode="json"))
    content += b" " * (-len(content) % PADDED)
    private, context = exchange_private(key), _context(lock, statement.site)
    others = [entry for entry in lock.roster if entry.name != statement.site]
    return {
        entry.name: seal_to(private, entry.name, exchange_public(bytes.fromhex(entry.signing_key)), content, context, random).hex()
        for entry in others
    }


def opened(lock: StudyLock, site: str, key: Ed25519PrivateKey, boxes: Mapping[str, str]) -> dict[str, Statement]:
    """The statements that other hospitals of the lock made, by their names; a box that is none of theirs counts for nothing."""
    known = {entry.name: entry for entry in lock.roster}
    private, found = exchange_private(key), {}
    for name in boxes.keys() & known.keys() - {site}:
        signing = bytes.fromhex(known[name].signing_key)
        try:
            content = opened_from(private, site, exchange_public(signing), bytes.fromhex(boxes[name]), _context(lock, name))
            statement = Statement.model_validate_json(content)
            Ed25519PublicKey.from_public_bytes(signing).verify(bytes.fromhex(statement.signature), statement.signed())
        except (Problem, ValidationError, InvalidSignature, ValueError):
            continue
        if (statement.study, statement.site) == (lock.study_id, name):
            found[name] = statement
    return found


def believed(lock: StudyLock, known: frozenset[str], statements: Mapping[str, Statement]) -> dict[str, Statement]:
    """The statements of the hospitals known here (names), of those that these have heard, and so on."""
    found: dict[str, Statement] = {}
    waiting = sorted(known & statements.keys())
    while waiting:
        name = waiting.pop()
        found[name] = statements[name]
        heard = {lock.roster[place].name for place in statements[name].heard if place < len(lock.roster)}
        waiting += sorted((heard & statements.keys()) - found.keys() - set(waiting))
    return found


def _context(lock: StudyLock, sender: str) -> bytes:
    return canonical(["fedhcc statement", lock.study_id, sender])
