"""What holders answer, held against what each alone can answer for: a bad reply is that one holder's failure, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from server.link.transport import Failure
from shared_model.secure_sum.federation_messages import Message
from shared_model.shares.messages.coordinator_relay import Relay
from shared_model.shares.messages.share_messages import FRAME, HolderKeyReply, HoldReply, SignedResults, check_holder_key, check_results
from shared_model.shares.messages.step_frames import decode
from site_config.problems import shares as problems
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Phase, StudyLock

Failures = dict[str, Failure]


def bad_keys(lock: StudyLock, phase: Phase, replies: Mapping[str, HolderKeyReply]) -> Failures:
    """Whose key that holder did not sign."""
    return _failing({site: partial(check_holder_key, lock, phase, site, one) for site, one in replies.items()}, "holder")


def step(
    lock: StudyLock, phase: Phase, relay: Relay, replies: Mapping[str, HoldReply], messages: Mapping[str, Message]
) -> list[bytes] | SignedResults | Failures:
    """What the holders get back, the results at the end, or who did not do what most of them did."""
    done = [site for site, reply in replies.items() if reply.done]
    most_done = 2 * len(done) > len(replies)
    behind = [site for site in replies if (site in done) != most_done]
    if behind:
        return {site: _malformed("step") for site in behind}
    return _ended(lock, phase, replies) if most_done else _relayed(relay, messages, lock.holders)


def _ended(lock: StudyLock, phase: Phase, replies: Mapping[str, HoldReply]) -> SignedResults | Failures:
    agreed = Counter(reply.results for reply in replies.values()).most_common(1)[0][0]
    checks = {site: partial(check_results, lock, phase, site, agreed, reply.signature) for site, reply in replies.items()}
    return _failing(checks, "results") or SignedResults(
        phase=phase, results=agreed, signatures={site: replies[site].signature for site in lock.holders}
    )


def _relayed(relay: Relay, messages: Mapping[str, Message], holders: tuple[str, ...]) -> list[bytes] | Failures:
    frames: dict[str, bytes] = {}
    headers: dict[str, tuple[object, ...]] = {}
    failures: Failures = {}
    for number, site in enumerate(holders, 1):
        try:
            frames[site] = _frame_of(messages[site])
            frame = decode(frames[site], len(holders))
            headers[site] = (frame.kind, frame.step, frame.counts, frame.holder - number)
        except Problem as problem:
            failures[site] = Failure(problem.code, "step")
    usual = Counter(headers.values()).most_common(1)[0][0] if headers else ()
    failures |= {site: _malformed("step") for site, header in headers.items() if header != usual or header[-1] != 0}
    return failures or relay.exchange([frames[site] for site in holders])


def _frame_of(reply: Message) -> bytes:
    frame = reply.arrays.get(FRAME)
    if frame is None or frame.dtype != np.uint8 or frame.ndim != 1:
        raise problems.SHARE_MESSAGE_MALFORMED.problem("a holder's frame is missing")
    return frame.tobytes()


def _failing(checks: Mapping[str, Callable[[], None]], where: str) -> Failures:
    found: Failures = {}
    for site, check in checks.items():
        try:
            check()
        except Problem as problem:
            found[site] = Failure(problem.code, where)
    return found


def _malformed(where: str) -> Failure:
    return Failure(problems.SHARE_MESSAGE_MALFORMED.label, where)
