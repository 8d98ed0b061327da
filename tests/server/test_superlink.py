"""Who is there while a reply arrives in pieces."""

from __future__ import annotations

from server.superlink import PRESENCE_S, Presence


def test_presence_is_asked_again_when_it_is_old_and_tells_a_restart() -> None:
    answers = iter([{7: "noon"}, {7: "noon"}, {7: "one"}, {}])
    now = [0.0]
    seen = Presence(lambda: next(answers), lambda: now[0])
    assert seen.since(7) == "noon" and seen.since(8) == ""
    told = []
    for _ in range(3):
        now[0] += PRESENCE_S + 1
        told.append(seen.since(7))
    assert told == ["noon", "one", ""]
