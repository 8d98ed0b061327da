"""The scripts of a review of the door, one by one, against studies on shares at the default policy; `docs/review-of-the-door.md`.

Each ends in a refusal by number; beside it the identical question, or rows that are enough, still go on. Trained networks and
Table 1 of the old road are in `test_rows.py`, hostile replies in `tests/end_to_end`.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from client.release.earlier_releases import Minima, OpenedValue, cohort_hash
from client.release.journal_entries import AGREED, COHORT, COMPARED, RELEASE, AgreedRows, CohortSeen, ComparedRows, Released
from client.release.site_policy import refusals
from evidence.attacks.shares.attacked_study import draw_study, locked
from shared_model.analyses.analysis_plan import plan_of
from shared_model.secure_sum.federation_messages import Context, OpenedCounts
from shared_model.shares.circuits.declared_results import Undeclared
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from site_config.documents.rules_over_fields import study_faults
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.lock_study import lock_study
from site_config.study.plan_and_lock import Evaluation, Privacy, RosterEntry, Shares, Study, StudyLock, StudySite, Training
from tests.client.release.test_generation_properties import LEAST, NAMES, Network

SIZES = (60, 40, 24, 12, 6, 2, 1, 1)
LONE = NAMES[-1]
"""A hospital with one patient."""
FRACTION = 0.2


@pytest.fixture
def network() -> Network:
    return Network(SIZES)


def opened(network: Network, names: tuple[str, ...] = NAMES, **study: Any) -> bool:
    """Whether a study opens its results, and that no two results so far are few rows apart."""
    done = network.study(names, fraction=study.pop("fraction", FRACTION), **study) is not None
    network.check()
    return done


# ------------------------------------------------------------------------------------------ ledger_exploits.py, e2e2.py


def test_identical_questions_go_on(network: Network) -> None:
    assert opened(network) and opened(network) and opened(network)


def test_e1_a_one_patient_hospital_joins(network: Network) -> None:
    assert opened(network, NAMES[:-1])
    assert not opened(network), "one hospital apart: FH-513, whatever the columns' order, whatever is asked"
    assert opened(network, NAMES[:-1])


PHASES = ("clinical", "training", "fusion", "evaluation")


@pytest.mark.parametrize(("first", "second"), list(itertools.product(PHASES, PHASES)))
def test_e1b_any_kind_of_fact_first_any_second(network: Network, first: str, second: str) -> None:
    """A network's rounds first and a Cox model second, and every other pair: what is compared are the rows."""
    ledger = network.hospitals[NAMES[0]].ledger
    rows = {"train": frozenset(f"p{k}" for k in range(30))}
    before = value(first, NAMES[:-1], rows)
    write(network, before)
    ledger.check_rows(value(second, NAMES[:-1], rows), LEAST)
    for changed in (value(second, NAMES, rows), value(second, NAMES[:-1], {"train": rows["train"] - {"p3"}})):
        with pytest.raises(Problem) as refused:
            ledger.check_rows(changed, LEAST)
        assert refused.value.kind in (privacy.VALUE_DIFFERS_BY_FEW, privacy.ROWS_WAIT)


def value(phase: str, roster: tuple[str, ...], sets: dict[str, frozenset[str]], **known: int) -> OpenedValue:
    context = Context(study=phase, phase=phase, round=0, attempt=1, statistic="", parameters="", state="", roster="")
    return OpenedValue(context, "", frozenset(roster), frozenset().union(*sets.values()), None, sets, known)


def write(network: Network, before: OpenedValue) -> None:
    """An opened sum in the first hospital's journal."""
    one = network.hospitals[NAMES[0]]
    for rows in before.sets.values():
        one.write(COHORT, CohortSeen(cohort=cohort_hash(rows), patients=tuple(sorted(rows))))
    one.write(RELEASE, released(before))


def released(before: OpenedValue) -> Released:
    """The journal's line of a sum that is open at once."""
    return Released(
        context=before.context,
        parameters={},
        question="",
        roster=tuple(sorted(before.roster)),
        cohort=before.cohort,
        shape={},
        bytes=0,
        masked=False,
        noise="",
        counts=OpenedCounts(sites=9, patients=999, events=99),
        rule="",
        hash="",
        sets=before.hashes(),
        contributed=dict(before.contributed),
    )


