"""The door: a whole ask, and everything it turns away."""

from __future__ import annotations

import numpy as np
import pytest

from client.release.door import Door, outward_code
from client.release.journal_entries import CONSENT, REFUSAL, RELEASE
from evidence.attacks.attacked_federation import NOON, AttackedFederation
from shared_model.secure_sum import pairwise_masks as pair_masks
from shared_model.secure_sum.federation_messages import KeysReply, KeysRequest, OpenedCounts
from shared_model.statistics.statistic_declaration import Parameters, Registry, Segment, Statistic
from site_config.hash_chained_journal import Journal
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import KnownPeers, OpenHours, Policy
from site_config.study.plan_and_lock import Privacy, Study, StudySite


class Weights(Parameters):
    """β of a toy statistic."""

    split: str = "train"
    beta: float = 0.0


def toy_registry() -> Registry:
    registry = Registry()
    both = frozenset({"development", "evaluation"})
    phases = frozenset({"clinical", "training"})

    def add(name, segments, level="update", roles=both, **more):
        registry.add(
            Statistic(
                name=name,
                title=name,
                reads="everything",
                parameters=Weights,
                segments=lambda _p: segments,
                resolution=lambda _p: level,
                split=lambda _p: "train",
                sensitivity=lambda _p: {},
                covariates=more.get("covariates", lambda _p: 0),
                roles=roles,
                phases=phases,
                asked_in=lambda _study: True,
            )
        )

    add("toy.sum", (Segment("mass", (3,), bound=100.0, resolution=2.0**-10), Segment("n", (1,), bound=1e6, resolution=1.0)))
    update = Segment("update", (5,), bound=16.0, ring=32, resolution=0.0, clip=True)
    add("toy.update", (update, Segment("clipped", (1,), bound=1e6, resolution=1.0)), "update", frozenset({"development"}))
    add("toy.exact", (Segment("days", (4,), bound=10.0),), "exact")
    add("toy.count", (Segment("n", (1,), bound=1e6, resolution=1.0),), "counts")
    return registry


SITES = tuple(f"site-{letter}" for letter in "abcde")


def patients(n: int = 2):
    return {name: tuple(f"{name}/{i}" for i in range(n)) for name in SITES}


def computing(offset: float = 0.0):
    def make(k: int):
        return lambda _s, _p, _a: {"mass": np.array([1.0, 2.0, 3.0]) * k + offset, "n": np.array([2.0])}

    return {name: make(k) for k, name in enumerate(SITES)}


@pytest.fixture
def federation() -> AttackedFederation:
    return AttackedFederation.make(patients(), registry=toy_registry())


def refused(kind, action, *args, **kwargs) -> Problem:
    with pytest.raises(Problem) as caught:
        action(*args, **kwargs)
    assert caught.value.kind is kind, caught.value
    return caught.value


def test_sum_opens_and_every_step_is_journalled(federation):
    total = federation.ask("toy.sum", Weights(), computing())
    np.testing.assert_allclose(total["mass"], [10, 20, 30])
    assert total["n"][0] == 10
    for hospital in federation.hospitals.values():
        assert [entry.kind for entry in hospital.journal] == ["cohort", "release", "open"]
        assert "5 sites (at least 3)" in hospital.journal.entries[1].data["rule"]
        assert hospital.journal.entries[1].data["masked"] is True


def test_masked_vectors_do_not_show_the_values(federation):
    federation.ask("toy.sum", Weights(), computing())
    for name, vectors in federation.seen[0].vectors.items():
        k = SITES.index(name)
        assert not np.array_equal(
            vectors["mass"], pair_masks.quantise(toy_registry()["toy.sum"].segments(None)[0], np.array([1.0, 2, 3]) * k, 5)
        )


def test_clipping_is_counted_inside_the_mask(federation):
    compute = {name: (lambda _s, _p, _a, k=k: {"update": np.array([k * 10.0, 1, 1, -k * 10.0, np.pi])}) for k, name in enumerate(SITES)}
    total = federation.ask("toy.update", Weights(), compute, phase="training")
    assert total["clipped"][0] == 6  # k = 2, 3, 4 on two values each
    np.testing.assert_allclose(total["update"], [10 + 3 * 16, 5, 5, -10 - 3 * 16, 5 * np.pi], atol=5e-6)


