"""A key of the next turn, given with the opening of this one: two exchanges a round, and everything a hospital turns away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from client.release.journal_entries import OPEN, REFUSAL
from evidence.attacks.attacked_federation import AttackedFederation
from shared_model.secure_sum import pairwise_masks
from shared_model.secure_sum import signatures as secure_sum_signatures
from shared_model.secure_sum.federation_messages import Context, KeysReply, KeysRequest, OpenReply
from site_config.problems import privacy
from site_config.problems.base import Problem
from tests.client.release.test_door import SITES, Weights, computing, patients, refused, toy_registry


@pytest.fixture
def federation() -> AttackedFederation:
    return AttackedFederation.make(patients(), registry=toy_registry())


@dataclass
class Turn:
    """One turn as the coordinator sees it."""

    context: Context
    vectors: dict[str, Any] = field(default_factory=dict)
    opened: dict[str, OpenReply] = field(default_factory=dict)
    total: dict[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, KeysReply]:
        """The keys of the next turn."""
        return {name: reply.ahead for name, reply in self.opened.items() if reply.ahead is not None}


def turn_of(federation: AttackedFederation, number: int, attempt: int, beta: float = 0.0) -> Context:
    return federation.context("toy.sum", Weights(beta=beta), round=number, attempt=attempt, state={"w": np.full(2, beta)})


def play(federation: AttackedFederation, context: Context, keys: dict[str, KeysReply], beta: float, ahead: Context | None) -> Turn:
    """Release and open with the keys at hand."""
    turn, hashes = Turn(context), {}
    for name in SITES:
        given = computing()[name]
        reply, turn.vectors[name] = federation.release(name, context, Weights(beta=beta), keys, given, state={"w": np.full(2, beta)})
        hashes[name] = reply.hash
    request = federation.open_request(context, hashes).model_copy(update={"ahead": ahead})
    turn.opened = {name: federation.hospitals[name].door.open(request, federation.lock) for name in SITES}
    seeds = {name: bytes.fromhex(reply.seed) for name, reply in turn.opened.items()}
    turn.total = pairwise_masks.open_sum(federation.segments(context, Weights()), turn.vectors, seeds, context, len(SITES))
    return turn


def first(federation: AttackedFederation, ahead: Context | None = None) -> Turn:
    """The first turn in three exchanges, which asks for keys of the second as well."""
    context = turn_of(federation, 0, 1)
    early = secure_sum_signatures.ahead_of(turn_of(federation, 1, 2)) if ahead is None else ahead
    return play(federation, context, federation.keys(context, SITES), 0.0, early)


def test_the_second_turn_opens_with_keys_that_came_ahead(federation: AttackedFederation) -> None:
    one = first(federation)
    early = secure_sum_signatures.ahead_of(turn_of(federation, 1, 2))
    signing = {entry.name: entry.signing_key for entry in federation.lock.roster}
    secure_sum_signatures.check_keys(early, one.given, SITES, signing, ahead=True)
    two = play(federation, turn_of(federation, 1, 2, beta=0.5), one.given, 0.5, None)
    np.testing.assert_allclose(two.total["mass"], [10, 20, 30])
    assert two.given == {} and two.vectors[SITES[0]]["mass"].tolist() != one.vectors[SITES[0]]["mass"].tolist()
    for hospital in federation.hospitals.values():
        assert [entry.data["ahead"] for entry in hospital.journal if entry.kind == OPEN] == [2, 0]
        assert not [entry for entry in hospital.journal if entry.kind == REFUSAL]


def test_a_key_ahead_serves_one_context_only(federation: AttackedFederation) -> None:
    one, site = first(federation), SITES[0]
    used = turn_of(federation, 1, 2, beta=0.5)
    federation.release(site, used, Weights(beta=0.5), one.given, computing()[site], state={"w": np.full(2, 0.5)})
    for other in (turn_of(federation, 1, 2, beta=0.25), used):  # other weights, and the same ones again
        beta = 0.25 if other != used else 0.5
        state = {"w": np.full(2, beta)}
        refused(privacy.ATTEMPT_SPENT, federation.release, site, other, Weights(beta=beta), one.given, computing()[site], state=state)


@pytest.mark.parametrize("change", [{"round": 2}, {"attempt": 3}, {"phase": "training"}, {"statistic": "toy.count"}])
def test_a_key_ahead_is_for_its_turn_alone(federation: AttackedFederation, change: dict[str, Any]) -> None:
    one, site = first(federation), SITES[0]
    other = turn_of(federation, 1, 2, beta=0.5).model_copy(update=change)
    state = {"w": np.full(2, 0.5)}
    refused(privacy.ATTEMPT_SPENT, federation.release, site, other, Weights(beta=0.5), one.given, computing()[site], state=state)


def test_hospitals_that_are_shown_different_weights_do_not_cancel(federation: AttackedFederation) -> None:
    """Their keys do not tell them apart any more, their masks do: the context with the weights is in every one."""
    one, vectors, seeds, hashes = first(federation), {}, {}, {}
    betas = {name: 0.5 if name in SITES[:2] else 0.25 for name in SITES}
    contexts = {name: turn_of(federation, 1, 2, beta=beta) for name, beta in betas.items()}
    for name, beta in betas.items():
        state, given = {"w": np.full(2, beta)}, computing()[name]
        reply, vectors[name] = federation.release(name, contexts[name], Weights(beta=beta), one.given, given, state=state)
        hashes[name] = reply.hash
    for name, context in contexts.items():
        opened = federation.hospitals[name].door.open(federation.open_request(context, hashes), federation.lock)
        seeds[name] = bytes.fromhex(opened.seed)
    for group in (SITES[:2], SITES[2:]):  # with every own mask taken off, what hospitals of the other group share stays
        total = np.zeros(3, dtype=np.uint64)
        for name in group:
            own = {"mass": vectors[name]["mass"].copy()}
            pairwise_masks.seed_mask(own, seeds[name], contexts[name].digest(), name, remove=True)
            total += own["mass"]
        assert (np.abs(total.view(np.int64)) > 2**50).any()
    segments = federation.segments(contexts[SITES[0]], Weights())
    with pytest.raises(Problem) as closed:
        pairwise_masks.open_sum(segments, vectors, seeds, contexts[SITES[0]], len(SITES))
    assert closed.value.kind is privacy.SUM_DOES_NOT_OPEN


def test_keys_of_the_two_kinds_do_not_mix(federation: AttackedFederation) -> None:
    one, site = first(federation), SITES[0]
    context = turn_of(federation, 1, 2, beta=0.5)
    signing = {entry.name: entry.signing_key for entry in federation.lock.roster}
    hospital = federation.hospitals[SITES[1]]
    # a hospital gives no second key for an attempt that has one
    refused(privacy.ATTEMPT_SPENT, hospital.door.keys, KeysRequest(context=context, sites=SITES), federation.lock)
    whole = secure_sum_signatures.sign_key(context, bytes.fromhex(one.given[SITES[1]].public_key), hospital.key)
    mixed = {**one.given, SITES[1]: whole}
    state = {"w": np.full(2, 0.5)}
    refused(privacy.SIGNATURE_INVALID, federation.release, site, context, Weights(beta=0.5), mixed, computing()[site], state=state)
    with pytest.raises(Problem):
        secure_sum_signatures.check_keys(context, one.given, SITES, signing)


def test_a_newer_attempt_takes_the_place_of_a_key_ahead(federation: AttackedFederation) -> None:
    one = first(federation)
    again = turn_of(federation, 1, 3, beta=0.5)
    two = play(federation, again, federation.keys(again, SITES), 0.5, None)  # three exchanges
    np.testing.assert_allclose(two.total["mass"], [10, 20, 30])
    stale, site, state = turn_of(federation, 1, 2, beta=0.5), SITES[0], {"w": np.full(2, 0.5)}
    refused(privacy.ATTEMPT_SPENT, federation.release, site, stale, Weights(beta=0.5), one.given, computing()[site], state=state)


def test_a_restart_forgets_the_key(federation: AttackedFederation) -> None:
    one, site = first(federation), SITES[0]
    federation.hospitals[site].door.forget(federation.lock.study_id)
    context, state = turn_of(federation, 1, 2, beta=0.5), {"w": np.full(2, 0.5)}
    refused(privacy.ATTEMPT_SPENT, federation.release, site, context, Weights(beta=0.5), one.given, computing()[site], state=state)
    again = turn_of(federation, 1, 3, beta=0.5)
    np.testing.assert_allclose(play(federation, again, federation.keys(again, SITES), 0.5, None).total["mass"], [10, 20, 30])


@pytest.mark.parametrize(
    "change",
    [
        {"round": 0},
        {"attempt": 1},
        {"study": "f" * 64},
        {"phase": "training"},
        {"statistic": "toy.count"},
        {"statistic": "nothing"},
        {"roster": "f" * 64},
        {"parameters": "f" * 64},
        {"state": "f" * 64},
    ],
)
def test_a_key_is_given_ahead_for_this_rosters_next_turn_alone(federation: AttackedFederation, change: dict[str, Any]) -> None:
    """Another question gets none, and is no reason to keep this sum closed."""
    early = secure_sum_signatures.ahead_of(turn_of(federation, 1, 2)).model_copy(update=change)
    one = first(federation, early)
    assert one.given == {}
    np.testing.assert_allclose(one.total["mass"], [10, 20, 30])
    for hospital in federation.hospitals.values():
        turned_away = [entry.data for entry in hospital.journal if entry.kind == REFUSAL]
        assert [entry["step"] for entry in turned_away] == ["keys"]


def test_an_opening_that_is_asked_again_gives_no_second_key(federation: AttackedFederation) -> None:
    context = turn_of(federation, 0, 1)
    keys, hashes = federation.keys(context, SITES), {}
    for name in SITES:
        reply, _ = federation.release(name, context, Weights(), keys, computing()[name], state={"w": np.zeros(2)})
        hashes[name] = reply.hash
    early = secure_sum_signatures.ahead_of(turn_of(federation, 1, 2))
    door = federation.hospitals[SITES[0]].door
    plain = federation.open_request(context, hashes)
    once = door.open(plain.model_copy(update={"ahead": early}), federation.lock)
    again = door.open(plain.model_copy(update={"ahead": early.model_copy(update={"attempt": 9})}), federation.lock)
    assert once.ahead is not None and again.ahead is None and once.seed == again.seed


def test_every_bit_of_a_key_ahead(federation: AttackedFederation) -> None:
    one, site = first(federation), SITES[0]
    context, state = turn_of(federation, 1, 2, beta=0.5), {"w": np.full(2, 0.5)}
    own = one.given[SITES[1]]
    for field_, text in (("public_key", own.public_key), ("signature", own.signature)):
        for place in range(0, len(text), 5):
            other = text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]
            forged = {**one.given, SITES[1]: own.model_copy(update={field_: other})}
            refused(privacy.SIGNATURE_INVALID, federation.release, site, context, Weights(beta=0.5), forged, computing()[site], state=state)
    np.testing.assert_allclose(play(federation, context, one.given, 0.5, None).total["mass"], [10, 20, 30])
