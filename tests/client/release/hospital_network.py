"""Five development hospitals and their agents: one study after the other, asked by hand.

Their policy is the default but for the resolution `exact`, which they permit: only then are sums asked beside the networks'.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import yaml

from client.cohort.pseudonyms import patient_key, site_secret
from client.cohort.withdrawal import withdraw
from client.program.message_agent import Agent
from evidence.attacks.attacked_federation import NOON
from server.asking.office_ledger import StudyLedger
from server.study.resume_state import StudyFolder
from server.study.study_results import LedgerEntry
from shared_model.secure_sum.federation_messages import (
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
from shared_model.statistics.statistic_parameters import Covariates, CoxExact, Moments, SplitOnly
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.study.site_folders import Homes, approve_everywhere, enrol, publish
from site_config.documents.read_yaml_documents import load_site
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock

PLENTY = OpenedCounts(sites=5, patients=120, events=80)
COLUMNS = ("tace", "surgery")
TABLE_ONE = ("characteristics", SplitOnly(split="train"), "evaluation")
FIT = {"mean": (0.0, 0.0), "sd": (1.0, 1.0), "beta": (0.0, 0.0), "n_days": 4_000}
COX = ("cox.exact", CoxExact(covariates=Covariates(columns=COLUMNS), **FIT), "clinical")
MOMENTS = ("moments", Moments(split="train", covariates=Covariates(columns=COLUMNS), origin=(0.0, 0.0)), "clinical")


class Network:
    """Five development hospitals at the default policy, their agents, and one study after the other."""

    def __init__(self, folder: Path) -> None:
        self.homes = Homes(folder / "run")
        base = PRESETS["clinical-only"]
        plan = {**base.study, "resolution": "exact", "privacy": {"minimum_patients": 20}}
        make_cohort(replace(base, study=plan, survival=replace(base.survival, sites=(5, 3), patients=(220, 24))), self.homes.cohort, seed=5)
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
        self.stated = False

    def state(self) -> None:
        """What each hospital states of itself goes to each other one, as far as they answer."""
        self.stated = True
        study = {"study": self.lock.study_id}
        boxes = {n: self._send(n, "statements", study).body.get("boxes", {}) for n in self.names}
        for name in self.names:
            self._send(name, "statements", {**study, "boxes": {o: box[name] for o, box in boxes.items() if name in box}})

    def close(self) -> None:
        for agent in self.agents.values():
            agent.close()

    def ask(self, asked: tuple[str, Any, Any]) -> set[str]:
        """A whole ask, honestly: the codes it was refused with, none where every hospital opened."""
        if not self.stated:
            self.state()
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
        codes = _codes([self._send(n, "open", opened) for n in self.names])
        self._enter(phase, statistic, "refused" if codes else "opened")
        return codes

    def _enter(self, phase: str, statistic: str, outcome: Literal["opened", "refused"]) -> None:
        """The office's ledger, as a run keeps it: only studies that opened something are earlier ones."""
        folder = StudyFolder(self.homes.coordinator / "studies" / self.lock.study_id / "run")
        folder.root.mkdir(exist_ok=True)
        ledger = StudyLedger(folder.ledger_file)
        entry = LedgerEntry(time="", phase=phase, round=0, statistic=statistic, block=0, roster=list(self.names), outcome=outcome)
        ledger.append(entry)
        ledger.close()

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
