"""One attempt at a sum: keys, masked vectors, and the seeds of the own masks, over one fixed roster.

Keys may have come with the opening of this block's turn before (`KeysAhead`); then an attempt is two exchanges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from server.link.transport import Exchange, Failure
from shared_model.secure_sum import pairwise_masks
from shared_model.secure_sum import signatures as secure_sum_signatures
from shared_model.secure_sum.federation_messages import (
    Context,
    KeysReply,
    KeysRequest,
    Message,
    OpenedCounts,
    OpenReply,
    OpenRequest,
    ReleaseReply,
    ReleaseRequest,
    parameters_hash,
    roster_hash,
    state_hash,
)
from shared_model.statistics.statistic_declaration import Parameters, Statistic
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Phase, Role, StudyLock

Arrays = Mapping[str, NDArray[Any]]
Values = dict[str, NDArray[np.float64]]
HASHING = 2
"""Threads that check the vectors of an attempt."""
Turn = tuple[str, str, str, int, int]
"""Phase, statistic, role, block and round."""


@dataclass(frozen=True)
class Question:
    """One ask: a statistic with its parameters, for one block, in one phase and round, at one broadcast state.

    next_round: the block's next turn at this statistic, for which keys are asked with the opening; None for none.
    """

    statistic: Statistic
    parameters: Parameters
    phase: Phase
    round: int
    role: Role
    block: int
    state: Arrays = field(default_factory=dict)
    deadline_s: float = 3600.0
    counts: OpenedCounts | None = None
    next_round: int | None = None

    @property
    def turn(self) -> Turn:
        """What a key that was given ahead is for."""
        return self.phase, self.statistic.name, self.role, self.block, self.round


@dataclass(frozen=True)
class KeysAhead:
    """Every hospital's key for one attempt of a turn that is yet to come; in memory alone, so that a restart asks for new ones."""

    attempt: int
    keys: Mapping[str, KeysReply]


class Asking(Protocol):
    """What an attempt needs of whoever asks."""

    lock: StudyLock

    def sites(self, role: Role, block: int) -> tuple[str, ...]:
        """The roster of a block."""

    def signing_keys(self, sites: tuple[str, ...]) -> dict[str, str]:
        """The sites' public signing keys from the lock."""

    def next_attempt(self) -> int:
        """A number no earlier attempt of this study had."""

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """One exchange; refusals become failures."""

    def sign(self, message: bytes) -> str:
        """The coordinator's signature, hex."""

    def needs_state(self, site: str, digest: str) -> bool:
        """Whether a site has to be sent this broadcast state."""

    def told(self, site: str, digest: str) -> None:
        """A site holds a broadcast state."""

    def forgot(self, site: str) -> None:
        """A site does not hold what it was sent."""


