"""Counts under differential privacy: charged before their shares leave, and dealt once.

The noise is the holders' (`shared_model.privacy.holder_noise`), who give one noise for one set of shares. So a question that is
asked again is answered with the very shares that were charged for it; where these are gone, or the holders have other keys, new
ones are charged again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from client.release.epsilon_spent import CHARGE, Charged, EpsilonLedger, check_budget, check_promise, results_cost
from client.release.site_policy import check_sharing
from shared_model.analyses.analysis_plan import SharedPlan
from shared_model.analyses.noised.noised_cells import summed
from shared_model.analyses.patient_slots import PaddedPatients
from shared_model.shares.holder.dealt_rows import deal
from shared_model.shares.messages.sealed_envelopes import Recipient
from shared_model.shares.messages.share_messages import BOXES, boxes_hash
from shared_model.shares.numbers.shamir import Source
from site_config.atomic_files import make_folder, write_atomic
from site_config.hash_chained_journal import Clock, Journal
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import StudyLock, canonical

Boxes = dict[str, NDArray[np.uint8]]
FOLDER = "noised"


class NoisedCounts:
    """One site's counts. `folder` None keeps them in memory only, for tests."""

    def __init__(self, site: str, journal: Journal, ledger: EpsilonLedger, folder: Path | None) -> None:
        self._site, self._journal, self.ledger = site, journal, ledger
        self._folder = None if folder is None else folder / FOLDER
        self._held: dict[str, bytes] = {}

    def leaving(
        self,
        policy: Policy,
        lock: StudyLock,
        plan: SharedPlan,
        roster: tuple[str, ...],
        holders: dict[int, Recipient],
        cohort: tuple[str, Iterable[str]],
        patients_of: Callable[[], PaddedPatients],
        clock: Clock,
        random: Source,
    ) -> tuple[Boxes, str]:
        """The boxes by holder, and the rule that allows them; `cohort` is the hash of the rows behind them, and the rows.

        Raises FH-541 where a patient would be charged more than the hospital's budget, or than the study declares.
        """
        rule = check_sharing(policy, lock, self._site, plan, roster, clock())
        told, rows = cohort[0], tuple(cohort[1])
        publics = [holders[number].public.hex() for number in sorted(holders)]
        value = hashlib.sha256(canonical([lock.study_id, plan.phase, roster, publics, told])).hexdigest()
        kept = self._again(lock, plan, value)
        if kept is not None:
            return kept, rule
        cost, role = results_cost(lock.study), lock.entry(self._site).role
        check_budget(policy, self.ledger.spent(rows), cost)
        if policy.epsilon_budget is None:
            check_promise(lock, self.ledger.spent(rows, lock.study_id), cost, role)
        boxes = dealt(lock, plan, holders, patients_of(), random)
        self._keep(lock, plan, boxes)
        record = Charged(study=lock.study_id, value=value, cohort=told, squared=cost.squared, alone=cost.alone, hash=boxes_hash(boxes))
        self.ledger.feed(self._journal.append(CHARGE, record.model_dump(mode="json")))
        return boxes, rule

    def _again(self, lock: StudyLock, plan: SharedPlan, value: str) -> Boxes | None:
        """The boxes charged for exactly this value; None where it was not, or where they are gone or changed."""
        wanted, place = self.ledger.sent(value), _place(lock, plan)
        data = self._held.get(place)
        if wanted and data is None and self._folder is not None and (path := self._folder / place).exists():
            data = path.read_bytes()
        if wanted is None or data is None:
            return None
        try:
            found = dict(load(data))
        except SafetensorError:
            return None
        return found if boxes_hash(found) == wanted else None

    def _keep(self, lock: StudyLock, plan: SharedPlan, boxes: Boxes) -> None:
        data, place = bytes(save(boxes)), _place(lock, plan)
        if self._folder is None:
            self._held[place] = data
        else:
            make_folder(self._folder)
            write_atomic(self._folder / place, data, 0o600)


def dealt(lock: StudyLock, plan: SharedPlan, holders: dict[int, Recipient], patients: PaddedPatients, random: Source) -> Boxes:
    """A hospital's counts, sealed to every holder; as many slots as at any other hospital."""
    boxes = deal(plan.parts, summed(plan.parts, patients, lock.study.shares.slots), holders, plan.context, random=random)
    return {f"{BOXES}{holder}": np.stack([np.frombuffer(slot[holder - 1], dtype=np.uint8) for slot in boxes]) for holder in holders}


def _place(lock: StudyLock, plan: SharedPlan) -> str:
    return f"{lock.study_id[:16]}-{plan.phase}-counts.safetensors"
