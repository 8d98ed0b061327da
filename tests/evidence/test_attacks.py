"""The attack harness: positive controls succeed, defaults are refused or do no better than chance (a small, seeded run)."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.attacks import claims, harness
from evidence.attacks.claims import Claims, score, summary
from evidence.attacks.cohorts import COLUMNS, AttackedCohort, controls, draw, encode, patterns
from evidence.attacks.harness import chosen, run
from evidence.attacks.opened import RELEASED
from evidence.attacks.result import AttackResult
from evidence.attacks.sums import AttackedCase
from evidence.commands import attack as command
from shared_model.statistics.base import REGISTRY
from shared_model.statistics.parameters import Covariates, CoxEnd
from site_config.problems.base import Problem
from tests.support import app_of, run_cli


@pytest.mark.parametrize("letter", list("abcdefhijk"))
def test_small_run_holds(letter):
    results = list(run(chosen(letter), (60,), 3))
    assert results
    failing = [result for result in results if result.holds is False]
    assert not failing, failing
    assert any(result.setting == "default" for result in results)
    if letter != "f":
        assert any(result.setting == "positive control" and result.verdict == "works" for result in results)


def test_everything_opened_of_a_small_cohort_is_refused_and_its_control_works():
    results = list(run(chosen("g"), (30,), 2))
    by_title = {(result.setting, result.title.rpartition(": ")[2]): result for result in results}
    assert by_title["positive control", "S0, S1, S2 at 2^-24"].figures["unique_hit_share"] >= 0.6
    assert by_title["default", "counts, totals, fused tables"].code == "FH-511"
    assert by_title["default", "of a held-out cohort"].verdict == "no better than chance"


def test_what_the_attack_solves_is_what_a_study_opens():
    case = AttackedCase(207, 3)
    transcript, _ = case.clinical
    at = CoxEnd(
        covariates=Covariates(columns=COLUMNS[: len(case.columns)]),
        cut_days=transcript.cut_days,
        mean=tuple(transcript.scale[0]),
        sd=tuple(transcript.scale[1]),
        beta=tuple(transcript.end_at[0]),
        rates=tuple(transcript.end_at[1]),
        centres=tuple(map(tuple, transcript.end_at[2])),
    )
    last, end, start = transcript.rounds[-1], transcript.end, transcript.start
    solved = {
        "cox.round": {"mass": (last.mass, RELEASED.days), "gradient": (last.gradient, RELEASED.covariates)},
        "cox.end": {
            "square": (end.second, RELEASED.squares),
            "gradient": (end.weighted, RELEASED.covariates),
        },
        "cox.start": {
            "deaths": (start.deaths, 1.0),
            "exposure": (start.exposure, RELEASED.days),
            "death_covariates": (start.event_covariates, RELEASED.covariates),
        },
    }
    for name, segments in solved.items():
        declared = {segment.name: (segment.shape, segment.resolution) for segment in REGISTRY[name].segments(at)}
        assert declared == {key: (values.shape, grid) for key, (values, grid) in segments.items()}
        for values, grid in segments.values():
            np.testing.assert_allclose(values, np.rint(values / grid) * grid, atol=1e-9)


def test_cohorts_have_the_papers_marginals_and_repeat():
    one, again = draw(207, 4), draw(207, 4)
    np.testing.assert_array_equal(one.x, again.x)
    assert one.n == 207
    assert len(one.sites) == 52
    assert 0.6 < one.event.mean() < 0.75
    np.testing.assert_allclose((one.x[:, 1:] > 0).mean(axis=0), np.array([35, 36, 109, 10, 121, 58]) / 207, atol=0.02)
    assert not np.array_equal(controls(207, 4, 1)[0].day, one.day)


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


def test_excess_needs_two_standard_errors():
    def outcome(excess):
        return claims.Score(10, 5, 5, 1, 1, excess, 1.0)

    assert summary([outcome(3), outcome(4), outcome(3)])["beyond_two_se"] == 1.0
    assert summary([outcome(1), outcome(2), outcome(0)])["beyond_two_se"] == 0.0


def test_command_shows_json_and_exits_by_what_holds(monkeypatch):
    ran = run_cli(app_of(command.register), "attack", "--only", "c,f", "--json")
    assert ran.status == 0
    assert {result["attack"] for result in ran.data["results"]} == {"c", "f"}
    assert "not proof" in ran.data["note"]
    assert run_cli(app_of(command.register), "attack", "--only", "z").status == 2
    beaten = AttackResult("c", "made up", "default", "succeeds", False, {})
    monkeypatch.setattr(harness, "run", lambda *_: iter([beaten]))
    assert run_cli(app_of(command.register), "attack", "--only", "c").status == 1


def test_unknown_letter_is_a_usage_problem():
    with pytest.raises(Problem):
        chosen("a,q")