def test_value_beyond_its_bound_is_refused_without_saying_so(federation):
    problem = refused(privacy.VALUE_OUT_OF_BOUNDS, federation.ask, "toy.sum", Weights(), computing(offset=1000.0))
    assert outward_code(problem) == "FH-501"
    assert federation.hospitals[SITES[0]].journal.entries[-1].kind == REFUSAL


def test_retry_has_new_masks_and_the_old_attempt_is_over(federation):
    one, two = (federation.context("toy.sum", Weights(), attempt=n) for n in (1, 2))
    first = federation.keys(one, SITES)
    assert federation.keys(one, SITES) == first  # a lost reply may be asked for again
    before = federation.release(SITES[0], one, Weights(), first, computing()[SITES[0]])
    second = federation.keys(two, SITES)
    assert all(first[name].public_key != second[name].public_key for name in SITES)
    after = federation.release(SITES[0], two, Weights(), second, computing()[SITES[0]])
    assert (before[1]["mass"] != after[1]["mass"]).all()
    refused(privacy.ATTEMPT_SPENT, federation.keys, one, SITES)
    refused(privacy.ATTEMPT_SPENT, federation.release, SITES[1], one, Weights(), first, computing()[SITES[1]])
    hashes = dict.fromkeys(SITES, before[0].hash)
    refused(privacy.ATTEMPT_SPENT, federation.hospitals[SITES[0]].door.open, federation.open_request(one, hashes), federation.lock)


def test_keys_are_used_once(federation):
    context = federation.context("toy.sum", Weights())
    keys = federation.keys(context, SITES)
    federation.release(SITES[0], context, Weights(), keys, computing()[SITES[0]])
    refused(privacy.ATTEMPT_SPENT, federation.release, SITES[0], context, Weights(), keys, computing()[SITES[0]])
    refused(privacy.ATTEMPT_SPENT, federation.keys, context, SITES)


def test_resumed_round_opens_the_same_value_again(federation):
    first = federation.ask("toy.sum", Weights(), computing(), round=3)
    again = federation.ask("toy.sum", Weights(), computing(), round=3, attempt=2)
    np.testing.assert_array_equal(first["mass"], again["mass"])


def test_same_list_may_be_opened_twice_another_may_not(federation):
    context = federation.context("toy.sum", Weights())
    keys = federation.keys(context, SITES)
    hashes = {name: federation.release(name, context, Weights(), keys, computing()[name])[0].hash for name in SITES}
    door = federation.hospitals[SITES[0]].door
    request = federation.open_request(context, hashes)
    assert door.open(request, federation.lock) == door.open(request, federation.lock)
    other = federation.open_request(context, {**hashes, SITES[1]: "00" * 32})
    refused(privacy.ATTEMPT_SPENT, door.open, other, federation.lock)


def test_opened_value_is_burned_for_another_state(federation):
    federation.ask("toy.sum", Weights(), computing(), round=1)
    refused(privacy.VALUE_BURNED, federation.ask, "toy.sum", Weights(), computing(), round=1, attempt=2, state={"w": np.ones(2)})
    federation.ask("toy.sum", Weights(), computing(), round=2, state={"w": np.ones(2)})


def test_no_full_list_nothing_opens(federation):
    context = federation.context("toy.sum", Weights())
    keys = federation.keys(context, SITES)
    hashes = {name: federation.release(name, context, Weights(), keys, computing()[name])[0].hash for name in SITES[:4]}
    door = federation.hospitals[SITES[0]].door
    refused(privacy.LIST_INCOMPLETE, door.open, federation.open_request(context, hashes), federation.lock)
    wrong = federation.open_request(context, {**dict.fromkeys(SITES, "11" * 32)})
    refused(privacy.LIST_INCOMPLETE, door.open, wrong, federation.lock)
    forged = federation.open_request(context, {**hashes, SITES[4]: "11" * 32}).model_copy(update={"signature": "00" * 64})
    refused(privacy.SIGNATURE_INVALID, door.open, forged, federation.lock)


