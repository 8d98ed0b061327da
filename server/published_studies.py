"""Studies that an office has published: a signed lock is put where `run` finds it, and found again by the first digits of its id."""

from __future__ import annotations

import re
from pathlib import Path

from server.hospital_register import LOCK_LIMIT, active_site, load
from site_config.atomic_files import is_file, read_limited, write_atomic
from site_config.documents.document_kinds import kind_of
from site_config.keys_and_signatures import CoordinatorIdentity, private_folder, read_lock, verify_lock
from site_config.problems import federation
from site_config.problems import identity as problems
from site_config.study.plan_and_lock import SignedLock, StudyLock
from site_config.words_of_messages import begins, clean, not_one_study

LIKE_AN_ID = re.compile(r"[0-9a-fA-F]{0,64}")
PUBLISH = (
    "From study.yaml: `fedhcc-coordinator study lock study.yaml`, then `fedhcc-coordinator study publish LOCK`. Where it was published "
    "elsewhere, name that office's folder with --home."
)


def publish(home: Path, signed: bytes) -> StudyLock:
    """Put a signed lock where `run` finds it; FH-410, FH-412 or FH-414 unless this coordinator signed it, FH-411 for keys that changed."""
    found = read_lock(signed)
    lock = verify_lock(found, _of_this_office(home, found))
    register = load(home)
    for entry in lock.roster:
        if active_site(register, entry.name).entry(entry.role) != entry:
            raise problems.LOCK_ROSTER.problem(f"{entry.name} is enrolled with other keys than the lock names")
    folder = private_folder(private_folder(home / "studies") / lock.study_id)
    if not (folder / "lock.json").exists():
        write_atomic(folder / "lock.json", found.model_dump_json().encode() + b"\n", 0o600)
    return lock


def published(home: Path) -> tuple[StudyLock, ...]:
    """Every published study's lock, its signature checked again."""
    key, folder = CoordinatorIdentity.load(home).public_key, home / "studies"
    paths = sorted(folder.glob("*/lock.json")) if folder.is_dir() else []
    return tuple(verify_lock(read_lock(read_limited(path, LOCK_LIMIT, "a published lock")), key) for path in paths)


def find_study(home: Path, prefix: str | None = None) -> str:
    """The id of the one published study that starts with `prefix` (at least 6 digits; None: the only one there is); FH-718.

    Of a study that was left by some, the one that goes on from it. A lock's file stands for its study. An empty word names none:
    it is what a script passes where its variable is not set.
    """
    folder = home / "studies"
    found = [path.parent.name for path in folder.glob("*/lock.json")] if folder.is_dir() else []
    given = None if prefix is None else prefix.strip()
    wanted = given if given is None or LIKE_AN_ID.fullmatch(given) else _of_file(home, Path(given), found)
    named = [name for name in found if wanted is None or begins(wanted, name)]
    chosen = sorted({goes_on_as(home, name) for name in named})
    if len(chosen) == 1:
        return chosen[0]
    everything = sorted({goes_on_as(home, name) for name in found})
    if not everything:
        if not load(home).active():
            what = "No study is published at this office, and no hospital is enrolled"
            raise federation.STUDY_MISSING.problem(what, fix=f"Is this the office's folder? Name the right one with --home. {PUBLISH}")
        raise federation.STUDY_MISSING.problem("No study is published at this office", fix=PUBLISH)
    what = f"{len(everything)} published studies stand here; none was named"
    if wanted is not None:
        what = not_one_study(wanted, len(chosen), "published studies")
    ids = " or ".join(name[:12] for name in everything[:4])
    raise federation.STUDY_MISSING.problem(what, fix=f"Name one of them: {ids}. `fedhcc-coordinator status` lists them with their titles.")


def _of_this_office(home: Path, signed: SignedLock) -> str:
    """The office's key; FH-412, with what an office can do about it, for a lock that another office made."""
    key = CoordinatorIdentity.load(home).public_key
    if signed.lock.coordinator_key != key:
        what = f"The lock of {clean(signed.lock.study.title)!r} was made by another office than this folder's"
        why = "A study runs at the office whose key stands in its lock; the hospitals answer no other."
        fix = "Go to that office's folder, or name it with --home. To run the same study here: `fedhcc-coordinator study lock study.yaml`."
        raise problems.COORDINATOR_DIFFERS.problem(what, why=why, fix=fix)
    return key


def _of_file(home: Path, path: Path, published_ids: list[str]) -> str:
    """The study of a signed lock's file. FH-718 where it is not published yet, FH-414 for another of the program's documents."""
    if not is_file(path):
        what = f"{clean(str(path))!r} is neither a study's id nor a file"
        raise federation.STUDY_MISSING.problem(what, fix="`fedhcc-coordinator status` lists the studies with their ids.")
    data = read_limited(path, LOCK_LIMIT, path.name)
    if kind_of(data) == "study.yaml":
        fix = f"First `fedhcc-coordinator study lock {path}`, then publish the lock that it writes, then `fedhcc-coordinator run`."
        raise federation.STUDY_MISSING.problem(f"{path.name} is a study that is not locked yet", fix=fix)
    signed = read_lock(data, where=path.name)
    _of_this_office(home, signed)
    study = signed.lock.study_id
    if study not in published_ids:
        fix = f"First `fedhcc-coordinator study publish {path}`, then `fedhcc-coordinator run {study[:12]}`."
        raise federation.STUDY_MISSING.problem(f"the study of {path.name} ({study[:12]}) is not published at this office", fix=fix)
    return study


GOES_ON = "goes-on-as"
"""File of a study's folder that names the study that goes on from it."""


def goes_on_as(home: Path, study: str) -> str:
    """The study that goes on from this one without some of its patients, the last of them; the study itself where nobody left."""
    path = home / "studies" / study / GOES_ON
    return goes_on_as(home, read_limited(path, 64, "a study's id").decode()) if path.exists() else study
