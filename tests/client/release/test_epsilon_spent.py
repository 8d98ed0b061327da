"""The charges: written before anything leaves, once a value, over studies, and refused at the budget (issue O, bar 6)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from client.release.epsilon_spent import CHARGE, EpsilonLedger, budget_faults, check_noise
from client.release.generations import LiveTable
from client.release.journal_entries import COHORT, CohortSeen
from client.release.noise_and_charge import FOLDER, NoisedReleases
from client.release.site_policy import Ask, CohortFacts
from shared_model.privacy.noise_on_statistics import PrivateUpdate
from shared_model.privacy.noise_schedule import NoiseSchedule
from shared_model.secure_sum import pairwise_masks
from shared_model.secure_sum.federation_messages import Context
from shared_model.statistics.list_of_statistics import __doc__ as catalogue
from shared_model.statistics.statistic_declaration import REGISTRY
from shared_model.statistics.statistic_parameters import PreCounts
from site_config.hash_chained_journal import Journal
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import RosterEntry, StudyLock
from tests.client.training_support import study_with

assert catalogue
ROUNDS, SIZE = 4, 5
DP = {"epsilon": 2.0, "patients": 20, "honest": 1}


def lock(title: str = "one", dp: dict[str, object] | None = DP) -> StudyLock:
    study = study_with(title=title, models=("Rad-S",), training={"rounds": ROUNDS}, privacy={"dp": dp})
    entry = RosterEntry(name="a", role="development", signing_key="00" * 32, node_fingerprint="")
    return StudyLock(study=study, roster=(entry,), blocks={"development": (("a",),)}, code_digest="", coordinator_key="")


def ask(of: StudyLock, round: int, *, state: str = "w", attempt: int = 1, rows: tuple[str, ...] = ("p.1", "q.1")) -> Ask:
    parameters = PrivateUpdate(model="Rad-S", noise=NoiseSchedule.of(of.study, 1).update, dimension=SIZE, round=round)
    context = Context(
        study=of.study_id,
        phase="training",
        round=round,
        attempt=attempt,
        statistic="private.update",
        parameters="",
        state=state,
        roster="r",
    )
    cohort = CohortFacts(rows, len(rows), "development", sets={"train": rows})
    return Ask(context, REGISTRY["private.update"], parameters, "", ("a",), cohort, None)


class Site:
    """A hospital's state folder, opened anew as after a crash."""

    def __init__(self, state: Path, policy: Policy | None = None) -> None:
        self.journal = Journal(state / "journal.jsonl", durable=False)
        self.noised = NoisedReleases(self.journal, state, lambda n: np.random.default_rng().bytes(n))
        self.policy = policy or Policy()

    def release(self, of: StudyLock, one: Ask) -> np.ndarray:
        def remember(value: object) -> None:
            found = one.value()
            entry = self.journal.append(COHORT, CohortSeen(cohort=found.cohort, patients=tuple(found.patients)).model_dump(mode="json"))
            self.noised.ledger.feed(entry)

        segments = one.statistic.segments(one.parameters)
        return self.noised.leaving(self.policy, of, one, lambda: pairwise_masks.encode(segments, {"update": np.zeros(SIZE)}, 1), remember)[
            "update"
        ]

    def charges(self) -> int:
        return sum(entry.kind == CHARGE for entry in self.journal)


def test_a_retry_after_a_crash_gets_the_same_vector_and_costs_nothing(tmp_path: Path) -> None:
    site, study = Site(tmp_path), lock()
    first = site.release(study, ask(study, 0))
    site.journal.close()  # the process is gone; what it had written stands
    site = Site(tmp_path)
    assert np.array_equal(site.release(study, ask(study, 0, attempt=2)), first)
    assert site.charges() == 1
    assert not np.array_equal(site.release(study, ask(study, 0, state="other weights")), first)
    assert site.charges() == 2


def test_a_lost_or_changed_vector_is_noised_anew_and_charged_again(tmp_path: Path) -> None:
    site, study = Site(tmp_path, Policy(epsilon_budget=8.0)), lock()
    found = [site.release(study, ask(study, 0))]
    path = next((tmp_path / FOLDER).iterdir())
    for damage in (lambda: path.unlink(), lambda: path.write_bytes(path.read_bytes()[:-1] + b"\x7f"), lambda: path.write_bytes(b"")):
        damage()
        found.append(site.release(study, ask(study, 0)))
    assert site.charges() == 4
    assert all(not np.array_equal(found[0], other) for other in found[1:])


