"""What the coordinator needs of whatever carries its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared_model.secure_sum.federation_messages import Message


@dataclass(frozen=True)
class Failure:
    """Why one site did not reply: a problem code (`FH-7xx`, or what the site refused with) and a word for the ledger.

    `until` is the end of the site's planned pause (FH-721), seconds since 1970.
    """

    code: str
    detail: str = ""
    until: int = 0


@dataclass(frozen=True)
class Exchange:
    """Replies and failures by site; every site asked stands in exactly one of the two."""

    replies: dict[str, Message] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)


class Watch(Protocol):
    """Whoever follows a question while it is on its way."""

    def asked(self, requests: Mapping[str, Message], deadline_s: float) -> None:
        """A question was sent."""

    def answered(self, site: str, reply: Message | None) -> None:
        """A site answered; None where its answer failed."""

    def look(self) -> None:
        """Some seconds have passed."""


class Transport(Protocol):
    """Carries one request to each named site and waits for the replies."""

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """Send and wait up to `deadline_s` seconds; silence is a `Failure`, never an exception."""

    def sites(self) -> Mapping[str, bool]:
        """Every enrolled site by name, and whether it is registered with the coordinator now."""
