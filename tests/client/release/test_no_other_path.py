"""No other path out: every message a hospital can produce holds released vectors, codes and declared fields, and nothing else."""

from __future__ import annotations

import csv
import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest

from client.program import message_agent as handlers
from client.program.message_agent import Agent
from evidence.attacks.attacked_federation import NOON, seeded_bytes
from shared_model.secure_sum.federation_messages import (
    AdmissionRequest,
    Context,
    KeysRequest,
    Message,
    OpenRequest,
    ReleaseRequest,
    canonical_parameters,
    parameters_hash,
    roster_hash,
    state_hash,
)
from shared_model.secure_sum.signatures import list_bytes
from shared_model.statistics.statistic_declaration import REGISTRY
from shared_model.statistics.statistic_parameters import PreCounts, SplitOnly
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.study.site_folders import Homes, enrol, publish
from site_config.documents.read_yaml_documents import load_site
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock
from site_config.problems import tables

CANARY = "CANARYX"
FIELDS = {
    "admission": {"accepted", "refusals", "software", "code_digest", "journal", "step_seconds", "device", "disk_gib", "prepared"},
    "statements": {"boxes"},
    "keys": {"public_key", "signature"},
    "release": {"hash", "signature", "seed_hash", "masked"},
    "open": {"seed", "ahead"},
    "status": {"phase"},
    "finish": {"study"},
    "refusal": {"code", "until"},
}


def failing(make):
    def broken(*_arguments):
        raise make()

    return broken


TEXT = f"/data/{CANARY}/scan.dcm of {CANARY}"
BROKEN = (
    failing(lambda: RuntimeError(TEXT)),
    failing(lambda: KeyError(TEXT)),
    failing(lambda: FileNotFoundError(2, TEXT, TEXT)),
    failing(lambda: tables.BAD_KEY.problem("row 3, column patient: is no plain key", where="cohort.csv:3")),
    failing(lambda: ExceptionGroup(TEXT, [ValueError(TEXT)])),
    lambda *_arguments: SplitOnly.model_validate({"split": TEXT}),
)


class Walk:
    """A study of six hospitals, one of which is asked everything and watched."""

    def __init__(self, folder, change=None):
        self.homes = Homes(folder / "run")
        base = PRESETS["clinical-only"]
        study = {**base.study, "privacy": {"demonstration": True}}
        survival = replace(base.survival, sites=(5, 3), patients=(50, 15))
        make_cohort(replace(base, survival=survival, study=study), self.homes.cohort, seed=3)
        enrol(self.homes, 3)
        self.lock = publish(self.homes)
        self.coordinator = CoordinatorIdentity.load(self.homes.coordinator)
        self.names = self.lock.names("development")
        self.watched = max(self.names, key=lambda name: len((self.homes.site(name) / "cohort.csv").read_text().splitlines()))
        self._mark(change)
        self.agents = {
            name: Agent(load_site(self.homes.site(name) / "site.yaml"), now=lambda: NOON, entropy=seeded_bytes(name)) for name in self.names
        }
        self.replies: list[Message] = []

    def _mark(self, change):
        """Canaries in every patient's id, and the one change."""
        path = self.homes.site(self.watched) / "cohort.csv"
        with path.open() as stream:
            rows = list(csv.DictReader(stream))
        for row in rows:
            row["patient"] = f"{CANARY}-{row['patient']}"
        if change is not None:
            change(rows)
        with path.open("w") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def send(self, kind, body, name=None, arrays=None):
        reply = self.agents[name or self.watched].handle(Message(kind, body, arrays or {}))
        if name in (None, self.watched):
            self.replies.append(reply)
        return reply

    def context(self, statistic, parameters, **fields):
        signing = {entry.name: entry.signing_key for entry in self.lock.roster}
        plain = {"study": self.lock.study_id, "phase": "admission", "round": 0, "attempt": 1, "state": state_hash({})}
        digest = parameters_hash(canonical_parameters(parameters))
        return Context(statistic=statistic, parameters=digest, roster=roster_hash(self.names, signing), **{**plain, **fields})

    def ask(self, statistic, parameters, phase):
        context = self.context(statistic, parameters, phase=phase)
        keys_body = KeysRequest(context=context, sites=self.names).model_dump(mode="json")
        keys = {name: self.send("keys", keys_body, name).body for name in self.names}
        request = ReleaseRequest(context=context, parameters=canonical_parameters(parameters), keys={}).model_dump(mode="json")
        request["keys"] = {name: body for name, body in keys.items() if "public_key" in body}
        hashes = {name: self.send("release", request, name).body.get("hash", "") for name in self.names}
        signature = self.coordinator.sign(list_bytes(context, hashes))
        body = OpenRequest(context=context, hashes=hashes, signature=signature).model_dump(mode="json")
        for name in self.names:
            self.send("open", body, name)
        return context, keys, request, body

    def everything(self, monkeypatch):
        """Every kind of message, well formed, repeated, malformed, refused, and failing inside."""
        signed = sign_lock(self.lock, self.coordinator)
        for name in self.names:
            self.send("admission", AdmissionRequest(signed=signed).model_dump(mode="json"), name)
        self.send("status", {})
        stated = {name: self.send("statements", {"study": self.lock.study_id}, name).body["boxes"] for name in self.names}
        boxes = {name: of[self.watched] for name, of in stated.items() if name != self.watched}
        self.send("statements", {"study": self.lock.study_id, "boxes": boxes})
        _, _, request, opened = self.ask("precounts", PreCounts(split="train", columns=()), "admission")
        self.send("release", request)
        self.send("open", opened)
        self.ask("characteristics", SplitOnly(split="train"), "evaluation")
        self.ask("characteristics", SplitOnly(split="train"), "training")  # the wrong phase
        for kind in ("admission", "statements", "keys", "release", "open", "finish", "nonsense"):
            self.send(kind, {"unknown": CANARY})
            self.send(kind, {})

        for broken in BROKEN:
            with monkeypatch.context() as patch:
                patch.setattr(handlers, "_computation", lambda _bench, broken=broken: broken)
                self.ask("precounts", PreCounts(split="validation", columns=()), "admission")
        self.send("status", {})
        self.send("finish", {"study": self.lock.study_id})
        for agent in self.agents.values():
            agent.journal.close()
        return self.replies