def test_a_study_spends_what_it_declares_and_no_more(tmp_path: Path) -> None:
    site, study = Site(tmp_path), lock()
    for round in range(ROUNDS):
        site.release(study, ask(study, round))
    with pytest.raises(Problem) as refused:
        site.release(study, ask(study, 0, state="again at other weights"))
    assert refused.value.code == "FH-541" and site.charges() == ROUNDS
    assert site.noised.ledger.spent(["p"]).epsilon < 2.0


def test_the_budget_holds_over_studies_and_corrected_rows(tmp_path: Path) -> None:
    policy = Policy(epsilon_budget=2.5)
    site, one, two = Site(tmp_path, policy), lock("one"), lock("two")
    assert budget_faults(policy, two, site.noised.ledger, ["p"]) == []
    for round in range(ROUNDS):
        site.release(one, ask(one, round))
    assert [fault.code for fault in budget_faults(policy, two, site.noised.ledger, ["p.2"])] == ["FH-541"]
    assert budget_faults(policy, two, site.noised.ledger, ["new"]) == []
    with pytest.raises(Problem) as refused:
        for round in range(ROUNDS):
            site.release(two, ask(two, round, rows=("p.corrected", "new.1")))
    assert refused.value.code == "FH-541"
    assert site.noised.ledger.spent(["p"]).epsilon <= 2.5 + 1e-6
    again = EpsilonLedger.of(site.journal)
    assert again.spent(["p"]) == site.noised.ledger.spent(["p"]) and again.spent(["stranger"]).squared == 0


def test_a_budget_refuses_training_without_noise(tmp_path: Path) -> None:
    site, bare = Site(tmp_path), lock(dp=None)
    assert [fault.code for fault in budget_faults(Policy(epsilon_budget=4), bare, site.noised.ledger, [])] == ["FH-541"]
    assert budget_faults(Policy(), bare, site.noised.ledger, []) == []


def test_nothing_without_noise_nothing_noised_elsewhere_and_no_other_noise() -> None:
    study = lock()
    own = ask(study, 0).parameters
    check_noise(study, own)
    for of, parameters, code in (
        (study, PreCounts(split="train", columns=()), "FH-540"),
        (lock(dp=None), own, "FH-540"),
        (lock(dp={**DP, "epsilon": 1.0}), own, "FH-532"),
        (study, own.model_copy(update={"round": ROUNDS}), "FH-532"),
    ):
        with pytest.raises(Problem) as refused:
            check_noise(of, parameters)
        assert refused.value.code == code


EXPORTS = {
    "as it was": "patient,age,event_day\n007,61,400\n  B-2 ,70,35\n",
    "rows and columns in another order": "age,patient,event_day\n70,B-2,35\n61,007,400\n",
    "from a spreadsheet": "\ufeffpatient;age;event_day\r\n007;61;400\r\nB-2;70;35\r\n",
    "quoted, padded, with a separator line": 'sep=,\n"patient","age","event_day"\n" 007 ","61","400"\n"B-2\u00a0","70","35"\n',
    "values edited, a column and a patient more": "patient,age,event_day,sex\n007,62,401,1\nB-2,70,36,0\nC,50,10,1\n",
}


@pytest.mark.parametrize("export", EXPORTS)
def test_another_export_of_the_same_patients_goes_on_where_the_last_one_stood(export: str, tmp_path: Path) -> None:
    secret = b"s" * 32
    site, study = Site(tmp_path, Policy(epsilon_budget=2.5)), lock()
    rows = tuple(f"{key}.{row}" for key, row in LiveTable.read(EXPORTS["as it was"].encode(), secret).rows.items())
    for round in range(ROUNDS):
        site.release(study, ask(study, round, rows=rows))
    site.journal.close()
    site = Site(tmp_path, Policy(epsilon_budget=2.5))  # another container over the same state folder
    table = LiveTable.read(EXPORTS[export].encode(), secret)
    assert site.noised.ledger.spent(table.rows).epsilon == pytest.approx(2.0, abs=0.3)
    assert [fault.code for fault in budget_faults(site.policy, lock("two"), site.noised.ledger, table.rows)] == ["FH-541"]
    changed = LiveTable.read(b"patient,age\nB-3,61\n", secret)  # a new local id is another patient: docs/differential-privacy.md says so
    assert site.noised.ledger.spent(changed.rows).squared == 0
