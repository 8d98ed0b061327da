"""Two studies of one hospital network at the default policy: what would single a patient out is refused, what would not goes on."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from client.cohort.pseudonyms import patient_key, site_secret
from client.cohort.withdrawal import withdraw
from client.program.agent import Agent
from client.release.generations import Generations
from evidence.attacks.federation import NOON
from shared_model.secure_sum.protocol import (
    AdmissionRequest,
    Context,
    KeysRequest,
    Message,
    OpenedCounts,
    OpenRequest,
    ReleaseRequest,
    canonical_parameters,
    parameters_hash,
    roster_hash,
    state_hash,
)
from shared_model.secure_sum.signatures import list_bytes
from shared_model.statistics.grids import training_cuts
from shared_model.statistics.parameters import Covariates, CoxStart, SplitOnly, TrainingStart
from shared_model.survival.cox.totals import CLINICAL_CUTS
from simulations.cohort.cohort import make_cohort
from simulations.cohort.presets import PRESETS
from simulations.study.homes import Homes, approve_everywhere, enrol, publish
from site_config.documents.load import load_site
from site_config.identity import CoordinatorIdentity, sign_lock
from site_config.study.model import Training

PLENTY = OpenedCounts(sites=5, patients=120, events=80)
COLUMNS = ("tace", "surgery")
TABLE_ONE = ("characteristics", SplitOnly(split="train"), "evaluation")
COX = ("cox.start", CoxStart(covariates=Covariates(columns=COLUMNS), cut_days=CLINICAL_CUTS, mean=(0.0, 0.0), sd=(1.0, 1.0)), "clinical")
NETWORK = ("training.start", TrainingStart(cut_days=training_cuts(Training())), "training")


class Network:
    """Five development hospitals at the default policy, their agents, and one study after the other."""

    def __init__(self, folder: Path) -> None:
        self.homes = Homes(folder / "run")
        base = PRESETS["clinical-only"]
        plan = {**base.study, "privacy": {"minimum_clinical_score_patients": 1000, "minimum_patients": 20}}
        make_cohort(replace(base, study=plan, survival=replace(base.survival, sites=(5, 3), patients=(110, 24))), self.homes.cohort, seed=5)
        for path in (self.homes.cohort / "sites").glob("*/site.yaml"):
            text = re.sub(r"(?m)^  minimum_\w+: \d+\n", "", path.read_text())
            text = text.replace("masks_required: false", "masks_required: true")
            path.write_text(text.replace("simulated_patients: true", "simulated_patients: false"))
        enrol(self.homes, 5)
        self.agents: dict[str, Agent] = {}
        self.number = self.attempt = 0
        self.plan(title="first")

    def plan(self, without: tuple[str, ...] = (), **changes: Any) -> None:
        """The next study: the plan changed, some hospitals left out; approved and admitted everywhere."""
        path = self.homes.cohort / "study.yaml"
        plan = yaml.safe_load(path.read_text())
        self.every = getattr(self, "every", list(plan["sites"]))
        plan["sites"] = [site for site in self.every if site["name"] not in without]
        self.number += 1
        plan.update({"title": f"study {self.number}", **changes})
        path.write_text(yaml.safe_dump(plan))
        self.close()
        self.lock = publish(self.homes)
        approve_everywhere(self.homes, self.lock)
        self.names = self.lock.names("development")
        self.agents = {name: Agent(load_site(self.homes.site(name) / "site.yaml"), now=lambda: NOON) for name in self.names}
        signed = sign_lock(self.lock, CoordinatorIdentity.load(self.homes.coordinator))
        for agent in self.agents.values():
            reply = agent.handle(Message("admission", AdmissionRequest(signed=signed).model_dump(mode="json")))
            assert reply.body.get("accepted"), reply.body

    def close(self) -> None:
        for agent in self.agents.values():
            agent.close()

    def ask(self, asked: tuple[str, Any, Any]) -> set[str]:
        """A whole ask, honestly: the codes it was refused with, none where every hospital opened."""
        statistic, parameters, phase = asked
        self.attempt += 1
        signing = {entry.name: entry.signing_key for entry in self.lock.roster}
        context = Context(
            study=self.lock.study_id,
            phase=phase,
            round=0,
            attempt=self.attempt,
            statistic=statistic,
            parameters=parameters_hash(canonical_parameters(parameters)),
            state=state_hash({}),
            roster=roster_hash(self.names, signing),
        )
        keys = {n: self._send(n, "keys", KeysRequest(context=context, sites=self.names).model_dump(mode="json")) for n in self.names}
        if codes := _codes(keys.values()):
            return codes
        request = ReleaseRequest(context=context, parameters=canonical_parameters(parameters), keys={}, counts=PLENTY)
        body = {**request.model_dump(mode="json"), "keys": {n: reply.body for n, reply in keys.items()}}
        released = {n: self._send(n, "release", body) for n in self.names}
        if codes := _codes(released.values()):
            return codes
        hashes = {n: reply.body["hash"] for n, reply in released.items()}
        signature = CoordinatorIdentity.load(self.homes.coordinator).sign(list_bytes(context, hashes))
        opened = OpenRequest(context=context, hashes=hashes, signature=signature).model_dump(mode="json")
        return _codes([self._send(n, "open", opened) for n in self.names])

    def _send(self, name: str, kind: Any, body: dict[str, Any]) -> Message:
        return self.agents[name].handle(Message(kind, body))

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.homes.site(name) / "cohort.csv").open() as stream:
            return list(csv.DictReader(stream))

    @property
    def large(self) -> str:
        """The hospital with the most patients."""
        return max(self.names, key=lambda one: len(self.table(one)))

    def write(self, name: str, rows: list[dict[str, str]]) -> None:
        header = (self.homes.site(name) / "cohort.csv").read_text().splitlines()[0].split(",")
        with (self.homes.site(name) / "cohort.csv").open("w") as stream:
            writer = csv.DictWriter(stream, header)
            writer.writeheader()
            writer.writerows(rows)

    def withdraw(self, name: str, patient: str) -> None:
        state = self.homes.config(name).state
        withdraw(state, state / "prepared", patient_key(site_secret(state), patient), ())


def _codes(replies: Any) -> set[str]:
    return {str(reply.body["code"]) for reply in replies if reply.kind == "refusal"}


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    yield made
    made.close()


def test_the_same_rows_in_a_second_study_go_on(network: Network) -> None:
    for asked in (TABLE_ONE, COX, NETWORK):
        assert network.ask(asked) == set()
    network.plan()
    for asked in (NETWORK, COX, TABLE_ONE):
        assert network.ask(asked) == set()


@pytest.mark.parametrize(("first", "second"), [(TABLE_ONE, TABLE_ONE), (NETWORK, COX), (COX, NETWORK), (TABLE_ONE, COX)])
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
    assert network.ask(TABLE_ONE) == set() == network.ask(COX)
    known = Generations.of(network.agents[name].journal)
    assert len(known.known) == 1 and set(known.bases.values()) == {1}
    live = {**known.known[0].rows, "new": "row"}
    assert "19 more" in known.waiting(live, 20)


def test_a_corrected_row_waits_too(network: Network) -> None:
    name = network.names[1]
    assert network.ask(TABLE_ONE) == set()
    rows = network.table(name)
    rows[0]["sex"] = {"f": "m", "m": "f"}.get(rows[0].get("sex", ""), "f")
    network.write(name, rows)
    network.plan()
    assert network.ask(TABLE_ONE) == set()
    generation = Generations.of(network.agents[name].journal)
    assert len(generation.known) == 1


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
