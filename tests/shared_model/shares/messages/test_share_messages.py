"""Keys, admissions and rows as they are signed: what a hospital and a holder believe."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared_model.shares.messages.sealed_envelopes import Recipient, admission_of
from shared_model.shares.messages.share_messages import BOXES, boxes_hash, check_rows, recipients, sign_key, sign_rows, signed_slots
from site_config.problems.base import Problem
from site_config.study.lock_study import lock_study
from site_config.study.plan_and_lock import RosterEntry, Study

SIGNING = {f"site-{n:02d}": Ed25519PrivateKey.generate() for n in range(8)}
LOCK = lock_study(
    Study.model_validate(
        {"title": "t", "models": ["CLN"], "resolution": "shares", "sites": [{"name": name, "role": "development"} for name in SIGNING]}
    ),
    [
        RosterEntry(name=name, role="development", signing_key=key.public_key().public_bytes_raw().hex(), node_fingerprint=f"{n:064x}")
        for n, (name, key) in enumerate(SIGNING.items())
    ],
    code_digest="",
    coordinator_key="00" * 32,
)
PRIVATE = {holder: X25519PrivateKey.generate() for holder in LOCK.holders}
KEYS = {holder: sign_key(SIGNING[holder], LOCK, "clinical", PRIVATE[holder], 0) for holder in LOCK.holders}


@pytest.mark.parametrize("site", SIGNING)
def test_every_hospital_of_the_roster_gets_each_holders_admission(site: str) -> None:
    assert recipients(LOCK, "clinical", KEYS, site, SIGNING[site]) == {
        number: Recipient(PRIVATE[holder].public_key().public_bytes_raw(), admission_of(PRIVATE[holder]))
        for number, holder in enumerate(LOCK.holders, 1)
    }


def test_an_admission_is_of_this_holder_phase_and_hospital() -> None:
    first, second = LOCK.holders[:2]
    inside, outside = "site-00", Ed25519PrivateKey.generate()
    with pytest.raises(Problem, match="FH-553"):
        recipients(LOCK, "clinical", KEYS, inside, outside)
    for changed in (
        KEYS | {first: KEYS[second]},
        KEYS | {first: KEYS[first].model_copy(update={"admissions": KEYS[second].admissions})},
        {first: KEYS[first]},
    ):
        with pytest.raises(Problem, match="FH-561"):
            recipients(LOCK, "clinical", changed, inside, SIGNING[inside])
    with pytest.raises(Problem, match="FH-561"):
        recipients(LOCK, "evaluation", KEYS, inside, SIGNING[inside])


def test_slots_are_those_that_hospitals_signed_for() -> None:
    boxes = {f"{BOXES}{k}": np.full((4, 9), k, np.uint8) for k in range(1, len(LOCK.holders) + 1)}
    replies = {name: sign_rows(SIGNING[name], LOCK.study_id, "clinical", 4, boxes_hash(boxes)) for name in list(SIGNING)[:3]}
    check_rows(LOCK, "clinical", "site-00", replies["site-00"], boxes)
    assert signed_slots(LOCK, "clinical", replies) == 12
    more = replies["site-00"].model_copy(update={"slots": 5})
    for wrong in (replies | {"site-00": more}, {"site-01": replies["site-00"]}):
        with pytest.raises(Problem, match="FH-561"):
            signed_slots(LOCK, "clinical", wrong)
    with pytest.raises(Problem, match="FH-558"):
        check_rows(LOCK, "clinical", "site-00", replies["site-00"], boxes | {f"{BOXES}1": np.zeros((4, 9), np.uint8)})
