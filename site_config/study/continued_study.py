"""A study that goes on from another one without some of its patients: the same plan, fewer hospitals, nothing that was not agreed to."""

from __future__ import annotations

from site_config.study.plan_and_lock import StudyLock


def goes_on(before: StudyLock, lock: StudyLock) -> bool:
    """Whether a lock is `before` without some of its patients, so that whoever approved the one has approved the other.

    Plan, code, coordinator, and every hospital that is left with its keys and its role are the same; title, blocks and holders may
    be others, because they depend on who is left.
    """
    leaving = lock.leaving
    if leaving is None or leaving.study != before.study_id or lock.study_id == before.study_id:
        return False
    left = {entry.name: entry for entry in before.roster}
    stay = {entry.name: entry for entry in lock.roster}
    gone = {name: entry.role for name, entry in left.items() if name not in stay}
    return (
        plan(before) == plan(lock)
        and (before.code_digest, before.coordinator_key) == (lock.code_digest, lock.coordinator_key)
        and all(left.get(name) == entry for name, entry in stay.items())
        and leaving.gone == gone
        and (not lock.holders or before.study_id in {one.study for one in lock.earlier})
    )


def plan(lock: StudyLock) -> dict[str, object]:
    """What two locks of the same plan have in common: the study without its title, its hospitals and who holds shares."""
    found = lock.study.model_dump(mode="json", exclude={"title", "sites", "draw"})
    return found | {"shares": {**found["shares"], "names": None}}
