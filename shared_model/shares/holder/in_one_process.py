"""All holders and the relay in one process: the `local` engine, and tests.

finished = run([Session(…) for each holder], Relay(3))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import process_time

from shared_model.shares.holder.holder_session import Finished, Session
from shared_model.shares.messages.coordinator_relay import Relay

Exchange = Callable[[list[bytes]], list[bytes]]


def run(sessions: Sequence[Session], relay: Relay | Exchange, seconds: list[float] | None = None) -> list[Finished]:
    """Drive all sessions to their end. `seconds`, when given, gets each holder's processor time."""
    exchange = relay.exchange if isinstance(relay, Relay) else relay
    spent = seconds if seconds is not None else [0.0] * len(sessions)
    spent[:] = [0.0] * len(sessions)
    out: list[bytes | Finished] = []
    for i, session in enumerate(sessions):
        began = process_time()
        out.append(session.start())
        spent[i] += process_time() - began
    while True:
        frames = [data for data in out if isinstance(data, bytes)]
        if len(frames) < len(sessions):
            return [end for end in out if isinstance(end, Finished)]
        for i, (session, data) in enumerate(zip(sessions, exchange(frames), strict=True)):
            began = process_time()
            out[i] = session.step(data)
            spent[i] += process_time() - began
