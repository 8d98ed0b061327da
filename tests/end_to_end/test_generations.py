"""Studies one after the other on shares, at the default policy: few changes wait, many over all hospitals together count."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from client.app import forget_agents
from client.cohort.pseudonyms import is_validation, patient_key, site_secret
from client.cohort.withdrawal import withdraw
from client.release.generations import Generations
from server.asking.effects import Effects
from server.study.results import StudyResult
from server.study.run import run_study
from simulations.cohort.cohort import make_cohort
from simulations.cohort.presets import PRESETS
from simulations.engines.local import local_transport
from simulations.study.homes import Homes, approve_everywhere, enrol, publish
from site_config.journal import read
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.study.model import StudyLock

SITES = 8


class Office:
    """Eight development hospitals with a reserve of patients that joins later, and one study after the other."""

    def __init__(self, folder: Path) -> None:
        self.homes, self.number = Homes(folder / "run"), 0
        base = PRESETS["clinical-only"]
        plan = {
            **base.study,
            "models": ("CLN",),
            "resolution": "shares",
            "privacy": {"minimum_patients": 20, "minimum_cox_patients": 100, "minimum_clinical_score_patients": 1000},
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

    def study(self, without: tuple[str, ...] = ()) -> tuple[StudyResult, StudyLock]:
        """The next study, run to its end."""
        path = self.homes.cohort / "study.yaml"
        plan = yaml.safe_load(path.read_text())
        self.number += 1
        plan["title"] = f"study {self.number}"
        plan["sites"] = [site for site in plan["sites"] if site["name"] not in without]
        path.write_text(yaml.safe_dump(plan))
        lock = publish(self.homes)
        approve_everywhere(self.homes, lock)
        effects = Effects(time.monotonic, lambda _s: None)
        try:
            return run_study(self.homes.coordinator, lock.study_id, local_transport(self.homes.sites()), effects=effects), lock
        finally:
            forget_agents()

    def patients(self, lock: StudyLock) -> int:
        """Training patients whose rows the clinical model of a study read, over all hospitals."""
        found = 0
        for name in self.names:
            for entry in read(self.homes.config(name).state / "journal.jsonl"):
                if entry.kind == "shared-rows" and entry.data["study"] == lock.study_id:
                    found += int(entry.data["patients"])
        return found

    def tables(self, lock: StudyLock) -> list[int]:
        """The number of the table that each hospital's training rows come from."""
        journals = [read(self.homes.config(name).state / "journal.jsonl") for name in self.names]
        return [Generations.of(journal).bases[lock.study_id].of("train") for journal in journals]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    forget_agents()
    yield Office(tmp_path)
    forget_agents()


def test_few_changes_wait_and_many_over_all_hospitals_open_the_next_generation(office: Office) -> None:
    first, lock = office.study()
    before = office.patients(lock)
    assert not lock.earlier and first.clinical
    office.joins(9)
    second, lock = office.study()
    assert len(lock.earlier) == 1
    assert office.patients(lock) == before, "nine patients are too few: the old rows stay usable"
    assert [one["about"] for one in second.findings if one["code"] == privacy.OLD_ROWS.label] == ["train"]
    np.testing.assert_allclose(second.clinical["coef"], first.clinical["coef"], atol=1e-5)
    office.joins(13)
    third, lock = office.study()
    assert office.patients(lock) == before + 22, "no hospital has more than three, all together have enough"
    assert np.abs(np.array(third.clinical["coef"]) - first.clinical["coef"]).max() > 0.01
    assert not [one for one in third.findings if one["code"] == privacy.OLD_ROWS.label]
    office.joins(1)
    _, lock = office.study()
    assert office.patients(lock) == before + 22
    for name in office.names:
        kinds = {entry.kind for entry in read(office.homes.config(name).state / "journal.jsonl")}
        assert {"compared-rows", "agreed-rows"} <= kinds


def test_a_withdrawal_makes_results_wait_until_enough_have_changed(office: Office) -> None:
    _, lock = office.study()
    before = office.patients(lock)
    name = max(office.names, key=lambda one: len(office._table(one)))
    state = office.homes.config(name).state
    gone = next(row["patient"] for row in office._table(name) if office._trains(name, row))
    withdraw(state, state / "prepared", patient_key(site_secret(state), gone), ())
    with pytest.raises(Problem) as waits:
        office.study()
    assert waits.value.kind == privacy.ROWS_WAIT and "train" in waits.value.what
    office.joins(22)
    _, lock = office.study()
    assert office.patients(lock) == before + 22 - 1


def test_a_hospital_that_leaves_is_not_told_by_what_is_left(office: Office) -> None:
    office.study()
    leaving = tuple(name for name in office.names if name not in publish(office.homes).holders)[:3]
    with pytest.raises(Problem) as waits:
        office.study(without=leaving)
    assert waits.value.kind == privacy.ROWS_WAIT
