"""One append-only, hash-chained log per site: everything that left the hospital, and everything that was refused.

Each line is the canonical JSON of an entry; its `hash` covers the entry and the hash of the entry before, so a change is
found at its place. `journal.head` beside `journal.jsonl` holds number and hash of the last entry, so that lines cut from the end are
found too; it is there before the first line is. A line reaches the disk before `append` returns, hence before anything it tells of
leaves the hospital. A process killed while it wrote leaves a line without its end: the next opening moves that rest to
`journal.torn-N` and says so in an entry. One process at a time writes (a lock on `journal.lock`); anyone may read. A file that is taken
away, replaced, cut or written to by somebody else while it is open takes no further entry: nothing leaves that a lost file would tell of.
"""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from site_config.atomic_files import access_problem, make_folder, sync, write_problem
from site_config.file_lock import take
from site_config.problems import privacy
from site_config.study.plan_and_lock import canonical

FIRST = "0" * 64
REPAIR = "repair"
CLOCK = "clock"
"""The kind of an entry that says the machine's clock went back: the times before it and after it are not in order."""
BACK_S = 2.0
Clock = Callable[[], datetime]


def local_time() -> datetime:
    """Now, with the machine's time zone."""
    return datetime.now().astimezone()


@dataclass(frozen=True)
class Entry:
    """One line of the journal: number from 1, ISO time, kind, content, and its place in the chain."""

    number: int
    time: str
    kind: str
    data: Mapping[str, Any]
    previous: str
    hash: str

    @classmethod
    def make(cls, number: int, time: str, kind: str, data: Mapping[str, Any], previous: str) -> Entry:
        """An entry with its hash: SHA-256 of the canonical JSON of everything else."""
        body = {"number": number, "time": time, "kind": kind, "data": dict(data), "previous": previous}
        return cls(number, time, kind, dict(data), previous, hashlib.sha256(canonical(body)).hexdigest())

    def line(self) -> bytes:
        """The entry as it stands in the file, with its line end."""
        return canonical(vars(self)) + b"\n"


def _parse(line: bytes, number: int, previous: str) -> Entry:
    try:
        raw = json.loads(line)
        entry = Entry(**raw)
        true = Entry.make(number, entry.time, entry.kind, entry.data, previous)
    except (ValueError, TypeError, RecursionError):
        raise privacy.JOURNAL_TAMPERED.problem(f"entry {number} cannot be read", where=f"journal.jsonl:{number}") from None
    if entry != true or line != entry.line()[:-1]:
        raise privacy.JOURNAL_TAMPERED.problem(f"entry {number} does not fit the one before it", where=f"journal.jsonl:{number}")
    return entry


def parse(content: bytes) -> tuple[list[Entry], bytes]:
    """Entries of a journal's content and the torn rest after its last line end; FH-523 names the first entry that does not fit."""
    *lines, rest = content.split(b"\n")
    entries: list[Entry] = []
    previous = FIRST
    for number, line in enumerate(lines, start=1):
        entries.append(_parse(line, number, previous))
        previous = entries[-1].hash
    return entries, rest


def _check_head(head: bytes | None, entries: list[Entry]) -> None:
    """The head may lag (a kill between line and head) but never know more than the journal."""
    if head is None:
        if entries:
            raise privacy.JOURNAL_TRUNCATED.problem("the side file with the last hash is missing", where="journal.head")
        return
    try:
        known = json.loads(head)
        number, digest = int(known["number"]), str(known["hash"])
    except (ValueError, TypeError, KeyError):
        raise privacy.JOURNAL_TAMPERED.problem("the side file with the last hash cannot be read", where="journal.head") from None
    if number < 0 or number > len(entries):
        raise privacy.JOURNAL_TRUNCATED.problem(
            f"entries {len(entries) + 1} to {number} are missing", where=f"journal.jsonl:{len(entries) + 1}"
        )
    if number and entries[number - 1].hash != digest:
        raise privacy.JOURNAL_TAMPERED.problem(f"entry {number} is not the one that was written", where=f"journal.jsonl:{number}")


