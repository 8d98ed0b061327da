"""A planned pause stops the clock: nobody stalls for a night that a hospital had announced. No test here sleeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from client.program.site_runner import hours_begin
from server.asking.clocks_and_waiting import Effects
from server.asking.hospital_refusals import are_final, refused_with
from server.asking.planned_pauses import PROBE_S, Pauses, resting
from server.link.transport import Exchange, Failure
from shared_model.secure_sum.federation_messages import Message
from site_config.site_yaml import OpenHours

START = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
NIGHT_S = 12 * 3600
MORNING = int(START.timestamp()) + NIGHT_S


class Clock:
    """Wall clock and monotonic clock that only sleeping moves."""

    def __init__(self) -> None:
        self.passed = 0.0

    def effects(self, should_stop: Callable[[], bool] = lambda: False) -> Effects:
        return Effects(lambda: self.passed, self.sleep, should_stop, lambda: START + timedelta(seconds=self.passed))

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


def rests(until: int = MORNING) -> Failure:
    return Failure("FH-721", "refused", until)


def asked(clock: Clock, over_at: float, until: int = MORNING) -> Callable[[Mapping[str, Message], float], Exchange]:
    """Sites that rest until `over_at` seconds have passed."""

    def ask(requests: Mapping[str, Message], _deadline_s: float) -> Exchange:
        assert {message.kind for message in requests.values()} == {"status"}
        if clock.passed < over_at:
            return Exchange({}, {site: rests(until) for site in requests})
        return Exchange({site: Message("status", {"phase": ""}) for site in requests}, {})

    return ask


def test_the_clock_stands_still_until_the_pause_is_over() -> None:
    clock, told = Clock(), []
    pauses = Pauses(asked(clock, NIGHT_S), clock.effects(), 7 * 86400)
    stood = pauses.wait({"alpha": rests(), "beta": Failure("FH-501", "refused")}, told.append)
    assert stood == clock.passed == NIGHT_S
    assert told == ["2026-11-25T06:00:00+00:00"]


def test_a_pause_that_is_ended_early_is_noticed() -> None:
    clock = Clock()
    stood = Pauses(asked(clock, 3600), clock.effects(), 7 * 86400).wait({"alpha": rests()}, lambda _until: None)
    assert 3600 <= stood <= 3600 + PROBE_S


def test_pauses_together_stop_the_clock_for_at_most_the_declared_time() -> None:
    clock = Clock()
    pauses = Pauses(asked(clock, 1e9, MORNING * 2), clock.effects(), 5000.0)
    assert pauses.wait({"alpha": rests(MORNING * 2)}, lambda _until: None) == 5000.0
    assert pauses.wait({"alpha": rests(MORNING * 2)}, lambda _until: None) == 0.0, "from here on the deadline counts"


def test_nothing_is_waited_for_without_a_planned_pause() -> None:
    clock, told = Clock(), []
    pauses = Pauses(asked(clock, 1e9), clock.effects(), 5000.0)
    for failures in ({"alpha": Failure("FH-701")}, {"alpha": rests(MORNING - NIGHT_S - 60)}, {}):
        assert pauses.wait(failures, told.append) == 0.0
    assert told == [] and clock.passed == 0.0


def test_a_wish_to_stop_ends_the_waiting() -> None:
    clock = Clock()
    effects = clock.effects(lambda: clock.passed >= 60)
    assert Pauses(asked(clock, 1e9), effects, 1e9).wait({"alpha": rests()}, lambda _until: None) < 60 + PROBE_S


@pytest.mark.parametrize(
    ("body", "code", "until"),
    [
        ({"code": "FH-721", "until": MORNING}, "FH-721", MORNING),
        ({"code": "FH-501"}, "FH-501", 0),
        ({"code": "cannot read /data/patient-1"}, "FH-705", 0),
        ({"code": "FH-501", "why": "patient-1"}, "FH-705", 0),
        ({"code": "FH-721", "until": "tomorrow"}, "FH-705", 0),
        ({}, "FH-705", 0),
    ],
)
def test_a_refusal_is_a_code_and_nothing_else(body: dict[str, object], code: str, until: int) -> None:
    found = refused_with(Message("refusal", body))
    assert (found.code, found.until) == (code, until)
    assert resting({"alpha": found}) == ({"alpha": until} if code == "FH-721" else {})


def test_hours_of_the_policy_are_a_planned_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")  # half an hour beside the full hours of UTC
    import time

    time.tzset()
    try:
        evening = time.mktime((2026, 11, 24, 19, 40, 0, 0, 0, -1))
        begin = hours_begin(OpenHours(from_hour=22, to_hour=6), evening)
        assert begin is not None and time.localtime(begin)[2:6] == (24, 22, 0, 0)
        assert hours_begin(OpenHours(from_hour=22, to_hour=6), begin) is None
        assert hours_begin(OpenHours(), evening) is None
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(("codes", "tries", "final"), [(("FH-531",), 3, True), (("FH-531",), 2, False), (("FH-518", "FH-702"), 9, False)])
def test_lost_keys_are_no_refusal(codes: tuple[str, ...], tries: int, final: bool) -> None:
    """A machine that is switched off every evening loses the keys of an attempt as often as it likes."""
    assert are_final(codes, tries) == final
