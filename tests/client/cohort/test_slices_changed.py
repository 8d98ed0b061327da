"""A scan that was corrected between two studies is a change like a corrected row: scores of that patient alone differ, as do groups."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from client.cohort.prepared_cohort import prepare
from client.program.patients_by_study import Benches
from client.release.earlier_releases import Ledger, Minima, OpenedValue, cohort_hash
from client.release.journal_entries import COHORT, RELEASE, CohortSeen
from client.release.shares.rows_apart import changed_ids
from client.release.site_policy import CohortFacts
from evidence.attacks.attacked_federation import NOON
from site_config.hash_chained_journal import Journal
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import SiteConfig
from site_config.study.lock_study import lock_study
from site_config.study.plan_and_lock import RosterEntry, Study, StudyLock
from tests.client.made_scans import a_study, write_site
from tests.client.release.test_handed_over import released, value

LEAST = Minima(sites=3, patients=20)


def locked(study: Study) -> StudyLock:
    entries = tuple(
        RosterEntry(name=site.name, role="development", signing_key=f"{k:064x}", node_fingerprint="0" * 64)
        for k, site in enumerate(study.sites)
    )
    return lock_study(study.model_copy(update={"validation_fraction": 0.0}), entries, code_digest="", coordinator_key="0" * 64)


class Hospital:
    """A hospital with three patients and their scans, its journal and its ledger."""

    def __init__(self, home: Path) -> None:
        self.site: SiteConfig = write_site(home)
        self.images = home / "images"
        self.journal = Journal(None, clock=lambda: NOON)
        self.ledger = Ledger()
        self.benches = Benches(self.site, self.journal, self.ledger)

    def prepare(self, study: Study) -> None:
        prepare(self.site, study)
        self.benches.forget()

    def facts(self, study: Study) -> CohortFacts:
        return self.benches.facts(locked(study), ("train",))

    def asked(self, study: Study) -> OpenedValue:
        lock, facts = locked(study), self.facts(study)
        sets = {name: frozenset(rows) for name, rows in facts.sets.items()}
        found = value("evaluation", lock.names("development"), sets)
        return replace(found, context=found.context.model_copy(update={"study": lock.study_id}))

    def opens(self, study: Study) -> None:
        """Refused, or in the journal as opened."""
        asked = self.asked(study)
        self.ledger.check_rows(asked, LEAST)
        for rows in asked.sets.values():
            entry = self.journal.append(COHORT, CohortSeen(cohort=cohort_hash(rows), patients=tuple(sorted(rows))).model_dump(mode="json"))
            self.ledger.feed(entry)
        self.ledger.feed(self.journal.append(RELEASE, released(asked).model_dump(mode="json")))


FIRST = a_study()
SECOND = FIRST.model_copy(update={"title": "another one, frozen or not"})
TABLES = FIRST.model_copy(update={"title": "tables alone", "models": ("CLN",), "clinical": FIRST.clinical[:1]})


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    made = Hospital(tmp_path)
    made.prepare(_whole(FIRST))
    return made


def _whole(study: Study) -> Study:
    return study.model_copy(update={"models": ("Rad-S", "Rad-D")}) if study is not TABLES else study


def another_scan(hospital: Hospital) -> None:
    """The second patient's baseline was another patient's, and is corrected in scans.csv."""
    for path in (hospital.images / "P001").glob("baseline_abdomen*"):
        shutil.copy(hospital.images / "P002" / path.name, path)


def test_the_same_slices_prepared_again_go_on(hospital: Hospital) -> None:
    hospital.opens(_whole(FIRST))
    shutil.rmtree(hospital.site.state / "prepared")
    hospital.prepare(_whole(FIRST))
    hospital.opens(_whole(SECOND))


def test_one_patient_with_another_scan_closes_studies_that_read_scans(hospital: Hospital) -> None:
    hospital.opens(_whole(FIRST))
    another_scan(hospital)
    hospital.prepare(_whole(FIRST))
    for study in (FIRST, SECOND):
        with pytest.raises(Problem) as refused:
            hospital.opens(_whole(study))
        assert refused.value.kind == privacy.ROWS_WAIT and "1 patient" in refused.value.what
    hospital.opens(TABLES)


def test_the_former_scan_opens_them_again(hospital: Hospital) -> None:
    hospital.opens(_whole(FIRST))
    kept = hospital.images.parent / "kept"
    shutil.copytree(hospital.images / "P001", kept)
    another_scan(hospital)
    hospital.prepare(_whole(FIRST))
    shutil.copytree(kept, hospital.images / "P001", dirs_exist_ok=True)
    hospital.prepare(_whole(FIRST))
    hospital.opens(_whole(SECOND))


def test_other_settings_are_other_slices_for_everybody(hospital: Hospital) -> None:
    hospital.opens(_whole(FIRST))
    other = a_study(rule="paper")
    hospital.prepare(_whole(other))
    hospital.opens(_whole(other))


def test_settings_that_leave_the_slices_as_they_are_hide_no_other_scan(hospital: Hospital) -> None:
    """Another longest interval between two visits, and one scan replaced: everybody's settings are others, one patient's slices."""
    hospital.opens(_whole(FIRST))
    another_scan(hospital)
    other = FIRST.model_copy(update={"imaging": FIRST.imaging.model_copy(update={"interval_days": (14, 181)})})
    hospital.prepare(_whole(other))
    with pytest.raises(Problem) as refused:
        hospital.opens(_whole(other))
    assert refused.value.kind == privacy.ROWS_WAIT and "1 patient" in refused.value.what


def test_one_whom_scans_follow_longer_closes_a_study_that_reads_them(hospital: Hospital) -> None:
    """A CT after the last contact counts in studies that read scans: the same row, and another day of that patient alone."""
    path = hospital.site.path(hospital.site.paths.cohort)
    with path.open() as stream:
        patients = list(csv.DictReader(stream))
    last = next(one for one in patients if one["event"] == "0")
    last["last_ct_day"] = str(int(last["last_contact_day"]) + 30)
    with path.open("w") as stream:
        writer = csv.DictWriter(stream, list(dict.fromkeys(name for one in patients for name in one)))
        writer.writeheader()
        writer.writerows(patients)
    hospital.prepare(_whole(FIRST))
    hospital.opens(TABLES)
    with pytest.raises(Problem) as refused:
        hospital.opens(_whole(FIRST))
    assert refused.value.kind == privacy.ROWS_WAIT and "1 patient" in refused.value.what


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        ("p.v.s.1", "p.v.s.2", True),
        ("p.v.s.1", "p.v.t.2", False),
        ("p.v", "p.v.s.1", False),
        ("p.v.s.1", "p.w.t.2", True),
        ("p.v", "p.w", True),
        ("p.v", "q.v", True),
    ],
)
def test_what_is_another_row(before: str, now: str, changed: bool) -> None:
    one, other = frozenset({before}), frozenset({now})
    assert bool(changed_ids(one, other)) == bool(changed_ids(other, one)) == changed
