"""Ask a statistic of a block of hospitals and open the sum: the one way numbers come in.

One attempt is three exchanges over a fixed roster (DESIGN section 5): ephemeral keys, masked vectors, and the seeds of the
own masks, which sites send only against the signed list of all vectors' hashes. What is not complete is not opened. A round
of training takes its keys from the opening of its block's turn before, and is two exchanges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import shared_model.statistics.list_of_statistics  # noqa: F401  registers the statistics
from server.asking.clocks_and_waiting import Effects
from server.asking.hospital_refusals import are_final, refused_with, remedy_of_refusals
from server.asking.office_ledger import Kept, StudyLedger
from server.asking.planned_pauses import Pauses
from server.asking.sum_attempt import Arrays, Attempt, KeysAhead, Question, Turn, Values
from server.link.transport import Exchange, Failure, Transport
from server.study.resume_state import StudyFolder, arrays_bytes, ask_key, load_arrays
from server.study.study_results import LedgerEntry
from shared_model.secure_sum.federation_messages import (
    Message,
    OpenedCounts,
    state_hash,
)
from shared_model.statistics.statistic_declaration import REGISTRY, Parameters
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Phase, Role, StudyLock

__all__ = ["Asker", "Missed", "Question", "Values"]

Outcome = Literal["opened", "retried", "paused", "missed", "refused", "excluded"]
RETRY_PAUSE_S = 2.0
TELLING_S = 10.0
WHOLE = -1
REMEMBERED_S = 900.0
"""Seconds for which a hospital's program is taken to hold what it was sent: a machine may be switched off in a longer wait."""
AWAY = frozenset(
    kind.label
    for kind in (
        federation.SITE_SILENT,
        federation.SITE_UNAVAILABLE,
        federation.SITE_CRASHED,
        federation.SITE_FROZEN,
        federation.SITE_PAUSED,
        federation.LINK_LOST,
    )
)
"""How a hospital fails whose program may have been started anew meanwhile: what it held in memory is sent again."""


class Missed(Exception):
    """A block was not complete in time; `missing` gives each absent site's code."""

    def __init__(self, block: int, missing: Mapping[str, str]) -> None:
        super().__init__(f"block {block}")
        self.block = block
        self.missing = dict(missing)


