"""Counts under differential privacy at the door: charged before they leave, dealt once, the same size whoever has how many patients."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from client.release.epsilon_spent import CHARGE, EpsilonLedger, results_cost, study_cost
from client.release.journal_entries import COHORT, CohortSeen
from client.release.shares.noised_counts import FOLDER, Boxes, NoisedCounts
from client.release.site_policy import check_sharing
from shared_model.analyses.analysis_plan import computed_phases, plan_of
from shared_model.analyses.noised.noised_cells import SET
from shared_model.analyses.patient_slots import PaddedPatients
from shared_model.analyses.phases.table1_slots import counted
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.messages.sealed_envelopes import Recipient
from site_config.hash_chained_journal import Journal
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.lock_study import lock_study
from site_config.study.plan_and_lock import RosterEntry, StudyLock
from tests.client.training_support import study_with

SITES = 8
HOLDERS = {k: Recipient(X25519PrivateKey.generate().public_key().public_bytes_raw(), bytes(32)) for k in (1, 2, 3)}
ROWS = ("p.1", "q.1")


def lock(title: str = "one", results: float = 0.3) -> StudyLock:
    listed = [{"name": f"s{k}", "role": "evaluation" if k == 0 and results else "development"} for k in range(SITES)]
    dp = {"epsilon": 2.0, "patients": 20, "honest": 1, "results": results}
    privacy = {"dp": dp, "demonstration": True}
    study = study_with(title=title, models=("Rad-S",), training={"rounds": 4}, privacy=privacy, sites=listed, simulated=True)
    entries = [
        RosterEntry(name=one["name"], role="development", signing_key=f"{k:064x}", node_fingerprint="") for k, one in enumerate(listed)
    ]
    return lock_study(study, entries, code_digest="", coordinator_key="00" * 32)


def people(n: int, of: StudyLock, day: float = 10.0) -> PaddedPatients:
    values = {SET: np.full(n, 2.0), **{one.part.name: np.full(n, np.nan) for one in counted(of.study)}}
    return PaddedPatients(np.full(n, day).astype(np.int64), np.ones(n, dtype=bool), values)


class Site:
    """A held-out hospital's state folder, opened anew as after a crash."""

    def __init__(self, state: Path, policy: Policy | None = None) -> None:
        self.journal = Journal(state / "journal.jsonl", durable=False)
        self.counts = NoisedCounts("s0", self.journal, EpsilonLedger.of(self.journal), state)
        self.policy = policy or Policy(simulated_patients=True)

    def share(self, of: StudyLock, n: int = 2, rows: tuple[str, ...] = ROWS, holders: dict[int, Recipient] = HOLDERS) -> Boxes:
        told = "-".join(rows)
        self.counts.ledger.feed(self.journal.append(COHORT, CohortSeen(cohort=told, patients=rows).model_dump(mode="json")))
        plan = plan_of(of, "evaluation", {})
        boxes, rule = self.counts.leaving(
            self.policy,
            of,
            plan,
            plan.sites(of),
            holders,
            (told, rows),
            lambda: people(n, of),
            lambda: datetime.now(UTC),
            secrets.token_bytes,
        )
        assert "minima lifted" in rule
        return boxes

    def charges(self) -> int:
        return sum(entry.kind == CHARGE for entry in self.journal)


def same(one: Boxes, two: Boxes) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def test_a_retry_after_a_crash_gets_the_same_shares_and_costs_nothing(tmp_path: Path) -> None:
    site, study = Site(tmp_path), lock()
    first = site.share(study)
    site.journal.close()
    site = Site(tmp_path)
    assert same(site.share(study), first) and site.charges() == 1
    assert site.counts.ledger.spent(["p"]).squared == pytest.approx(results_cost(study.study).squared)


def test_new_shares_are_a_new_charge_and_the_study_declares_one(tmp_path: Path) -> None:
    site, study = Site(tmp_path), lock()
    first = site.share(study)
    for changed in ({"rows": ("p.corrected", "q.1")}, {"holders": {**HOLDERS, 3: replace(HOLDERS[3], public=bytes(range(32)))}}):
        with pytest.raises(Problem) as refused:
            site.share(study, **changed)  # type: ignore[arg-type]
        assert refused.value.code == "FH-541"
        assert "`policy.epsilon_budget`" in refused.value.fix and "`fedhcc-coordinator resume STUDY`" in refused.value.fix
    assert site.charges() == 1 and same(site.share(study), first)


def test_lost_or_changed_shares_are_charged_again_within_the_budget(tmp_path: Path) -> None:
    cost = results_cost(lock().study)
    budget = (cost + cost).epsilon + 1e-3
    site, study = Site(tmp_path, Policy(simulated_patients=True, epsilon_budget=budget)), lock()
    first, path = site.share(study), next((tmp_path / FOLDER).iterdir())
    kept = path.read_bytes()
    path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert not same(site.share(study), first) and site.charges() == 2
    path.unlink()
    with pytest.raises(Problem) as refused:
        site.share(study)
    assert refused.value.code == "FH-541" and site.charges() == 2
    with pytest.raises(Problem):  # nor under another study's name
        site.share(lock("two"))


def test_a_holder_with_other_keys_is_given_new_shares_where_the_hospital_permits_a_second_charge(tmp_path: Path) -> None:
    cost = results_cost(lock().study)
    site, study = Site(tmp_path, Policy(simulated_patients=True, epsilon_budget=(cost + cost).epsilon + 1e-3)), lock()
    site.share(study)
    site.share(study, holders={**HOLDERS, 3: replace(HOLDERS[3], public=bytes(range(32)))})
    assert site.charges() == 2


def test_as_many_slots_whoever_has_how_many_patients_and_nobody_is_refused(tmp_path: Path) -> None:
    study = lock()
    shapes = []
    for n in (0, 1, 50):
        (tmp_path / f"{n}").mkdir()
        shapes.append({name: box.shape for name, box in Site(tmp_path / f"{n}").share(study, n).items()})
    assert shapes[0] == shapes[1] == shapes[2]


def test_only_noised_results_are_computed_and_only_where_the_study_asks(tmp_path: Path) -> None:
    study, policy = lock(), Policy(simulated_patients=True)
    assert computed_phases(study) == ("evaluation",) and not study.compares
    plan = plan_of(study, "evaluation", {})
    now = datetime.now(UTC)
    assert check_sharing(policy, study, "s0", plan, plan.sites(study), now)
    bare = Declaration.of(*(replace(one, noise=0) for one in plan.declaration.results.values()))
    with pytest.raises(Problem, match="FH-540"):
        check_sharing(policy, study, "s0", replace(plan, declaration=bare), plan.sites(study), now)
    for phase in ("clinical", "fusion", "admission"):
        with pytest.raises(Problem, match="FH-554"):
            plan_of(study, phase, {})  # type: ignore[arg-type]
    none = lock(results=0.0)
    assert none.holders == () and computed_phases(none) == ()
    with pytest.raises(Problem, match="FH-504"):
        check_sharing(policy, none, "s1", plan, plan.sites(none), now)


def test_a_held_out_patient_pays_for_results_alone() -> None:
    study = lock()
    held, trains = study_cost(study, "evaluation"), study_cost(study, "development")
    assert held == results_cost(study.study) and held.epsilon < trains.epsilon <= 2.0 + 1e-6
