"""What a hospital's refusal says: a code, until when, and whether asking again is of any use."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from server.link.transport import Failure
from shared_model.secure_sum.federation_messages import Message, Refusal
from site_config.problems import federation, privacy

FINAL_CODES = range(400, 600)
AGAIN = frozenset({privacy.ATTEMPT_SPENT.label})
"""Refusals that the next attempt mends by itself: a program that was started again holds no keys of an attempt."""
REFUSALS = 3


def are_final(codes: Iterable[str], tries: int) -> bool:
    """Whether a hospital has said no so often that asking again is no use: consent, its policy, its rows."""
    return tries >= REFUSALS and any(_number(code) in FINAL_CODES for code in codes if code not in AGAIN)


def remedy_of_refusals(codes: Iterable[str]) -> dict[str, str]:
    """`why` and `fix` of a stall in which every missing hospital answered and said no; empty where one was only away.

    >>> remedy_of_refusals(["FH-511", "FH-511"])["fix"]
    'Read `fedhcc-coordinator problem FH-511`: it says what helps. Then `fedhcc-coordinator resume STUDY`, or lock a changed study.'
    >>> remedy_of_refusals(["FH-511", "FH-703"])
    {}
    """
    found = sorted(set(codes))
    if not found or any(code in AGAIN or _number(code) not in FINAL_CODES for code in found):
        return {}
    read = " and ".join(f"`fedhcc-coordinator problem {code}`" for code in found)
    says = "it says" if len(found) == 1 else "they say"
    return {
        "why": "The named hospitals are there, and refuse: waiting does not help. Nothing is lost: every finished round is on disk.",
        "fix": f"Read {read}: {says} what helps. Then `fedhcc-coordinator resume STUDY`, or lock a changed study.",
    }


def refused_with(reply: Message) -> Failure:
    """A refusal as a failure; FH-705 where it holds anything but a problem's code."""
    try:
        refusal = Refusal.model_validate(reply.body)
    except ValidationError:
        return Failure(federation.REPLY_MALFORMED.label, "refusal")
    return Failure(refusal.code, "refused", refusal.until)


def _number(code: str) -> int:
    text = code.removeprefix("FH-")
    return int(text) if text.isdigit() else 0
