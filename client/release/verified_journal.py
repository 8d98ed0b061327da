"""The hospital's journal as the whole of its state leans on it: opened with what vouches for it, asked what it knows.

The journal is the memory of what was opened. Without it, or with one from another day, the rules that compare a release with
earlier ones would hold against nothing. So three things vouch for it: a mark beside the keys, written once, tells that a
journal was begun and how; the coordinator tells at every admission the last hash it was shown; and the journal in turn knows
the site's secret and every withdrawal, so that state which went back alone is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from client.cohort.pseudonyms import keyed_hash, site_secret
from client.cohort.withdrawal import withdrawn_keys
from client.release.journal_entries import DoorRecord
from site_config.atomic_files import read_limited, write_atomic
from site_config.hash_chained_journal import Clock, Entry, Journal, local_time
from site_config.keys_and_signatures import private_folder
from site_config.problems import host, privacy
from site_config.words_of_messages import plural

STATE, WITHDRAWAL, WENT_BACK = "state", "withdrawal", "went-back"
MARK = "journal-begun"
KEPT_TABLES = "generations"
"""The folder of tables that are kept only with an entry of the journal."""
JOURNAL = "journal.jsonl"


class StateSeen(DoorRecord):
    """What the site's state was when the program started: a print of its secret."""

    secret: str


class Withdrawn(DoorRecord):
    """A patient (HMAC id) who is in no release from here on."""

    patient: str


class WentBack(DoorRecord):
    """The hospital goes on with a journal that lacks what the coordinator saw: somebody decided it, knowing."""

    seen: str
    note: str = ""


def open_journal(state: Path, *, clock: Clock = local_time, durable: bool = True) -> Journal:
    """The site's journal, ready to be written. Raises JOURNAL_GONE where it was begun and is not there any more."""
    mark = private_folder(state / "identity") / MARK
    begun = read_limited(mark, 128).decode("ascii", errors="replace").strip() if mark.exists() else ""
    path = state / JOURNAL
    was_begun = begun or any((state / KEPT_TABLES).glob("*.csv"))
    if was_begun and (not path.exists() or not path.stat().st_size):
        raise privacy.JOURNAL_GONE.problem("the journal was begun and is not there any more", where=JOURNAL)
    journal = Journal(path, clock=clock, durable=durable)
    with ExitStack() as undo:
        undo.callback(journal.close)  # whatever is refused below lets the journal's lock go
        _vouch(journal, state)
        first = journal.entries[0].hash
        if begun and begun != first:
            raise privacy.JOURNAL_GONE.problem("another journal was begun in this state folder", where=JOURNAL)
        if not begun:
            write_atomic(mark, first.encode() + b"\n")
        undo.pop_all()
    return journal


def _vouch(journal: Journal, state: Path) -> None:
    """The site's secret and withdrawals are those the journal knows; what is new is written down."""
    seen = StateSeen(secret=keyed_hash(site_secret(state), "print of the secret").hex()).model_dump()
    known = [entry.data for entry in journal if entry.kind == STATE]
    if known and dict(known[-1]) != seen:
        raise host.STATE_DAMAGED.problem("state/secret is not the one the journal knows", where="state/secret")
    if not known:
        journal.append(STATE, seen)
    note_withdrawals(journal, withdrawn_keys(state))


def withdrawals_known(entries: Iterable[Entry]) -> frozenset[str]:
    """The patients whose withdrawal stands in the journal."""
    return frozenset(str(entry.data["patient"]) for entry in entries if entry.kind == WITHDRAWAL)


def note_withdrawals(journal: Journal, gone: frozenset[str]) -> None:
    """Write new withdrawals down; STATE_DAMAGED where one that the journal knows is not in the list any more."""
    known = withdrawals_known(journal)
    lost = known - gone
    if lost:
        raise host.STATE_DAMAGED.problem(
            f"state/withdrawn.json lacks {plural(len(lost), 'withdrawal')} that the journal knows", where="state/withdrawn.json"
        )
    for patient in sorted(gone - known):
        journal.append(WITHDRAWAL, Withdrawn(patient=patient).model_dump())


def last_hash(journal: Journal) -> str:
    """What the coordinator keeps to show it at the next admission."""
    return journal.entries[-1].hash if len(journal) else ""


def check_seen(journal: Journal, seen: str) -> None:
    """JOURNAL_WENT_BACK where the journal lacks the entry the coordinator saw last, unless the hospital decided to go on."""
    if not seen or any(entry.hash == seen for entry in journal):
        return
    if any(entry.kind == WENT_BACK and entry.data["seen"] == seen for entry in journal):
        return
    raise privacy.JOURNAL_WENT_BACK.problem(f"the coordinator was shown an entry ({seen[:12]}) that this journal does not hold")


def print_of(path: Path) -> str:
    """SHA-256, hex, of a file as it is now; '' where it is not there. To notice that somebody changed it."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
