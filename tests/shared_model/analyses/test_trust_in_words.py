"""Who decides reads who holds shares, how many would have to collude, and what may be opened."""

from __future__ import annotations

import re
from math import prod

from shared_model.analyses.analysis_plan import plan_of
from shared_model.analyses.count_minimum import MINIMUM_TEST
from shared_model.analyses.trust_in_words import opened_lines, opened_results, trust_text
from site_config.study.lock_study import lock_study
from site_config.study.plan_and_lock import RosterEntry, Study, StudyLock
from tests.shared_model.analyses.phases.paper import Walk, paper_cohort
from tests.shared_model.analyses.phases.paper import locked as paper_lock


def locked(sites: int, resolution: str = "shares") -> StudyLock:
    names = [f"site-{n:02d}" for n in range(sites)]
    listed = [{"name": name, "role": "development"} for name in names]
    study = Study.model_validate({"title": "t", "models": ["CLN"], "resolution": resolution, "sites": listed})
    entries = [
        RosterEntry(name=name, role="development", signing_key=f"{n:064x}", node_fingerprint=f"{n:064x}") for n, name in enumerate(names)
    ]
    return lock_study(study, entries, code_digest="", coordinator_key="00" * 32)


def test_three_holders() -> None:
    lock = locked(8)
    text = trust_text(lock)
    assert all(name in text for name in lock.holders)
    assert "Any one of them and the coordinator together learn nothing but the results" in text
    assert "2 of them who pool what they hold rebuild the rows" in text


def test_five_holders() -> None:
    assert "3 of them who pool what they hold rebuild the rows" in trust_text(locked(12))


def test_every_result_stands_in_a_line_with_what_guards_it() -> None:
    lines = opened_lines(locked(8))
    assert any("variance" in line and "100 patients and 10 deaths a column" in line for line in lines)
    assert all(("2^-" in line and "before it:" in line) or line.endswith("bits that test a minimum") for line in lines)


def test_what_somebody_must_read_stays_short_for_five_models() -> None:
    lines = opened_lines(paper_lock())
    assert len(lines) <= 25 and len(set(lines)) == len(lines)
    whole = sum(prod(one.shape) for results in opened_results(paper_lock()).values() for one in results if one.guard != MINIMUM_TEST)
    told = sum(int(re.search(r"at most ([\d,]+) number", line)[1].replace(",", "")) for line in lines if "at most" in line)  # type: ignore[index]
    assert told == whole, "every number is counted in one of the lines"


def test_nothing_is_said_where_nothing_is_shared() -> None:
    assert trust_text(locked(8, "exact")) == ""


def test_all_phases_are_listed_before_anything_is_known_and_nothing_else_is_opened_later() -> None:
    walk = Walk(paper_lock(), paper_cohort(seed=1))
    listed = opened_results(walk.lock)
    assert [phase for phase in listed if phase != "admission"] == ["clinical", "fusion", "evaluation"]
    for phase in ("clinical", "fusion"):
        walk.run(phase)  # type: ignore[arg-type]
    for phase in ("clinical", "fusion", "evaluation"):
        names = {(one.name, one.shape, one.bits) for one in listed[phase]}
        assert {(one.name, one.shape, one.bits) for one in plan_of(walk.lock, phase, walk.opened).declaration.results.values()} <= names
    assert "What stays closed:" in trust_text(walk.lock)
