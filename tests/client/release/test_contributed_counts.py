"""Minima count patients whom hospitals known here contributed themselves: ghosts, empty colleagues and told counts open nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.release.contributed_counts import kept
from client.release.known_hospitals import CheckedPeer
from shared_model.secure_sum import statements
from site_config.keys_and_signatures import SiteIdentity
from site_config.problems.base import Problem
from tests.client.release.hospital_network import COX, TABLE_ONE, Network


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    yield made
    made.close()


def knows(network: Network, name: str, others: tuple[str, ...]) -> None:
    """Whose digits were heard at a hospital: these and nobody else's."""
    heard = {network.lock.entry(other).fingerprint: CheckedPeer(name=other, at="2026-11-26").model_dump() for other in others}
    (network.homes.config(name).state / "peers.json").write_text(json.dumps(heard))


def lie(network: Network, name: str, patients: int, heard: tuple[str, ...]) -> dict[str, str]:
    """The boxes of a hospital that the coordinator invented, or that says what it likes."""
    key = SiteIdentity.load(network.homes.config(name).state).signing_key
    sets = {"train": patients, "validation": patients}
    told = statements.make(network.lock, name, key, sets, frozenset(network.lock.entry(one).fingerprint for one in heard))
    return statements.sealed(told, network.lock, key, lambda n: b"0" * n)


def state(network: Network, name: str, boxes: dict[str, dict[str, str]]) -> None:
    """Bring a hospital these boxes in place of what the others stated."""
    study = network.lock.study_id
    reply = network._send(name, "statements", {"study": study, "boxes": {other: box[name] for other, box in boxes.items()}})
    assert reply.kind == "statements", reply


def few(network: Network, victim: str, patients: dict[str, int]) -> None:
    for name, n in patients.items():
        network.write(name, network.table(name)[:n])
    network.plan()
    assert victim in network.names


@pytest.mark.parametrize(("colleagues", "code"), [(0, "FH-507"), (1, "FH-511")])
def test_ghosts_beside_a_victim_and_colleagues_with_few_patients(network: Network, colleagues: int, code: str) -> None:
    victim, one, two, *ghosts = network.names
    few(network, victim, {victim: 1, one: colleagues, two: colleagues})
    network.state()
    knows(network, victim, (one, two))
    boxes = {ghost: lie(network, ghost, 1000, (*ghosts, one, two)) for ghost in ghosts}
    state(network, victim, {**boxes, **{name: lie(network, name, colleagues, (victim,)) for name in (one, two)}})
    for asked in (TABLE_ONE, COX):
        assert network.ask(asked)
        refused = [entry.data["code"] for entry in network.agents[victim].journal if entry.kind == "refusal"]
        assert refused[-1] == code, "a thousand patients of hospitals that nobody heard count nothing, nor does what is told"


def test_a_hospital_heard_by_one_that_counts_counts(network: Network) -> None:
    me, one, two, *others = network.names
    knows(network, me, (one, two))
    knows(network, one, (me, *others))
    network.state()
    assert network.ask(TABLE_ONE) == set()
    assert set(kept(network.homes.config(me).state, network.lock)) == {one, two, *others}


def test_without_statements_nothing_is_released(network: Network) -> None:
    network.state()
    (network.homes.config(network.names[0]).state / "studies" / network.lock.study_id / "statements.json").unlink()
    assert network.ask(TABLE_ONE) == {"FH-507"}


def test_a_statement_of_somebody_else_or_of_another_study_is_none(network: Network) -> None:
    me, one, two, *_ = network.names
    key = SiteIdentity.load(network.homes.config(me).state).signing_key
    honest = lie(network, one, 30, (two,))
    assert statements.opened(network.lock, me, key, {one: honest[me]})[one].patients == {"train": 30, "validation": 30}
    flipped = honest[me][:-2] + ("00" if honest[me][-2:] != "00" else "01")
    for boxes in ({two: honest[me]}, {one: honest[two]}, {one: flipped}, {one: ""}, {"nobody": honest[me]}):
        assert statements.opened(network.lock, me, key, boxes) == {}
    other = network.lock.model_copy(update={"code_digest": "11" * 32})
    assert statements.opened(other, me, key, {one: honest[me]}) == {}


def test_a_box_tells_nobody_else_a_number_and_not_by_its_length(network: Network) -> None:
    me, one, two, *_ = network.names
    boxes = [lie(network, one, n, (two,))[me] for n in (1, 987_654)]
    assert len({len(box) for box in boxes}) == 1
    thief = SiteIdentity.load(network.homes.config(two).state).signing_key
    with pytest.raises(Problem):
        from_one = statements.exchange_public(bytes.fromhex(network.lock.entry(one).signing_key))
        context = statements.canonical(["fedhcc statement", network.lock.study_id, one])
        statements.opened_from(statements.exchange_private(thief), me, from_one, bytes.fromhex(boxes[0]), context)