def test_roster_of_one_site_less_is_refused_within_and_across_studies(federation):
    refused(privacy.ROSTER_NOT_WHOLE, federation.ask, "toy.sum", Weights(), computing(), sites=SITES[:4])
    federation.ask("toy.sum", Weights(), computing())
    federation.new_study(None, SITES[:4])
    refused(privacy.VALUE_DIFFERS_BY_FEW, federation.ask, "toy.sum", Weights(), computing())
    nudged = Weights(beta=1e-9)
    refused(privacy.VALUE_DIFFERS_BY_FEW, federation.ask, "toy.sum", nudged, computing())
    for hospital in federation.hospitals.values():
        federation_consent = {"study": federation.lock.study_id, "note": "agreed"}
        hospital.door._ledger.feed(hospital.journal.append(CONSENT, federation_consent))
    total = federation.ask("toy.sum", Weights(), computing())
    assert "consented" in federation.hospitals[SITES[0]].journal.entries[-2].data["rule"]
    assert total["n"][0] == 8


def test_one_patient_more_is_refused(federation):
    federation.ask("toy.sum", Weights(), computing())
    site = federation.hospitals[SITES[0]]
    site.patients = (*site.patients, "new")
    refused(privacy.ROWS_WAIT, federation.ask, "toy.sum", Weights(), computing(), round=1)


def test_query_budget_spans_studies():
    policy = Policy(minimum_roster=3, minimum_patients=5, query_budget={"toy.sum": 2})
    federation = AttackedFederation.make(patients(), registry=toy_registry(), policy=policy)
    federation.ask("toy.sum", Weights(), computing(), round=1)
    federation.ask("toy.sum", Weights(), computing(), round=1, attempt=2)  # the same value is not charged again
    federation.new_study(Study(title="another", sites=tuple(StudySite(name=name) for name in SITES)), SITES)
    federation.ask("toy.sum", Weights(), computing(), round=1)
    problem = refused(privacy.QUERY_BUDGET_SPENT, federation.ask, "toy.sum", Weights(), computing(), round=2)
    assert outward_code(problem) == "FH-501"


def test_a_corrected_row_is_no_other_patient_to_the_budget():
    policy = Policy(minimum_roster=3, minimum_patients=5, query_budget={"toy.sum": 1})
    rows = {name: tuple(f"{one}.1" for one in own) for name, own in patients(8).items()}
    federation = AttackedFederation.make(rows, registry=toy_registry(), policy=policy)
    federation.ask("toy.sum", Weights(), computing())
    for name, hospital in federation.hospitals.items():
        hospital.patients = tuple(f"{one}.2" for one in patients(8)[name])
    federation.new_study(Study(title="another", sites=tuple(StudySite(name=name) for name in SITES)), SITES)
    refused(privacy.QUERY_BUDGET_SPENT, federation.ask, "toy.sum", Weights(), computing(), round=1)


def test_two_releases_in_flight_do_not_pass_a_budget_of_one():
    policy = Policy(minimum_roster=3, minimum_patients=5, query_budget={"toy.sum": 1})
    federation = AttackedFederation.make(patients(), registry=toy_registry(), policy=policy)
    lists = []
    for number in (1, 2):
        context = federation.context("toy.sum", Weights(), round=number)
        keys = federation.keys(context, SITES)
        hashes = {name: federation.release(name, context, Weights(), keys, computing()[name])[0].hash for name in SITES}
        lists.append(federation.open_request(context, hashes))
    door = federation.hospitals[SITES[0]].door
    door.open(lists[0], federation.lock)
    refused(privacy.QUERY_BUDGET_SPENT, door.open, lists[1], federation.lock)


