"""Who is awaited, and who needs longer than usual: told within three times the usual step, not at the deadline."""

from __future__ import annotations

from pathlib import Path

from server.watch.awaited_hospitals import LEAST_S, Awaited, awaiting
from shared_model.secure_sum.federation_messages import Message

UPDATE = Message("release", {"context": {"statistic": "training.update", "phase": "training", "round": 7}})


class Watched:
    """A question to three hospitals on a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.now, self.said = 1000.0, list[str]()
        self.folder = folder
        self.awaited = Awaited(folder / "awaited.json", lambda _site, words: self.said.append(words), lambda: self.now)

    def ask(self) -> None:
        self.awaited.asked(dict.fromkeys(("a", "b", "c"), UPDATE), 3600.0)

    def answer(self, site: str, after: float) -> None:
        self.now += after
        self.awaited.answered(site, Message("release", {}))

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.awaited.look()


def test_a_hospital_that_stands_still_is_named_after_three_usual_steps(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    for _ in range(3):
        watched.ask()
        for site in "abc":
            watched.answer(site, 4.0)  # a after 4 s, b after 8 s, c after 12 s
    watched.ask()
    watched.answer("a", 4.0)
    watched.answer("b", 4.0)
    watched.wait(27)
    assert watched.said == []
    watched.wait(3)
    assert watched.said == ["c needs longer than usual for release training.update: 37 s, usually 12 s: FH-765"]
    watched.wait(60)
    assert len(watched.said) == 1, "once a question"
    found = awaiting(tmp_path)
    assert found is not None and (found.awaited, found.slow, found.round, found.asked) == (("c",), ("c",), 7, 3)
    assert found.until - found.began == 3600.0


def test_before_anything_was_learned_the_rehearsal_counts(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.awaited.asked({"a": Message("admission", {})}, 60.0)
    watched.awaited.answered("a", Message("admission", {"step_seconds": 16}))
    watched.ask()
    watched.wait(48)
    assert watched.said == []
    watched.wait(2)
    assert [line.split()[0] for line in watched.said] == ["a"], "of the others nothing is known"


def test_short_steps_are_given_some_patience_and_refusals_teach_nothing(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    for _ in range(3):
        watched.ask()
        watched.answer("a", 0.1)
        watched.awaited.answered("b", Message("refusal", {"code": "FH-501"}))
        watched.awaited.answered("c", None)
    watched.ask()
    watched.wait(int(LEAST_S))
    assert watched.said == []
    watched.wait(1)
    assert [line.split()[0] for line in watched.said] == ["a"]


def test_the_office_s_own_sleep_is_nobody_s_fault(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    for _ in range(3):
        watched.ask()
        watched.answer("a", 10.0)
    watched.ask()
    watched.now += 8 * 3600
    watched.awaited.look()
    watched.wait(25)
    assert watched.said == []
    watched.wait(10)
    assert len(watched.said) == 1
    watched.awaited.over()
    assert awaiting(tmp_path) is None


def test_a_long_wait_is_told_once_and_again_after_ten_minutes_however_often_it_is_asked(tmp_path: Path) -> None:
    told: list[str] = []
    now = [1000.0]
    awaited = Awaited(tmp_path / "awaited.json", lambda _site, _words: None, lambda: now[0], told.append)
    for _ in range(150):  # every two seconds, as admission asks hospitals that are not connected
        awaited.asked(dict.fromkeys(("a", "b", "c", "d"), Message("admission", {})), 600.0)
        for _ in range(2):
            now[0] += 1.0
            awaited.look()
    assert len(told) == 1, "within seconds, and not for every try"
    assert told[0].startswith("admission: waits for a, b, c and 1 more, until ") and "`fedhcc-coordinator resume`" in told[0]
    for _ in range(400):
        now[0] += 1.0
        awaited.look()
    assert len(told) == 2
    awaited.asked({"a": UPDATE}, 600.0)
    awaited.look()
    assert len(told) == 2, "another question is another wait"
