"""A copy of an office: what another machine needs to go on as this one, and how it is put back.

In it are keys, certificates, register, kits, studies with everything a study is computed from, and what hospitals showed last. Not
in it are logs, locks, process numbers and the gateway's working files: they belong to a machine. A study may run meanwhile: its
folder is copied until every file has the digest that the copied ledger names. The file holds private keys and is readable by its
owner alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from server import hospital_register as enrol
from server.asking.office_ledger import REMARK, KeptDigests, StudyLedger, history, remarks
from server.watch.study_status import FLOWER_RUN, STOP_FILE, STUDY_LOCK, folder_of
from site_config.atomic_files import access_problem, make_folder, write_atomic
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.problems import federation, identity

FOLDERS = ("identity", "tls", "kits", "studies")
FILES = ("register.json", "journals.jsonl", "journals.head", "readiness.json")
LEFT_OUT = frozenset({FLOWER_RUN, STOP_FILE, STUDY_LOCK, "awaited.json", "so_far.json", "ledger.lock", "journals.lock"})
MANIFEST = "backup.json"
TRIES = 8
LARGEST = 4 << 30
NOT_RESTORED = (
    "A hospital that was struck after this backup stands in its register again: strike it again with `revoke`.",
    "A hospital that was enrolled, or made new keys, after it has to be enrolled again.",
    "Rounds after it are asked again; hospitals count attempts above what they saw, so nothing is answered twice with other numbers.",
    "Never let two machines serve one office: end the old one before `serve` here.",
)

RESTORED = "the office was restored from its backup of"


class BackupManifest(BaseModel):
    """What a backup holds: of which office, when, and every file's SHA-256."""

    model_config = ConfigDict(extra="forbid")

    format: int = 1
    at: str
    title: str
    fingerprint: str
    files: dict[str, str]


def _wanted(home: Path) -> Iterator[Path]:
    for name in FILES:
        if (home / name).is_file():
            yield home / name
    for folder in FOLDERS:
        yield from _files(home / folder)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name not in LEFT_OUT and not path.name.startswith("."):
            yield path


def _copy_file(path: Path, to: Path) -> None:
    """Copy one file; one that is gone meanwhile was replaced, and the digests decide whether what was copied goes together."""
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileNotFoundError):
        shutil.copyfile(path, to)


def _copy(home: Path, target: Path) -> None:
    """Copy an office; a study that runs is copied until its files fit its ledger. FH-763 where they never do."""
    for path in _wanted(home):
        _copy_file(path, target / path.relative_to(home))
    for ledger in sorted((target / "studies").glob("*/run/ledger.jsonl")):
        study = ledger.parent.parent.name
        for _ in range(TRIES):
            faults = KeptDigests(history(ledger)).faults(ledger.parent)
            if not faults:
                break
            shutil.rmtree(ledger.parent)
            running = folder_of(home, study)
            for path in _files(running):
                _copy_file(path, ledger.parent / path.relative_to(running))
        else:
            raise federation.STATE_DIFFERS.problem(f"study {study[:12]} has files that its ledger does not name", where=next(iter(faults)))


def write(home: Path, out: Path, now: datetime | None = None) -> BackupManifest:
    """Write the backup; the manifest that stands in it."""
    register, office = enrol.load(home), CoordinatorIdentity.load(home)
    with tempfile.TemporaryDirectory(dir=home, prefix=".backup-") as place:
        copy = Path(place)
        _copy(home, copy)
        names = [path.relative_to(copy).as_posix() for path in _wanted(copy)]
        manifest = BackupManifest(
            at=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
            title=register.title,
            fingerprint=office.fingerprint,
            files={name: hashlib.sha256((copy / name).read_bytes()).hexdigest() for name in names},
        )
        packed = copy / ".packed.tar.gz"
        with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
            _add(tar, MANIFEST, manifest.model_dump_json(indent=1).encode())
            for name in names:
                _add(tar, name, (copy / name).read_bytes())
        write_atomic(out, packed.read_bytes(), 0o600)
    return manifest


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    tar.addfile(entry, io.BytesIO(data))


def read(file: Path) -> tuple[BackupManifest, dict[str, bytes]]:
    """A backup's content, every file with the digest of its manifest; FH-404 where it is damaged or none."""
    damaged = identity.IDENTITY_UNREADABLE.problem("This file is no whole backup of an office", fix="Take another copy of it.")
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(file, "r:gz") as tar:
            for entry in tar:
                plain = PurePosixPath(entry.name)
                if not entry.isfile() or plain.is_absolute() or ".." in plain.parts or entry.size > LARGEST:
                    raise damaged
                stream = tar.extractfile(entry)
                found[entry.name] = stream.read() if stream is not None else b""
        manifest = BackupManifest.model_validate(json.loads(found.pop(MANIFEST)))
    except OSError as error:
        if isinstance(error, tarfile.TarError) or error.errno is None:
            raise damaged from None
        raise access_problem(error, "the backup") from None
    except (tarfile.TarError, EOFError, KeyError, ValueError, ValidationError):
        raise damaged from None
    if {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} != manifest.files:
        raise damaged
    return manifest, found


def restore(file: Path, home: Path) -> tuple[BackupManifest, tuple[str, ...]]:
    """Put an office back into a folder that holds none (FH-402 otherwise); its manifest, and the studies that are under way in it."""
    if (home / "register.json").exists() or (home / "identity").exists():
        fix = "Name an empty folder with --home; move what is in this one away if it shall be replaced."
        raise identity.IDENTITY_EXISTS.problem(f"There is an office in {home.resolve()} already", fix=fix)
    manifest, found = read(file)
    make_folder(home)
    for name, data in found.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(path, data, 0o644 if name.startswith("kits/") else 0o600)
    studies = tuple(sorted(path.parent.parent.name for path in (home / "studies").glob("*/run/ledger.jsonl")))
    for study in studies:
        ledger = StudyLedger(folder_of(home, study) / "ledger.jsonl")
        try:
            ledger.note(REMARK, words=f"{RESTORED} {manifest.at}")
        finally:
            ledger.close()
    return manifest, studies


def was_restored(home: Path, study: str) -> bool:
    """Whether an office was put back since a study began: then more may have been opened than the office remembers."""
    ledger = folder_of(home, study) / "ledger.jsonl"
    return any(RESTORED in words for words in remarks(history(ledger)))
