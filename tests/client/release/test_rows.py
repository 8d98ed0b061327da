"""Two studies of one hospital network at the default policy: what would single a patient out is refused, what would not goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client.cli import app as site_app
from client.cohort.pseudonyms import patient_key, site_secret
from client.release.generations import Generations
from server.cli import app as office_app
from tests.client.release.hospital_network import COX, MOMENTS, TABLE_ONE, Network
from tests.support import run_cli


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    yield made
    made.close()


def test_the_same_rows_in_a_second_study_go_on(network: Network) -> None:
    for asked in (TABLE_ONE, COX, MOMENTS):
        assert network.ask(asked) == set()
    network.plan()
    for asked in (MOMENTS, COX, TABLE_ONE):
        assert network.ask(asked) == set()


@pytest.mark.parametrize(("first", "second"), [(TABLE_ONE, TABLE_ONE), (MOMENTS, COX), (COX, MOMENTS), (TABLE_ONE, COX)])
def test_a_hospital_that_joins_is_not_singled_out_by_any_pair_of_statistics(network: Network, first: Any, second: Any) -> None:
    late = network.names[-1]
    network.plan(without=(late,))
    assert network.ask(first) == set()
    network.plan()
    assert network.ask(second) == {"FH-501"}, "the roster differs by one hospital, and the only reason leaves as one code"


@pytest.mark.parametrize("second", [TABLE_ONE, COX])
def test_a_patient_who_withdraws_between_two_studies(network: Network, second: Any) -> None:
    assert network.ask(TABLE_ONE) == set()
    name = network.large
    train = {key.partition(".")[0] for key in network.agents[name]._benches.facts(network.lock, ("train",)).keys}
    secret = site_secret(network.homes.config(name).state)
    gone = next(row["patient"] for row in network.table(name) if patient_key(secret, row["patient"]) in train)
    network.withdraw(name, gone)
    assert network.ask(TABLE_ONE) == {"FH-531"}, "from the next message on"
    network.plan()
    assert network.ask(second) == {"FH-531"}


def test_the_only_patient_of_a_hospital_withdraws(network: Network) -> None:
    name = network.names[1]
    network.write(name, network.table(name)[:1])
    network.plan()
    assert network.ask(TABLE_ONE) == set()
    network.withdraw(name, network.table(name)[0]["patient"])
    network.plan()
    assert network.ask(TABLE_ONE) == {"FH-530"}, "told by number, by this hospital only"


@pytest.mark.parametrize("left", [0, 5])
def test_a_patient_who_arrives_waits_and_the_old_rows_stay_usable(network: Network, left: int) -> None:
    name = network.large
    rows = network.table(name)[: left + 1]
    network.write(name, rows[:left])
    network.plan()
    assert network.ask(TABLE_ONE) == set()
    network.write(name, rows)
    network.plan()
    assert network.ask(TABLE_ONE) == set() == network.ask(MOMENTS)
    known = Generations.of(network.agents[name].journal)
    assert {base.of("train") for base in known.bases.values()} == {1}
    ran = run_cli(site_app, "approve", network.lock.study_id, "--yes", "--home", network.homes.site(name))
    assert ran.status == 0 and "1 patient has joined, left or changed since 2026" in ran.err
    ran = run_cli(office_app, "study", "check", network.homes.cohort / "study.yaml", "--home", network.homes.coordinator)
    assert "earlier stud" in ran.err and "count once 20 of a set" in ran.err


def test_a_corrected_row_waits_too(network: Network) -> None:
    name = network.names[1]
    assert network.ask(TABLE_ONE) == set()
    rows = network.table(name)
    rows[0]["sex"] = {"f": "m", "m": "f"}.get(rows[0].get("sex", ""), "f")
    network.write(name, rows)
    network.plan()
    assert network.ask(TABLE_ONE) == set()
    known = Generations.of(network.agents[name].journal)
    assert {base.of("train") for base in known.bases.values()} == {1}


def test_many_changes_open_the_next_generation(network: Network) -> None:
    name = network.large
    rows = network.table(name)
    assert len(rows) >= 22, "the cohort has one large hospital"
    assert network.ask(TABLE_ONE) == set()
    for row in rows[:21]:
        row["sex"] = {"f": "m", "m": "f"}.get(row.get("sex", ""), "f")
    network.write(name, rows)
    network.plan()
    assert len(Generations.of(network.agents[name].journal).known) == 1, "a generation opens at a study's first question"
    network.ask(TABLE_ONE)
    assert len(Generations.of(network.agents[name].journal).known) == 2


@pytest.mark.parametrize("fractions", [(0.0, 0.02), (0.2, 0.25)])
def test_another_validation_fraction_is_no_way_in(network: Network, fractions: tuple[float, float]) -> None:
    network.plan(validation_fraction=fractions[0])
    assert network.ask(TABLE_ONE) == set()
    network.plan(validation_fraction=fractions[1])
    moved = network.ask(TABLE_ONE)
    assert moved == {"FH-531"} or all(agent._benches.facts(network.lock, ("train",)).keys for agent in network.agents.values()), (
        "refused where the training set differs, the same where it does not"
    )
