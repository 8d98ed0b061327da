"""One holder's part in a set of circuits: a resumable state machine between messages, without network or files.

    session = Session(seat, plan, rows, journal)
    out = session.start()
    while isinstance(out, bytes):
        out = session.step(exchange(out))      # bring `out` to the relay, wait for what comes back
    out.results                                # Finished

Steps: GREET (nonces, contributions to set keys, what is on record), NOISE where a result declares some (each holder deals its
own), one OPEN for every opening with its fingerprints sealed
to the peers, and before each reveal COIN and COMPARE, the check of everything since the last one. Shares of results are sealed
to the peers too. A session that met a fault answers nothing more; a new attempt begins with a new number, kept by the journal
before it is used.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared_model.privacy.holder_noise import by_result, own_noise
from shared_model.shares.circuits.circuit_requests import Answers, Run
from shared_model.shares.circuits.declared_results import Declaration, Undeclared
from shared_model.shares.circuits.shared_value import RangeError, Value
from shared_model.shares.holder import relay_checks
from shared_model.shares.holder.dealt_rows import Rows
from shared_model.shares.holder.holder_engine import Opening, ShareArithmetic
from shared_model.shares.holder.mask_and_truncate import Masker
from shared_model.shares.holder.share_backend import ShareBackend
from shared_model.shares.messages import step_frames as wire_frames
from shared_model.shares.messages.holder_greeting import Greeting
from shared_model.shares.messages.opened_record import Opened, merge
from shared_model.shares.messages.sealed_envelopes import ENVELOPE_BYTES, Envelopes
from shared_model.shares.messages.step_frames import Frame, Step
from shared_model.shares.numbers.residues import MAIN, Residues, Ring
from shared_model.shares.numbers.shamir import Sharing, Source
from shared_model.shares.numbers.shared_randomness import NONCE_BYTES, Keys, derive_keys
from site_config.problems import shares as problems

RESTARTS = 5
KEPT_BYTES = 1 << 28
"""Openings kept for the next check; when they are more, a check comes earlier."""

Circuit = Callable[[ShareArithmetic, Mapping[str, Value]], Awaitable[Any]]


@dataclass(frozen=True)
class Seat:
    """Which holder this is: its number (1 … m), its X25519 key, and all holders' public keys by number."""

    number: int
    private: X25519PrivateKey
    publics: Mapping[int, bytes]


@dataclass(frozen=True)
class Plan:
    """What is computed: `context` (study, phase, generation; the same bytes at all holders), what may be revealed, the circuits."""

    context: bytes
    declaration: Declaration
    circuit: Circuit


class HolderJournal(Protocol):
    """What a holder keeps on disk for a computation (one context)."""

    def attempt(self) -> int:
        """The highest attempt number used before; 0 for none."""

    def rows(self) -> bytes:
        """Digest of the rows of the last attempt; empty before the first."""

    def begin(self, attempt: int, rows: bytes) -> None:
        """Keep an attempt's number and its rows' digest; returns when they are on disk."""

    def revealed(self) -> Mapping[str, Opened]:
        """Results revealed in earlier attempts, by name."""

    def reveal(self, opened: Opened) -> None:
        """Keep a result, as a line with its numbers, before it is used."""


@dataclass(frozen=True)
class Finished:
    """The end: results revealed (of earlier attempts too), what the circuits returned, and what it took.

    distance: see `ShareArithmetic`; the statistical half of what hides the rows.
    """

    results: Mapping[str, Opened]
    returned: Any
    openings: int
    exchanges: int
    distance: float


