"""What makes a row another one, as a hospital makes it of its table: a new column hides nobody who joined, was followed on or corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from client.program.patients_by_study import Benches, live_table
from client.release.earlier_releases import Ledger
from client.release.shares.rows_apart import changed_ids, differing, moved_ids, outcome_ids, read_ids
from evidence.attacks.attacked_federation import NOON
from site_config.hash_chained_journal import Journal
from site_config.site_yaml import Paths, SiteConfig
from site_config.study.clinical_variables import ClinicalVariable
from site_config.study.lock_study import lock_study
from site_config.study.plan_and_lock import RosterEntry, Study, StudySite
from tests.client.release.test_generation_properties import LEAST, NAMES, Network

PLAN = Study(
    title="tables",
    models=("CLN",),
    clinical=(ClinicalVariable(name="tace", label="TACE"),),
    validation_fraction=0.0,
    sites=(StudySite(name="site-a", role="development"),),
)
LOCK = lock_study(
    PLAN,
    (RosterEntry(name="site-a", role="development", signing_key="0" * 64, node_fingerprint="0" * 64),),
    code_digest="",
    coordinator_key="0" * 64,
)
LONGER, CORRECTED = {"last_contact_day": 399}, {"tace": 1}


def training_rows(home: Path, patients: Sequence[Mapping[str, int]], ids: str = "p", *, column: bool = False) -> frozenset[str]:
    """Rows as the hospital makes them of a table of these patients, with a column more that the study does not read."""
    header = ["patient", *patients[0], *(["nash"] if column else [])]
    lines = [[f"{ids}{k}", *one.values(), *([0] if column else [])] for k, one in enumerate(patients)]
    (home / "cohort.csv").write_text("\n".join(",".join(map(str, line)) for line in (header, *lines)) + "\n")
    site = SiteConfig(site="site-a", paths=Paths(scans=None), home=home)
    return Benches(site, Journal(None, clock=lambda: NOON), Ledger())._by_set(LOCK, live_table(site))["train"]


def rows(home: Path, *, joined: int = 0, column: bool = False, first: dict[str, int] | None = None) -> frozenset[str]:
    """The training rows of thirty patients: with some more, with a column that the study does not read, with other cells of the first."""
    patients = [{"event": k % 2, "last_contact_day": 400 + 10 * k, "tace": int(k % 3 == 1)} for k in range(30 + joined)]
    patients[0] |= first or {}
    return training_rows(home, patients, column=column)


@pytest.mark.parametrize(
    ("changed", "counted"),
    [
        ({}, 0),
        ({"column": True}, 30),
        ({"first": LONGER}, 1),
        ({"first": CORRECTED}, 1),
        ({"joined": 1}, 1),
        ({"column": True, "first": LONGER}, 1),
        ({"column": True, "first": CORRECTED}, 1),
        ({"column": True, "joined": 1}, 1),
        ({"joined": 25, "first": LONGER}, 25),
    ],
)
def test_nobody_is_hidden_behind_a_new_column(tmp_path: Path, changed: dict[str, object], counted: int) -> None:
    before = rows(tmp_path)
    now = rows(tmp_path, **changed)  # type: ignore[arg-type]
    assert differing(before, now) == differing(now, before) == counted


def test_rows_of_a_journal_of_before_hold_cells_alone() -> None:
    before, now = frozenset({"a.1", "b.1", "c.1"}), frozenset({"a.1-x-l-5", "b.2-x-l-5", "d.1-x-l-5"})
    assert changed_ids(before, now) == {"b", "c", "d"}
    assert moved_ids(before, now) == outcome_ids(before, now) == read_ids(before, now) == {"c", "d"}


@pytest.mark.parametrize("part", ["outcome", "value"])
@pytest.mark.parametrize("many", [1, 19, 20])
def test_few_who_were_followed_on_are_not_hidden_behind_a_new_column(part: str, many: int) -> None:
    """Over all hospitals, as the holders find it: every row is another one, and of some the outcome or a value that both studies read."""
    network = Network((60, 40, 24, 12, 6, 2, 1, 1))
    for hospital in network.hospitals.values():
        hospital.live = dict.fromkeys(hospital.live, "1-x-l-5")  # type: ignore[misc]
    assert network.study(NAMES, fraction=0.0)
    for hospital in network.hospitals.values():
        hospital.live = dict.fromkeys(hospital.live, "2-x-l-5")  # type: ignore[misc]
    for patient in range(many):
        network.hospitals[NAMES[0]].live[patient] = "2-y-l-5" if part == "outcome" else "2-x-l-6"  # type: ignore[assignment]
    again = network.study(NAMES, fraction=0.0)
    assert again == {"train": "live" if many >= LEAST.patients else "base", "validation": "live"}
