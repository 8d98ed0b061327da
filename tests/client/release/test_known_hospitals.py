"""Ghosts: a roster counts only with hospitals whose digits somebody heard on the telephone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from client.cli import app
from client.program.message_agent import Agent
from client.release.known_hospitals import check, checked, effective, holder_faults, unchecked, wanted, wanted_holders
from client.release.site_policy import refusals
from shared_model.secure_sum.federation_messages import AdmissionRequest, Message
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.study.site_folders import Homes, enrol, publish
from site_config.documents.read_yaml_documents import load_site
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock
from tests.support import run_cli


@pytest.fixture
def published(tmp_path: Path) -> tuple[Homes, StudyLock]:
    homes = Homes(tmp_path / "run")
    base = PRESETS["clinical-only"]
    plan = {**base.study, "resolution": "exact", "privacy": {"minimum_patients": 20}}
    make_cohort(replace(base, study=plan, survival=replace(base.survival, sites=(5, 1), patients=(60, 6))), homes.cohort, seed=5)
    for path in (homes.cohort / "sites").glob("*/site.yaml"):
        text = re.sub(r"(?m)^  minimum_\w+: \d+\n", "", path.read_text()).replace("masks_required: false", "masks_required: true")
        path.write_text(text.replace("simulated_patients: true", "simulated_patients: false"))
    enrol(homes, 5)
    return homes, publish(homes)


def test_a_roster_of_strangers_is_refused_until_enough_digits_were_heard(published: tuple[Homes, StudyLock], tmp_path: Path) -> None:
    homes, lock = published
    me, *others = lock.names("development")
    home = homes.site(me)
    signed = tmp_path / "lock.json"
    offered = sign_lock(lock, CoordinatorIdentity.load(homes.coordinator))
    signed.write_text(offered.model_dump_json())
    ran = run_cli(app, "approve", signed, "--yes", "--home", home)
    assert ran.status != 0 and "FH-507" in ran.err
    assert lock.entry(others[0]).fingerprint[:4] not in ran.out, "digits nobody heard are not shown"
    wrong = run_cli(app, "approve", signed, "--yes", "--home", home, "--peer", f"{others[0]}={lock.entry(others[1]).fingerprint[:16]}")
    assert wrong.status != 0 and "FH-533" in wrong.err
    few = run_cli(app, "approve", signed, "--yes", "--home", home, "--peer", f"{others[0]}={lock.entry(others[0]).fingerprint[:16]}")
    assert few.status != 0 and "FH-507" in few.err, "half of a roster of three are two"
    enough = run_cli(app, "approve", signed, "--yes", "--home", home, "--peer", f"{others[1]}={lock.entry(others[1]).fingerprint[:20]}")
    assert enough.status == 0, enough.err
    assert {peer.name for peer in checked(home / "state").values()} == set(others[:2])
    agent = Agent(load_site(home / "site.yaml"))
    assert agent.handle(Message("admission", AdmissionRequest(signed=offered).model_dump(mode="json"))).body["accepted"]
    (home / "state" / "peers.json").unlink()
    assert agent.handle(Message("admission", AdmissionRequest(signed=offered).model_dump(mode="json"))).body["refusals"] == ["FH-507"]
    agent.close()


def test_two_invented_hospitals_beside_a_victim_are_no_roster(published: tuple[Homes, StudyLock]) -> None:
    homes, lock = published
    me, one, two, *_ = lock.names("development")
    blocks = {**lock.blocks, "development": ((me, one, two),)}
    ghosts = lock.model_copy(update={"blocks": blocks})
    assert "FH-507" in {problem.code for problem in refusals(effective(homes.config(me)), ghosts, me)}


def test_how_many_holders_have_to_be_known(published: tuple[Homes, StudyLock]) -> None:
    homes, lock = published
    names = lock.names("development")
    held = lock.model_copy(update={"holders": names[:3]})
    assert wanted(homes.config(names[0]).policy) == 2
    assert [wanted_holders(held, names[0]), wanted_holders(held, names[4]), wanted_holders(lock, names[0])] == [1, 2, 0]
    state = homes.config(names[4]).state
    assert len(holder_faults(effective(homes.config(names[4])), held, names[4])) == 1
    assert [entry.name for entry in unchecked(effective(homes.config(names[4])), held, names[4])][:3] == list(names[:3])
    for name in names[:2]:
        check(state, held.entry(name), held.entry(name).fingerprint, "2026-11-26T12:00:00+00:00")
    assert holder_faults(effective(homes.config(names[4])), held, names[4]) == []
    with pytest.raises(Problem):
        check(state, held.entry(names[2]), "0" * 16, "2026-11-26T12:00:00+00:00")
