"""A round takes its keys from the opening of the round before, and asks for them by themselves wherever that does not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest

from client import app as resident
from client.app import forget_agents
from evidence.faults.damages import WaitedClock
from server.asking.ask_masked_sum import Asker, Missed, Question
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import StudyLedger
from server.link.transport import Exchange, Failure
from server.phases.admission_phase import admit
from server.phases.phase_context import Running
from server.study.resume_state import StudyFolder
from server.study.study_results import StudyResult
from shared_model.secure_sum.federation_messages import Message
from shared_model.statistics.statistic_parameters import PreCounts
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.study.plan_and_lock import StudyLock
from tests.end_to_end.faults.test_faults_local import Broken

Make = Callable[..., tuple[Homes, StudyLock]]
Change = Callable[[str, Message, Message], Message | Failure]


class Listened(Broken):
    """Notes the kind of every exchange."""

    kinds: list[str]

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        self.kinds.append(next(iter(requests.values())).kind)
        return super().exchange(requests, deadline_s)


class Office:
    """A coordinator that asks one block for its counts round after round."""

    def __init__(self, homes: Homes, lock: StudyLock) -> None:
        self.homes, self.lock, self.change = homes, lock, self.honest
        self.sites = lock.blocks["development"][0]
        self.link = Listened(local_transport(homes.sites()), lambda *words: self.change(*words))
        self.link.kinds = []
        self.clock = WaitedClock()
        self.open()
        result = StudyResult(study_id=lock.study_id, title="", label="INCOMPLETE", simulated=True, created="", software="", lock={})
        signed = StudyFolder(homes.coordinator / "studies" / lock.study_id).signed_lock()
        admit(Running(self.asker, self.folder, result), signed, self.link)

    @staticmethod
    def honest(_site: str, _request: Message, reply: Message) -> Message | Failure:
        return reply

    def open(self) -> None:
        """Start, or start again: nothing but the disk is left."""
        self.folder = StudyFolder(self.homes.coordinator / "studies" / self.lock.study_id / "run")
        self.ledger = StudyLedger(self.folder.ledger_file)
        identity, effects = CoordinatorIdentity.load(self.homes.coordinator), Effects(self.clock.monotonic, self.clock.sleep)
        self.asker = Asker(self.lock, identity, self.link, self.folder, self.ledger, effects)

    def round(self, number: int) -> tuple[str, ...]:
        """Ask; the kinds of the exchanges it took."""
        self.link.kinds.clear()
        wanted = PreCounts(split="train", columns=())
        plain = self.asker.question("precounts", wanted, phase="admission", role="development", block=0, round=number)
        opened = self.asker.once(Question(**{**vars(plain), "deadline_s": 10.0, "next_round": number + 1}))
        assert float(np.ravel(opened["sites"])[0]) == len(self.sites)
        return tuple(self.link.kinds)


THREE, TWO = ("keys", "release", "open"), ("release", "open")


@pytest.fixture
def office(tables: Make) -> Iterator[Office]:
    forget_agents()
    found = Office(*tables(sites=(3, 1), patients=(30, 10)))
    yield found
    found.ledger.close()
    forget_agents()


def outcomes(office: Office) -> list[tuple[str, tuple[str, ...]]]:
    return [(entry.outcome, tuple(entry.missing.values())) for entry in office.ledger.entries if entry.statistic == "precounts"]


def test_the_first_round_is_three_exchanges_and_every_later_one_two(office: Office) -> None:
    assert [office.round(number) for number in range(4)] == [THREE, TWO, TWO, TWO]
    assert outcomes(office) == [("opened", ())] * 4 and office.clock.now == 0.0


def test_a_restarted_hospital_is_asked_for_a_new_key_at_once(office: Office) -> None:
    office.round(0)
    forget_agents()  # its program was started anew: the key it gave is gone
    assert office.round(1) == ("release", *THREE) and office.clock.now == 0.0
    assert outcomes(office)[1:] == [("retried", ("FH-518",) * len(office.sites)), ("opened", ())]
    assert office.round(2) == TWO


def test_a_restarted_office_asks_for_new_keys(office: Office) -> None:
    office.round(0)
    office.ledger.close()
    office.open()
    assert office.round(1) == THREE and office.round(2) == TWO


def test_keys_that_do_not_come_cost_one_exchange_and_no_sum(office: Office) -> None:
    """One hospital gives none, a forged one, one of another hospital, or one of an earlier round."""
    evil, kept = office.sites[1], dict[str, Message]()
    gifts: dict[str, Callable[[dict[str, object]], object]] = {
        "none": lambda _own: None,
        "forged": lambda own: {**own, "public_key": "42" * 32},
        "small order": lambda own: {**own, "public_key": "00" * 32},
        "another's": lambda _own: kept["other"].body["ahead"],
        "stale": lambda _own: kept["stale"].body["ahead"],
    }

    def change(site: str, request: Message, reply: Message) -> Message | Failure:
        if request.kind != "open":
            return reply
        kept["other"] = reply if site != evil else kept.get("other", reply)
        if site != evil:
            return reply
        kept.setdefault("stale", reply)
        return Message("open", {**reply.body, "ahead": gifts[what](reply.body["ahead"])})

    what = "none"
    office.change = change
    assert office.round(0) == THREE
    for number, gift in enumerate(gifts, start=1):
        what = gift
        assert office.round(number) == THREE, "the round before gave no whole set of keys"
    office.change = office.honest
    assert (office.round(9), office.round(10)) == (THREE, TWO)
    assert {outcome for outcome, _ in outcomes(office)} == {"opened"}


def test_a_hospital_that_opens_late_leaves_no_keys(office: Office) -> None:
    late, times = office.sites[0], iter([True, True])

    def change(site: str, request: Message, reply: Message) -> Message | Failure:
        return Failure("FH-701") if site == late and request.kind == "open" and next(times, False) else reply

    office.change = change
    assert office.round(0) == THREE * 3 and office.round(1) == TWO


def test_a_hospital_that_stays_away_is_named_as_before(office: Office) -> None:
    gone = office.sites[2]
    office.round(0)
    office.change = lambda site, _request, reply: Failure("FH-701") if site == gone else reply
    with pytest.raises(Missed) as missed:
        office.round(1)
    assert missed.value.missing == {gone: "FH-701"}
    assert resident._agents, "the hospitals' programs went on"