def plain_bytes(message):
    """What an eavesdropper behind TLS would see of a message."""
    return json.dumps(message.body, sort_keys=True).encode() + b"".join(a.tobytes() + name.encode() for name, a in message.arrays.items())


def another_patient(rows):
    rows[0].update({"age": "33", "event": str(1 - int(rows[0]["event"]))})


def one_fewer(rows):
    del rows[0]


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    """The same walk over three cohorts that differ in one patient, with everything that was logged."""
    found = []
    patch = pytest.MonkeyPatch()
    lines: list[str] = []
    catch = logging.Handler()
    catch.emit = lambda record: lines.append(record.getMessage() + str(record.exc_info or ""))
    programs = logging.getLogger("fedhcc")  # a test before this one may have cut it off from the root
    for logger in (logging.getLogger(), programs):
        logger.addHandler(catch)
    for change in (None, another_patient, one_fewer):
        folder = tmp_path_factory.mktemp("walk")
        found.append(Walk(folder, change).everything(patch))
        shutil.rmtree(folder)
    for logger in (logging.getLogger(), programs):
        logger.removeHandler(catch)
    return found, lines


def test_messages_hold_declared_fields_and_released_vectors_only(walks):
    walk = walks[0][0]
    for reply in walk:
        assert set(reply.body) == FIELDS[reply.kind], reply.kind
        if reply.kind == "release":
            assert reply.body["masked"] is True
            declared = [REGISTRY[name] for name in ("precounts", "characteristics")]
            assert any(set(reply.arrays) == {segment.name for segment in s.segments(_any(s))} for s in declared)
            assert {array.dtype for array in reply.arrays.values()} == {np.dtype("<u8")}
        else:
            assert not reply.arrays
    assert {reply.kind for reply in walk} == set(FIELDS)
    codes = [reply.body["code"] for reply in walk if reply.kind == "refusal"]
    assert codes.count("FH-501") == len(BROKEN), "however a computation fails, one code leaves"


def _any(statistic):
    return PreCounts(split="train", columns=("a",)) if statistic.name == "precounts" else SplitOnly(split="train")


@pytest.mark.parametrize("other", [1, 2], ids=["another patient", "one fewer"])
def test_nothing_but_the_masked_values_differs(walks, other):
    for one, two in zip(walks[0][0], walks[0][other], strict=True):
        assert one.kind == two.kind
        sizes = [{name: (a.dtype, a.shape) for name, a in reply.arrays.items()} for reply in (one, two)]
        assert sizes[0] == sizes[1]
        if one.kind in ("refusal", "status"):
            assert one.body == two.body
        assert len(json.dumps(one.body)) == len(json.dumps(two.body))


def test_no_canary_leaves_or_is_logged(walks):
    found, lines = walks
    assert lines
    for reply in [reply for walk in found for reply in walk]:
        assert CANARY.encode() not in plain_bytes(reply)
    assert not [line for line in lines if CANARY in line]
