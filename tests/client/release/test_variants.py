"""Variants of the handed-over scripts: canary and full, develop and validate, with and without images, orders, joins, withdrawals."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from client.release.generations import choose
from client.release.journal_entries import AGREED, COMPARED, AgreedRows, ComparedRows
from client.release.shares.share_rows import compared_patients
from shared_model.analyses.generation_change import KINDS
from shared_model.analyses.phases.admission_plan import BASE, LIVE, change_model
from shared_model.statistics.statistic_parameters import SplitOnly
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.study.earlier_rosters import fewest_left, sums
from site_config.study.lock_study import lock_faults, lock_study, named_beside
from site_config.study.plan_and_lock import EarlierStudy, Imaging, LeftBehind, RosterEntry, Study, StudyLock, StudySite
from tests.client.release import hospital_network
from tests.client.release.test_generation_properties import LEAST, NAMES, Network, cohort_hash, rows_of
from tests.client.release.test_handed_over import FRACTION, SIZES, opened, study_lock, value, write

ROWS = {"train": frozenset(f"p{k}.a" for k in range(24)), "validation": frozenset(f"q{k}.a" for k in range(6))}
EVERYBODY = frozenset().union(*ROWS.values())


@pytest.fixture
def network() -> Network:
    return Network(SIZES)


# ---------------------------------------------------------------------------------------------------- develop, validate


def validate(network: Network, rows: frozenset[str], roster: tuple[str, ...] = NAMES, *, whole: bool = True) -> None:
    """The patients who trained before are held out in a second study, whose comparison of held-out sets permits it."""
    one = network.hospitals[NAMES[0]]
    against = {"evaluation": {name: cohort_hash(mine) for name, mine in ROWS.items()}}
    plain = {"parts": {}, "results": (), "cohort": "", "patients": 0, "slots": 0, "bytes": 0, "rule": "", "hash": ""}
    names = {"study": "second", "phase": "admission", "roster": roster, "holders": NAMES[:3]}
    one.write(COMPARED, ComparedRows(**plain, **names, against=against, choices={"live.test": cohort_hash(rows)}))
    one.write(AGREED, AgreedRows(study="second", choices=("live.test",)))
    asked = value("second", roster, {"test": rows}, **dict.fromkeys(roster, 30))
    one.ledger.check_rows(replace(asked, whole=whole), LEAST)


def test_a_hospital_that_developed_validates_with_the_same_patients_elsewhere(network: Network) -> None:
    write(network, value("evaluation", NAMES[:4], ROWS, **dict.fromkeys(NAMES[:4], 30)))
    validate(network, EVERYBODY)


@pytest.mark.parametrize("rows", [EVERYBODY | {"new.a"}, EVERYBODY - {"p3.a"}, EVERYBODY - {"p3.a"} | {"p3.b"}])
def test_develop_then_validate_with_one_patient_more_or_less(network: Network, rows: frozenset[str]) -> None:
    """All held-out results less those of training and validation would be that patient's; no set was compared under this name."""
    write(network, value("evaluation", NAMES[:4], ROWS, **dict.fromkeys(NAMES[:4], 30)))
    with pytest.raises(Problem) as refused:
        validate(network, rows)
    assert refused.value.kind == privacy.ROWS_WAIT


def test_develop_then_validate_with_one_hospital_more(network: Network) -> None:
    write(network, value("evaluation", NAMES[:-1], ROWS, **dict.fromkeys(NAMES[:-1], 30)))
    with pytest.raises(Problem) as refused:
        validate(network, EVERYBODY)
    assert refused.value.kind == privacy.VALUE_DIFFERS_BY_FEW


def test_validate_then_develop(network: Network) -> None:
    write(network, value("evaluation", NAMES[:4], {"test": EVERYBODY - {"p3.a"}}, **dict.fromkeys(NAMES[:4], 30)))
    with pytest.raises(Problem) as refused:
        network.hospitals[NAMES[0]].ledger.check_rows(value("second", NAMES, ROWS, **dict.fromkeys(NAMES, 30)), LEAST)
    assert refused.value.kind == privacy.ROWS_WAIT