@pytest.mark.parametrize(
    ("policy", "statistic", "kind"),
    [
        (Policy(minimum_roster=6, minimum_patients=5), "toy.sum", privacy.ROSTER_TOO_SMALL),
        (Policy(minimum_roster=3, minimum_patients=5, statistics=("toy.count",)), "toy.sum", privacy.STATISTIC_REFUSED),
        (Policy(minimum_roster=3, minimum_patients=5), "toy.exact", privacy.RESOLUTION_REFUSED),
        (Policy(minimum_roster=3, minimum_patients=5, role="evaluation"), "toy.sum", privacy.ROLE_REFUSED),
        (Policy(minimum_roster=3, minimum_patients=5, schedule=OpenHours(from_hour=20, to_hour=6)), "toy.sum", privacy.OUTSIDE_SCHEDULE),
        (Policy(minimum_roster=3, known_peers=KnownPeers(at_least=1, fingerprints=("ab" * 32,))), "toy.sum", privacy.PEERS_UNKNOWN),
        (Policy(minimum_roster=3), "toy.nothing", privacy.STATISTIC_UNKNOWN),
    ],
)
def test_policy_refuses(policy, statistic, kind):
    federation = AttackedFederation.make(patients(), registry=toy_registry(), policy=policy)
    problem = refused(kind, federation.ask, statistic, Weights(), computing())
    assert outward_code(problem) == kind.label


def test_evaluation_site_refuses_training():
    federation = AttackedFederation.make(patients(), registry=toy_registry(), roles=dict.fromkeys(SITES, "evaluation"))
    refused(privacy.ROLE_REFUSED, federation.ask, "toy.update", Weights(), computing(), phase="training")
    refused(privacy.ROLE_REFUSED, federation.ask, "toy.sum", Weights(), computing(), phase="fusion")


def test_too_few_patients_or_no_counts(federation):
    refused(privacy.TOO_FEW_PATIENTS, federation.ask, "toy.sum", Weights(), computing(), counts=None)
    few = OpenedCounts(sites=5, patients=4, events=4)
    refused(privacy.TOO_FEW_PATIENTS, federation.ask, "toy.sum", Weights(), computing(), counts=few)
    count = {name: (lambda _s, _p, _a: {"n": np.array([1.0])}) for name in SITES}
    assert federation.ask("toy.count", Weights(), count, counts=None)["n"][0] == 5


def clear_study() -> Study:
    return Study(title="clear", simulated=True, sites=tuple(StudySite(name=n) for n in SITES), privacy=Privacy(masks=False))


def test_clear_mode_needs_everybodys_word():
    policy = Policy(minimum_roster=3, minimum_patients=5)
    for allowed in (policy, policy.model_copy(update={"masks_required": False}), policy.model_copy(update={"simulated_patients": True})):
        federation = AttackedFederation.make(patients(), registry=toy_registry(), policy=allowed, study=clear_study())
        context = federation.context("toy.sum", Weights())
        refused(privacy.MASKS_REQUIRED, federation.release, SITES[0], context, Weights(), {}, computing()[SITES[0]], sites=SITES)


def test_clear_mode_says_so():
    policy = Policy(minimum_roster=3, minimum_patients=5, masks_required=False, simulated_patients=True)
    federation = AttackedFederation.make(patients(), registry=toy_registry(), policy=policy, study=clear_study())
    context = federation.context("toy.sum", Weights())
    vectors = {}
    for name in SITES:
        reply, vectors[name] = federation.release(name, context, Weights(), {}, computing()[name], sites=SITES)
        assert reply.masked is False
    total = pair_masks.open_sum(federation.segments(context, Weights()), vectors, {}, context, 5)
    np.testing.assert_allclose(total["mass"], [10, 20, 30])
    last = federation.hospitals[SITES[0]].journal.entries[-1]
    assert last.kind == RELEASE and last.data["masked"] is False and last.data["rule"].startswith("IN THE CLEAR")


def test_sites_shown_different_models_do_not_cancel(federation):
    states = {name: {"w": np.full(2, 1.0 if name == SITES[0] else 0.0)} for name in SITES}
    contexts = {name: federation.context("toy.sum", Weights(), state=state) for name, state in states.items()}
    keys = {}
    for name in SITES:  # the coordinator asks every site for keys under the state it means to show it
        keys[name] = federation.hospitals[name].door.keys(KeysRequest(context=contexts[name], sites=SITES), federation.lock)
    refused(
        privacy.SIGNATURE_INVALID,
        federation.release,
        SITES[1],
        contexts[SITES[1]],
        Weights(),
        keys,
        computing()[SITES[1]],
        state=states[SITES[1]],
    )
    # and a site that is told one state but given another notices
    refused(
        privacy.CONTEXT_MISMATCH,
        federation.release,
        SITES[1],
        contexts[SITES[1]],
        Weights(),
        keys,
        computing()[SITES[1]],
        state=states[SITES[0]],
    )


