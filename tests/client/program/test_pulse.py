"""Heartbeats: further apart while nothing is asked, at once again when something is."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from client.program import flower_node
from client.program.flower_node import HEARTBEAT_S, IDLE_HEARTBEAT_S, FleetNode, Pulse
from server.link.superlink_calls import PATIENCE_S


class Beaten(FleetNode):
    """A node that notes its beats."""

    def __init__(self) -> None:
        self.beats: list[tuple[bool, float]] = []

    def beat(self, *, lives: bool = True, interval_s: float = HEARTBEAT_S) -> None:
        self.beats.append((lives, interval_s))


def until(found: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not found() and time.monotonic() < end:
        time.sleep(0.001)
    return found()


def test_an_idle_site_beats_less_often_and_a_site_that_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flower_node, "LOOK_S", 1e-4)  # a second of the heartbeat's own count
    beaten, idle, lives = Beaten(), [False], [True]
    monkeypatch.setattr(flower_node, "HEARTBEAT_S", 3e-3)
    pulse = Pulse(beaten, lambda _error: None, lambda: lives[0], lambda: idle[0])
    pulse.start()
    assert until(lambda: len(beaten.beats) > 3) and {interval for _, interval in beaten.beats} == {3e-3}
    idle[0] = True
    assert until(lambda: beaten.beats[-1] == (True, IDLE_HEARTBEAT_S))
    count = len(beaten.beats)  # the next would come after 20 s, 200,000 looks
    lives[0] = False
    assert until(lambda: len(beaten.beats) > count) and beaten.beats[count:] == [(False, IDLE_HEARTBEAT_S)]
    idle[0] = False
    assert until(lambda: beaten.beats[-1] == (False, 3e-3))
    pulse.stop()


def test_a_silent_site_is_told_within_a_minute() -> None:
    """Flower counts a node as gone after twice the interval it told."""
    assert 2 * IDLE_HEARTBEAT_S <= PATIENCE_S <= 60.0 - flower_node.LOOK_S
