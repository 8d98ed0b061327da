"""The first message between two holders: nonce, commitment, contributions to common sets' keys, and what is on record.

A result that one holder put on record before an attempt broke off, and another did not, is told here, so that all answer it
from the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.messages.opened_record import Opened
from shared_model.shares.numbers.shamir import HolderSet
from shared_model.shares.numbers.shared_randomness import NONCE_BYTES
from site_config.problems import shares as problems


@dataclass(frozen=True)
class Greeting:
    """What a holder tells a peer. agreed: digest of the slots' order and of the declaration, which all must have alike."""

    nonce: bytes
    commitment: bytes
    agreed: bytes
    contributions: Mapping[HolderSet, bytes]
    record: Mapping[str, Opened]

    def encode(self) -> bytes:
        """Fixed fields, the contributions in the sets' order, then the record as JSON."""
        parts = [self.nonce, self.commitment, self.agreed, *(self.contributions[members] for members in sorted(self.contributions))]
        return b"".join(parts) + json.dumps([opened.data() for opened in self.record.values()]).encode()

    @classmethod
    def decode(cls, data: bytes, common: Sequence[HolderSet], declaration: Declaration) -> Greeting:
        """A peer's greeting, its contributions for the `common` sets; FH-552 for another form, FH-554 for a result that is not declared."""
        fixed = NONCE_BYTES * (3 + len(common))
        if len(data) < fixed:
            raise problems.SHARE_MESSAGE_MALFORMED.problem("A holder's greeting is cut off")
        pieces = [data[at : at + NONCE_BYTES] for at in range(0, fixed, NONCE_BYTES)]
        try:
            record = [_opened(item, declaration) for item in json.loads(data[fixed:])]
        except (ValueError, TypeError) as error:
            raise problems.SHARE_MESSAGE_MALFORMED.problem("A holder's record cannot be read") from error
        return cls(
            pieces[0], pieces[1], pieces[2], dict(zip(sorted(common), pieces[3:], strict=True)), {opened.name: opened for opened in record}
        )


def _opened(item: Mapping[str, Any], declaration: Declaration) -> Opened:
    opened = Opened.read(item)
    declared = declaration.results.get(opened.name)
    if declared is None or (declared.shape, declared.bits, declared.bit) != (opened.shape, opened.bits, opened.bit):
        raise problems.RESULT_REFUSED.problem(f"A holder has {opened.name} on record, which is not declared so")
    return opened
