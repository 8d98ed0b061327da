"""What a hospital refuses at admission, as a readable list, and the gates that need no message."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from client.release.ledger import question_of
from client.release.policy import check_whole_blocks, clear_allowed, expected_statistics, floor, inside_hours, known, refusals
from evidence.attacks.federation import AttackedFederation
from evidence.attacks.result import gate
from shared_model.statistics.parameters import Covariates, CoxRound, ScoreCounts, ScoreSpec, Table
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site import KnownPeers, OpenHours, Policy
from site_config.study.model import Evaluation, Privacy, Study, StudySite, seven_variables

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
        (Policy(), {"evaluation": Evaluation(resolution="exact")}, privacy.RESOLUTION_REFUSED),
        (Policy(), {"privacy": Privacy(masks=False)}, privacy.MASKS_REQUIRED),
        (Policy(), {"simulated": True, "privacy": Privacy(demonstration=True)}, privacy.PATIENTS_NOT_SIMULATED),
        (Policy(known_peers=KnownPeers(at_least=2, fingerprints=("00" * 32,))), {}, privacy.PEERS_UNKNOWN),
    ],
)
def test_refusals_by_kind(policy, study, kind):
    assert codes(policy, federation(**study).lock) == [kind]


def test_every_missing_statistic_is_listed():
    lock = federation().lock
    allowed = [name for name in expected_statistics(lock.study, "development") if name != "cox.round"]
    found = refusals(Policy(statistics=tuple(allowed)), lock, SITES[0])
    assert [problem.what for problem in found] == ["cox.round is not among the site's permitted statistics"]
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


@pytest.mark.parametrize(("patients", "events", "code"), [(60, 40, "FH-511"), (207, 138, "")])
def test_small_cohorts_open_no_cox_sums(patients, events, code):
    columns = seven_variables()
    covariates = Covariates(columns=tuple(one.name for one in columns))
    zero = (0.0,) * len(columns)
    asked = CoxRound(covariates=covariates, cut_days=(100.0,), mean=zero, sd=(1.0,) * len(zero), beta=zero, rates=(0.0, 0.0))
    assert gate("cox.round", asked, sites=52, patients=patients, events=events) == code


@pytest.mark.parametrize("patients", [60, 207, 999])
def test_neither_table_nor_counts_of_a_clinical_score_open_below_a_thousand_patients(patients):
    score = ScoreSpec(model="CLN", columns=("pvtt",), coefficients=(0.7,))
    table = Table(split="train", score=score, score_cuts=(0.0,), time_edges=(0.0, 90.0))
    counts = ScoreCounts(split="train", score=score, thresholds=(0.0,))
    for name, parameters in (("evaluation.table", table), ("score.counts", counts)):
        assert gate(name, parameters, sites=52, patients=patients, events=patients) == "FH-511"
        assert gate(name, parameters, sites=52, patients=1000, events=1000) == ""


@pytest.mark.parametrize(("image", "code"), [(0.99, "FH-511"), (1.01, "")])
def test_a_fused_score_with_a_small_part_of_images_counts_as_clinical(image, code):
    fused = ScoreSpec(
        model="RadCLN-D", radiology="Rad-D", columns=("pvtt",), coefficients=(0.7,), mix=(image / 2.0, 1.0), spread=(2.0, 1.0)
    )
    counts = ScoreCounts(split="train", score=fused, thresholds=(0.0,))
    assert gate("score.counts", counts, sites=52, patients=207, events=138) == code
    assert fused.model_copy(update={"spread": None}).clinical_only


@pytest.mark.parametrize(("patients", "cell", "code"), [(99, 30.0, "FH-511"), (99, 45.0, "FH-511"), (99, 90.0, ""), (100, 30.0, "")])
def test_short_time_cells_are_for_sixty_patients_or_more(patients, cell, code):
    table = Table(split="test", score=ScoreSpec(model="Rad-D", radiology="Rad-D"), score_cuts=(0.0,), time_edges=(0.0, cell))
    assert gate("evaluation.table", table, sites=15, patients=patients, events=patients) == code


def test_whoever_permits_exact_tables_permits_a_coarse_clinical_score():
    study = Study(title="exact", sites=(StudySite(name="a"),), evaluation=Evaluation(resolution="exact"))
    assert floor(Policy(), study).clinical_score_patients == 1000
    assert floor(Policy(resolutions=("counts", "totals", "coarse", "update", "exact")), study).clinical_score_patients == 1


def test_exact_tables_are_opt_in():
    score = ScoreSpec(model="CLN", columns=("pvtt",), coefficients=(0.7,))
    table = Table(split="train", score=score, score_cuts=(0.0,), time_edges=(0.0, 90.0), exact=True)
    assert gate("evaluation.table", table, sites=52, patients=207, events=138) == "FH-504"


def test_numbers_do_not_make_another_question():
    one = question_of("t", {"split": "train", "beta": [0.0, 1.0], "nested": {"n": 3, "flag": True}})
    assert one == question_of("t", {"split": "train", "beta": [1e-9, 2.0, 3.0], "nested": {"n": 4, "flag": True}})
    assert one != question_of("t", {"split": "test", "beta": [0.0, 1.0], "nested": {"n": 3, "flag": True}})
    assert one != question_of("t", {"split": "train", "beta": [0.0, 1.0], "nested": {"n": 3, "flag": False}})


@pytest.mark.parametrize(
    ("policy", "study", "names"),
    [
        (Policy(), {"privacy": Privacy(minimum_clinical_score_patients=20)}, ["minimum_clinical_score_patients"]),
        (Policy(), {"privacy": Privacy(minimum_clinical_score_patients=20), "models": ("Rad-D",)}, []),
        (Policy(minimum_cox_patients=150), {}, ["minimum_cox_patients"]),
        (Policy(minimum_patients=25), {}, ["minimum_patients"]),
        (Policy(minimum_patients=25), {"privacy": Privacy(minimum_patients=25)}, []),
    ],
)
def test_a_hospital_that_asks_for_more_than_the_study_refuses_before_anything_is_asked(policy, study, names):
    found = refusals(policy, federation(**study).lock, SITES[0])
    assert [problem.kind for problem in found] == [privacy.MINIMA_CLASH] * len(names)
    assert [problem.what.split("`")[1] for problem in found] == names
