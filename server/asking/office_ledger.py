"""The office's ledger: every ask, who was asked, who was missing, how it ended, and the digest of every file kept of a study.

One append-only, hash-chained file a study, of the same form as a hospital's journal, so that a line changed, cut or gone is
found at its place. What the study is computed from (opened numbers, weights, the result) is believed only with the digest
that stands here. Names sites, never counts per site.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from server.study.array_files import Parts, parts_fault, write_with_parts
from server.study.study_results import LedgerEntry
from site_config.hash_chained_journal import Entry, Journal
from site_config.hash_chained_journal import read as read_journal
from site_config.problems import federation, privacy
from site_config.problems.base import Problem
from site_config.words_of_messages import plural

KEPT_FOLDERS = ("opened", "training")
ASK, FILE, DROPPED, REMARK, OWNER = "ask", "file", "dropped", "remark", "owner"


@contextmanager
def _at_the_office() -> Iterator[None]:
    """The chain's own problems under the office's numbers."""
    try:
        yield
    except Problem as problem:
        if problem.kind in (privacy.JOURNAL_TAMPERED, privacy.JOURNAL_TRUNCATED, privacy.JOURNAL_GONE):
            raise federation.LEDGER_DAMAGED.problem(f"the study's ledger: {problem.what}", where="ledger.jsonl") from None
        if problem.kind == privacy.JOURNAL_BUSY:
            raise federation.STUDY_BUSY.problem("another process works on this study", where="ledger.lock") from None
        raise


def history(path: Path) -> tuple[Entry, ...]:
    """Every entry of a ledger file, verified; nobody is kept from writing."""
    with _at_the_office():
        return read_journal(path)


def owner_of(ledger: Path) -> str:
    """Whose ledger a file has to be: `ID/run`, or `ID/canary`."""
    return f"{ledger.parent.parent.name}/{ledger.parent.name}"


def owners(entries: Iterable[Entry]) -> set[str]:
    """Whose ledger the entries say this is; empty before the first run."""
    return {str(entry.data["run"]) for entry in entries if entry.kind == OWNER}


def asks(entries: Iterable[Entry]) -> tuple[LedgerEntry, ...]:
    """The asks among the entries, in order."""
    return tuple(LedgerEntry.model_validate(dict(entry.data)) for entry in entries if entry.kind == ASK)


def remarks(entries: Iterable[Entry]) -> tuple[str, ...]:
    """What was done to the study's state by hand, with its time, in words for the report."""
    return tuple(f"{entry.time}: {entry.data['words']}" for entry in entries if entry.kind == REMARK)


class StudyLedger:
    """The writer of one study's ledger. Raises LEDGER_DAMAGED where the file was changed or cut, STUDY_BUSY for a second writer."""

    def __init__(self, path: Path) -> None:
        self._owner = owner_of(path)
        with _at_the_office():
            self._journal = Journal(path)
        self._entries = list(asks(self._journal.entries))
        self._files = KeptDigests(self._journal.entries)

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """All asks in order."""
        return tuple(self._entries)

    @property
    def chain(self) -> tuple[Entry, ...]:
        """Everything, in order."""
        return self._journal.entries

    def append(self, entry: LedgerEntry) -> None:
        """Add one ask; it is on the disk when this returns."""
        with _at_the_office():
            self._journal.append(ASK, entry.model_dump(mode="json"))
        self._entries.append(entry)

    def note(self, kind: str, **data: object) -> None:
        """Add an entry of another kind."""
        with _at_the_office():
            written = self._journal.append(kind, data)
        self._files.feed(written)

    def claim(self) -> None:
        """Note whose ledger this is. Raises LEDGER_DAMAGED where it is that of another study, or of a canary."""
        noted = owners(self.chain)
        if noted - {self._owner}:
            raise federation.LEDGER_DAMAGED.problem(f"this ledger is that of {min(noted)[:12]}", where="ledger.jsonl")
        if not noted:
            self.note(OWNER, run=self._owner)

    @property
    def files(self) -> KeptDigests:
        """The digests of the kept files."""
        return self._files

    @property
    def excluded(self) -> frozenset[int]:
        """The training blocks that were taken out of the study."""
        return frozenset(entry.block for entry in self._entries if entry.outcome == "excluded")

    def close(self) -> None:
        """Let another process write."""
        self._journal.close()


@dataclass(frozen=True)
class Version:
    """A kept file as it was written once: its digest, and those of the parts it names."""

    sha256: str
    parts: tuple[str, ...] = ()


