"""The attack harness: positive controls succeed, defaults are refused or do no better than chance (a small, seeded run)."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.attacks import all_attacks
from evidence.attacks.all_attacks import ATTACKS, chosen, pieces, run
from evidence.attacks.attack_result import AttackResult, judged, statistical
from evidence.attacks.attacked_cohorts import AttackedCohort, controls, draw, encode, patterns
from evidence.attacks.claims_about_patients import Claims, Score, chance_probability, score, summary
from evidence.attacks.kept_parts import KeptParts
from evidence.attacks.nonnegative_solver import System
from evidence.attacks.shares.attacked_study import shares_case
from evidence.attacks.shares.curve_counts import falls
from evidence.attacks.shares.differences import generation_score
from evidence.attacks.shares.equations import SeenStudy, Unknowns, add_means, beyond
from evidence.attacks.shares.iterates import add_score_test, from_all_others, iterates
from evidence.attacks.shares.reconstruct import from_everything
from evidence.commands import attack as command
from shared_model.survival.evaluation_table import patient_cells
from shared_model.survival.kaplan_meier import kaplan_meier
from site_config.problems.base import Problem
from tests.support import app_of, run_cli

CONTROLS_ONLY = "b"
NO_CONTROL = "f"


@pytest.mark.parametrize("letter", [attack.letter for attack in ATTACKS])
def test_small_run_holds(letter):
    results = judged(list(run(chosen(letter), (60,), 2)))
    failing = [result for result in results if result.holds is False]
    assert results
    assert not failing, failing
    if letter != CONTROLS_ONLY:
        assert any(result.setting == "default" for result in results)
    if letter not in (NO_CONTROL, "o", "p"):
        assert any(result.setting == "positive control" and result.verdict == "works" for result in results)


def test_one_patient_apart_is_given_away():
    """Positive controls that need a monthly curve or a Cox model: two studies one patient apart, and everybody else's rows."""
    case = shares_case(207, 3)
    assert generation_score(case, new=1).unique_hit == 1
    claims, asked = from_all_others(case)
    assert (claims.pattern == asked.pattern).mean() >= 0.9
    assert score(claims, asked, []).unique_hit >= 6


def test_a_curve_gives_whole_numbers():
    day = np.arange(1.0, 11.0)
    event = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1, 0], dtype=bool)
    curve = kaplan_meier(patient_cells(np.zeros(10), day, event))
    at = np.array([2, 5, 6])
    survival = np.array([curve.survival[curve.time <= end][-1] for end in at])
    deaths = np.array([(event & (day <= end)).sum() for end in at])
    greenwood = np.array([sum(1 / (m * (m - 1)) for m in (10 - np.flatnonzero(event & (day <= end)))) for end in at])
    found, at_risk = falls(-np.log(survival), greenwood)
    np.testing.assert_array_equal(np.cumsum(np.rint(found)), deaths)
    np.testing.assert_allclose(at_risk, [10, 7, 5], atol=0.6)


def test_the_steps_an_attack_solves_are_those_of_the_fit():
    seen = SeenStudy(shares_case(207, 3).opened)
    steps = list(iterates(seen))
    assert np.abs(steps[0].b).max() == 0
    np.testing.assert_allclose(steps[-1].b + steps[-1].step, seen.clinical.fit.coefficient, atol=1e-9)


def test_what_a_study_opens_depends_on_its_size():
    assert np.isfinite(SeenStudy(shares_case(207, 3).opened).evaluation.survival.survival).all(axis=0).any()
    assert SeenStudy(shares_case(60, 3).opened).clinical.fit.coefficient is None
    assert not np.isfinite(SeenStudy(shares_case(30, 3).opened).evaluation.survival.patients).any()
    assert np.isfinite(SeenStudy(shares_case(30, 3, lifted=True).opened).evaluation.survival.patients).all()


def test_cohorts_have_the_papers_marginals_and_repeat():
    one, again = draw(207, 4), draw(207, 4)
    np.testing.assert_array_equal(one.x, again.x)
    assert one.n == 207
    assert len(one.sites) == 52
    assert 0.6 < one.event.mean() < 0.75
    np.testing.assert_allclose((one.x[:, 1:] > 0).mean(axis=0), np.array([35, 36, 109, 10, 121, 58]) / 207, atol=0.02)
    assert not np.array_equal(controls(207, 4, 1)[0].day, one.day)
    assert np.bincount(shares_case(207, 4).cohort.set).tolist() == [128, 33, 46]


def test_patterns_are_numbered_in_order():
    np.testing.assert_array_equal(encode(patterns()), np.arange(256))


def test_claims_are_judged_by_pattern_and_day():
    x = np.zeros((3, 7), dtype=np.int64)
    x[2, 1] = 1
    cohort = AttackedCohort(x, np.array([100.0, 300.0, 500.0]), np.ones(3, bool), np.arange(3))
    right, wrong = encode(x)[2], encode(x)[0]
    found = score(Claims(np.array([right, right, wrong]), np.array([515.0, 516.0, 115.0])), cohort, [])
    assert (found.correct_claims, found.hit, found.unique, found.unique_hit) == (2, 2, 1, 1)
    assert score(Claims.none(), cohort, []).precision == 0.0


