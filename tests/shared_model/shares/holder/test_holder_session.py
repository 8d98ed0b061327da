"""Holders and a relay: the same numbers as on plain arithmetic, nothing but declared results, and no lie that opens anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_model.shares.circuits.declared_results import Declaration, Result
from shared_model.shares.circuits.shared_value import F, Field, Value
from shared_model.shares.holder import holder_session as session
from shared_model.shares.holder import relay_checks
from shared_model.shares.holder.holder_engine import ShareArithmetic
from shared_model.shares.holder.holder_session import RESTARTS, Finished
from shared_model.shares.holder.in_one_process import run
from shared_model.shares.messages import step_frames as wire_frames
from shared_model.shares.messages.coordinator_relay import Relay
from shared_model.shares.messages.step_frames import Frame, Step
from shared_model.shares.numbers.residues import MAIN
from site_config.problems.base import Problem
from tests.shared_model.shares.shares_support import House, Liar, Lie, Numbers, shifted

COLUMNS = (Numbers("risk", 12, 1.0, Field.COUNT), Numbers("x", 2, 4.0, fraction=F), Numbers("event", 1, 1.0))
_RNG = np.random.default_rng(3)
VECTORS = {
    "risk": _RNG.integers(0, 2, (9, 12)),
    "x": np.rint(_RNG.uniform(-4, 4, (9, 2)) * 2**F).astype(np.int64),
    "event": _RNG.integers(0, 2, (9, 1)),
}
EVENTS = int(VECTORS["event"].sum())
DECLARED = Declaration.of(
    Result("pairs", (), bits=0, largest=2000.0, guard="-"),
    Result("none", (2,), bits=0, largest=1.0, guard="-", bit=True),
    Result("squares", (2,), bits=20, largest=5000.0, guard="-"),
)


async def circuit(a: ShareArithmetic, rows: Mapping[str, Value]) -> Any:
    pairs = await a.lift(a.dot(rows["risk"], rows["risk"].T))
    total = await a.reveal("pairs", pairs.sum(), 0)
    events = rows["event"].sum()
    none = await a.reveal_zero("none", (events - np.array([EVENTS, EVENTS + 1])), (events + np.array([50, 50])))
    square = await a.mul(rows["x"], rows["x"])
    (square,) = await a.reduce(a.times(square, rows["event"]))
    squares = await a.reveal("squares", square.sum(0) * float(1 + total / 1000), 20)
    return total, none, squares


def house(m: int = 3, **changed: Any) -> House:
    return replace(House(COLUMNS, VECTORS, DECLARED, circuit, m), **changed) if changed else House(COLUMNS, VECTORS, DECLARED, circuit, m)


def expected() -> tuple[float, list[bool], np.ndarray]:
    total = float((VECTORS["risk"] @ VECTORS["risk"].T).sum())
    x = VECTORS["x"] / 2**F
    return total, [True, False], (x**2 * VECTORS["event"]).sum(0) * (1 + total / 1000)


@pytest.mark.parametrize("m", [3, 5])
def test_all_holders_end_with_the_results_and_a_journal_line_each(m: int) -> None:
    home = house(m)
    relay = Relay(m)
    ends = run(home.sessions(), relay)
    total, none, squares = expected()
    for end in ends:
        assert end.returned[0] == total
        assert end.returned[1].tolist() == none
        assert np.abs(end.returned[2] - squares).max() < 1e-5
        assert end.results == ends[0].results
    assert all(journal.lines == ["attempt 1", "pairs", "none", "squares"] for journal in home.journals)
    # a greeting, and two steps before each of three reveals
    assert ends[0].exchanges == ends[0].openings + 1 + 2 * 3 == relay.exchanges


def test_a_check_comes_earlier_where_much_was_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "KEPT_BYTES", 1)
    ends = run(house().sessions(), Relay(3))
    assert ends[0].exchanges == 1 + ends[0].openings + 2 * (ends[0].openings - 3)
    assert ends[0].returned[0] == expected()[0]


# a relay that lies


def _offset_one(frames: list[Frame]) -> list[Frame]:
    return [shifted(frames[0]), *frames[1:]]


def _offset_all(frames: list[Frame]) -> list[Frame]:
    return [shifted(frame, by=2**31, plane=5) for frame in frames]


def _swapped(frames: list[Frame]) -> list[Frame]:
    return [replace(frames[0], vectors=frames[1].vectors), replace(frames[1], vectors=frames[0].vectors), *frames[2:]]


def _left_out(frames: list[Frame]) -> list[Frame]:
    nothing = {k: np.zeros_like(vector) for k, vector in frames[1].vectors.items()}
    return [frames[0], replace(frames[1], vectors=nothing), *frames[2:]]


def _envelopes_exchanged(frames: list[Frame]) -> list[Frame]:
    return [replace(frames[0], envelopes={2: frames[0].envelopes[3], 3: frames[0].envelopes[2]}), *frames[1:]]


LIES: dict[str, tuple[Lie | None, Lie | None]] = {
    "offset to what one sends": (_offset_one, None),
    "offset to what one gets": (None, _offset_one),
    "offset to what all get": (None, _offset_all),
    "two holders' vectors swapped": (_swapped, None),
    "one holder left out": (_left_out, None),
    "envelopes exchanged": (None, _envelopes_exchanged),
}
OPENINGS = run(house().sessions(), Relay(3))[0].openings


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("at", range(1, OPENINGS + 1))
def test_a_lie_at_any_opening_is_found_before_anything_more_opens(lie: str, at: int) -> None:
    home = house()
    with pytest.raises(Problem, match=r"FH-55[13]"):
        run(home.sessions(), Liar(3, at, *LIES[lie]))
    assert home.opened <= set(_names_before(at))


def _names_before(at: int) -> list[str]:
    """Names on record when opening `at` is reached, from an honest run."""
    home = house()
    sessions = home.sessions()
    out: list[bytes | Finished] = [session.start() for session in sessions]
    relay, seen = Relay(3), 0
    while all(isinstance(one, bytes) for one in out):
        seen += wire_frames.decode(out[0], 3).kind is Step.OPEN  # type: ignore[arg-type]
        if seen == at:
            break
        out = [session.step(data) for session, data in zip(sessions, relay.exchange(out), strict=True)]  # type: ignore[arg-type]
    return sorted(home.opened)


def test_after_a_lie_to_one_holder_the_others_cannot_go_on_without_it() -> None:
    home, relay = house(), Liar(3, 1, None, _offset_one)
    sessions = home.sessions()
    out: list[Any] = [session.start() for session in sessions]
    out = [session.step(data) for session, data in zip(sessions, relay(out), strict=True)]
    back = relay(out)
    with pytest.raises(Problem, match="FH-551"):
        sessions[0].step(back[0])
    with pytest.raises(Problem, match="FH-552"):
        sessions[0].step(back[0])  # it answers nothing more
    left = [session.step(data) for session, data in zip(sessions[1:], back[1:], strict=True)]
    with pytest.raises(Problem, match="FH-552"):
        Relay(3).exchange(left)


@pytest.mark.parametrize("kind", [Step.GREET, Step.COIN, Step.COMPARE, Step.OPEN])
def test_a_replayed_step_opens_nothing(kind: Step) -> None:
    home = house()
    sessions, relay, kept = home.sessions(), Relay(3), dict[Step, list[bytes]]()
    out: list[Any] = [session.start() for session in sessions]
    with pytest.raises(Problem, match=r"FH-55[123]"):
        for _ in range(40):
            current = wire_frames.decode(out[0], 3).kind
            back = relay.exchange(out)
            if current is kind and kind in kept:
                back = kept[kind]
            kept[current] = back
            if kind is Step.GREET and current is not kind:
                back = kept[kind]
            out = [session.step(data) for session, data in zip(sessions, back, strict=True)]
    assert not home.opened - {"pairs", "none"}


async def exactly(a: ShareArithmetic, rows: Mapping[str, Value]) -> Any:
    """An opening under a uniform mask (which no range betrays), and a reveal."""
    (square,) = await a.reduce(a.times(rows["x"], rows["x"]), fraction=2 * F)
    return await a.reveal("exact", square.reshape(18)[:6], 2 * F)


@pytest.mark.parametrize(("at", "found"), [(1, "before a reveal"), (2, "result of opening 2")])
def test_a_relay_with_the_keys_of_one_holder_is_found_too(at: int, found: str) -> None:
    """Its offset passes the first check, whose coefficients it knows; the joint coin it cannot foresee, nor carry results."""
    home = House(COLUMNS, VECTORS, Declaration.of(Result("exact", (6,), bits=2 * F, largest=200.0, guard="-")), exactly)
    sessions = home.sessions()

    def forged(frames: list[Frame]) -> list[Frame]:
        lied = []
        for frame in frames:
            ((k, vector),) = [(k, np.array(vector)) for k, vector in frame.vectors.items()]
            n = vector.shape[1]
            words = np.frombuffer(sessions[0]._keys.challenge(at)(4 * 3 * n), "<u4").reshape(n, 3) & np.uint32(2**31 - 1)
            offset = _null(words[:4].astype(object), MAIN.primes[0])
            vector[0, :4] = [(int(v) + d) % MAIN.primes[0] for v, d in zip(vector[0, :4], offset, strict=True)]
            lied.append(replace(frame, vectors={k: vector}))
        return lied

    with pytest.raises(Problem, match=f"FH-551 .*{found}"):
        run(sessions, Liar(3, at, None, forged))
    assert not home.opened


def _null(rows: np.ndarray, p: int) -> list[int]:
    """A nonzero d with d · rows = 0 modulo p, for rows (4, 3)."""
    a = [[int(rows[i, j]) % p for i in range(3)] + [-int(rows[3, j]) % p] for j in range(3)]
    for i in range(3):
        inverse = pow(a[i][i], -1, p)
        a[i] = [v * inverse % p for v in a[i]]
        for j in range(3):
            if j != i:
                a[j] = [(v - a[j][i] * w) % p for v, w in zip(a[j], a[i], strict=True)]
    return [a[0][3], a[1][3], a[2][3], 1]


def test_a_lie_passes_one_repetition_with_the_probability_the_page_says() -> None:
    """The fingerprint is linear, so an offset passes if its own fingerprint is zero: never in 20,000 tries."""
    vector = {1: np.zeros((1, 2), np.uint32)}
    vector[1][0] = [5, 2**32 - 6]
    rng = np.random.default_rng(0)
    zeros = sum(not relay_checks.fingerprint(vector, lambda n: rng.bytes(n)).any() for _ in range(20_000))
    assert zeros == 0


# loss and restarts


def _until(home: House, attempt: int, stop: int) -> list[Any]:
    """Drive to the given number of exchanges, then drop everything; returns the last messages."""
    sessions, relay = home.sessions(attempt), Relay(3)
    out: list[Any] = [session.start() for session in sessions]
    for _ in range(stop):
        if any(isinstance(one, Finished) for one in out):
            break
        back = relay.exchange(out)
        out = [session.step(data) for session, data in zip(sessions, back, strict=True)]
    return out


@pytest.mark.parametrize("stop", range(0, 18, 2))
def test_a_run_that_broke_off_anywhere_is_started_again_and_opens_each_name_once(stop: int) -> None:
    home = house()
    _until(home, 1, stop)
    before = [dict(journal.results) for journal in home.journals]
    ends = run(home.sessions(2), Relay(3))
    total, none, squares = expected()
    assert ends[0].returned[0] == total
    assert ends[0].returned[1].tolist() == none
    assert np.abs(ends[0].returned[2] - squares).max() < 1e-5
    for journal, earlier in zip(home.journals, before, strict=True):
        assert all(journal.results[name] == opened for name, opened in earlier.items())
        assert set(journal.results) == {"pairs", "none", "squares"}


def test_a_result_that_only_one_holder_kept_is_answered_from_its_record() -> None:
    home = house()
    run(home.sessions(), Relay(3))
    kept = home.journals[0].results["squares"]
    for journal in home.journals[1:]:
        del journal.results["squares"]
    ends = run(home.sessions(2), Relay(3))
    assert all(journal.results["squares"] == kept for journal in home.journals)
    assert ends[0].openings < OPENINGS
    home.journals[1].results["squares"] = replace(kept, units=tuple(u + 1 for u in kept.units))
    with pytest.raises(Problem, match="FH-560"):
        run(home.sessions(3), Relay(3))


def test_a_restart_with_other_rows_is_refused() -> None:
    home = house()
    _until(home, 1, 7)
    assert home.opened == {"pairs"}
    sessions = home.sessions(2)
    sessions[0].rows = replace(sessions[0].rows, content=bytes(32))
    with pytest.raises(Problem, match="FH-558"):
        sessions[0].start()
    assert home.journals[0].last == 1


def test_an_attempt_number_serves_once_and_five_restarts_are_all() -> None:
    home = house()
    for attempt in range(1, 2 + RESTARTS):
        _until(home, attempt, 1)
        with pytest.raises(Problem, match="FH-557"):
            home.sessions(attempt)[0].start()
    with pytest.raises(Problem, match="FH-557"):
        home.sessions(2 + RESTARTS)[0].start()


def test_two_attempts_send_different_numbers() -> None:
    home = house()
    first, second = (_until(home, attempt, 1)[0] for attempt in (1, 2))
    a, b = wire_frames.decode(first, 3).vectors, wire_frames.decode(second, 3).vectors
    assert all((a[k] != b[k]).mean() > 0.99 for k in a)


# what a holder refuses


def _asks(name: str, bits: int) -> Any:
    async def ask(a: ShareArithmetic, rows: Mapping[str, Value]) -> None:
        await a.reveal(name, rows["x"].sum(0), bits)

    return ask


async def _twice(a: ShareArithmetic, rows: Mapping[str, Value]) -> None:
    for _ in range(2):
        await a.reveal("squares", rows["x"].sum(0), 20)


async def _wide(a: ShareArithmetic, rows: Mapping[str, Value]) -> None:
    await a.mul(rows["x"] * 2.0**60, rows["x"] * 2.0**60)


@pytest.mark.parametrize(
    ("asked", "code"),
    [(_asks("other", 20), "FH-554"), (_asks("squares", 21), "FH-554"), (_twice, "FH-554"), (_wide, "FH-555")],
    ids=["undeclared", "finer grid", "twice", "out of range"],
)
def test_a_holder_refuses(asked: Any, code: str) -> None:
    home = House(COLUMNS, VECTORS, DECLARED, asked)
    with pytest.raises(Problem, match=code):
        run(home.sessions(), Relay(3))
    assert home.opened <= {"squares"}


def test_holders_with_other_slots_or_declarations_do_not_begin() -> None:
    home = house()
    sessions = home.sessions()
    sessions[1].rows = replace(sessions[1].rows, digest=bytes(32))
    with pytest.raises(Problem, match="FH-558"):
        run(sessions, Relay(3))
    sessions = home.sessions(2)
    sessions[2].plan = replace(sessions[2].plan, declaration=Declaration.of(*list(DECLARED.results.values())[:2]))
    with pytest.raises(Problem, match=r"FH-55[48]"):
        run(sessions, Relay(3))


@pytest.mark.parametrize("cut", [0, 3, 50, -1])
def test_a_message_of_another_length_is_refused_before_it_is_read(cut: int) -> None:
    sessions, relay = house().sessions(), Relay(3)
    back = relay.exchange([session.start() for session in sessions])
    with pytest.raises(Problem, match="FH-552"):
        sessions[0].step(back[0][:cut])
    with pytest.raises(Problem, match="FH-552"):
        sessions[0].step(back[0] + b"x")
    huge = back[0][:12] + b"\xff" * 4 + back[0][16:]
    with pytest.raises(Problem, match="FH-552"):
        sessions[0].step(huge)
    assert isinstance(sessions[0].step(back[0]), bytes)  # the right one is still welcome


@given(st.integers(0, 10**6), st.integers(1, 255), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_no_changed_byte_passes_unnoticed(at: int, by: int, step: int) -> None:
    """In whatever is delivered, of whatever step, one byte changed is a problem and nothing else."""
    sessions, relay = house().sessions(), Relay(3)
    out: list[Any] = [one.start() for one in sessions]
    for _ in range(step):
        out = [one.step(data) for one, data in zip(sessions, relay.exchange(out), strict=True)]
    data = bytearray(relay.exchange(out)[0])
    data[at % len(data)] ^= by
    with pytest.raises(Problem, match=r"FH-55[1236]"):
        sessions[0].step(bytes(data))


def test_another_holders_key_or_study_does_not_open() -> None:
    home, other = house(), house()
    sessions = home.sessions()
    sessions[2] = other.sessions()[2]
    with pytest.raises(Problem, match="FH-553"):
        run(sessions, Relay(3))
