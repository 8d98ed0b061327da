"""Enrolment at the hospital: keys, request, kit, and the decisions on studies.

Pure functions over the site's state folder; the command line and the simulations call the same ones.

`state/` holds `secret` (32 bytes, keys of patients' pseudonyms), `identity/` (keys and `kit.json`) and
`studies/ID/{lock,decision}.json`. Nothing here ever sends anything.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from site_config.atomic_files import read_json, read_limited, write_atomic, write_json
from site_config.keys_and_signatures import (
    MAX_DOCUMENT,
    Kit,
    SiteIdentity,
    SiteRequest,
    private_folder,
    read_kit,
    verify_lock,
    verify_own_entry,
)
from site_config.problems import identity as problems
from site_config.problems import privacy
from site_config.problems.base import Problem, together
from site_config.study.continued_study import goes_on
from site_config.study.lock_study import as_earlier, lock_faults
from site_config.study.plan_and_lock import RosterEntry, SignedLock, StudyLock
from site_config.words_of_messages import begins, clean, not_one_study

Decision = Literal["pending", "approved", "declined"]
KIT_FILE = "kit.json"
SECRET_FILE = "secret"  # noqa: S105 - a file's name
MAX_LOCK = 16 << 20


def site_secret(state: Path) -> bytes:
    """The 32 secret bytes patients' pseudonyms are made with, created where they are missing."""
    path = private_folder(state) / SECRET_FILE
    if not path.exists():
        write_atomic(path, secrets.token_bytes(32), 0o600)
    return read_limited(path, 32)


def init(state: Path, name: str) -> SiteIdentity:
    """New keys and the secret of a site; FH-402 where keys exist."""
    identity = SiteIdentity.create(state, name)
    site_secret(state)
    return identity


def write_request(identity: SiteIdentity, folder: Path, software: str) -> tuple[SiteRequest, Path]:
    """Write `NAME.request.json`, which holds public keys only, and return it with its path."""
    request = identity.request(software)
    path = folder / f"{identity.name}.request.json"
    write_atomic(path, request.model_dump_json(indent=2).encode() + b"\n", 0o644)
    return request, path


def join(state: Path, kit: bytes, read_out: str | None = None) -> Kit:
    """Check a kit (FH-407, FH-408, FH-409) and keep it; an earlier kit of another coordinator is refused (FH-412)."""
    identity = SiteIdentity.load(state)
    new = read_kit(kit, identity, read_out)
    kept = identity.folder / KIT_FILE
    if kept.exists() and (mine := load_kit(state)).coordinator_key != new.coordinator_key:
        owner, other = (f"{clean(one.title)} at {one.address}" for one in (mine, new))
        what = f"This folder belongs to {owner}; the kit is of {other}, with another key"
        raise problems.COORDINATOR_DIFFERS.problem(what)
    write_atomic(kept, new.model_dump_json(indent=2).encode() + b"\n", 0o600)
    return new


def load_kit(state: Path) -> Kit:
    """The kit this site joined with, checked again; FH-416 where there is none."""
    path = state / "identity" / KIT_FILE
    if not path.exists():
        raise problems.NOT_JOINED.problem("No kit was joined in this state folder")
    return read_kit(read_limited(path, MAX_DOCUMENT), SiteIdentity.load(state))


@dataclass(frozen=True)
class Offer:
    """A study this site knows, with the decision of the hospital."""

    lock: StudyLock
    decision: Decision


def offer(state: Path, signed: SignedLock) -> StudyLock:
    """Keep a lock that the coordinator signed, that names this site's keys and does not contradict itself.

    It stays pending until a person decides. Raises FH-410 to FH-412 for signature and keys, FH-1xx for its content.
    """
    lock = verify_lock(signed, load_kit(state).coordinator_key)
    verify_own_entry(lock, SiteIdentity.load(state))
    faults = lock_faults(lock)
    if faults:
        raise together(faults)
    folder = private_folder(private_folder(state / "studies") / lock.study_id)
    if not (folder / "lock.json").exists():
        write_atomic(folder / "lock.json", signed.model_dump_json().encode() + b"\n", 0o600)
    if lock.leaving is not None and decision(state, lock.study_id) == "pending" and _approved_before(state, lock):
        decide(state, lock.study_id, "approved", datetime.now(UTC).isoformat(timespec="seconds"))
    return lock


def earlier_faults(state: Path, lock: StudyLock) -> list[Problem]:
    """FH-532 for an earlier study that a lock tells otherwise than the lock that was kept of it: other roles, blocks or questions.

    What may be left of several results is counted by these words, so that they are not the coordinator's to choose.
    """
    found = []
    for one in (*lock.earlier, *lock.beside):
        if (state / "studies" / one.study / "lock.json").exists() and as_earlier((load_lock(state, one.study),)) != (one,):
            found.append(privacy.OUTSIDE_LOCK.problem(f"the earlier study {one.study[:12]} was another one than the lock says"))
    return found


