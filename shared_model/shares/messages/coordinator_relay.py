"""All that the coordinator does between holders: order slots at random, hand envelopes on, form weighted sums of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from random import SystemRandom
from typing import TypeVar

from shared_model.shares.messages.step_frames import Frame, decode
from shared_model.shares.numbers.residues import MAIN
from shared_model.shares.numbers.shamir import Sharing
from site_config.problems import shares as problems

T = TypeVar("T")


class Relay:
    """The coordinator's side of one computation over m holders."""

    def __init__(self, m: int) -> None:
        self.sharing = Sharing(m)
        self.exchanges = 0
        self.nbytes = [0] * m

    def exchange(self, frames: Sequence[bytes]) -> list[bytes]:
        """One step: the holders' frames, in their order, to what each gets back; FH-552 where they do not belong together."""
        m = self.sharing.m
        sent = [decode(data, m) for data in frames]
        if [frame.holder for frame in sent] != list(range(1, m + 1)) or len(
            {(frame.kind, frame.step, frame.counts) for frame in sent}
        ) != 1:
            raise problems.SHARE_MESSAGE_MALFORMED.problem("The holders' messages are not of one step")
        first = sent[0]
        combined = {k: self.sharing.combine([frame.vectors[k] for frame in sent], MAIN.first(k)) for k in first.vectors}
        back = []
        for holder in range(1, m + 1):
            envelopes = {frame.holder: frame.envelopes[holder] for frame in sent if holder in frame.envelopes}
            back.append(Frame(first.kind, holder, first.step, first.counts, envelopes, combined).encode(m))
        self.exchanges += 1
        self.nbytes = [total + len(out) + len(data) for total, out, data in zip(self.nbytes, back, frames, strict=True)]
        return back


def permuted(slots: Sequence[Sequence[T]], order: Sequence[int] | None = None) -> list[list[T]]:
    """All hospitals' slots (slot × holder) in one random order, for each holder its boxes. `order` repeats an earlier one."""
    if order is None:
        order = list(range(len(slots)))
        SystemRandom().shuffle(order)
    m = len(slots[0]) if slots else 0
    return [[slots[i][holder] for i in order] for holder in range(m)]
