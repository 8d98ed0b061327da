"""Rows through the door: policy → rows → share → journal. What leaves is sealed to the holders, slot by slot.

The coordinator carries the boxes and cannot open them; a holder opens its own and learns nothing from it. What the holders may
then open together is the plan's declaration, which follows from the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from client.release.earlier_releases import Ledger, cohort_hash
from client.release.journal_entries import SharedRows
from client.release.shares.rows_apart import changed_ids, left_of_four, moved_ids, outcome_ids, read_ids
from client.release.site_policy import check_sharing
from shared_model.analyses.analysis_plan import SharedPlan
from shared_model.analyses.generation_change import CAME, CHANGED, MOVED
from shared_model.analyses.patient_slots import PaddedPatients, contribution
from shared_model.analyses.phases.admission_plan import change_model, fours
from shared_model.shares.holder.dealt_rows import deal
from shared_model.shares.messages.sealed_envelopes import Recipient
from shared_model.shares.messages.share_messages import BOXES
from shared_model.shares.numbers.shamir import Source
from site_config.problems import privacy
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import EarlierStudy, StudyLock

RowsOf = Callable[[], tuple[PaddedPatients, tuple[str, ...]]]


def share(
    policy: Policy,
    lock: StudyLock,
    site: str,
    plan: SharedPlan,
    roster: tuple[str, ...],
    recipients: Mapping[int, Recipient],
    rows_of: RowsOf,
    slots_of: Callable[[int], int],
    now: datetime,
    random: Source,
) -> tuple[dict[str, NDArray[np.uint8]], tuple[str, ...], str]:
    """The boxes by holder, the keys of the patients in them, and the rule that allowed it."""
    rule = check_sharing(policy, lock, site, plan, roster, now)
    patients, keys = rows_of()
    vectors = contribution(plan.parts, patients, slots_of(len(patients)))
    boxes = deal(plan.parts, vectors, recipients, plan.context, random=random)
    of_holder: dict[str, NDArray[np.uint8]] = {
        f"{BOXES}{holder}": np.stack([np.frombuffer(slot[holder - 1], dtype=np.uint8) for slot in boxes]) for holder in recipients
    }
    return of_holder, keys, rule


def compared_patients(
    lock: StudyLock, site: str, ledger: Ledger, choices: Mapping[str, frozenset[str]]
) -> tuple[PaddedPatients, dict[str, dict[str, str]]]:
    """Who changed against each earlier study of a lock, or came with this hospital, by choice of rows; and the hashes of the rows
    used there, by set.

    choices: `live.SET` and `base.SET` → rows. Raises OUTSIDE_LOCK where the lock tells another roster of an earlier study than this
    hospital knows, ROWS_WAIT where one of them used several rows of one set.
    """
    model = change_model(lock)
    earlier = [_used(lock, ledger, one) for one in lock.earlier]
    every = [rows for used in earlier for rows in used.values()] + list(choices.values())
    patients = sorted({row.partition(".")[0] for rows in every for row in rows})
    here = [site in one.roster or bool(used) for one, used in zip(lock.earlier, earlier, strict=True)]  # maybe under another name
    values = {}
    for c, choice in enumerate(model.choices):
        rows, of = choices.get(choice, frozenset()), choice.partition(".")[2]
        counted = _counted(lock, here, [used.get(of, frozenset()) for used in earlier], rows)
        for k, kinds in enumerate(counted):
            for kind, ids in kinds.items():
                values[f"{model.name}.{model.place(k, c, kind)}"] = np.array([one in ids for one in patients], dtype=np.float64)
    nobody = np.zeros(len(patients))
    hashes = {one.study: {name: cohort_hash(rows) for name, rows in used.items()} for one, used in zip(lock.earlier, earlier, strict=True)}
    return PaddedPatients(nobody.astype(np.int64), nobody.astype(np.bool_), values), hashes


def _counted(
    lock: StudyLock, here: Sequence[bool], before: Sequence[frozenset[str]], rows: frozenset[str]
) -> list[dict[int, Collection[str]]]:
    """Who is counted where, in the order of `change_model`: against each earlier study; by what was read; left of four results.

    here: whether this hospital took part in each of them.
    """
    found: list[dict[int, Collection[str]]] = []
    for known, used in zip(here, before, strict=True):
        everybody = changed_ids(used, rows)
        found.append({CHANGED: everybody if known else (), CAME: () if known else everybody, MOVED: moved_ids(used, rows) if known else ()})
    for known, used in zip(here, before, strict=True):
        found.append({CHANGED: outcome_ids(used, rows) if known else (), CAME: read_ids(used, rows) if known else (), MOVED: ()})
    for one, two, third in fours(lock):
        left, moved = left_of_four(rows, before[third], before[one], before[two])
        found.append({CHANGED: left, CAME: (), MOVED: moved})
    return found


def _used(lock: StudyLock, ledger: Ledger, earlier: EarlierStudy) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for use in ledger.uses:
        if use.study != earlier.study:
            continue
        if not use.roster <= set(earlier.roster):
            raise privacy.OUTSIDE_LOCK.problem("an earlier study had other hospitals than the lock says")
        for name, cohort in use.sets:
            if found.setdefault(name, ledger.rows(cohort)) != ledger.rows(cohort):
                raise privacy.ROWS_WAIT.problem("an earlier study used several rows of one set; the hospital decides by `consent`")
    return found


def shared_record(
    lock: StudyLock,
    plan: SharedPlan,
    roster: tuple[str, ...],
    boxes: Mapping[str, NDArray[np.uint8]],
    cohort: str,
    n: int,
    rule: str,
    digest: str,
) -> SharedRows:
    """The journal's line."""
    return SharedRows(
        study=lock.study_id,
        phase=plan.phase,
        roster=roster,
        holders=lock.holders,
        parts={part.name: part.width for part in plan.parts},
        results=tuple(sorted(plan.declaration.results)),
        cohort=cohort,
        patients=n,
        slots=len(next(iter(boxes.values()))),
        bytes=sum(box.nbytes for box in boxes.values()),
        rule=rule,
        hash=digest,
    )