class Asker:
    """Asks for one study. `epoch` differs at every start, so that attempts never share a number."""

    def __init__(
        self,
        lock: StudyLock,
        identity: CoordinatorIdentity,
        transport: Transport,
        folder: StudyFolder,
        ledger: StudyLedger,
        effects: Effects,
    ) -> None:
        self.lock = lock
        self._identity = identity
        self._transport = transport
        self._folder = folder
        self.ledger = ledger
        self.effects = effects
        self.kept = Kept(folder.root, ledger)
        self._attempt = folder.next_epoch() << 24
        self._told: dict[str, tuple[str, float]] = {}
        self._silent: dict[str, str] = {}
        self._ahead: dict[Turn, tuple[KeysAhead, float]] = {}
        self.counts: dict[tuple[str, int, str], OpenedCounts] = {}

    def total(self, name: str, parameters: Parameters, *, phase: Phase, role: Role, round: int = 0, state: Arrays | None = None) -> Values:
        """The statistic summed over all blocks of a role, under one roster of all its sites.

        One roster rather than a sum of opened blocks: a Cox model's sums over twenty patients give them away, over hundreds
        they do not. A site that is missing makes the study STALLED. Answers are kept: asking the same again, also after a
        restart, opens nothing new.
        """
        if not self.lock.blocks.get(role):
            raise federation.EMPTY_AGGREGATE.problem(f"phase {phase}: no {role} block is in the study")
        block = WHOLE if len(self.lock.blocks[role]) > 1 else 0
        question = self.question(name, parameters, phase=phase, role=role, block=block, round=round, state=state)
        try:
            return self.remembered(question)
        except Missed as missed:
            raise self.stalled(missed, phase) from None

    def sites(self, role: Role, block: int) -> tuple[str, ...]:
        """The roster of a block, or of all blocks of a role for `WHOLE`."""
        blocks = self.lock.blocks[role]
        return tuple(site for each in self.standing(role) for site in blocks[each]) if block == WHOLE else blocks[block]

    def standing(self, role: Role) -> tuple[int, ...]:
        """The numbers of a role's blocks, without those that were taken out of the study."""
        out = self.ledger.excluded if role == "development" else frozenset()
        return tuple(block for block in range(len(self.lock.blocks.get(role, ()))) if block not in out)

    def counts_of(self, role: Role, block: int, split: str) -> OpenedCounts | None:
        """The pre-counts of a block and split, or their sums over all blocks; None while one is not opened."""
        if block != WHOLE:
            return self.counts.get((role, block, split))
        found = [self.counts.get((role, each, split)) for each in self.standing(role)]
        known = [counts for counts in found if counts is not None]
        if len(known) < len(found):
            return None
        return OpenedCounts(sites=sum(c.sites for c in known), patients=sum(c.patients for c in known), events=sum(c.events for c in known))

    def question(
        self,
        name: str,
        parameters: Parameters,
        *,
        phase: Phase,
        role: Role,
        block: int,
        round: int = 0,
        state: Arrays | None = None,
        next_round: int | None = None,
    ) -> Question:
        """A question with the phase's deadline and the pre-counts the sites hold it against."""
        split = REGISTRY[name].split(parameters)
        deadline = float(getattr(self.lock.study.deadlines, phase))
        counts = self.counts_of(role, block, split)
        return Question(REGISTRY[name], parameters, phase, round, role, block, state or {}, deadline, counts, next_round)

    def remembered(self, question: Question) -> Values:
        """The stored answer of this question, or a fresh one, stored before it is used."""
        path = self._folder.opened_file(self._key(question))
        if self.kept.load(path) is not None:
            return load_arrays(path)[0]
        values = self.once(question)
        self.kept.save(path, arrays_bytes(values, {}))
        return values

    def _key(self, q: Question) -> str:
        parameters = q.parameters.model_dump(mode="json")
        return ask_key(
            phase=q.phase,
            round=q.round,
            statistic=q.statistic.name,
            parameters=parameters,
            state=state_hash(q.state),
            role=q.role,
            block=q.block,
        )

    def stalled(self, missed: Missed, phase: str) -> Problem:
        """The loud, resumable end of a phase that lacks a block."""
        who = ", ".join(f"{site} ({code})" for site, code in sorted(missed.missing.items()))
        which = "the roster of all blocks" if missed.block == WHOLE else f"block {missed.block + 1}"
        words = f"phase {phase}: {which} is not complete; missing: {who}"
        return federation.STUDY_STALLED.problem(words, **remedy_of_refusals(missed.missing.values()))

    def once(self, question: Question) -> Values:
        """Attempts until the deadline; raises `Missed` when the block was not complete, a `Problem` when a site refuses.

        An attempt that the deadline cut short makes everybody silent: what is told then is who was missing before it.
        """
        end = self.effects.monotonic() + question.deadline_s
        pauses = Pauses(self.exchange, self.effects, self.lock.study.deadlines.pause)
        tries = 0
        missing: dict[str, str] = {}
        while True:
            tries += 1
            self.check_stop()
            left = max(end - self.effects.monotonic(), 1.0)
            attempt = Attempt(self, question, left, self._keys_ahead(question))
            failures = attempt.run()
            if attempt.values is not None:
                if attempt.ahead is not None and question.next_round is not None:
                    self._ahead[replace(question, round=question.next_round).turn] = attempt.ahead, self.effects.monotonic()
                self._write(question, "opened", tries, {}, attempt.bytes_received)
                return attempt.values
            cut = bool(missing) and left < TELLING_S and {f.code for f in failures.values()} == {federation.SITE_SILENT.label}
            missing = missing if cut else {site: failure.code for site, failure in failures.items()}
            if stood := pauses.wait(failures, partial(self._write, question, "paused", tries, missing, attempt.bytes_received)):
                end += stood
                continue
            refused = are_final(missing.values(), tries)
            late = self.effects.monotonic() + RETRY_PAUSE_S >= end
            self._write(question, "refused" if refused else "missed" if late else "retried", tries, missing, attempt.bytes_received)
            if refused or late:
                raise Missed(question.block, missing)
            if attempt.given is None:  # keys that came ahead may be gone; they are asked for anew at once
                self.effects.sleep(RETRY_PAUSE_S)

    def _keys_ahead(self, question: Question) -> KeysAhead | None:
        """The keys that came with the block's last opening; None where they are so old that a hospital may have forgotten its halves."""
        keys, since = self._ahead.pop(question.turn, (None, 0.0))
        return keys if self.effects.monotonic() - since < REMEMBERED_S else None

    def check_stop(self) -> None:
        """Raise FH-720 when somebody asked the study to stop."""
        if self.effects.should_stop():
            raise federation.STUDY_STOPPED.problem("the study was stopped between two steps")

    def _write(self, q: Question, outcome: Outcome, tries: int, missing: dict[str, str], n_bytes: int, until: str = "") -> None:
        model = str(getattr(q.parameters, "model", ""))
        more = {"round": q.round, "block": q.block, "attempts": tries, "bytes_out": n_bytes, "model": model}
        self.write(q.phase, q.statistic.name, self.sites(q.role, q.block), outcome, missing, until, **more)

    def write(
        self, phase: Phase, what: str, roster: Iterable[str], outcome: Outcome, missing: Mapping[str, str], until: str = "", **more: Any
    ) -> None:
        """Add to the ledger, and tell whoever watches when somebody is missing; `more`: round, block, attempts, bytes_out, model."""
        entry = LedgerEntry(
            time=self.effects.now().isoformat(timespec="seconds"),
            phase=phase,
            statistic=what,
            roster=list(roster),
            missing=dict(missing),
            outcome=outcome,
            until=until,
            masked=self.lock.study.privacy.masks,
            disturbed=self.effects.disturbed(),
            **more,
        )
        self.ledger.append(entry)
        if missing and missing != self._silent:
            who = ", ".join(f"{site} ({code})" for site, code in sorted(missing.items()))
            self.effects.notice(f"{phase} round {entry.round + 1}, {what}: {outcome}, without {who}" + f", until {until}" * bool(until))
        self._silent = dict(missing)

    def next_attempt(self) -> int:
        """A number no earlier attempt of this study had."""
        self._attempt += 1
        return self._attempt

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """One exchange; refusals become failures."""
        done = self._transport.exchange(requests, deadline_s)
        replies, failures = dict(done.replies), dict(done.failures)
        for site, reply in done.replies.items():
            if reply.kind == "refusal":
                failures[site] = refused_with(reply)
                del replies[site]
        for site in requests.keys() - replies.keys() - failures.keys():
            failures[site] = Failure(federation.SITE_SILENT.label, "silent")
        for site in [site for site, failure in failures.items() if failure.code in AWAY]:
            self.forgot(site)
        return Exchange(replies, failures)

    def signing_keys(self, sites: tuple[str, ...]) -> dict[str, str]:
        """The sites' public signing keys from the lock."""
        return {site: self.lock.entry(site).signing_key for site in sites}

    def sign(self, message: bytes) -> str:
        """The coordinator's signature, hex."""
        return self._identity.sign(message)

    def needs_state(self, site: str, digest: str) -> bool:
        """Whether a site was not sent this broadcast state by this process, or so long ago that its program may be another by now."""
        told, since = self._told.get(site, ("", 0.0))
        return digest != told or self.effects.monotonic() - since >= REMEMBERED_S

    def told(self, site: str, digest: str) -> None:
        """Remember that a site holds a broadcast state; only the newest one is kept there."""
        self._told[site] = digest, self.effects.monotonic()

    def forgot(self, site: str) -> None:
        """A site says it does not hold the state: send it again."""
        self._told.pop(site, None)
