"""Rows through the door: policy → rows → share → journal. What leaves is sealed to the holders, slot by slot.

The coordinator carries the boxes and cannot open them; a holder opens its own and learns nothing from it. What the holders may
then open together is the plan's declaration, which follows from the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from client.release.ledger import SharedRows
from client.release.policy import check_sharing
from shared_model.analyses.plan import SharedPlan
from shared_model.analyses.rows import PaddedPatients, contribution
from shared_model.shares.protocol import BOXES
from shared_model.shares.rows import deal
from shared_model.shares.seal import Recipient
from shared_model.shares.sharing import Source
from site_config.site import Policy
from site_config.study.model import StudyLock

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
