"""A changed bit anywhere in a key message, roster, lock, vector or list is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from evidence.attacks.attacked_federation import AttackedFederation, Hospital
from shared_model.secure_sum import pairwise_masks
from shared_model.secure_sum import signatures as secure_sum_signatures
from shared_model.secure_sum.federation_messages import Context, KeysReply, KeysRequest, OpenRequest
from shared_model.statistics.statistic_parameters import PreCounts
from site_config.keys_and_signatures import lock_bytes, signed_by, verify_lock
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import SignedLock

SITES = ("site-a", "site-b", "site-c")
PARAMETERS = PreCounts(split="train", columns=())


def flips(text: str):
    """Every hex string one bit away."""
    raw = bytes.fromhex(text)
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed).hex()


def compute(statistic, parameters, _arrays):
    return {segment.name: np.zeros(segment.size) for segment in statistic.segments(parameters)}


@pytest.fixture
def federation() -> AttackedFederation:
    return AttackedFederation.make({name: (f"{name}/1",) for name in SITES})


def context_of(federation: AttackedFederation) -> Context:
    return federation.context("precounts", PARAMETERS, phase="evaluation")


def test_every_bit_of_a_key_message(federation):
    context = context_of(federation)
    keys = federation.keys(context, SITES)
    signing = {entry.name: entry.signing_key for entry in federation.lock.roster}
    secure_sum_signatures.check_keys(context, keys, SITES, signing)
    own = keys["site-b"]
    forged = [KeysReply(public_key=value, signature=own.signature) for value in flips(own.public_key)]
    forged += [KeysReply(public_key=own.public_key, signature=value) for value in flips(own.signature)]
    assert len(forged) == 8 * (32 + 64)
    for reply in forged:
        with pytest.raises(Problem):
            secure_sum_signatures.check_keys(context, {**keys, "site-b": reply}, SITES, signing)


def test_every_bit_of_roster_state_and_parameters_in_the_context(federation):
    context = context_of(federation)
    keys = federation.keys(context, SITES)
    for field in ("study", "roster", "parameters", "state"):
        for value in list(flips(getattr(context, field)))[::5]:
            changed = context.model_copy(update={field: value})
            with pytest.raises(Problem):
                federation.release("site-a", changed, PARAMETERS, keys, compute)
    for sites in (SITES[:2], (*SITES, "site-d"), (*SITES, "site-a"), ("site-a", "site-b", "site-d")):
        with pytest.raises(Problem):
            federation.hospitals["site-a"].door.keys(KeysRequest(context=context, sites=sites), federation.lock)


def test_every_bit_of_a_lock(federation):
    signature = federation.coordinator.sign(lock_bytes(federation.lock)).hex()
    key = federation.lock.coordinator_key
    verify_lock(SignedLock(lock=federation.lock, signature=signature), key)
    whole = lock_bytes(federation.lock)
    for bit in range(0, 8 * len(whole), 37):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        assert not signed_by(key, signature, bytes(changed))
    for value in flips(signature):
        with pytest.raises(Problem):
            verify_lock(SignedLock(lock=federation.lock, signature=value), key)
    other = federation.lock.model_copy(update={"code_digest": "01" + "00" * 31})
    with pytest.raises(Problem):
        verify_lock(SignedLock(lock=other, signature=signature), key)


def test_every_bit_of_a_vector_and_of_its_signature(federation):
    context = context_of(federation)
    reply, vectors = federation.release("site-a", context, PARAMETERS, federation.keys(context, SITES), compute)
    key = federation.hospitals["site-a"].entry.signing_key

    def check(reply, vectors):
        secure_sum_signatures.check_vectors_signature(context, reply, pairwise_masks.vectors_hash(vectors), "site-a", key)

    check(reply, vectors)
    for name, vector in vectors.items():
        for place in range(0, vector.size, max(1, vector.size // 3)):
            for bit in range(64):
                changed = vector.copy()
                changed[place] ^= np.uint64(1 << bit)
                with pytest.raises(Problem):
                    check(reply, {**vectors, name: changed})
    for value in flips(reply.signature):
        with pytest.raises(Problem):
            check(reply.model_copy(update={"signature": value}), vectors)
    with pytest.raises(Problem):
        check(reply.model_copy(update={"masked": False}), vectors)
    swapped = {**vectors, "sites": vectors["patients"], "patients": vectors["sites"]}
    with pytest.raises(Problem):
        check(reply, swapped)


def test_every_bit_of_a_list_and_the_refusal_is_journalled(federation):
    context = context_of(federation)
    keys = federation.keys(context, SITES)
    hashes = {name: federation.release(name, context, PARAMETERS, keys, compute)[0].hash for name in SITES}
    request = federation.open_request(context, hashes)
    site: Hospital = federation.hospitals["site-a"]
    forged = [request.model_copy(update={"signature": value}) for value in flips(request.signature)]
    forged += [request.model_copy(update={"hashes": {**hashes, "site-b": value}}) for value in flips(hashes["site-b"])]
    for one in forged:
        with pytest.raises(Problem):
            site.door.open(one, federation.lock)
    refusals = [entry for entry in site.journal if entry.kind == "refusal"]
    assert len(refusals) == len(forged)
    assert {entry.data["code"] for entry in refusals} == {"FH-517"}
    impostor = Ed25519PrivateKey.generate().sign(secure_sum_signatures.list_bytes(context, hashes)).hex()
    with pytest.raises(Problem):
        site.door.open(OpenRequest(context=context, hashes=hashes, signature=impostor), federation.lock)
    site.door.open(request, federation.lock)
