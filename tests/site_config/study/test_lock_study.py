from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from site_config.problems.base import Problem
from site_config.study import lock_study, study_presets
from site_config.study.plan_and_lock import BlockMinima, Draw, RosterEntry, Study, StudyLock, StudySite


def entries(study: Study) -> list[RosterEntry]:
    return [
        RosterEntry(
            name=site.name, role="development", signing_key=hashlib.sha256(site.name.encode()).hexdigest(), node_fingerprint="ab" * 32
        )
        for site in study.sites
    ]


def lock(study: Study) -> StudyLock:
    return lock_study.lock_study(study, entries(study), code_digest="cd" * 32, coordinator_key="ef" * 32)


def study_of(sites: Sequence[StudySite], **changes: object) -> Study:
    return study_presets.preset("paper", sites).model_copy(update=changes)


def test_a_lock_is_the_same_every_time_and_says_who_evaluates() -> None:
    study = study_presets.preset("paper")
    first, second = lock(study), lock(study)
    assert first == second
    assert first.study_id == second.study_id
    assert (len(first.names("development")), len(first.names("evaluation"))) == (37, 15)
    assert first.names("evaluation")[:3] == ("centre-02", "centre-07", "centre-08")  # the draw of seed 7, for ever
    assert lock_study.lock_faults(first) == []


def test_the_draw_does_not_depend_on_the_order_of_the_sites() -> None:
    study = study_presets.preset("paper")
    turned = study.model_copy(update={"sites": tuple(reversed(study.sites))})
    assert set(lock(study).names("evaluation")) == set(lock(turned).names("evaluation"))
    assert {frozenset(block) for block in lock(study).blocks["development"]} == {
        frozenset(block) for block in lock(turned).blocks["development"]
    }


def test_another_seed_draws_others_and_every_change_changes_the_id() -> None:
    study = study_presets.preset("paper")
    other = study.model_copy(update={"draw": Draw(evaluation=15, seed=8)})
    assert set(lock(study).names("evaluation")) != set(lock(other).names("evaluation"))
    ids = {lock(changed).study_id for changed in (study, other, study.model_copy(update={"title": "x"}))}
    assert len(ids) == 3


def test_written_roles_stay_and_the_rest_is_drawn() -> None:
    sites = (
        StudySite(name="held", role="evaluation"),
        StudySite(name="kept", role="development"),
        *study_presets.centres(6, 0, drawn=True),
    )
    roles = lock_study.resolve_roles(study_of(sites, draw=Draw(evaluation=2)))
    assert (roles["held"], roles["kept"]) == ("evaluation", "development")
    assert list(roles.values()).count("evaluation") == 3


@given(st.integers(1, 60), st.integers(2, 8), st.integers(1, 60), st.integers(0, 5))
def test_blocks_hold_every_site_once_and_never_too_few(n_sites: int, least: int, patients: int, seed: int) -> None:
    names = [f"s{number:02d}" for number in range(n_sites)]
    study = study_presets.preset("paper")
    study = study.model_copy(
        update={
            "blocks": BlockMinima(minimum_sites=least, minimum_patients=patients),
            "training": study.training.model_copy(update={"seed": seed}),
        }
    )
    blocks = lock_study.fixed_blocks(names, study, "development")
    assert sorted(name for block in blocks for name in block) == names
    smallest = max(least, study.privacy.minimum_sites)
    assert len(blocks) == 1 or min(map(len, blocks)) >= smallest
    trained = lock_study.PATIENTS_A_SITE * (1 - study.validation_fraction)
    assert len(blocks) == 1 or (min(map(len, blocks)) + 1) * trained > lock_study.MARGIN * patients
    assert max(map(len, blocks)) - min(map(len, blocks)) <= 1
    assert len(lock_study.fixed_blocks(names, study, "evaluation")) == 1


def test_the_paper_trains_on_three_blocks_of_a_dozen_sites() -> None:
    # Seven blocks of five or six, as before, held under 20 training patients each and no site with default rules released.
    assert sorted(map(len, lock(study_presets.preset("paper")).blocks["development"])) == [12, 12, 13]


def test_a_site_that_is_not_enrolled_is_answered_with_the_nearest() -> None:
    study = study_of((*study_presets.centres(4, 0), StudySite(name="hamburg", role="evaluation")), draw=None)
    known = [entry.model_copy(update={"name": "hamburg-eppendorf" if entry.name == "hamburg" else entry.name}) for entry in entries(study)]
    with pytest.raises(Problem) as caught:
        lock_study.lock_study(study, [*known[:3], known[4]], code_digest="", coordinator_key="")
    told = [caught.value, *caught.value.others]
    assert [one.code for one in told] == ["FH-113", "FH-113"]
    assert "hamburg-eppendorf" in told[0].fix
    assert "enrol centre-04.request.json" in told[1].fix


def test_fifty_hospitals_that_are_not_enrolled_are_one_problem() -> None:
    study = study_of(study_presets.centres(52, 0), draw=None)
    (one,) = lock_study.unknown_sites(study, [])
    assert one.what.startswith("52 hospitals of the study are not enrolled: centre-01, ")
    assert all(site.name in one.what for site in study.sites)
    assert "is this the office's folder?" in one.fix