# ---------------------------------------------------------------------------------- models' groups, orders, joins, withdrawals


@pytest.mark.parametrize("order", list(itertools.product([False, True], repeat=3)))
def test_models_with_and_without_images_in_any_order(order: tuple[bool, ...]) -> None:
    """[CLN], then all models with some patients who lack images, then [CLN] again with a join and a withdrawal between."""
    network = Network(SIZES)
    for number, images in enumerate(order):
        opened(network, images=images)
        if number == 0:
            network.join(NAMES[0])
            network.withdraw(NAMES[1])
    network.check()


@pytest.mark.parametrize("lacking", [1, 2, 19])
def test_few_patients_lack_images(lacking: int) -> None:
    """All models leave them out: not one study of the other kind opens, whichever came first, and each kind itself goes on."""
    rows = {"train": frozenset(f"p{k}" for k in range(60))}
    fewer = {"train": frozenset(f"p{k}" for k in range(lacking, 60))}
    for first, second in ((rows, fewer), (fewer, rows)):
        network = Network(SIZES)
        write(network, value("clinical", NAMES, first))
        ledger = network.hospitals[NAMES[0]].ledger
        ledger.check_rows(value("evaluation", NAMES, first), LEAST)
        with pytest.raises(Problem) as refused:
            ledger.check_rows(value("evaluation", NAMES, second), LEAST)
        assert refused.value.kind == privacy.ROWS_WAIT


@pytest.mark.parametrize("joined", [1, 19, 20, 21, 30])
@pytest.mark.parametrize("gone", [1, 2])
def test_withdrawals_behind_joins(joined: int, gone: int) -> None:
    """Who leaves and who comes are counted together as changes, never one against the other."""
    network = Network(SIZES)
    assert opened(network, fraction=0.0)
    for _ in range(gone):
        network.withdraw(NAMES[0])
    network.join(NAMES[1], joined)
    again = network.study(NAMES, fraction=0.0)
    assert (again is not None) == (joined + gone >= LEAST.patients)
    network.check()


def test_a_corrected_row_is_a_change_like_a_join(network: Network) -> None:
    assert opened(network)
    network.correct(NAMES[2])
    assert opened(network), "the old rows stay usable"
    assert network.results[0] == network.results[1]
    assert opened(network, fraction=FRACTION)


def join_some(network: Network, images: int, without: int) -> None:
    """So many come to the first hospital who have images, and so many who have none."""
    wanted = {True: images, False: without}
    while any(wanted.values()):
        has = bool(rows_of(NAMES[0], {network.next: 0}, True, 0.0)["train"])
        if wanted[has]:
            wanted[has] -= 1
            network.join(NAMES[0])
        else:
            network.next += 1


class WithAnotherWord(Network):
    """Every study has imaging settings of its own that leave everybody's slices as they are."""

    def _lock(self, roster: tuple[str, ...], images: bool, fraction: float, in_blocks: bool) -> StudyLock:
        lock = super()._lock(roster, images, fraction, in_blocks)
        imaging = Imaging(interval_days=(14, 180 + len(self.published)))
        return named_beside(lock.model_copy(update={"study": lock.study.model_copy(update={"imaging": imaging})}), self.published)


@pytest.mark.parametrize("kind", [Network, WithAnotherWord], ids=["same words", "other words"])
@pytest.mark.parametrize(("without", "new_rows"), [(0, True), (1, False), (19, False), (20, True)])
@pytest.mark.parametrize("order", [(False, True), (True, False)])
def test_one_who_came_without_scans_is_not_left_of_four_studies(
    kind: type[Network], without: int, new_rows: bool, order: tuple[bool, bool]
) -> None:
    """Tables, all models; forty come with scans and one without; tables, all models again: each pair is enough apart, the one is left.

    Also where what each study asks of a patient is told in other words, a setting moved by a hair.
    """
    network = kind((60, 60, 30, 30, 30, 1, 1, 1))
    for images in order:
        assert opened(network, images=images, fraction=0.0)
    join_some(network, 40, without)
    chosen = [network.study(NAMES, images=images, fraction=0.0) for images in order]
    assert chosen[0] == {"train": LIVE, "validation": LIVE}
    assert chosen[1] == {"train": LIVE if new_rows else BASE, "validation": LIVE}
    network.check()