class KeptDigests:
    """The digests of a study's kept files: a fold over the ledger.

    The digest is written before the file, so the file written last may be the one before, or not be there yet.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._known: dict[str, list[Version]] = {}
        self._last = ""
        for entry in entries:
            self.feed(entry)

    def feed(self, entry: Entry) -> None:
        """Take in one entry; kinds that do not concern files pass by."""
        name = str(entry.data.get("name", ""))
        if entry.kind == FILE:
            version = Version(str(entry.data["sha256"]), tuple(str(part) for part in entry.data.get("parts", ())))
            self._known[name] = [*self._known.get(name, [])[-1:], version]
            self._last = name
        elif entry.kind == DROPPED:
            self._known.pop(name, None)
            self._last = "" if self._last == name else self._last

    def fault(self, root: Path, name: str) -> str | None:
        """Why a file is not believed; None where it is, or where it is rightly not there."""
        known = self._known.get(name)
        if not (root / name).exists():
            return None if known is None or (name == self._last and len(known) == 1) else "is gone"
        if known is None:
            return "stands in no entry of the ledger"
        version = self._there(name, (root / name).read_bytes())
        return "is not the one that was written" if version is None else parts_fault(root / name, version.parts)

    def _there(self, name: str, data: bytes) -> Version | None:
        """Which version a file's bytes are; None for none that it may be."""
        known, found = self._known.get(name, []), hashlib.sha256(data).hexdigest()
        return next((one for one in (known if name == self._last else known[-1:]) if one.sha256 == found), None)

    def cut_short(self, name: str, data: bytes) -> Version | None:
        """The version a file still is where a newer one was announced and never written; None where it is the newest."""
        version = self._there(name, data)
        return None if version is None or version == self._known[name][-1] else version

    def pending(self, root: Path) -> tuple[str, Version | None] | None:
        """The file that was announced last and never written, with the version that is there instead, if any; None where all is written."""
        path, known = root / self._last, self._known.get(self._last, [])
        if not known:
            return None
        if not path.exists():
            return (self._last, None) if len(known) == 1 else None
        still = self.cut_short(self._last, path.read_bytes())
        return None if still is None else (self._last, still)

    def faults(self, root: Path) -> dict[str, str]:
        """Every kept file that is not believed, and every file beside them, with the reason."""
        there = {path.relative_to(root).as_posix() for folder in KEPT_FOLDERS for path in (root / folder).glob("[!.]*.safetensors")}
        reasons = {name: self.fault(root, name) for name in there | self._known.keys()}
        return {name: why for name, why in reasons.items() if why is not None}

    def believed(self, root: Path, path: Path) -> bytes | None:
        """A file's bytes, None where none was written; STATE_DIFFERS where it is gone or another than was written."""
        name = path.relative_to(root).as_posix()
        why = self.fault(root, name)
        if why is not None:
            raise federation.STATE_DIFFERS.problem(f"the kept file {path.name[:20]} {why}", where=name)
        return path.read_bytes() if path.exists() else None


class Kept:
    """The files of one study below `root` that are believed only with their digest in the ledger."""

    def __init__(self, root: Path, ledger: StudyLedger) -> None:
        self._root, self._ledger = root, ledger
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="kept")
        self._writing: Future[None] | None = None
        self._take_back()

    def _take_back(self) -> None:
        """Where an earlier start ended between a file's digest and the file: say again what is there.

        Only of the file announced last is an older version, or none, believed; so this is said before another one is kept.
        """
        pending = self._ledger.files.pending(self._root)
        if pending is None:
            return
        name, still = pending
        if still is None:
            self._ledger.note(DROPPED, name=name)
        else:
            self._note(name, still)

    def save(self, path: Path, data: bytes) -> None:
        """Write a file whole or not at all, its digest first."""
        self.save_behind(path, data)
        self.settle()

    def save_behind(self, path: Path, data: bytes, parts: Parts | None = None) -> None:
        """As `save`, but the file is written while the caller goes on; what fails is raised by whatever is kept or read next.

        One file at a time: the ledger's last digest may be that of a file that is not there yet, an earlier one's may not.
        """
        self.settle()
        version = Version(hashlib.sha256(data).hexdigest(), tuple(sorted(parts or ())))
        self._note(path.relative_to(self._root).as_posix(), version)
        self._writing = self._writer.submit(write_with_parts, path, data, parts or {})

    def settle(self) -> None:
        """Wait until everything is on the disk; raises why something is not."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Wait for what is being written, whatever comes of it, and end."""
        self._writer.shutdown()

    def load(self, path: Path) -> bytes | None:
        """The file's bytes, None where none was written; STATE_DIFFERS where it is gone or another than was written."""
        self.settle()
        data, name = self._ledger.files.believed(self._root, path), path.relative_to(self._root).as_posix()
        still = None if data is None else self._ledger.files.cut_short(name, data)
        if still is not None:  # said again, so that being cut short a second time leaves this version among the two known
            self._note(name, still)
        return data

    def _note(self, name: str, version: Version) -> None:
        named = {"parts": list(version.parts)} if version.parts else {}
        self._ledger.note(FILE, name=name, sha256=version.sha256, **named)


def check_files(root: Path, files: KeptDigests) -> None:
    """Every kept file of a study at once: STATE_DIFFERS names those that are not believed."""
    found = files.faults(root)
    if found:
        what = "; ".join(f"{name[-40:]} {why}" for name, why in sorted(found.items())[:5])
        raise federation.STATE_DIFFERS.problem(f"{plural(len(found), 'kept file')}: {what}", where=next(iter(sorted(found))))