def test_blocks_that_hospitals_refuse_are_known_beforehand() -> None:
    canary = study_presets.preset("canary")

    def told(study: Study) -> list[tuple[str, str]]:
        return [(one.code, one.fix) for one in lock_study.refused_blocks(study, lock_study.planned_blocks(study))]

    assert told(canary) == told(study_presets.preset("paper")) == told(study_presets.preset("tiny")) == []
    assert lock_study.planned_blocks(canary) == lock(canary).blocks
    lax = canary.privacy.model_copy(update={"minimum_sites": 1})
    few = canary.model_copy(update={"sites": canary.sites[:2], "privacy": lax})
    assert [(code, "Enrol more development hospitals" in fix) for code, fix in told(few)] == [("FH-506", True)]
    small = canary.model_copy(update={"blocks": BlockMinima(minimum_sites=2, minimum_patients=1), "privacy": lax})
    assert [(code, "`blocks.minimum_sites`" in fix) for code, fix in told(small)] == [("FH-506", True)]


def test_a_lock_that_contradicts_itself_is_told() -> None:
    good = lock(study_presets.preset("canary"))
    assert lock_study.lock_faults(good) == []
    spoilt = [
        good.model_copy(update={"roster": good.roster[1:]}),
        good.model_copy(update={"roster": (*good.roster, good.roster[0])}),
        good.model_copy(update={"blocks": {"development": good.blocks["development"]}}),
        good.model_copy(update={"roster": tuple(entry.model_copy(update={"role": "evaluation"}) for entry in good.roster)}),
    ]
    for one in spoilt:
        assert {fault.code for fault in lock_study.lock_faults(one)} == {"FH-127"}


def test_a_lock_whose_study_breaks_the_rules_is_told() -> None:
    good = lock(study_presets.preset("canary"))
    study = good.study.model_copy(update={"privacy": good.study.privacy.model_copy(update={"demonstration": True})})
    assert [fault.code for fault in lock_study.lock_faults(good.model_copy(update={"study": study}))] == ["FH-123"]


def test_presets_are_what_they_say() -> None:
    paper, canary = study_presets.preset("paper"), study_presets.preset("canary")
    assert (paper.training.rounds, paper.training.keep, paper.training.server.rate, len(paper.sites)) == (1600, "last", 5e-5, 52)
    assert (paper.resolution, paper.privacy.masks) == ("shares", True)
    assert (canary.training.rounds, canary.training.local_steps) == (1, 1)
    cut = study_presets.canary_of(paper)
    assert (cut.training.rounds, cut.sites, cut.training.server) == (1, paper.sites, paper.training.server)
    with pytest.raises(Problem, match="FH-126"):
        study_presets.preset("papr")


def test_a_changed_copy_of_a_lock_has_an_id_and_a_roster_of_its_own() -> None:
    from site_config.study.plan_and_lock import RosterEntry, StudyLock

    entries = tuple(RosterEntry(name=name, role="development", signing_key=key * 64, node_fingerprint="0") for name, key in ("aa", "bb"))
    study = Study(title="t", sites=tuple(StudySite(name=entry.name) for entry in entries))
    lock = StudyLock(study=study, roster=entries, blocks={"development": (("a", "b"),)}, code_digest="", coordinator_key="c" * 64)
    first = lock.study_id
    assert lock.signing_keys == {"a": "a" * 64, "b": "b" * 64} and lock.entry("b") == entries[1]
    other = lock.model_copy(update={"roster": entries[:1], "code_digest": "ff"})
    assert other.study_id == StudyLock.model_validate(other.model_dump()).study_id != first == lock.study_id
    assert set(other.signing_keys) == {"a"} and "study_id" not in other.model_dump()
    assert StudyLock.model_validate_json(lock.model_dump_json()) == lock and lock.model_copy() == lock
    with pytest.raises(KeyError):
        other.entry("b")


def test_a_study_that_is_compared_with_an_earlier_one_has_one_block() -> None:
    """Twenty changed patients of all hospitals may be one of a block, whose sums of both studies would differ by that one."""
    study = study_presets.preset("paper")
    first = lock(study)
    again = study.model_copy(update={"title": "again"})

    def published(plan: Study, *before: StudyLock) -> StudyLock:
        return lock_study.lock_study(plan, entries(plan), code_digest="", coordinator_key="", published=before)

    second = published(again, first)
    assert second.compares and len(first.blocks["development"]) == 3
    assert second.blocks == {role: (first.names(role),) for role in first.blocks}
    assert lock_study.lock_faults(second) == []
    assert [one.code for one in lock_study.lock_faults(second.model_copy(update={"blocks": first.blocks}))] == ["FH-127"]
    assert published(again, first, second) == second, "locked again it is the same"
    shown = study.model_copy(update={"privacy": study.privacy.model_copy(update={"demonstration": True}), "simulated": True})
    assert len(published(shown, first).blocks["development"]) == 3