@pytest.mark.parametrize(("joined", "new_rows"), [(0, True), (1, False), (19, False), (20, True)])
def test_one_who_joined_is_not_hidden_behind_a_new_column(joined: int, new_rows: bool) -> None:
    """A table gets a column, or one is recoded, binary to ordinal: every row is another one, and the results without it the same."""
    network = Network(SIZES)
    assert opened(network, fraction=0.0)
    network.rewrite()
    network.join(NAMES[0], joined)
    again = network.study(NAMES, fraction=0.0)
    assert again == {"train": LIVE if new_rows else BASE, "validation": LIVE}
    network.check()


@pytest.mark.parametrize("gone", [1, 2])
def test_who_withdrew_is_not_hidden_behind_a_new_column(gone: int) -> None:
    network = Network(SIZES)
    assert opened(network, fraction=0.0)
    network.rewrite()
    for _ in range(gone):
        network.withdraw(NAMES[0])
    assert network.study(NAMES, fraction=0.0) is None


def test_one_who_joined_at_a_hospital_alone_is_not_hidden_either() -> None:
    """Where nobody compares, each hospital asks for enough changes of its own: rows written anew are none where somebody joined."""
    before = {"train": frozenset(f"p{k}.a" for k in range(40))}
    anew = {"train": frozenset(f"p{k}.b" for k in range(40))}
    assert choose([before], anew, 20, None) == {"train": LIVE}
    assert choose([before], {"train": anew["train"] | {"new.b"}}, 20, None) == {"train": BASE}
    network = Network(SIZES)
    write(network, value("clinical", NAMES, before))
    network.hospitals[NAMES[0]].ledger.check_rows(value("second", NAMES, anew), LEAST)
    with pytest.raises(Problem) as refused:
        network.hospitals[NAMES[0]].ledger.check_rows(value("third", NAMES, {"train": anew["train"] | {"new.b"}}), LEAST)
    assert refused.value.kind == privacy.ROWS_WAIT


def test_a_hospital_that_comes_back_under_another_name_is_compared_by_its_journal() -> None:
    """Struck and enrolled anew with its old state, and one patient more: its rows are no new hospital's, the one is counted."""
    network = Network(SIZES)
    assert opened(network, fraction=0.0)
    network.join(NAMES[0])
    lock, one = network._lock((*NAMES[1:], "renamed"), False, 0.0, False), network.hospitals[NAMES[0]]
    choices = {f"{LIVE}.{name}": rows for name, rows in one.rows(LIVE, False, 0.0).items()}
    patients, _ = compared_patients(lock, "renamed", one.ledger, choices)
    model = change_model(lock)
    totals = model.part.of(patients).sum(0).reshape(-1, KINDS, len(model.choices))[0, :, model.choices.index(f"{LIVE}.train")]
    assert totals.tolist() == [1, 0, 1], "changed and moved, and nobody came with a hospital"


# ------------------------------------------------------------------------------------- several studies, added and subtracted


WIDE = (40, 30, 24, 24, 24, 24, 24, 1)


def test_one_who_came_is_not_hidden_behind_hospitals_that_came() -> None:
    """Results with and without the three hospitals stand beside: what is left of four results is the one."""
    network = Network(WIDE)
    assert opened(network, NAMES[:4], fraction=0.0) and opened(network, NAMES[:7], fraction=0.0)
    network.join(NAMES[0])
    assert network.study((*NAMES[:4], NAMES[7]), fraction=0.0) is None, "one hospital more"
    wider = Network(WIDE)
    assert opened(wider, NAMES[:4], fraction=0.0)
    wider.join(NAMES[0])
    assert wider.study(NAMES[:7], fraction=0.0) == {"train": BASE, "validation": LIVE}, "who came waits, the three hospitals take part"
    wider.join(NAMES[0], 19)
    assert wider.study(NAMES[:7], fraction=0.0) == {"train": LIVE, "validation": LIVE}
    wider.check()


