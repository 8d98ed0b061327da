"""Two studies over the same patients with other days: what one study may not open, two may not either."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from client.release.days_opened import DAYS, HALF_MONTH, DaysOpened, StudyDays, day_faults, days_in, days_of, own_faults
from client.release.journal_entries import CONSENT, REFUSAL, Consent
from client.release.known_hospitals import effective
from shared_model.analyses.groups.declared_days import grid
from shared_model.secure_sum.federation_messages import AdmissionRequest, Message
from site_config.documents.rules_over_fields import study_faults
from site_config.hash_chained_journal import Journal
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import Endpoint, Evaluation, Privacy, Shares, StudyLock, Training
from site_config.study.prognostic_models import CLN
from tests.client.release import hospital_network
from tests.client.release.test_handed_over import study_lock

TABLES = {"models": (CLN.name,)}


def lock(title: str, **more: Any) -> StudyLock:
    return study_lock(title=title, **more)


def horizons(*days: int) -> dict[str, Any]:
    return {"evaluation": Evaluation(horizons=days)}


def cuts(*days: float) -> dict[str, Any]:
    return {"training": Training(cut_days=days, intervals=len(days) + 1)}


def refused(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """What is refused of a second study after a first one, and the other way about: the same."""
    one, two = lock("one", **first), lock("two", **second)
    found = [day_faults(Policy(), now, {before.study_id: days_of(before)}) for before, now in ((one, two), (two, one))]
    assert [bool(faults) for faults in found] in ([True, True], [False, False])
    assert all(problem.code == "FH-532" and "egress allow" in problem.fix for faults in found for problem in faults)
    return [problem.what for problem in found[0]]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        (horizons(365, 730), horizons(365, 1095)),
        (horizons(365), horizons(730, 1095, 1825)),
        (horizons(365, 730), horizons(182, 547)),
        (horizons(365, 730), {**horizons(365, 730), "shares": Shares(longest_days=2000)}),
        ({"training": Training(intervals=8)}, {"training": Training(intervals=16)}),
        ({}, TABLES),
        (cuts(100.0, 200.0), {**cuts(101.0, 200.0), **TABLES}),
        (horizons(365), {**horizons(366), "resolution": "exact"}),
    ],
    ids=str,
)
def test_studies_that_open_no_other_days_go_on(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert refused(first, second) == []


@pytest.mark.parametrize("day", [364, 366, 372, 358, 729, 731, 180, 545])
def test_a_horizon_beside_a_point_of_an_earlier_study(day: int) -> None:
    """Without this the two curves, subtracted, tell who died in the days between; `exact` horizons, a day apart, any chosen day."""
    (what,) = refused(horizons(365, 730) if day > 400 else horizons(365), horizons(day))
    assert "results at day" in what and "earlier study" in what


@pytest.mark.parametrize("zero", ["enrolment", "randomisation", "diagnosis", "baseline_ct", "first_followup"])
def test_the_same_days_from_another_moment(zero: str) -> None:
    """Who was enrolled a day before treatment: both curves at day 365, subtracted, tell who died on day 365."""
    (what,) = refused(TABLES, {**TABLES, "endpoint": Endpoint(time_zero=zero)})
    assert "from treatment" in what and "earlier study" in what
    assert refused(*({**TABLES, "endpoint": Endpoint(time_zero=zero, label=words)} for words in ("One", "Two"))) == []
    assert refused({**TABLES, "resolution": "exact"}, {**TABLES, "endpoint": Endpoint(time_zero=zero)}) == []


def test_a_day_after_another_reads_no_month_finer() -> None:
    """Thirty studies with a horizon a day later each: only the first is open, the others ask for what lies half a month beside."""
    known: dict[str, StudyDays] = {}
    for k in range(31):
        study = lock(f"study {k}", **horizons(365 + k))
        if not day_faults(Policy(), study, known):
            known[study.study_id] = days_of(study)
    days = sorted({day for one in known.values() for day in one.results})
    assert min(later - earlier for earlier, later in pairwise(days)) >= HALF_MONTH
    assert {365, 395} <= set(days)


def test_horizons_a_month_apart_in_several_studies_make_no_monthly_curve_of_a_small_group() -> None:
    """Every one of them is a day of the monthly curve of large sets; but calibration groups of 20 patients are opened at horizons."""
    known: dict[str, StudyDays] = {}
    for day in grid(1, 800)[11:]:
        study = lock(f"study {day}", **TABLES, **horizons(day))
        if not day_faults(Policy(), study, known):
            known[study.study_id] = days_of(study)
    assert sorted(day for one in known.values() for day in one.horizons) == [365, 547, 730]
    (what,) = refused(horizons(365, 730), horizons(395))
    assert "horizons at day 395" in what and "at day 365" in what


def test_days_in_a_journal_of_before_have_no_horizons() -> None:
    before = StudyDays.model_validate({"study": "0" * 64, "results": [365], "cuts": []})
    assert not day_faults(Policy(), lock("now", **horizons(365)), {before.study: before})


def test_cuts_of_the_training_hazard_moved_by_days() -> None:
    assert refused(cuts(91.0, 182.0), cuts(92.0, 182.0)) and refused(cuts(91.0, 182.0), cuts(91.0, 205.0))
    assert not refused(cuts(91.0, 182.0), cuts(91.31, 182.62, 273.94)), "the same patients on both sides"
    assert days_of(lock("frozen", kind="validate", bundle_sha256="0" * 64, **cuts(91.0))).cuts == ()


def test_made_up_patients_and_consent_open_what_they_like() -> None:
    book = DaysOpened(Journal(None))
    made_up = Policy(simulated_patients=True)
    study = {"simulated": True, "privacy": Privacy(demonstration=True)}
    book.take(made_up, lock("one", **study, **horizons(365)), "clinical", False)
    book.take(made_up, lock("two", **study, **horizons(366)), "clinical", False)
    assert not book.of_studies
    book.take(Policy(), lock("one", **horizons(365)), "clinical", False)
    with pytest.raises(Problem, match="FH-532"):
        book.take(Policy(), lock("two", **horizons(366)), "clinical", False)
    book.take(Policy(), lock("two", **horizons(366)), "clinical", True)
    assert len(book.of_studies) == 2
    book.take(Policy(), lock("two", **horizons(366)), "evaluation", False)


def test_admission_opens_no_days_and_the_journal_keeps_them_once() -> None:
    journal = Journal(None)
    book, study = DaysOpened.of(journal), lock("one", **horizons(365))
    book.take(Policy(), study, "admission", False)
    assert not days_in(journal)
    for phase in ("clinical", "training", "evaluation"):
        book.take(Policy(), study, phase, False)
    assert [entry.kind for entry in journal] == [DAYS]
    assert DaysOpened.of(journal).of_studies == {study.study_id: days_of(study)}


def test_a_hospital_refuses_the_second_study_at_admission_and_before_anything_leaves(tmp_path: Path) -> None:
    """A real hospital's program: admitted while nothing was opened, a second study is refused when the first has opened its days."""
    network = hospital_network.Network(tmp_path)
    try:
        network.plan(resolution="shares", evaluation={"horizons": [365]})
        first = network.lock
        network.plan(resolution="shares", evaluation={"horizons": [366]})
        agent, second = network.agents[network.large], network.lock
        agent.days.take(effective(agent.site), first, "clinical", False)
        request = {"study": second.study_id, "phase": "clinical", "sites": network.names, "holders": {}, "state": ""}
        reply = agent.handle(Message("rows", request))
        assert reply.body["code"] == "FH-532", reply.body
        last = agent.journal.entries[-1]
        assert last.kind == REFUSAL and last.data["code"] == "FH-532" and "day 366" in last.data["what"]
        signed = sign_lock(second, CoordinatorIdentity.load(network.homes.coordinator))
        reply = agent.handle(Message("admission", AdmissionRequest(signed=signed).model_dump(mode="json")))
        assert not reply.body["accepted"] and "FH-532" in reply.body["refusals"]
        agent.journal.append(CONSENT, Consent(study=second.study_id).model_dump())
        assert agent.days.faults(effective(agent.site), second, True) == []
    finally:
        network.close()