def test_e2_the_only_patient_goes_or_comes(network: Network) -> None:
    assert opened(network)
    network.withdraw(LONE)
    assert not opened(network), "FH-531 at that hospital, or the holders' bit: nothing opens"
    other = Network((*SIZES[:-1], 0))
    assert opened(other)
    other.join(LONE)
    assert opened(other), "the new patient waits and the old rows stay usable"
    assert not other.hospitals[LONE].last["train", False]


def test_e2_one_of_two_withdraws(network: Network) -> None:
    assert opened(network)
    network.withdraw(NAMES[5])
    assert not opened(network)


def test_joins_and_withdrawals_together(network: Network) -> None:
    """A withdrawal hidden behind a join, in one hospital and in two."""
    assert opened(network)
    network.join(NAMES[0])
    network.withdraw(NAMES[0])
    network.join(NAMES[1], 2)
    network.withdraw(NAMES[2])
    opened(network)
    for name in NAMES[:4]:
        network.join(name, 40)
    assert opened(network), "enough over all hospitals, in both sets"


def test_many_joins_open(network: Network) -> None:
    assert opened(network)
    network.join(NAMES[0], 30)
    assert opened(network)
    assert len(network.results[-1]["train"]) > len(network.results[0]["train"])


def test_e3_a_result_that_is_not_declared_or_finer_is_never_opened() -> None:
    """One crafted table listed all rows; a holder opens declared names on the declared grid and nothing else."""
    cohort = draw_study(60, 1)
    plan = plan_of(locked(cohort), "clinical", {})
    a = PlainArithmetic(plan.declaration)
    rows = a.secret(np.eye(256), 1.0)
    name = next(iter(plan.declaration.results))
    for asked, bits in (("every.row", 0), (name, 52)):

        async def crafted(asked: str = asked, bits: int = bits) -> Any:
            return await a.reveal(asked, rows, bits)

        with pytest.raises(Undeclared) as refused:
            a.run(crafted())
        assert asked in str(refused.value)


# ------------------------------------------------------------------------------------------------ e4_e9.py, e5.py


def test_e4_models_without_images_first_and_all_models_then() -> None:
    """One patient lacks images: not in the second study's rows, so the second study does not open."""
    network = Network(SIZES)
    network.hospitals[NAMES[1]].live = {**network.hospitals[NAMES[1]].live}
    assert opened(network, images=False)
    network.study(NAMES, images=True, fraction=FRACTION)
    network.check()


@pytest.mark.parametrize("fractions", list(itertools.permutations([0.0, 0.02, 0.2, 0.25], 2)))
def test_e5_two_fractions(network: Network, fractions: tuple[float, float]) -> None:
    assert opened(network, fraction=fractions[0])
    opened(network, fraction=fractions[1])
    assert opened(network, fraction=fractions[0]), "the first one still works"


def study_lock(**more: Any) -> StudyLock:
    sites = tuple(StudySite(name=f"site-{k:02d}", role="evaluation" if k > 11 else "development") for k in range(16))
    study = Study(**{"title": "t", "sites": sites, **more})
    entries = [
        RosterEntry(name=s.name, role=s.role or "development", signing_key=f"{i:064x}", node_fingerprint="0" * 64)
        for i, s in enumerate(sites)
    ]
    return lock_study(study, tuple(entries), code_digest="", coordinator_key="0" * 64)


ONE = Privacy(minimum_sites=1, minimum_patients=1, minimum_cox_patients=1, minimum_events_per_variable=1)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"training": Training(cut_days=tuple(float(day) for day in range(300, 340)))}, "FH-532"),
        ({"training": Training(intervals=8, cut_days=tuple(float(15 * k) for k in range(1, 8)))}, "FH-532"),
        ({"training": Training(rounds=100_000)}, "FH-532"),
        ({"training": Training(hazard_resolution="exact")}, "FH-504"),
        ({"resolution": "exact"}, "FH-504"),
        ({"evaluation": Evaluation(horizons=tuple(range(300, 420)))}, "FH-532"),
        ({"evaluation": Evaluation(horizons=(365, 366))}, "FH-532"),
        ({"shares": Shares(slots=1)}, "FH-532"),
        ({"shares": Shares(slots=3)}, "FH-532"),
        ({"privacy": ONE}, "FH-528"),
        ({"privacy": Privacy(minimum_events_per_variable=1)}, "FH-528"),
        ({"simulated": True, "privacy": Privacy(demonstration=True)}, "FH-526"),
    ],
)
def test_e9_settings_that_a_default_policy_does_not_let_through(more: dict[str, Any], code: str) -> None:
    assert {problem.code for problem in refusals(Policy(), study_lock(**more), "site-00")} == {code}