def test_north_then_south_then_both_with_one_hospital_more() -> None:
    network = Network(WIDE)
    assert opened(network, NAMES[:3], fraction=0.0) and opened(network, NAMES[3:7], fraction=0.0)
    assert network.study(NAMES, fraction=0.0) is None, "both, less the north, less the south, is the one-patient hospital"
    assert opened(network, NAMES[:7], fraction=0.0), "both without it add nothing"


def test_four_rosters_that_leave_one_hospital() -> None:
    """Always 24 patients and three hospitals apart, pair by pair."""
    rosters = [frozenset("abcd"), frozenset("abcdefg"), frozenset("abcdhij")]
    assert fewest_left(frozenset("abcdefghijx"), frozenset(rosters)) == 1
    assert fewest_left(frozenset("abcdefghij"), frozenset(rosters)) == 3, "e, f, g, as two of the pairs say anyway"
    assert fewest_left(frozenset("abcdefghijxyz"), frozenset(rosters)) == 3


def test_hospitals_that_leave_one_after_another_are_no_such_sum() -> None:
    """A study that goes on after a leaving takes companions along, which rosters do not tell."""
    lock = study_lock(resolution="shares")
    names = [entry.name for entry in lock.roster]
    earlier = tuple(EarlierStudy(study=f"{k:064x}", roster=tuple(names[k:])) for k in range(3))
    lock = lock.model_copy(update={"earlier": earlier, "holders": tuple(names[3:6])})
    assert len(sums(lock)[0][1]) == 3
    left = LeftBehind(study="0" * 64, gone={}, companions={})
    assert sums(lock.model_copy(update={"roster": lock.roster[3:], "leaving": left})) == ()


def test_the_same_held_out_hospitals_hide_nobody_who_trained() -> None:
    """North, south, both with one hospital more, all tested at a, b, c: of all hospitals four are left, of those that trained one."""
    north, south, held = ("n1", "n2", "n3"), ("s1", "s2", "s3"), ("a", "b", "c")
    lock = over((*north, *south, "x"), held)
    assert fewest_left(frozenset((*north, *south, "x", *held)), frozenset({frozenset(north + held), frozenset(south + held)})) == 4
    earlier = tuple(EarlierStudy(study=f"{k:064x}", roster=(*region, *held), development=region) for k, region in enumerate((north, south)))
    lock = lock.model_copy(update={"earlier": earlier})
    asked = replace(value("second", lock.names("development"), {"train": EVERYBODY}), sums=sums(lock))
    with pytest.raises(Problem) as refused:
        Network(SIZES).hospitals[NAMES[0]].ledger.check_rows(asked, LEAST)
    assert refused.value.kind == privacy.VALUE_DIFFERS_BY_FEW and "1 site" in refused.value.what
    without = over((*north, *south), held).model_copy(update={"earlier": earlier})
    Network(SIZES).hospitals[NAMES[0]].ledger.check_rows(replace(asked, sums=sums(without)), LEAST)


def test_one_who_trained_and_was_held_out_in_turn_hides_nobody() -> None:
    """North trained, south was held out, in two studies beside others; then both train with one hospital more."""
    north, south = ("n1", "n2", "n3"), ("s1", "s2", "s3")
    first, second = over(north, ("t1", "t2", "t3")), over(("m1", "m2", "m3"), south)
    lock = named_beside(over((*north, *south, "x"), ("v1", "v2", "v3")), (first, second))
    assert len(lock.earlier) == 2 and min(filter(None, (fewest_left(*one) for one in sums(lock)))) == 1
    without = named_beside(over((*north, *south), ("v1", "v2", "v3")), (first, second))
    assert min(filter(None, (fewest_left(*one) for one in sums(without)))) >= LEAST.sites


