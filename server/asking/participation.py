"""The participation ledger: every ask, who was asked, who was missing, how it ended. Names sites, never counts per site."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from server.study.results import LedgerEntry
from site_config.files import access_problem


class StudyLedger:
    """An append-only file of `LedgerEntry` lines, flushed to disk one by one.

    A line that was cut off by a crash is completed by the next append with a line break and skipped when read: the ask it
    told of did not end, and is asked again by the resumed study.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = list(self._read())

    def _read(self) -> list[LedgerEntry]:
        if not self._path.exists():
            return []
        found = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(LedgerEntry.model_validate_json(line))
            except ValidationError:
                continue
        return found

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """All entries in order."""
        return tuple(self._entries)

    def append(self, entry: LedgerEntry) -> None:
        """Add one entry and flush it to disk; access problems when the disk refuses."""
        try:
            torn = self._path.exists() and self._path.stat().st_size > 0 and not self._path.read_bytes().endswith(b"\n")
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(("\n" if torn else "") + entry.model_dump_json() + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise access_problem(error, "the participation ledger") from None
        self._entries.append(entry)

    def missed_share(self, phase: str, statistic: str, turns: int) -> dict[int, float]:
        """Share of a block's turns that it missed, by block, of `turns` rounds planned for each."""
        missed = Counter(e.block for e in self._entries if e.phase == phase and e.statistic == statistic and e.outcome == "missed")
        return {block: count / max(turns, 1) for block, count in missed.items()}