def _read_or_none(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise access_problem(error, path.name) from None


def _head_and_content(path: Path) -> tuple[bytes | None, bytes]:
    """The head first: the writer may append meanwhile, the head then lags."""
    head = _read_or_none(path.with_suffix(".head"))
    return head, _read_or_none(path) or b""


def read(path: Path) -> tuple[Entry, ...]:
    """All entries of a journal file, verified; a torn last line is left out. No lock is taken."""
    head, content = _head_and_content(path)
    if head is None and content:  # begun between the two looks
        head, content = _head_and_content(path)
    entries, _ = parse(content)
    _check_head(head, entries)
    return tuple(entries)


class Fold(ABC):
    """What is known from a journal: feed it every entry in order. A subclass starts empty."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """The fold of a journal's entries."""
        found = cls()
        for entry in entries:
            found.feed(entry)
        return found

    @abstractmethod
    def feed(self, entry: Entry) -> None:
        """Take in one entry; kinds that do not concern the fold pass by."""


class Journal:
    """The writer of one file, `journal.jsonl`, with its side files of the same stem.

    `path` None keeps the journal in memory, and `durable` False leaves out the fsync of every entry: both are for
    simulations whose patients do not exist. Raises FH-525 when another process writes, FH-523 and FH-524 when the file was
    changed or cut, FH-534 where it is taken away while it is open.
    """

    def __init__(self, path: Path | None, *, clock: Clock = local_time, durable: bool = True) -> None:
        self._path, self._clock, self._durable = path, clock, durable
        self._entries: list[Entry] = []
        self._lock = self._file = -1
        self._size = 0
        if path is not None:
            make_folder(path.parent)
            self._lock = self._take_lock(path.with_suffix(".lock"))
            with ExitStack() as undone:
                undone.callback(self.close)  # whatever goes wrong, another process may try
                self._open(path)
                undone.pop_all()

    @staticmethod
    def _take_lock(path: Path) -> int:
        try:
            handle = take(path)
        except OSError as error:
            raise write_problem(error, "journal.lock") from None
        if handle is None:
            raise privacy.JOURNAL_BUSY.problem("the journal is locked by another process", where="journal.lock") from None
        return handle

    def _open(self, path: Path) -> None:
        content = _read_or_none(path) or b""
        entries, rest = parse(content)
        _check_head(_read_or_none(path.with_suffix(".head")), entries)
        self._entries = entries
        try:
            if rest:
                torn = path.with_suffix(f".torn-{len(entries) + 1}")
                torn.write_bytes(rest)
                torn.chmod(0o600)
                sync(torn)
            if not entries:
                self._write_head(0, FIRST)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if rest:
                os.ftruncate(self._file, len(content) - len(rest))
            self._size = len(content) - len(rest)
            os.fsync(self._file)
            sync(path.parent)
        except OSError as error:
            raise write_problem(error, path.name) from None
        if rest:
            self.append(REPAIR, {"bytes": len(rest), "why": "the process was killed while it wrote; nothing of that entry had left"})
        elif entries:
            self._write_head(entries[-1].number, entries[-1].hash)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything written so far, in order."""
        return tuple(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, kind: str, data: Mapping[str, Any]) -> Entry:
        """Write one entry; it is on the disk when this returns."""
        now = self._clock()
        if kind != CLOCK and self._entries and (now - datetime.fromisoformat(self._entries[-1].time)).total_seconds() < -BACK_S:
            self.append(CLOCK, {"before": self._entries[-1].time, "now": now.isoformat(timespec="seconds")})
        previous = self._entries[-1].hash if self._entries else FIRST
        entry = Entry.make(len(self._entries) + 1, now.isoformat(timespec="seconds"), kind, data, previous)
        if self._path is not None:
            self._write(self._path, entry.line())
        self._entries.append(entry)
        self._write_head(entry.number, entry.hash)
        return entry

    def _write(self, path: Path, line: bytes) -> None:
        if self._file < 0:
            raise privacy.JOURNAL_BUSY.problem("the journal was closed", where="journal.jsonl")
        self._check_still_there(path)
        try:
            view = memoryview(line)
            while view:
                view = view[os.write(self._file, view) :]
            if self._durable:
                os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)  # a full disk leaves half a line that the next entry must not follow
            raise write_problem(error, "journal.jsonl") from None
        self._size += len(line)

    def _check_still_there(self, path: Path) -> None:
        """The open file is still the one of that name, and as long as it was left."""
        try:
            there = path.stat()
        except OSError:
            raise privacy.JOURNAL_GONE.problem("the journal was taken away while the program was running", where=path.name) from None
        if not os.path.samestat(there, os.fstat(self._file)):
            raise privacy.JOURNAL_GONE.problem("the journal was replaced while the program was running", where=path.name)
        if there.st_size != self._size:
            what = "the journal was cut or written to by somebody else while the program was running"
            raise privacy.JOURNAL_TAMPERED.problem(what, where=path.name)

    def _write_head(self, number: int, digest: str) -> None:
        """By rename, without fsync: after a power cut the head may lag, which opening allows; it never leads."""
        if self._path is None:
            return
        try:
            temporary = self._path.with_suffix(".head.part")
            temporary.write_bytes(canonical({"number": number, "hash": digest}))
            temporary.chmod(0o600)
            temporary.replace(self._path.with_suffix(".head"))
        except OSError as error:
            raise write_problem(error, "journal.head") from None

    def close(self) -> None:
        """Let go of the files; another process may write then."""
        for handle in (self._file, self._lock):
            if handle >= 0:
                os.close(handle)
        self._file = self._lock = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