class Attempt:
    """One attempt: keys, vectors, seeds. `values` is set when the sum was opened, `ahead` when keys of the next turn came with it.

    given: keys that came with an opening before, which save the first exchange.
    """

    def __init__(self, asker: Asking, question: Question, deadline_s: float, given: KeysAhead | None = None) -> None:
        self.asker = asker
        self.given = given
        self.q = question
        self.deadline_s = deadline_s
        self.sites = asker.sites(question.role, question.block)
        self.keys_of = asker.signing_keys(self.sites)
        self.parameters = question.parameters.model_dump(mode="json")
        self.context = Context(
            study=asker.lock.study_id,
            phase=question.phase,
            round=question.round,
            attempt=given.attempt if given else asker.next_attempt(),
            statistic=question.statistic.name,
            parameters=parameters_hash(self.parameters),
            state=state_hash(question.state),
            roster=roster_hash(self.sites, self.keys_of),
        )
        self.values: Values | None = None
        self.ahead: KeysAhead | None = None
        self.commitments: dict[str, str] = {}
        self.bytes_received = 0

    def run(self) -> dict[str, Failure]:
        """The failures that kept the sum closed; empty when it was opened."""
        masked = self.asker.lock.study.privacy.masks
        keys, failures = (dict(self.given.keys), {}) if self.given else self._keys() if masked else ({}, {})
        if failures:
            return failures
        vectors, hashes, failures = self._vectors(keys)
        if failures:
            return failures
        seeds, failures = self._seeds(hashes) if masked else ({}, {})
        if failures:
            return failures
        segments = self.q.statistic.segments(self.q.parameters)
        self.values = pairwise_masks.open_sum(segments, vectors, seeds, self.context, len(self.sites))
        return {}

    def _ask(self, messages: dict[str, Message]) -> tuple[dict[str, Message], dict[str, Failure]]:
        done = self.asker.exchange(messages, self.deadline_s)
        return done.replies, done.failures

    def _keys(self) -> tuple[dict[str, KeysReply], dict[str, Failure]]:
        body = KeysRequest(context=self.context, sites=self.sites).model_dump(mode="json")
        replies, failures = self._ask({site: Message("keys", body) for site in self.sites})
        keys: dict[str, KeysReply] = {}
        for site, reply in replies.items():
            try:
                keys[site] = KeysReply.model_validate(reply.body)
                secure_sum_signatures.check_keys(self.context, {site: keys[site]}, (site,), self.keys_of)
            except (ValidationError, Problem):
                failures[site] = Failure(federation.REPLY_MALFORMED.label, "key")
        shown = Counter(reply.public_key for reply in keys.values())
        for site in [site for site, reply in keys.items() if shown[reply.public_key] > 1]:
            failures[site] = Failure(federation.REPLY_MALFORMED.label, "the key of another site")
        return keys, failures

    def _vectors(self, keys: dict[str, KeysReply]) -> tuple[dict[str, Arrays], dict[str, str], dict[str, Failure]]:
        request = ReleaseRequest(context=self.context, parameters=self.parameters, keys=keys, counts=self.q.counts, sites=self.sites)
        body = request.model_dump(mode="json")
        state = dict(self.q.state)
        send = {site: state if self.asker.needs_state(site, self.context.state) else {} for site in self.sites}
        room = sum(pairwise_masks.dtype(segment).itemsize * segment.size for segment in self.q.statistic.segments(self.q.parameters))
        replies, failures = self._ask({site: Message("release", body, send[site], room) for site in self.sites})
        vectors: dict[str, Arrays] = {}
        hashes: dict[str, str] = {}
        with ThreadPoolExecutor(HASHING) as pool:  # hashlib lets other threads run meanwhile
            checks = {site: pool.submit(self._checked, site, reply) for site, reply in replies.items()}
        for site, reply in replies.items():
            try:
                release = checks[site].result()
            except (ValidationError, Problem):
                failures[site] = Failure(federation.REPLY_MALFORMED.label, "vector")
                continue
            if state:
                self.asker.told(site, self.context.state)
            vectors[site], hashes[site], self.commitments[site] = reply.arrays, release.hash, release.seed_hash
            self.bytes_received += sum(array.nbytes for array in reply.arrays.values())
        for site, failure in failures.items():
            if failure.code == federation.BROADCAST_MISSING.label:
                self.asker.forgot(site)
        return vectors, hashes, failures

    def _checked(self, site: str, reply: Message) -> ReleaseReply:
        release = ReleaseReply.model_validate(reply.body)
        pairwise_masks.check_vectors(self.q.statistic.segments(self.q.parameters), reply.arrays)
        found = pairwise_masks.vectors_hash(reply.arrays)
        secure_sum_signatures.check_vectors_signature(self.context, release, found, site, self.keys_of[site])
        if release.masked != self.asker.lock.study.privacy.masks:
            raise federation.REPLY_MALFORMED.problem("a vector is masked where the study is clear, or the other way round")
        return release

    def _seeds(self, hashes: dict[str, str]) -> tuple[dict[str, bytes], dict[str, Failure]]:
        signature = self.asker.sign(secure_sum_signatures.list_bytes(self.context, hashes))
        ahead = self._next_turn()
        body = OpenRequest(context=self.context, hashes=hashes, signature=signature, ahead=ahead).model_dump(mode="json")
        replies, failures = self._ask({site: Message("open", body) for site in self.sites})
        keys: dict[str, KeysReply] = {}
        seeds: dict[str, bytes] = {}
        for site, reply in replies.items():
            try:
                opened = OpenReply.model_validate(reply.body)
                seed = bytes.fromhex(opened.seed)
            except ValueError:
                failures[site] = Failure(federation.REPLY_MALFORMED.label, "seed")
                continue
            if secure_sum_signatures.seed_commitment(self.context, seed) != self.commitments[site]:
                failures[site] = Failure(federation.REPLY_MALFORMED.label, "another seed")
                continue
            seeds[site] = seed
            if opened.ahead is not None:
                keys[site] = opened.ahead
        self.ahead = self._whole(ahead, keys)
        return seeds, failures

    def _next_turn(self) -> Context | None:
        """The context of the block's next turn, as far as it is known, under an attempt of its own."""
        if self.q.next_round is None:
            return None
        turn = {"round": self.q.next_round, "attempt": self.asker.next_attempt()}
        return secure_sum_signatures.ahead_of(self.context.model_copy(update=turn))

    def _whole(self, ahead: Context | None, keys: Mapping[str, KeysReply]) -> KeysAhead | None:
        """The next turn's keys where every hospital gave a good one; otherwise they are asked for in the turn itself, by name."""
        if ahead is None:
            return None
        try:
            secure_sum_signatures.check_keys(ahead, keys, self.sites, self.keys_of, ahead=True)
        except Problem:
            return None
        return KeysAhead(ahead.attempt, keys)
