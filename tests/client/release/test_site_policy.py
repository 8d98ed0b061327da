"""What a hospital refuses at admission, as a readable list, and the gates that need no message."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from client.release.earlier_releases import question_of
from client.release.site_policy import (
    Ask,
    CohortFacts,
    check_patients,
    check_whole_blocks,
    clear_allowed,
    expected_statistics,
    floor,
    inside_hours,
    known,
    refusals,
)
from evidence.attacks.attacked_federation import AttackedFederation
from shared_model.secure_sum.federation_messages import OpenedCounts
from shared_model.statistics.statistic_declaration import REGISTRY
from shared_model.statistics.statistic_parameters import Covariates, CoxExact
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import KnownPeers, OpenHours, Policy
from site_config.study.plan_and_lock import Privacy, Study, StudySite

SITES = tuple(f"site-{k:02d}" for k in range(12))
BLOCKS = (SITES[:6], SITES[6:])


def federation(**study) -> AttackedFederation:
    plan = Study(title="policy", sites=tuple(StudySite(name=name) for name in SITES), **study)
    return AttackedFederation.make({name: (name,) for name in SITES}, study=plan, blocks=BLOCKS)


def codes(policy, lock, site=SITES[0]):
    return [problem.kind for problem in refusals(policy, lock, site)]


def test_a_plain_study_has_nothing_to_refuse():
    assert codes(Policy(), federation().lock) == []


@pytest.mark.parametrize(
    ("policy", "study", "kind"),
    [
        (Policy(minimum_roster=7), {}, privacy.ROSTER_TOO_SMALL),
        (Policy(role="evaluation"), {}, privacy.ROLE_REFUSED),
        (Policy(), {"resolution": "exact"}, privacy.RESOLUTION_REFUSED),
        (Policy(), {"privacy": Privacy(masks=False)}, privacy.MASKS_REQUIRED),
        (Policy(), {"simulated": True, "privacy": Privacy(demonstration=True)}, privacy.PATIENTS_NOT_SIMULATED),
        (Policy(known_peers=KnownPeers(at_least=2, fingerprints=("00" * 32,))), {}, privacy.PEERS_UNKNOWN),
    ],
)
def test_refusals_by_kind(policy, study, kind):
    assert codes(policy, federation(**study).lock) == [kind]


def test_every_missing_statistic_is_listed():
    lock = federation().lock
    allowed = [name for name in expected_statistics(lock.study, "development") if name != "training.update"]
    found = refusals(Policy(statistics=tuple(allowed)), lock, SITES[0])
    assert [problem.what for problem in found] == ["training.update is not among the site's permitted statistics"]
    assert "training.update" not in expected_statistics(lock.study, "evaluation")


def test_site_outside_the_roster():
    assert codes(Policy(), federation().lock, "stranger") == [privacy.ROLE_REFUSED]


def test_known_peers_are_counted_without_oneself():
    lock = federation().lock
    policy = Policy(known_peers=KnownPeers(at_least=2, fingerprints=tuple(lock.entry(name).fingerprint for name in SITES[:3])))
    assert known(policy, lock, SITES[0], BLOCKS[0]) == 2
    assert codes(policy, lock) == []


@pytest.mark.parametrize(
    ("roster", "whole"),
    [
        (BLOCKS[0], True),
        (SITES, True),
        (BLOCKS[1], False),
        (SITES[:5], False),
        (SITES[:7], False),
        ((*BLOCKS[0], "ghost"), False),
        ((*BLOCKS[0], SITES[0]), False),
    ],
)
def test_rosters_are_unions_of_whole_blocks(roster, whole):
    lock = federation().lock
    if whole:
        check_whole_blocks(lock, SITES[0], roster)
    else:
        with pytest.raises(Problem) as caught:
            check_whole_blocks(lock, SITES[0], roster)
        assert caught.value.kind is privacy.ROSTER_NOT_WHOLE


def test_the_stricter_minimum_holds_and_only_three_words_lift_it():
    study = federation(privacy=Privacy(minimum_sites=9, minimum_patients=50)).lock.study
    found = floor(Policy(minimum_roster=4, minimum_patients=60), study)
    assert (found.sites, found.patients, found.lifted) == (9, 60, False)
    for simulated_site, simulated, demonstration in ((1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)):
        plan = federation(simulated=bool(simulated), privacy=Privacy(demonstration=bool(demonstration))).lock.study
        lifted = floor(Policy(simulated_patients=bool(simulated_site)), plan).lifted
        assert lifted is (simulated_site == simulated == demonstration == 1)


def test_clear_needs_four_words():
    plan = federation(simulated=True, privacy=Privacy(masks=False)).lock.study
    policy = Policy(masks_required=False, simulated_patients=True)
    assert clear_allowed(policy, plan)
    assert not clear_allowed(policy.model_copy(update={"masks_required": True}), plan)
    assert not clear_allowed(policy.model_copy(update={"simulated_patients": False}), plan)
    assert not clear_allowed(policy, plan.model_copy(update={"simulated": False}))


@pytest.mark.parametrize(("hours", "at", "inside"), [((8, 18), 8, 1), ((8, 18), 18, 0), ((22, 6), 23, 1), ((22, 6), 5, 1), ((22, 6), 6, 0)])
def test_schedule(hours, at, inside):
    assert inside_hours(OpenHours(from_hour=hours[0], to_hour=hours[1]), datetime(2026, 1, 1, at, tzinfo=UTC)) is bool(inside)


def test_small_cohorts_open_no_cox_sums():
    """The sums of a Cox model, which only the resolution `exact` opens, ask for 100 patients and ten events a variable."""
    exact = Policy(resolutions=("counts", "update", "shares", "exact"))
    made = federation(resolution="exact")
    asked = CoxExact(covariates=Covariates(columns=("pvtt",)), mean=(0.0,), sd=(1.0,), beta=(0.0,), n_days=4_000)
    for patients, events, refused in ((99, 60, True), (100, 9, True), (100, 10, False), (207, 138, False)):
        counts = OpenedCounts(sites=12, patients=patients, events=events)
        cohort = CohortFacts(keys=("one",), n=1, role="development")
        ask = Ask(made.context("cox.exact", asked, phase="clinical"), REGISTRY["cox.exact"], asked, "q", SITES, cohort, counts)
        if refused:
            with pytest.raises(Problem) as caught:
                check_patients(exact, SITES[0], floor(exact, made.lock.study), ask)
            assert caught.value.kind is privacy.TOO_FEW_PATIENTS
        else:
            check_patients(exact, SITES[0], floor(exact, made.lock.study), ask)


def test_numbers_do_not_make_another_question():
    one = question_of("t", {"split": "train", "beta": [0.0, 1.0], "nested": {"n": 3, "flag": True}})
    assert one == question_of("t", {"split": "train", "beta": [1e-9, 2.0, 3.0], "nested": {"n": 4, "flag": True}})
    assert one != question_of("t", {"split": "test", "beta": [0.0, 1.0], "nested": {"n": 3, "flag": True}})
    assert one != question_of("t", {"split": "train", "beta": [0.0, 1.0], "nested": {"n": 3, "flag": False}})


@pytest.mark.parametrize(
    ("policy", "study", "names"),
    [
        (Policy(minimum_cox_patients=150), {}, ["minimum_cox_patients"]),
        (Policy(minimum_patients=25), {}, ["minimum_patients"]),
        (Policy(minimum_patients=25), {"privacy": Privacy(minimum_patients=25)}, []),
    ],
)
def test_a_hospital_that_asks_for_more_than_the_study_refuses_before_anything_is_asked(policy, study, names):
    found = refusals(policy, federation(**study).lock, SITES[0])
    assert [problem.kind for problem in found] == [privacy.MINIMA_CLASH] * len(names)
    assert [problem.what.split("`")[1] for problem in found] == names
