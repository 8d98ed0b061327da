"""Studies one after the other on shares, at the default policy: few changes wait, many over all hospitals together count."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml

from client.app import forget_agents
from client.cohort.pseudonyms import is_validation, patient_key, site_secret
from client.cohort.withdrawal import withdraw
from server.asking.ask_masked_sum import Asker
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import StudyLedger
from server.phases.admission_phase import admit, compare, count, exchange_statements
from server.phases.phase_context import Running
from server.study.resume_state import StudyFolder
from server.study.study_results import StudyResult
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes, approve_everywhere, enrol, publish
from site_config.hash_chained_journal import read
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock

SITES = 8


@dataclass(frozen=True)
class Opened:
    """A study's lock, its opened number of training patients, and the sets of which old rows were used."""

    lock: StudyLock
    patients: int
    waiting: tuple[str, ...]
    every: dict[str, int] = field(default_factory=dict)
    flow: dict[str, int] = field(default_factory=dict)


class Office:
    """Eight development hospitals with a reserve of patients that joins later, and one study after the other."""

    def __init__(self, folder: Path) -> None:
        self.homes, self.number = Homes(folder / "run"), 0
        base = PRESETS["clinical-only"]
        plan = {
            **base.study,
            "models": ("CLN",),
            "resolution": "shares",
            "privacy": {"minimum_patients": 20, "minimum_cox_patients": 100},
        }
        survival = replace(base.survival, sites=(SITES, 3), patients=(240, 30))
        make_cohort(replace(base, study=plan, survival=survival), self.homes.cohort, seed=5)
        for path in (self.homes.cohort / "sites").glob("*/site.yaml"):
            text = re.sub(r"(?m)^  minimum_\w+: \d+\n", "", path.read_text())
            text = text.replace("masks_required: false", "masks_required: true")
            path.write_text(text.replace("simulated_patients: true", "simulated_patients: false"))
        enrol(self.homes, 5)
        self.names = [name for name in self.homes.sites() if name in self._development()]
        self.reserve = {name: [row for row in self._table(name) if self._trains(name, row)][:7] for name in self.names}
        for name in self.names:
            kept = [row for row in self._table(name) if row not in self.reserve[name]]
            self._write(name, kept)

    def _development(self) -> set[str]:
        return {one.name for one in self.homes.study().sites if one.role == "development"}

    def _trains(self, name: str, row: dict[str, str]) -> bool:
        secret = site_secret(self.homes.config(name).state)
        complete = all(row[variable.name] != "" for variable in self.homes.study().clinical)
        return complete and not is_validation(secret, row["patient"], self.homes.study().validation_fraction)

    def _table(self, name: str) -> list[dict[str, str]]:
        with (self.homes.site(name) / "cohort.csv").open() as stream:
            return list(csv.DictReader(stream))

    def _write(self, name: str, rows: list[dict[str, str]]) -> None:
        header = (self.homes.site(name) / "cohort.csv").read_text().splitlines()[0].split(",")
        with (self.homes.site(name) / "cohort.csv").open("w") as stream:
            writer = csv.DictWriter(stream, header)
            writer.writeheader()
            writer.writerows(rows)

    def joins(self, patients: int) -> None:
        """So many training patients of the reserve come, spread over the hospitals."""
        for _ in range(patients):
            name = max(self.names, key=lambda one: len(self.reserve[one]))
            self._write(name, [*self._table(name), self.reserve[name].pop()])

    def study(self, without: tuple[str, ...] = ()) -> Opened:
        """The next study, up to its opened counts: the first results that its rows stand behind."""
        return self.opened(self.publish_next(without))

    def publish_next(self, without: tuple[str, ...] = ()) -> StudyLock:
        """The next study, locked, published and approved."""
        path = self.homes.cohort / "study.yaml"
        plan = yaml.safe_load(path.read_text())
        self.number += 1
        plan["title"] = f"study {self.number}"
        plan["sites"] = [site for site in plan["sites"] if site["name"] not in without]
        path.write_text(yaml.safe_dump(plan))
        lock = publish(self.homes)
        approve_everywhere(self.homes, lock)
        return lock

    def opened(self, lock: StudyLock) -> Opened:
        """A published study up to its opened counts."""
        root = StudyFolder(self.homes.coordinator / "studies" / lock.study_id)
        folder = StudyFolder(root.root / "run")
        transport, effects = local_transport(self.homes.sites()), Effects(time.monotonic, lambda _s: None)
        ledger = StudyLedger(folder.ledger_file)
        asker = Asker(lock, CoordinatorIdentity.load(self.homes.coordinator), transport, folder, ledger, effects)
        result = StudyResult(study_id=lock.study_id, title="", label="INCOMPLETE", simulated=True, created="", software="", lock={})
        running = Running(asker, folder, result)
        try:
            admit(running, root.signed_lock(), transport)
            compare(running)
            exchange_statements(running)
            count(running)
        finally:
            ledger.close()
            forget_agents()
        train = sum(counts.patients for (role, _, split), counts in asker.counts.items() if (role, split) == ("development", "train"))
        waiting = tuple(str(one["about"]) for one in result.findings if one["code"] == privacy.OLD_ROWS.label)
        every = {
            split: sum(c.patients for (_, _, of), c in asker.counts.items() if of == split) for split in ("train", "validation", "test")
        }
        return Opened(lock, train, waiting, every, dict(result.flow))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    forget_agents()
    yield Office(tmp_path)
    forget_agents()


def test_few_changes_wait_and_many_over_all_hospitals_open_the_next_generation(office: Office) -> None:
    first = office.study()
    assert not first.lock.earlier and first.patients > 100 and not first.waiting
    office.joins(9)
    second = office.study()
    assert len(second.lock.earlier) == 1
    assert (second.patients, second.waiting) == (first.patients, ("train",)), "nine are too few: the old rows stay usable"
    office.joins(13)
    third = office.study()
    assert (third.patients, third.waiting) == (first.patients + 22, ()), "no hospital has more than four, all together have enough"
    office.joins(1)
    assert office.study().patients == third.patients
    for name in office.names:
        journal = read(office.homes.config(name).state / "journal.jsonl")
        assert {"compared-rows", "agreed-rows"} <= {entry.kind for entry in journal}


def test_a_withdrawal_makes_results_wait_until_enough_have_changed(office: Office) -> None:
    first = office.study()
    name = max(office.names, key=lambda one: len(office._table(one)))
    state = office.homes.config(name).state
    gone = next(row["patient"] for row in office._table(name) if office._trains(name, row))
    withdraw(state, state / "prepared", patient_key(site_secret(state), gone), ())
    with pytest.raises(Problem) as waits:
        office.study()
    assert waits.value.kind == privacy.ROWS_WAIT and "train" in waits.value.what
    office.joins(22)
    assert office.study().patients == first.patients + 22 - 1


def test_a_hospital_that_leaves_is_not_told_by_what_is_left(office: Office) -> None:
    first = office.study()
    leaving = tuple(name for name in office.names if name not in first.lock.holders)[:3]
    with pytest.raises(Problem) as waits:
        office.study(without=leaving)
    assert waits.value.kind == privacy.ROWS_WAIT