def test_e9_an_ordinary_study_is_not_refused() -> None:
    assert refusals(Policy(), study_lock(), "site-00") == ()
    assert refusals(Policy(), study_lock(evaluation=Evaluation(horizons=(182, 365, 730, 1095))), "site-00") == ()
    assert refusals(Policy(), study_lock(shares=Shares(slots=4)), "site-00") == ()


def test_whoever_writes_a_study_is_told_of_near_horizons() -> None:
    found = study_faults(study_lock(evaluation=Evaluation(horizons=(365, 400))).study)
    assert [(fault.kind.code, fault.location) for fault in found] == [(118, ("evaluation", "horizons"))]


# ------------------------------------------------------------------------------------- rosters that overlap, masked sums


PATIENTS = {f"site-{k}": 4 for k in range(20)}


@pytest.mark.parametrize(
    ("before", "now", "refused"),
    [
        (range(10), range(10), False),
        (range(10), range(9), True),
        (range(10), range(4, 14), False),
        (range(10), range(2, 12), True),
        (range(10), range(10, 20), False),
        (range(10), range(14), True),
        (range(10), range(16), False),
    ],
)
def test_rosters_are_apart_by_patients_whichever_way_they_overlap(before: range, now: range, refused: bool) -> None:
    """Four patients a hospital: two rosters are to differ by three hospitals and twenty patients, on either side together."""
    network = Network(SIZES)
    rows = {"train": frozenset(f"p{k}" for k in range(30))}

    def over(sites: range) -> OpenedValue:
        names = tuple(f"site-{k}" for k in sites)
        return value("training", names, rows, **{name: PATIENTS[name] for name in names})

    write(network, over(before))
    ledger = network.hospitals[NAMES[0]].ledger
    if refused:
        with pytest.raises(Problem) as found:
            ledger.check_rows(over(now), Minima(sites=3, patients=20))
        assert found.value.kind == privacy.VALUE_DIFFERS_BY_FEW
    else:
        ledger.check_rows(over(now), Minima(sites=3, patients=20))


def test_a_coordinators_totals_do_not_count_where_hospitals_are_known() -> None:
    """The coordinator told 999 patients, then 9; what counts is what hospitals stated."""
    network = Network(SIZES)
    rows = {"train": frozenset(f"p{k}" for k in range(30))}
    few = replace(value("training", tuple(PATIENTS)[:10], rows, **dict.fromkeys(tuple(PATIENTS)[:10], 4)), roster_patients=999)
    write(network, few)
    more = value("training", tuple(PATIENTS)[:14], rows, **dict.fromkeys(tuple(PATIENTS)[:14], 4))
    with pytest.raises(Problem):
        network.hospitals[NAMES[0]].ledger.check_rows(replace(more, roster_patients=9_999), Minima(3, 20))


def test_totals_of_two_generations_are_not_subtracted() -> None:
    """A block's 999 patients before companions left, 990 of all hospitals after it: the nine are no hospital's patients."""
    network, names = Network(SIZES), tuple(PATIENTS)
    before, now = {"train": frozenset(f"p{k}" for k in range(30))}, {"train": frozenset(f"p{k}" for k in range(8))}
    write(network, value("training", names[:10], before))
    one = network.hospitals[NAMES[0]]
    later = replace(value("second", names, now), roster_patients=990, whole=True)
    with pytest.raises(Problem) as alike:
        one.ledger.check_rows(replace(later, sets=before), Minima(3, 20))
    assert alike.value.kind == privacy.VALUE_DIFFERS_BY_FEW, "of the same patients, the totals tell of the other ten hospitals"
    plain = {"parts": {}, "results": (), "cohort": "", "patients": 0, "slots": 0, "bytes": 0, "rule": "", "hash": ""}
    against = {"training": {"train": cohort_hash(before["train"])}}
    record = {"study": "second", "phase": "admission", "roster": names, "holders": names[:3], "against": against}
    one.write(COMPARED, ComparedRows(**plain, **record, choices={"live.train": cohort_hash(now["train"])}))
    one.write(AGREED, AgreedRows(study="second", choices=("live.train",)))
    one.ledger.check_rows(later, Minima(3, 20))
    with pytest.raises(Problem) as few:
        one.ledger.check_rows(replace(later, roster=frozenset(names[:11]), roster_patients=None), Minima(3, 20))
    assert few.value.kind == privacy.VALUE_DIFFERS_BY_FEW, "one hospital more is one hospital more"
