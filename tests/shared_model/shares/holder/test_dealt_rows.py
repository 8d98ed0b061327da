"""From a hospital's rows to holders' shares: what fits is dealt, and nothing else is taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared_model.shares.circuits.shared_value import F, Field
from shared_model.shares.holder.dealt_rows import Rows, deal, gather, slot_bytes
from shared_model.shares.messages.coordinator_relay import permuted
from shared_model.shares.messages.sealed_envelopes import (
    Envelopes,
    Recipient,
    admission_of,
    admit,
    admitted,
    exchange_private,
    exchange_public,
    seal,
    unseal,
)
from shared_model.shares.numbers.residues import COUNT, MAIN
from shared_model.shares.numbers.shamir import Sharing
from site_config.problems.base import Problem
from tests.shared_model.shares.shares_support import CONTEXT, Numbers, token

COLUMNS = (Numbers("risk", 5, 1.0, Field.COUNT), Numbers("x", 2, 4.0, fraction=F))
PRIVATE = {k: X25519PrivateKey.generate() for k in (1, 2, 3)}
PUBLICS = {k: key.public_key().public_bytes_raw() for k, key in PRIVATE.items()}
HOLDERS = {k: Recipient(public, token(32)) for k, public in PUBLICS.items()}


def taken(boxes: Sequence[bytes], k: int = 1, slots: int | None = None, context: bytes = CONTEXT, admission: bytes | None = None) -> Rows:
    return gather(COLUMNS, boxes, len(boxes) if slots is None else slots, PRIVATE[k], admission or HOLDERS[k].admission, context)


def vectors(slots: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"risk": rng.integers(0, 2, (slots, 5)), "x": rng.integers(-(4 << F), 4 << F, (slots, 2))}


def test_two_pooled_holders_rebuild_rows_and_the_coordinators_order_unlinks_hospitals() -> None:
    """The sentence a data-protection officer signs: t + 1 holders who pool what they hold read the rows."""
    hospitals = [vectors(seed=1), vectors(seed=2)]
    boxes = [box for one in hospitals for box in deal(COLUMNS, one, HOLDERS, CONTEXT)]
    order = [5, 0, 7, 2, 1, 6, 4, 3]
    held = permuted(boxes, order)
    rows = [taken(held[k - 1], k) for k in (1, 2, 3)]
    assert rows[0].digest == rows[1].digest == rows[2].digest
    every = {name: np.concatenate([one[name] for one in hospitals])[order] for name in ("risk", "x")}
    sharing = Sharing(3)
    for name, ring in (("risk", COUNT), ("x", MAIN)):
        assert (ring.signed(sharing.rebuild({1: rows[0].shares[name], 3: rows[2].shares[name]}, ring)) == every[name]).all()
        assert not (ring.signed(rows[0].shares[name]) == every[name]).any()
    assert sorted(map(len, held[0])) == [slot_bytes(COLUMNS)] * 8


def test_a_random_order_keeps_every_slot() -> None:
    slots = [[f"{slot}{holder}" for holder in "abc"] for slot in range(20)]
    held = permuted(slots)
    assert sorted(held[1]) == sorted(slot[1] for slot in slots)
    assert [name[:-1] for name in held[0]] == [name[:-1] for name in held[2]]
    assert held != permuted(slots)


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": np.full((4, 2), (4 << F) + 1)},
        {"risk": np.full((4, 5), 2)},
        {"risk": np.zeros((4, 6), np.int64)},
        {"risk": np.zeros((3, 5), np.int64)},
        {"risk": np.zeros((4, 5))},
        {"other": np.zeros((4, 5), np.int64)},
    ],
    ids=["beyond its bound", "no indicator", "too wide", "another number of slots", "floats", "not declared"],
)
def test_a_hospital_does_not_deal_what_is_not_declared(wrong: dict[str, np.ndarray]) -> None:
    with pytest.raises(Problem, match="FH-559"):
        deal(COLUMNS, vectors() | wrong, HOLDERS, CONTEXT)


def test_a_holder_does_not_take_what_was_not_sealed_for_it() -> None:
    held = permuted(deal(COLUMNS, vectors(), HOLDERS, CONTEXT), range(4))
    with pytest.raises(Problem, match="FH-553"):
        taken(held[1])
    with pytest.raises(Problem, match="FH-553"):
        taken(held[0], context=b"another study")
    with pytest.raises(Problem, match="FH-553"):
        taken([held[0][0][:-1] + b"x", *held[0][1:]])
    with pytest.raises(Problem, match="FH-558"):
        taken([held[0][0][:-1]])


def test_slots_are_not_repeated_left_out_or_invented_on_the_way() -> None:
    boxes = deal(COLUMNS, vectors(), HOLDERS, CONTEXT)
    held = permuted(boxes, range(4))
    with pytest.raises(Problem, match="FH-558"):
        taken([*held[0][:3], held[0][0]], slots=4)
    with pytest.raises(Problem, match="FH-558"):
        taken(held[0][:3], slots=4)
    # the coordinator knows the holders' public keys, and the admissions of two holders who tell it, but not of the third
    forged = deal(COLUMNS, vectors(1), HOLDERS | {1: Recipient(PUBLICS[1], token(32))}, CONTEXT)
    taken([*held[1][:3], forged[0][1]], 2)
    with pytest.raises(Problem, match="FH-553"):
        taken([*held[0][:3], forged[0][0]])


def test_an_admission_opens_for_the_hospital_it_was_given_to() -> None:
    hospital, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    keys = {"north": hospital.public_key().public_bytes_raw(), "south": other.public_key().public_bytes_raw()}
    sealed = admit(PRIVATE[2], keys, HOLDERS[2].admission, CONTEXT, token)
    assert admitted(hospital, "north", PUBLICS[2], sealed["north"], CONTEXT) == HOLDERS[2]
    for key, name, holder, data, context in (
        (other, "south", PUBLICS[2], sealed["north"], CONTEXT),
        (hospital, "north", PUBLICS[1], sealed["north"], CONTEXT),
        (hospital, "north", PUBLICS[2], sealed["north"], b"other"),
        (hospital, "north", PUBLICS[2], sealed["north"][:9], CONTEXT),
    ):
        with pytest.raises(Problem, match="FH-553"):
            admitted(key, name, holder, data, context)


def test_a_signing_key_has_an_exchange_key() -> None:
    """Both halves of an Ed25519 key pair lead to the same X25519 pair."""
    for _ in range(20):
        signing = Ed25519PrivateKey.generate()
        public = exchange_private(signing).public_key().public_bytes_raw()
        assert exchange_public(signing.public_key().public_bytes_raw()) == public
    for wrong in (bytes(32), (1).to_bytes(32, "little"), b"\xff" * 32, bytes(31)):
        with pytest.raises(Problem, match="FH-553"):
            exchange_public(wrong)


def test_a_holders_admission_belongs_to_its_key() -> None:
    assert admission_of(PRIVATE[1]) == admission_of(X25519PrivateKey.from_private_bytes(PRIVATE[1].private_bytes_raw()))
    assert len({admission_of(key) for key in PRIVATE.values()}) == 3


def test_another_order_for_one_holder_shows_in_the_digest() -> None:
    boxes = deal(COLUMNS, vectors(), HOLDERS, CONTEXT)
    one, two = taken(permuted(boxes, range(4))[0]), taken(permuted(boxes, (1, 0, 2, 3))[1], 2)
    assert one.digest != two.digest
    assert one.content == two.content


def test_a_box_opens_only_with_its_key_and_context() -> None:
    box, secret = seal(HOLDERS[1], b"row", CONTEXT), HOLDERS[1].admission
    assert unseal(PRIVATE[1], secret, box, CONTEXT) == b"row"
    for key, admission, data, context in (
        (2, secret, box, CONTEXT),
        (1, bytes(32), box, CONTEXT),
        (1, secret, box, b"other"),
        (1, secret, box[:20], CONTEXT),
        (1, secret, bytes(32) + box[32:], CONTEXT),
    ):
        with pytest.raises(Problem, match="FH-553"):
            unseal(PRIVATE[key], admission, data, context)


def test_an_envelope_opens_once_at_its_step_from_its_sender() -> None:
    sides = {k: Envelopes(PRIVATE[k], PUBLICS, k, CONTEXT, token) for k in PUBLICS}
    sealed = sides[1].close(2, 7, b"tag")
    assert sides[2].open(1, 7, sealed) == b"tag"
    for holder, peer, step, data in ((2, 1, 8, sealed), (2, 3, 7, sealed), (3, 1, 7, sealed), (1, 2, 7, sealed), (2, 1, 7, sealed[:5])):
        with pytest.raises(Problem, match="FH-553"):
            sides[holder].open(peer, step, data)
    with pytest.raises(Problem, match="FH-553"):
        Envelopes(PRIVATE[1], PUBLICS, 2, CONTEXT, token)
