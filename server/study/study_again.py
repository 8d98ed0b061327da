"""A study run anew under a new id: the same plan, today's keys and code; nothing of the earlier run is used or overwritten."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from server import hospital_register as enrol
from server import published_studies
from server.study.earlier_studies import begun
from server.study.resume_state import StudyFolder
from site_config.atomic_files import write_atomic
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock, verify_lock
from site_config.problems.base import together
from site_config.study.code_digest import code_digest, office_digest
from site_config.study.lock_study import lock_faults, lock_study, resolve_roles
from site_config.study.plan_and_lock import StudyLock

TIMES = re.compile(r" \(run (\d+)\)$")
LONGEST_TITLE = 200


def next_title(title: str) -> str:
    """The title of the next run.

    >>> next_title("Survival"), next_title("Survival (run 2)")
    ('Survival (run 2)', 'Survival (run 3)')
    """
    found = TIMES.search(title)
    number = int(found[1]) + 1 if found else 2
    bare = title[: found.start()] if found else title
    mark = f" (run {number})"
    return bare[: LONGEST_TITLE - len(mark)] + mark


def again(home: Path, study: str, without: tuple[str, ...] = ()) -> tuple[StudyLock, Path]:
    """A new signed lock of a published study, published; and the file for hospitals. `without` names hospitals that are left out.

    FH-413 where a hospital is no longer enrolled, or one to leave out is none of the study's; FH-1xx where too few are left.
    """
    identity = CoordinatorIdentity.load(home)
    earlier = verify_lock(StudyFolder(home / "studies" / study).signed_lock(), identity.public_key)
    titles = set(_titles(home))
    title = next_title(earlier.study.title)
    while title in titles:
        title = next_title(title)
    enrol.check_of_study(without, {site.name for site in earlier.study.sites})
    kept = tuple(site for site in earlier.study.sites if site.name not in without)
    plan = earlier.study.model_copy(update={"title": title, "sites": kept})
    lock = lock_study(
        plan,
        enrol.roster(home, resolve_roles(plan)),
        code_digest=code_digest(),
        office_digest=office_digest(),
        coordinator_key=identity.public_key,
        published=begun(home),
    )
    faults = lock_faults(lock)
    if faults:
        raise together(faults)
    signed = sign_lock(lock, identity).model_dump_json(indent=1).encode() + b"\n"
    published_studies.publish(home, signed)
    bundle = home / "studies" / study / "bundle"
    if bundle.is_dir():
        shutil.copytree(bundle, home / "studies" / lock.study_id / "bundle", dirs_exist_ok=True)
    path = home / "studies" / f"{lock.study_id[:12]}.lock.json"
    write_atomic(path, signed, 0o644)
    return lock, path


def _titles(home: Path) -> list[str]:
    return [StudyFolder(path.parent).signed_lock().lock.study.title for path in (home / "studies").glob("*/lock.json")]