def _approved_before(state: Path, lock: StudyLock) -> bool:
    """Whether a study goes on from one that was approved here. Raises FH-421 where it says so and is another one."""
    before = lock.leaving.study if lock.leaving is not None else ""
    if not (state / "studies" / before / "lock.json").exists():
        raise problems.ANOTHER_STUDY.problem(f"Study {lock.study_id[:12]} goes on from {before[:12]}, which this hospital does not know")
    if not goes_on(load_lock(state, before), lock):
        raise problems.ANOTHER_STUDY.problem(f"Study {lock.study_id[:12]} says it goes on from {before[:12]}, and asks for something else")
    return decision(state, before) == "approved"


def decision(state: Path, study_id: str) -> Decision:
    """What the hospital decided about a study; an unknown one is pending."""
    path = state / "studies" / study_id / "decision.json"
    if not path.exists():
        return "pending"
    found = read_json(path).get("decision")
    return found if found in ("approved", "declined") else "pending"


def decided_on(state: Path, study_id: str) -> str:
    """The day of the hospital's decision, as ISO 8601; '' where there is none."""
    path = state / "studies" / study_id / "decision.json"
    return str(read_json(path).get("at", ""))[:10] if path.exists() else ""


JOURNAL_ASKED = "journal-asked.json"


def note_journal_asked(state: Path, seen: str) -> None:
    """Keep which entry the coordinator asked for that the journal does not hold, for the person who decides."""
    write_json(state / JOURNAL_ASKED, {"seen": seen})


def journal_asked(state: Path) -> str:
    """That entry's hash, '' where none was asked for."""
    path = state / JOURNAL_ASKED
    return str(read_json(path).get("seen", "")) if path.exists() else ""


def require_approved(state: Path, study_id: str) -> None:
    """Pass for an approved study; FH-418 while undecided, FH-419 when declined."""
    found = decision(state, study_id)
    if found == "declined":
        raise problems.STUDY_DECLINED.problem(f"Study {study_id[:12]} was declined here")
    if found != "approved":
        raise problems.STUDY_NOT_APPROVED.problem(f"Study {study_id[:12]} waits for a decision")


def load_lock(state: Path, study_id: str) -> StudyLock:
    """A kept lock, its signature checked again; FH-417 where the study is unknown."""
    path = state / "studies" / study_id / "lock.json"
    if not path.exists():
        raise problems.STUDY_UNKNOWN.problem(f"No study {study_id[:12]} in this state folder")
    try:
        signed = SignedLock.model_validate_json(read_limited(path, MAX_LOCK))
    except ValidationError:
        raise problems.LOCK_SIGNATURE.problem("The kept lock is damaged") from None
    return verify_lock(signed, load_kit(state).coordinator_key)


def offers(state: Path) -> tuple[Offer, ...]:
    """Every study offered to this site, oldest first."""
    folder = state / "studies"
    known = sorted(folder.glob("*/lock.json"), key=lambda path: path.stat().st_mtime) if folder.is_dir() else []
    return tuple(Offer(load_lock(state, path.parent.name), decision(state, path.parent.name)) for path in known)


def find(state: Path, prefix: str) -> Offer:
    """The one offered study whose id starts with `prefix` (at least 6 digits); FH-417 for none or several."""
    every = {one.lock.study_id: one for one in offers(state)}
    return every[one_study(prefix, every)]


def one_study(prefix: str, known: Iterable[str]) -> str:
    """The one id of those known that starts with `prefix`: at least 6 digits, large or small letters. FH-417 for none or several."""
    found = [one for one in known if begins(prefix, one)]
    if len(found) == 1:
        return found[0]
    raise problems.STUDY_UNKNOWN.problem(not_one_study(prefix, len(found), "studies"))


def decide(state: Path, study_id: str, verdict: Literal["approved", "declined"], clock: str) -> None:
    """Write the hospital's decision; `clock` is the time as ISO 8601."""
    lock = load_lock(state, study_id)
    write_json(state / "studies" / lock.study_id / "decision.json", {"decision": verdict, "at": clock})


@dataclass(frozen=True)
class RosterChange:
    """Hospitals of a roster, and what changed against the last approved study: added, gone, or with another key."""

    entries: tuple[RosterEntry, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    rekeyed: tuple[str, ...]


def roster_change(state: Path, lock: StudyLock) -> RosterChange:
    """Compare a lock's roster with that of the study this site approved last."""
    approved = [one.lock for one in offers(state) if one.decision == "approved" and one.lock.study_id != lock.study_id]
    before = {entry.name: entry.signing_key for entry in approved[-1].roster} if approved else {}
    now = {entry.name: entry.signing_key for entry in lock.roster}
    rekeyed = tuple(name for name in now if name in before and before[name] != now[name])
    return RosterChange(lock.roster, tuple(n for n in now if n not in before), tuple(n for n in before if n not in now), rekeyed)