def test_a_study_over_other_hospitals_adds_up_where_one_between_them_does() -> None:
    """North with x, north and south, west; then south and west: the first has none of these hospitals, and x is left of the four."""
    north, south, west, held = ("n1", "n2", "n3"), ("s1", "s2", "s3"), ("w1", "w2", "w3"), ("h1", "h2", "h3")
    earlier = tuple(over(one, ()) for one in ((*north, "x"), (*north, *south), west))
    lock = named_beside(over((*south, *west), ()), (*earlier, over(held, ())))
    assert [one.study for one in lock.beside] == [earlier[0].study_id] and len(lock.earlier) == 2
    assert fewest_left(*sums(lock)[0]) == 1
    without = named_beside(over((*south, *west), ()), (over(north, ()), *earlier[1:]))
    assert fewest_left(*sums(without)[0]) == 0 or fewest_left(*sums(without)[0]) >= LEAST.sites
    assert named_beside(lock.model_copy(update={"earlier": (), "beside": ()}), (*earlier, lock)) == lock, "found again as it was"
    assert {one.kind for one in lock_faults(lock.model_copy(update={"beside": (*lock.beside, lock.earlier[0])}))}


def test_blocks_of_an_earlier_study_add_up_too() -> None:
    """Two blocks trained, and counts and deaths of each were opened; then the first, other hospitals and x, less those others."""
    north, south, west = ("n1", "n2", "n3"), ("s1", "s2", "s3"), ("w1", "w2", "w3")
    first = over((*north, *south), ()).model_copy(update={"blocks": {"development": (north, south)}})
    lock = named_beside(over((*north, *west, "x"), ()), (first, over(west, ())))
    assert [one.blocks for one in lock.earlier if len(one.roster) == 6] == [(north, south)]
    assert fewest_left(*sums(lock)[0]) == 1
    assert fewest_left(*sums(named_beside(over((*north, *west), ()), (first, over(west, ()))))[0]) in (0, 3)


def test_companions_are_never_fewer_than_none() -> None:
    """Minus five were all patients of a hospital but five."""
    with pytest.raises(ValidationError):
        LeftBehind(study="0" * 64, companions={"train": -5})


def test_who_leaves_a_study_is_held_against_the_others() -> None:
    """North, south, both with x, y and z; then y and z leave, with patients enough: x is left of north, south and the rest."""
    north, south = ("n1", "n2", "n3"), ("s1", "s2", "s3")
    whole = over((*north, *south, "x", "y", "z"), ())
    left = LeftBehind(study=whole.study_id, gone={"y": "development", "z": "development"}, companions={})
    lock = over((*north, *south, "x"), ()).model_copy(update={"leaving": left})
    lock = named_beside(lock, (over(north, ()), over(south, ()), whole))
    assert fewest_left(*sums(lock)[0]) == 1
    assert sums(named_beside(lock.model_copy(update={"earlier": ()}), (whole,))) == ()


def over(development: tuple[str, ...], held: tuple[str, ...]) -> StudyLock:
    roles = {**dict.fromkeys(development, "development"), **dict.fromkeys(held, "evaluation")}
    sites = tuple(StudySite.model_validate({"name": name, "role": role}) for name, role in roles.items())
    entries = tuple(
        RosterEntry(name=one.name, role=one.role or "development", signing_key=f"{k:064x}", node_fingerprint="0" * 64)
        for k, one in enumerate(sites)
    )
    return lock_study(Study(title="over", sites=sites), entries, code_digest="", coordinator_key="0" * 64)


# --------------------------------------------------------------------------------------------------------- canary, full


def test_between_canary_and_full_run_the_rows_stay(tmp_path: Path) -> None:
    """Both are runs of one lock: a patient who came, one whose row was corrected, and thirty more wait; one who withdrew closes it."""
    network = hospital_network.Network(tmp_path)
    try:
        asked = ("characteristics", SplitOnly(split="train"), "evaluation")
        assert network.ask(asked) == set()
        one, rows = network.large, network.table(network.large)
        before = network.agents[one].door.ledger.uses
        more = [{**rows[0], "patient": f"new-{k}"} for k in range(30)]
        network.write(one, [*rows, *more])
        assert network.ask(asked) == set()
        network.write(one, [*rows[1:], {**rows[0], "tace": str(1 - int(rows[0]["tace"]))}])
        assert network.ask(asked) == set()
        assert network.agents[one].door.ledger.uses == before, "the very same rows"
        network.withdraw(one, rows[3]["patient"])
        assert network.ask(asked) & {"FH-501", "FH-513", "FH-531"}
    finally:
        network.close()