class Session:
    """One attempt of one holder. `step` takes what the relay returned and gives the next message, or `Finished`."""

    def __init__(
        self, seat: Seat, plan: Plan, rows: Rows, journal: HolderJournal, attempt: int, *, random: Source = secrets.token_bytes
    ) -> None:
        self.seat, self.plan, self.rows, self.journal, self.attempt = seat, plan, rows, journal, attempt
        self.sharing = Sharing(len(seat.publics))
        self.exchanges = 0
        self._random = random
        self._context = b"fedhcc shares attempt %d of " % attempt + hashlib.sha256(plan.context).digest()
        self._envelopes = Envelopes(seat.private, seat.publics, seat.number, self._context, random)
        self._transcript = relay_checks.Transcript()
        self._record: dict[str, Opened] = {}
        self._coin, self._coins, self._commitments, self._keys = b"", 0, dict[int, bytes](), Keys({}, b"")
        self._flow: Generator[bytes, Frame, Finished] | None = None

    def start(self) -> bytes:
        """The first message; FH-557 where the attempt's number was used before or there were too many, FH-558 for other rows."""
        if self._flow is not None or not self.journal.attempt() < self.attempt <= 1 + RESTARTS:
            raise problems.SHARE_ATTEMPTS_SPENT.problem(f"Attempt {self.attempt} after attempt {self.journal.attempt()}")
        begun = self.journal.revealed() or (self.plan.declaration.noised and self.journal.rows())
        if begun and self.journal.rows() != self.rows.content:
            raise problems.SHARED_ROWS_MALFORMED.problem("Other rows than those of which results are already opened, or begun with noise")
        self.journal.begin(self.attempt, self.rows.content)
        self._flow = self._run()
        return next(self._flow)

    def step(self, data: bytes) -> bytes | Finished:
        """The next message, or the end. After a problem the session answers nothing more."""
        if self._flow is None:
            raise problems.SHARE_MESSAGE_MALFORMED.problem("A message for a session that was not started")
        try:
            return self._flow.send(wire_frames.decode(data, self.sharing.m))
        except StopIteration as end:
            finished: Finished | None = end.value
            if finished is None:
                raise problems.SHARE_MESSAGE_MALFORMED.problem("A message for a session that has ended") from None
            return finished
        except RangeError as error:
            raise problems.RANGE_REFUSED.problem(str(error)) from error
        except Undeclared as error:
            raise problems.RESULT_REFUSED.problem(str(error)) from error

    # the flow

    def _run(self) -> Generator[bytes, Frame, Finished]:
        yield from self._greet()
        noise = yield from self._deal_noise()
        masker = Masker(self.sharing, self.seat.number, MAIN)
        draws, record = self._keys.draws, dict(self._record)
        arithmetic = ShareArithmetic(self.plan.declaration, masker, ShareBackend(), draws, record, self._keep, noise)
        run = Run(self.plan.circuit(arithmetic, self.rows.values(arithmetic)))
        while not run.done:
            answers = Answers(run.pending)
            for batch in arithmetic.batches(run.pending):
                if arithmetic.reveals(batch) or self._transcript.nbytes > KEPT_BYTES:
                    yield from self._check()
                opening = arithmetic.ask(batch)
                opened = yield from self._open(opening, arithmetic.openings)
                answers.add(arithmetic.answer(opening, opened))
            run.advance(answers.whole())
        return Finished(dict(self._record), run.result, arithmetic.openings, self.exchanges, arithmetic.distance)

    def _greet(self) -> Generator[bytes, Frame, None]:
        """Nonces, contributions to the keys of common sets, the first commitment, and what was revealed before."""
        me, peers = self.seat.number, self._envelopes.peers
        mine = {members: self._random(NONCE_BYTES) for members in self.sharing.of(me)}
        nonce, self._coin = self._random(NONCE_BYTES), self._random(NONCE_BYTES)
        record = self.journal.revealed()
        agreed = hashlib.sha256(self.rows.digest + _declared(self.plan.declaration)).digest()
        own = Greeting(nonce, relay_checks.commitment(self._coin), agreed, {}, record)
        sealed = {
            peer: Greeting(nonce, own.commitment, agreed, {members: mine[members] for members in mine if peer in members}, record).encode()
            for peer in peers
        }
        frame = yield from self._exchange(Step.GREET, sealed, {})
        heard = {me: own}
        for peer in peers:
            common = [members for members in mine if peer in members]
            heard[peer] = Greeting.decode(self._opened(frame, peer), common, self.plan.declaration)
        if any(greeting.agreed != agreed for greeting in heard.values()):
            raise problems.SHARED_ROWS_MALFORMED.problem(
                "The holders do not hold the same slots in the same order, or declare other results"
            )
        self._commitments = {holder: greeting.commitment for holder, greeting in heard.items()}
        contributions = {
            members: {holder: mine[members] if holder == me else heard[holder].contributions[members] for holder in members}
            for members in mine
        }
        nonces = {holder: greeting.nonce for holder, greeting in heard.items()}
        self._keys = derive_keys(self._context, self.attempt, nonces, contributions)
        self._record = dict(record)
        for opened in merge({holder: greeting.record for holder, greeting in heard.items()}).values():
            if opened.name not in self._record:
                self._keep(opened)

    def _deal_noise(self) -> Generator[bytes, Frame, Mapping[str, Residues]]:
        """This holder's shares of everybody's noise, by result; no exchange where no result declares any."""
        results = self.plan.declaration.noised
        if not results:
            return {}
        own = own_noise(self.seat.private, self.plan.context, self.rows.content, results)
        dealt = self.sharing.split(MAIN.encode(own), MAIN, self._random)
        sealed = {peer: MAIN.pack(dealt[peer - 1]) for peer in self._envelopes.peers}
        frame = yield from self._exchange(Step.NOISE, sealed, {})
        total = dealt[self.seat.number - 1]
        for peer in self._envelopes.peers:
            total = MAIN.add(total, _unpacked(self._opened(frame, peer), MAIN, own.shape))
        return by_result(total, results)

    def _open(self, opening: Opening, number: int) -> Generator[bytes, Frame, Mapping[int, Residues]]:
        """One opening, its fingerprints compared before anything more is sent.

        What belongs to a result is sealed to the peers as well, who combine it themselves: it does not depend on the relay.
        """
        sent = relay_checks.fingerprint(opening.vectors, self._keys.challenge(number))
        results = opening.results(opening.vectors)
        content = MAIN.pack(sent) + b"".join(MAIN.first(k).pack(vector) for k, vector in results.items())
        frame = yield from self._exchange(Step.OPEN, dict.fromkeys(self._envelopes.peers, content), opening.vectors)
        received = relay_checks.fingerprint(frame.vectors, self._keys.challenge(number))
        heard = {peer: self._opened(frame, peer) for peer in self._envelopes.peers} | {self.seat.number: content}
        prints = [self._residues(heard[holder][: relay_checks.PRINT_BYTES]) for holder in sorted(heard)]
        relay_checks.require(relay_checks.agree(self.sharing, prints, received), f"Opening {number} was changed on its way")
        at = relay_checks.PRINT_BYTES
        for k, opened in opening.results(frame.vectors).items():
            ring, end = MAIN.first(k), at + 4 * k * opened.shape[1]
            told = [_unpacked(heard[holder][at:end], ring, opened.shape[1:]) for holder in sorted(heard)]
            relay_checks.require(bool((self.sharing.combine(told, ring) == opened).all()), f"A result of opening {number} was changed")
            at = end
        if sum(vector.shape[1] for vector in results.values()) < sum(frame.counts):
            self._transcript.add(opening.vectors, frame.vectors)
        return frame.vectors

    def _check(self) -> Generator[bytes, Frame, None]:
        """Everything since the last check, with a coin that nobody knew before all had received everything."""
        if not self._transcript.steps:
            return
        peers, me, digest = self._envelopes.peers, self.seat.number, self._transcript.digest()
        frame = yield from self._exchange(Step.COIN, dict.fromkeys(peers, self._coin + digest), {})
        coins = {me: self._coin}
        for peer in peers:
            told = self._opened(frame, peer)
            coins[peer] = told[:NONCE_BYTES]
            relay_checks.require(told[NONCE_BYTES:] == digest, f"Holder {peer} received something else")
            relay_checks.require(relay_checks.commitment(coins[peer]) == self._commitments[peer], f"Holder {peer} opened another coin")
        self._coins += 1
        sent, received = self._transcript.fingerprints(relay_checks.joint_coin(self._context, self._coins, coins))
        self._coin = self._random(NONCE_BYTES)
        content = relay_checks.commitment(self._coin) + MAIN.pack(sent)
        frame = yield from self._exchange(Step.COMPARE, dict.fromkeys(peers, content), {})
        told_all = {me: sent}
        for peer in peers:
            told = self._opened(frame, peer)
            self._commitments[peer], told_all[peer] = told[:NONCE_BYTES], self._residues(told[NONCE_BYTES:])
        relay_checks.require(
            relay_checks.agree(self.sharing, [told_all[holder] for holder in sorted(told_all)], received),
            "The check before a reveal failed",
        )
        self._transcript.clear()

    def _exchange(self, kind: Step, contents: Mapping[int, bytes], vectors: Mapping[int, Residues]) -> Generator[bytes, Frame, Frame]:
        """Send one frame and take the answer, which must be exactly the one that is due."""
        self.exchanges += 1
        step, me = self.exchanges, self.seat.number
        envelopes = {peer: self._envelopes.close(peer, step, content) for peer, content in contents.items()}
        counts = wire_frames.counts_of(vectors)
        frame = yield Frame(kind, me, step, counts, envelopes, vectors).encode(self.sharing.m)
        if (frame.kind, frame.step, frame.holder, frame.counts) != (kind, step, me, counts) or set(frame.envelopes) != set(contents):
            raise problems.SHARE_MESSAGE_MALFORMED.problem(f"Step {step}: not the answer to what was sent")
        if kind is not Step.GREET and any(
            len(frame.envelopes[peer]) != ENVELOPE_BYTES + len(content) for peer, content in contents.items()
        ):
            raise problems.SHARE_MESSAGE_MALFORMED.problem(f"Step {step}: a sealed message of another length")
        return frame

    def _opened(self, frame: Frame, peer: int) -> bytes:
        return self._envelopes.open(peer, frame.step, frame.envelopes[peer])

    def _residues(self, content: bytes) -> Residues:
        return _unpacked(content, MAIN, (relay_checks.REPEATS,))

    def _keep(self, opened: Opened) -> None:
        self.journal.reveal(opened)
        self._record[opened.name] = opened


def _unpacked(content: bytes, ring: Ring, shape: tuple[int, ...]) -> Residues:
    try:
        return ring.unpack(content, shape)
    except ValueError as error:
        raise problems.SHARE_MESSAGE_MALFORMED.problem(f"A sealed message: {error}") from error


def _declared(declaration: Declaration) -> bytes:
    """Canonical bytes of a declaration, for comparison between holders."""
    return json.dumps([asdict(declaration.results[name]) for name in sorted(declaration.results)], sort_keys=True).encode()
