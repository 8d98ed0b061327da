"""Patients under other ids, a comparison that is asked twice, and locks that tell earlier studies otherwise than they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from client.keys_kit_and_decisions import earlier_faults
from client.program.patients_by_study import Benches, live_table
from client.release.earlier_releases import Ledger, cohort_hash
from client.release.journal_entries import AGREED, COMPARED, AgreedRows, ComparedRows
from client.release.shares.rows_apart import changed_ids, differing, left_of_four, moved_ids
from evidence.attacks.attacked_federation import NOON
from site_config.hash_chained_journal import Journal
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import Paths, SiteConfig
from site_config.study.clinical_variables import ClinicalVariable
from site_config.study.lock_study import as_earlier
from tests.client.program.test_rows_apart import LOCK, training_rows
from tests.client.release import hospital_network
from tests.client.release.test_generation_properties import LEAST, NAMES, Network
from tests.client.release.test_handed_over import SIZES, value, write

Rows = frozenset[str]


def rows(home: Path, ids: str = "p", *, joined: int = 0, column: bool = False, tace: int = 0, last: int = 400) -> Rows:
    """The training rows of thirty patients and some more, under ids with a letter, the first with a value and a last day of its own."""
    patients = [{"event": k % 2, "last_contact_day": 400 + 10 * k, "tace": int(k % 3 == 1), "age": 40 + k} for k in range(30 + joined)]
    patients[0] |= {"tace": tace, "last_contact_day": last}
    return training_rows(home, patients, ids, column=column)


@pytest.mark.parametrize(
    ("changed", "counted"),
    [
        ({}, 0),
        ({"column": True}, 0),
        ({"joined": 1}, 1),
        ({"joined": 19}, 19),
        ({"joined": 1, "column": True}, 1),
        ({"tace": 1}, 1),
        ({"last": 399}, 2),
    ],
)
def test_other_ids_for_everybody_hide_nobody(tmp_path: Path, changed: dict[str, int], counted: int) -> None:
    """A hospital numbers its patients anew: thirty left and thirty-one came, and the results differ by the one."""
    before, now = rows(tmp_path), rows(tmp_path, "n", **changed)  # type: ignore[arg-type]
    assert differing(before, now) == differing(now, before) == counted
    assert len(changed_ids(before, now)) == counted


TACE = ClinicalVariable(name="tace", label="TACE")
AGE = ClinicalVariable(name="age", label="Age", kind="continuous", bounds=(18.0, 110.0))
STAGE = ClinicalVariable(name="stage", label="Stage", kind="ordinal", values={0: "I", 1: "II", 2: "III"})


def of_variables(home: Path, *variables: ClinicalVariable, first: dict[str, int] | None = None, column: bool = False, n: int = 30) -> Rows:
    """The rows of a study that reads these variables, of a table with a column more or not, with other cells of the first patient."""
    patients = [
        {"event": k % 2, "last_contact_day": 400 + 10 * k, "tace": int(k % 3 == 1), "age": 40 + k, "stage": k % 3} for k in range(n)
    ]
    patients[0] |= first or {}
    header = ["patient", *(name for name in patients[0] if column or name != "stage")]
    lines = [[f"p{k}", *(int(one[name]) for name in header[1:])] for k, one in enumerate(patients)]
    (home / "cohort.csv").write_text("\n".join(",".join(map(str, line)) for line in (header, *lines)) + "\n")
    site = SiteConfig(site="site-a", paths=Paths(scans=None), home=home)
    lock = LOCK.model_copy(update={"study": LOCK.study.model_copy(update={"clinical": variables})})
    return Benches(site, Journal(None, clock=lambda: NOON), Ledger())._by_set(lock, live_table(site))["train"]


@pytest.mark.parametrize(
    "coded",
    [
        (TACE, AGE.model_copy(update={"log": True})),
        (TACE, AGE.model_copy(update={"bounds": (18.0, 110.001)})),
        (AGE, TACE),
        (TACE,),
        (TACE, AGE, STAGE),
        (TACE, AGE, STAGE.model_copy(update={"kind": "nominal"})),
        (TACE.model_copy(update={"kind": "nominal"}), AGE),
    ],
)
def test_another_coding_hides_no_value_that_was_corrected(tmp_path: Path, coded: tuple[ClinicalVariable, ...]) -> None:
    """A logarithm, or one more column, made every patient another one in what was read, and the one who was corrected went with them."""
    more = STAGE.name in {one.name for one in coded}
    before = of_variables(tmp_path, TACE, AGE)
    for first, n, counted in (({"tace": 1}, 30, 1), ({"age": 99}, 30, 1), ({"last_contact_day": 399}, 30, 1), ({}, 31, 1)):
        now = of_variables(tmp_path, *coded, first=first, column=more, n=n)
        assert differing(before, now) == differing(now, before) == counted, first
    same = of_variables(tmp_path, *coded, column=more)
    assert differing(before, same) == (30 if more else 0)


def test_a_level_coded_otherwise_is_the_same_level(tmp_path: Path) -> None:
    nominal = STAGE.model_copy(update={"kind": "nominal", "values": {2: "III", 0: "I", 1: "II"}})
    before = of_variables(tmp_path, TACE, STAGE, column=True)
    assert before and differing(before, of_variables(tmp_path, TACE, nominal, column=True)) == 0
    assert differing(before, of_variables(tmp_path, TACE, nominal, column=True, first={"stage": 2})) == 1


def test_other_ids_over_all_hospitals_and_in_four_results(tmp_path: Path) -> None:
    before, now = rows(tmp_path), rows(tmp_path, "n", joined=1)
    assert len(moved_ids(before, now)) == 1
    half = frozenset(sorted(before)[:15])
    persons = {row.split("-")[4] for row in half}
    assert len(left_of_four(now, half, before, frozenset(row for row in now if row.split("-")[4] in persons))[1]) == 1


def test_other_ids_do_not_move_patients_between_training_and_validation(tmp_path: Path) -> None:
    before, now = rows(tmp_path), rows(tmp_path, "n", joined=25)
    ledger = Network(SIZES)
    first, second = sorted(before)[:25], [row for row in now if row.split("-")[4] in {one.split("-")[4] for one in sorted(before)[:25]}]
    write(ledger, value("first", NAMES, {"train": frozenset(first), "validation": before - frozenset(first)}))
    sets = {"train": now - frozenset(second), "validation": frozenset(second)}
    with pytest.raises(Problem, match="under other ids"):
        ledger.hospitals[NAMES[0]].ledger.check_rows(value("second", NAMES, sets), LEAST)


def test_other_ids_do_not_hide_a_role_that_changed(tmp_path: Path) -> None:
    before, now = rows(tmp_path), rows(tmp_path, "n", joined=1)
    network = Network(SIZES)
    write(network, value("first", NAMES, {"train": before}))
    with pytest.raises(Problem) as refused:
        network.hospitals[NAMES[0]].ledger.check_rows(value("second", NAMES, {"test": now}), LEAST)
    assert refused.value.kind == privacy.ROWS_WAIT


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_a_comparison_asked_again_after_a_withdrawal_covers_nobody(twice: bool, after: bool) -> None:
    """The bit was found of the rows with the patient, and was taken for those without: the difference was that patient."""
    network, names = Network(SIZES), ("second", "admission")
    everybody = frozenset(f"p{k}.a" for k in range(40))
    write(network, value("first", NAMES, {"train": everybody}, **dict.fromkeys(NAMES, 30)))
    one = network.hospitals[NAMES[0]]
    plain = {"parts": {}, "results": (), "cohort": "", "patients": 0, "slots": 0, "bytes": 0, "rule": "", "hash": ""}
    against = {"first": {"train": cohort_hash(everybody)}}
    compared = ComparedRows(**plain, study=names[0], phase=names[1], roster=NAMES, holders=NAMES[:3], against=against, choices={})

    def compare(those: Rows) -> None:
        one.write(COMPARED, compared.model_copy(update={"choices": {"live.train": cohort_hash(those)}}))

    left = everybody - {"p3.a"}
    compare(everybody)
    if twice and not after:
        compare(left)
    one.write(AGREED, AgreedRows(study="second", choices=("live.train",)))
    if twice and after:
        compare(left)
    asked = replace(value("second", NAMES, {"train": left}, **dict.fromkeys(NAMES, 30)), whole=True)
    with pytest.raises(Problem) as refused:
        one.ledger.check_rows(asked, LEAST)
    assert refused.value.kind == privacy.ROWS_WAIT
    same = value("second", NAMES, {"train": everybody}, **dict.fromkeys(NAMES, 30))
    one.ledger.check_rows(replace(same, whole=True), LEAST)


def test_a_lock_does_not_tell_earlier_studies_otherwise_than_they_were(tmp_path: Path) -> None:
    """Which results are added up follows from roles, blocks and questions of earlier studies, as the hospital's own locks say."""
    network = hospital_network.Network(tmp_path)
    try:
        state, first = network.homes.config(network.names[0]).state, network.lock
        told = as_earlier((first,))
        assert earlier_faults(state, first.model_copy(update={"earlier": told})) == []
        assert earlier_faults(state, first.model_copy(update={"beside": (told[0].model_copy(update={"study": "0" * 64}),)})) == []
        for lie in ({"complete": "0" * 64}, {"complete": None}, {"development": told[0].roster}, {"blocks": (("a",), ("b",))}):
            for place in ("earlier", "beside"):
                lying = first.model_copy(update={place: (told[0].model_copy(update=lie),)})
                assert [problem.kind for problem in earlier_faults(state, lying)] == [privacy.OUTSIDE_LOCK], lie
    finally:
        network.close()
