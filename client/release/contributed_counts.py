"""How many patients stand behind a sum, as hospitals known here contributed them, never as the coordinator counts them.

Known is whose digits a person of this hospital heard on the telephone, whoever was heard by one of those, and so on. What a
hospital states of itself (`shared_model.secure_sum.statements`) is kept with the study, because a study outlives a program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from shared_model.secure_sum.federation_messages import OpenedCounts
from shared_model.secure_sum.statements import Statement, believed
from site_config.atomic_files import make_folder, read_limited, write_atomic
from site_config.problems import host, privacy
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import StudyLock
from site_config.words_of_messages import plural

STATEMENTS, MOST = "statements.json", 16 << 20
Contributed = Mapping[str, Mapping[str, int]]
"""Hospital → set → patients, this hospital among them."""
_KEPT = TypeAdapter(dict[str, Statement])


def keep(state: Path, lock: StudyLock, statements: Mapping[str, Statement]) -> None:
    """Keep what the others stated for this study."""
    write_atomic(make_folder(state / "studies" / lock.study_id) / STATEMENTS, _KEPT.dump_json(dict(statements)) + b"\n")


def kept(state: Path, lock: StudyLock) -> dict[str, Statement]:
    """The statements kept for a study, none before they came. Raises STATE_DAMAGED for a file that is none of them."""
    path = state / "studies" / lock.study_id / STATEMENTS
    if not path.exists():
        return {}
    try:
        return _KEPT.validate_json(read_limited(path, MOST, STATEMENTS))
    except ValidationError:
        raise host.STATE_DAMAGED.problem("a study's statements.json holds no statements", where="state/studies") from None


def contributed(policy: Policy, lock: StudyLock, site: str, own: Mapping[str, int], statements: Mapping[str, Statement]) -> Contributed:
    """Patients of this hospital and of every other that is known here or heard by one that counts."""
    trusted = set(policy.known_peers.fingerprints) if policy.known_peers else set()
    known = frozenset(entry.name for entry in lock.roster if entry.fingerprint in trusted and entry.name != site)
    counted = {name: one.patients for name, one in believed(lock, known, statements).items() if name != site}
    return {**counted, site: dict(own)}


def held(found: Contributed, roster: Iterable[str], sets: Iterable[str]) -> OpenedCounts:
    """Hospitals of a roster with a patient in these sets, and those patients; every one might be an event."""
    wanted = tuple(sets)
    numbers = [sum(found.get(name, {}).get(one, 0) for one in wanted) for name in roster]
    return OpenedCounts(sites=sum(number > 0 for number in numbers), patients=sum(numbers), events=sum(numbers))


def in_a_step(found: Contributed, roster: Iterable[str], sets: Iterable[str], most: int) -> int:
    """Patients whose gradients a round's update sums: so many of a hospital at most, of those known here."""
    wanted = tuple(sets)
    return sum(min(sum(found.get(name, {}).get(one, 0) for one in wanted), most) for name in roster)


def behind(
    policy: Policy, site: str, roster: tuple[str, ...], found: Contributed, sets: Iterable[str], told: OpenedCounts | None
) -> OpenedCounts:
    """What the minima are held against: hospitals and patients as known hospitals contributed them, events as told but no more.

    Raises PEERS_UNKNOWN (FH-507) where too few others of those with patients are known.
    """
    counts = held(found, roster, sets)
    others = held(found, (name for name in roster if name != site), sets).sites
    least = policy.known_peers.at_least if policy.known_peers else 0
    if others < least:
        raise privacy.PEERS_UNKNOWN.problem(
            f"{plural(others, 'other hospital')} known to this one with patients in this sum, at least {least} are asked"
        )
    return counts.model_copy(update={"events": min(counts.events, told.events if told else counts.events)})