@pytest.mark.parametrize(
    ("more", "near"),
    [
        ({}, False),
        (horizons(182, 365), False),
        (horizons(180, 365), True),
        (horizons(183, 365), True),
        ({**horizons(183, 365), **TABLES}, False),
        (cuts(184.0, 300.0), True),
        (cuts(182.0, 365.0), False),
        (cuts(182.9, 365.0), False),
    ],
    ids=str,
)
def test_a_cut_of_the_training_hazard_beside_a_point_of_the_same_study(more: dict[str, Any], near: bool) -> None:
    """Horizons move the point of half a year, not the cut: deaths of who trained until each, subtracted, are those of one or two days."""
    told = [fault.kind.code for fault in study_faults(lock("one", **more).study)]
    assert told == [118] * (near and "evaluation" in more), "and whoever writes the study is told of a horizon"
    found = own_faults(Policy(), lock("one", **more))
    assert [problem.code for problem in found] == ["FH-532"] * near
    empty = DaysOpened(Journal(None))
    assert bool(empty.faults(Policy(), lock("one", **more), False)) == near and not empty.faults(Policy(), lock("one", **more), True)


def test_a_cut_beside_a_point_of_another_study() -> None:
    """The tables have a point at day 183, the networks a cut at day 182, of the same training patients."""
    (what,) = refused({**horizons(183, 365), **TABLES}, cuts(182.0, 365.0))
    assert "183" in what and "182" in what
