"""What a holder keeps of its computations: attempts and revealed results as lines of the site's one journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared_model.shares.messages.opened_record import Opened
from shared_model.shares.messages.share_messages import ResultRecord
from site_config.hash_chained_journal import Entry, Journal

ATTEMPT, REVEALED = "share-attempt", "revealed"
Write = Callable[[str, Mapping[str, Any]], object]


class HolderRecords:
    """Attempts and results of one computation (a phase of a study), a fold over the journal."""

    def __init__(self, journal: Journal, study: str, phase: str) -> None:
        self._journal, self._study, self._phase = journal, study, phase
        self._attempt, self._rows = 0, b""
        self._revealed: dict[str, Opened] = {}
        for entry in journal:
            self._feed(entry)

    def _feed(self, entry: Entry) -> None:
        if entry.kind not in (ATTEMPT, REVEALED) or (entry.data["study"], entry.data["phase"]) != (self._study, self._phase):
            return
        if entry.kind == ATTEMPT:
            self._attempt = max(self._attempt, int(entry.data["attempt"]))
            self._rows = bytes.fromhex(entry.data["rows"])
        else:
            found = ResultRecord.model_validate(entry.data["result"]).opened()
            self._revealed[found.name] = found

    def attempt(self) -> int:
        """The highest attempt number used before; 0 for none."""
        return self._attempt

    def rows(self) -> bytes:
        """Digest of the rows of the last attempt; empty before the first."""
        return self._rows

    def begin(self, attempt: int, rows: bytes) -> None:
        """Keep an attempt's number and the digest of its rows; they are on disk when this returns."""
        data = {"study": self._study, "phase": self._phase, "attempt": attempt, "rows": rows.hex()}
        self._feed(self._journal.append(ATTEMPT, data))

    def revealed(self) -> Mapping[str, Opened]:
        """Results revealed in earlier attempts, by name."""
        return dict(self._revealed)

    def reveal(self, opened: Opened) -> None:
        """Keep a result with its numbers before it is used."""
        result = ResultRecord(name=opened.name, shape=opened.shape, bits=opened.bits, units=opened.units, bit=opened.bit)
        data = {"study": self._study, "phase": self._phase, "attempt": self._attempt, "result": result.model_dump(mode="json")}
        self._feed(self._journal.append(REVEALED, data))