def test_substituted_key_is_found(federation):
    context = federation.context("toy.sum", Weights())
    keys = federation.keys(context, SITES)
    forged = {**keys, SITES[1]: KeysReply(public_key="42" * 32, signature=keys[SITES[1]].signature)}
    refused(privacy.SIGNATURE_INVALID, federation.release, SITES[0], context, Weights(), forged, computing()[SITES[0]])
    twice = {**keys, SITES[1]: keys[SITES[2]]}
    refused(privacy.SIGNATURE_INVALID, federation.release, SITES[0], context, Weights(), twice, computing()[SITES[0]])


def test_forget_drops_secrets(federation):
    context = federation.context("toy.sum", Weights())
    keys = federation.keys(context, SITES)
    door = federation.hospitals[SITES[0]].door
    door.forget(federation.lock.study_id)
    refused(privacy.ATTEMPT_SPENT, federation.release, SITES[0], context, Weights(), keys, computing()[SITES[0]])


def test_ledger_outlives_the_process(tmp_path):
    """A restarted client knows what was opened, but nothing of the keys it gave."""
    federation = AttackedFederation.make(patients(), registry=toy_registry())
    site = federation.hospitals[SITES[0]]

    def restart():
        site.journal.close()
        site.journal = Journal(tmp_path / "journal.jsonl", clock=lambda: NOON)
        site.door = Door(SITES[0], site.key, site.door._policy, site.journal, clock=lambda: NOON, registry=toy_registry())

    restart()
    first = federation.ask("toy.sum", Weights(), computing(), round=1)
    context = federation.context("toy.sum", Weights(), round=2)
    keys = federation.keys(context, SITES)
    restart()
    refused(privacy.ATTEMPT_SPENT, federation.release, SITES[0], context, Weights(), keys, computing()[SITES[0]])
    again = federation.ask("toy.sum", Weights(), computing(), round=1, attempt=2)
    np.testing.assert_array_equal(first["mass"], again["mass"])
    federation.new_study(None, SITES[:4])
    refused(privacy.VALUE_DIFFERS_BY_FEW, federation.ask, "toy.sum", Weights(), computing())


def test_whole_blocks_may_be_asked_together_or_apart():
    blocks = (SITES[:3], SITES[3:])
    many = {name: tuple(f"{name}/{i}" for i in range(3)) for name in (*SITES, "site-f")}
    federation = AttackedFederation.make(many, registry=toy_registry(), blocks=(blocks[0], (*blocks[1], "site-f")))
    compute = computing() | {"site-f": computing()[SITES[0]]}
    few = OpenedCounts(sites=3, patients=9, events=9)
    both = OpenedCounts(sites=6, patients=18, events=18)
    whole = federation.ask("toy.sum", Weights(), compute, counts=both)
    parts = [
        federation.ask("toy.sum", Weights(), compute, sites=block, round=1, counts=few) for block in federation.lock.blocks["development"]
    ]
    np.testing.assert_allclose(whole["mass"], parts[0]["mass"] + parts[1]["mass"])


def test_rosters_that_differ_by_few_patients_are_refused():
    """A block whose opened counts say that it adds three patients only is not subtracted from the whole."""
    many = {name: tuple(f"{name}/{i}" for i in range(3)) for name in (*SITES, "site-f")}
    federation = AttackedFederation.make(many, registry=toy_registry(), blocks=(SITES[:3], (*SITES[3:], "site-f")))
    compute = computing() | {"site-f": computing()[SITES[0]]}
    federation.ask("toy.sum", Weights(), compute, counts=OpenedCounts(sites=6, patients=12, events=9))
    nearly = OpenedCounts(sites=3, patients=9, events=9)
    refused(privacy.VALUE_DIFFERS_BY_FEW, federation.ask, "toy.sum", Weights(), compute, sites=SITES[:3], round=1, counts=nearly)