def hits(own: int, *others: int) -> Score:
    return Score(10, 5, 5, own, own, own, float(np.mean(others)), others)


def test_chance_is_exact():
    assert chance_probability([hits(1, 0, 0, 0)]) == pytest.approx(1 / 4)
    assert chance_probability([hits(1, 0, 0, 0), hits(1, 0, 0, 0)]) == pytest.approx(1 / 16)
    assert chance_probability([hits(0, 1, 2, 0)]) == 1.0
    assert summary([hits(3, 1, 0, 0)] * 4)["p"] == pytest.approx(4.0**-4)


def test_defaults_are_judged_together():
    figures = dict.fromkeys(("claims", "p"), 1.0)
    tested = [statistical("x", str(p), 60, {**figures, "p": p}) for p in (0.01, 0.04, 0.02, 0.2)]
    assert [one.verdict == "succeeds" for one in tested] == [True, True, True, False]
    assert [one.holds for one in judged(tested)] == [False, True, True, True]
    nothing = statistical("x", "", 60, {"claims": 0.0, "p": 1.0})
    assert nothing.holds
    assert judged([nothing]) == (nothing,)


def test_command_shows_json_and_exits_by_what_holds(monkeypatch):
    ran = run_cli(app_of(command.register), "attack", "--only", "c,f", "--json")
    assert ran.status == 0
    assert {result["attack"] for result in ran.data["results"]} == {"c", "f"}
    assert "not proof" in ran.data["note"]
    assert run_cli(app_of(command.register), "attack", "--only", "z").status == 2
    beaten = AttackResult("c", "made up", "default", "succeeds", False, {})
    monkeypatch.setattr(all_attacks, "run", lambda *_: iter([beaten]))
    assert run_cli(app_of(command.register), "attack", "--only", "c").status == 1


def test_unknown_letter_is_a_usage_problem():
    with pytest.raises(Problem):
        chosen("a,q")


def test_a_set_without_unknowns_ends_in_no_claims():
    """Seed 5002 at 30 patients: no pattern of a small set is likely enough. SciPy's nnls ended the process there (scipy/scipy#24861)."""
    assert System().solve().shape == (0,)
    empty = System()
    empty.add(np.zeros((0, 5)), 3.0, 1e-3)
    assert empty.solve().shape == (0,)
    case = shares_case(30, 5002, lifted=True)
    assert Unknowns.of(SeenStudy(case.opened), 2).size[0] == 0
    from_everything(case)


def test_an_interrupted_run_goes_on(tmp_path):
    piece, other = pieces(chosen("g"), (60, 30))
    results = [AttackResult("g", "made up", "default", "succeeds", False, {"claims": 1.0}, 60)]
    kept = KeptParts(tmp_path, {"evidence/attacks/a.py": {"a": "1"}, "client/release/door.py": {"b": "1"}}, [1, 2])
    kept.write(piece, results, 2.5)
    assert kept.read(piece) == (results, 2.5)
    assert kept.read(other) is None
    assert KeptParts(tmp_path, {"evidence/attacks/a.py": {"a": "1"}}, [1, 2]).read(piece) == (results, 2.5), "no door stands between"
    assert KeptParts(tmp_path, {"evidence/attacks/a.py": {"a": "2"}}, [1, 2]).read(piece) is None
    assert KeptParts(tmp_path, kept.covered, [1, 3]).read(piece) is None


def true_rows():
    """A small study with minima lifted, and how many of its training patients are in each unknown."""
    case = shares_case(60, 2, lifted=True)
    seen = SeenStudy(case.opened)
    unknowns, train = Unknowns.of(seen, 0), case.cohort.chosen(case.cohort.set == 0)
    true, interval = np.zeros(unknowns.size), np.searchsorted(unknowns.found.end, train.day)
    for row, where, died in zip(train.x, interval, train.event, strict=True):
        true[np.ix_((unknowns.x == row).all(1), (unknowns.interval == where) & (unknowns.dies == died))] += 1
    assert true.sum() >= train.n - 1, "one patient has a pattern that Table 1 makes unlikely"
    return seen, unknowns, true


def test_the_restricted_means_equations_hold_for_the_true_rows():
    seen, unknowns, true = true_rows()
    high, unsure = beyond(seen, unknowns, "CLN", seen.middle("CLN"))
    system = System()
    for group, chance in enumerate((1 - high, high)):
        add_means(system, unknowns, seen, seen.model.risk("CLN"), group, (chance, unsure))
    for row, value, error in zip(system.rows, system.values, system.errors, strict=True):
        assert abs(float(np.asarray(row).ravel() @ true.ravel()) - value) < 2 * error < value
    assert len(system.rows) >= 2


def test_the_score_tests_equations_hold_for_the_true_rows():
    seen, unknowns, true = true_rows()
    system = System()
    add_score_test(system, unknowns, seen, 0, true.ravel())
    for row, value, error in zip(system.rows, system.values, system.errors, strict=True):
        assert abs(float(np.asarray(row).ravel() @ true.ravel()) - value) < error
    assert len(system.rows) == 2
