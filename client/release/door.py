"""The door: the one module through which a hospital's numbers leave.

A release passes policy → compute → clip → noise → mask → journal, in this order; nothing else builds a vector. One attempt
at a statistic is three exchanges (`keys`, `release`, `open`), each bound to one context; a key of the next turn may be given
with the opening of this one. Ephemeral keys and the seed b_i live in this object only and die with the process
(`shared_model.secure_sum.hospital_attempts`). Every refusal is journalled with its reason; what leaves is a code.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray
from pydantic import ValidationError

from client.release.earlier_releases import Ledger, OpenedValue, cohort_hash, question_of
from client.release.epsilon_spent import EpsilonLedger
from client.release.journal_entries import (
    AGREED,
    COHORT,
    COMPARED,
    COUNTED,
    OPEN,
    REFUSAL,
    RELEASE,
    SHARED,
    AgreedRows,
    CohortSeen,
    ComparedRows,
    DoorRecord,
    OpenedMask,
    Refused,
    Released,
)
from client.release.noise_and_charge import NoisedReleases, words_of
from client.release.shares.noised_counts import NoisedCounts
from client.release.shares.share_rows import RowsOf, compared_patients, share, shared_record
from client.release.site_policy import (
    Ask,
    CohortFacts,
    check_contributed,
    check_ledger,
    check_release,
    check_role,
    check_roster,
    clear_allowed,
    floor,
    rows_value,
)
from shared_model.analyses.analysis_plan import SharedPlan
from shared_model.analyses.patient_slots import PaddedPatients
from shared_model.analyses.phases.admission_plan import BASE, LIVE, SETS_OF, change_model
from shared_model.secure_sum import pairwise_masks
from shared_model.secure_sum import signatures as secure_sum_signatures
from shared_model.secure_sum.federation_messages import (
    Arrays,
    Context,
    KeysReply,
    KeysRequest,
    OpenReply,
    OpenRequest,
    ReleaseReply,
    ReleaseRequest,
    canonical_parameters,
    parameters_hash,
    roster_hash,
    state_hash,
)
from shared_model.secure_sum.hospital_attempts import SiteAttempt, SiteAttempts
from shared_model.shares.messages.share_messages import RowsReply, RowsRequest, boxes_hash, recipients, sign_rows
from shared_model.statistics.statistic_declaration import REGISTRY, Parameters, Registry, Statistic
from site_config.hash_chained_journal import Clock, Journal, local_time
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import StudyLock

__all__ = ["CohortFacts", "Compute", "Door", "outward_code"]

Compute = Callable[[Statistic, Parameters, Arrays], Mapping[str, NDArray[Any]]]


def outward_code(problem: Problem) -> str:
    """The code the coordinator sees: its own where it depends on what the coordinator knows already, FH-501 for the rest."""
    return problem.code if problem.kind.leaves else privacy.SITE_CANNOT_RELEASE.label


class Door:
    """One site's door. `entropy(n)` gives n random bytes; `registry` is the list of statistics; noised vectors are kept below `kept`."""

    def __init__(
        self,
        site_name: str,
        signing_key: Ed25519PrivateKey,
        policy: Policy,
        journal: Journal,
        *,
        clock: Clock = local_time,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
        registry: Registry = REGISTRY,
        kept: Path | None = None,
    ) -> None:
        self._site, self._key, self._policy, self._journal = site_name, signing_key, policy, journal
        self._clock, self._entropy, self._registry = clock, entropy, registry
        self._noised = NoisedReleases(journal, kept, entropy)
        self._counts = NoisedCounts(site_name, journal, self._noised.ledger, kept)
        self._ledger = Ledger.of(journal)
        self._attempts: SiteAttempts[Ask] = SiteAttempts(signing_key, entropy)
        self.refused: Problem | None = None
        """What this door turned away last, which stands in the journal."""

    def keys(self, request: KeysRequest, lock: StudyLock) -> KeysReply:
        """A fresh ephemeral key for one attempt, signed over its context; the same answer while the attempt is unused."""
        context = request.context
        with self._refusals("keys", context):
            self._check_context(context, request.sites, lock)
            return self._attempts.key_for(context, request.sites)

    def release(
        self, request: ReleaseRequest, lock: StudyLock, arrays: Arrays, compute: Compute, cohort: CohortFacts
    ) -> tuple[ReleaseReply, dict[str, NDArray[Any]]]:
        """The site's vectors, one a segment, masked unless clear mode is allowed; journalled before they are returned."""
        context = request.context
        with self._refusals("release", context):
            clear = not lock.study.privacy.masks
            session = None if clear else self._attempts.to_release(context)
            sites = tuple(sorted(request.sites)) if session is None else session.sites
            if clear and not clear_allowed(self._policy, lock.study):
                raise privacy.MASKS_REQUIRED.problem("the study asks for values in the clear")
            if session is not None and session.hash is not None:
                raise privacy.ATTEMPT_SPENT.problem(f"attempt {context.attempt} was released")
            statistic = self._check_context(context, sites, lock)
            ask = self._ask(request, statistic, sites, arrays, cohort)
            rule = check_release(self._policy, lock, self._site, ask, self._ledger, self._clock())
            peers = {} if session is None else self._pair_keys(request, session, lock)
            segments = statistic.segments(ask.parameters)
            vectors = self._noised.leaving(
                self._policy,
                lock,
                ask,
                lambda: pairwise_masks.encode(segments, compute(statistic, ask.parameters, arrays), len(sites)),
                self._remember_cohorts,
            )
            if session is not None:
                pairwise_masks.add_pair_masks(vectors, self._site, peers)
                pairwise_masks.seed_mask(vectors, session.seed, context.digest(), self._site)
            digest = pairwise_masks.vectors_hash(vectors)
            number = self._journal_release(request, ask, vectors, digest, rule, masked=session is not None)
            if session is not None:
                session.ask, session.hash, session.entry = ask, digest, number
            seed = None if session is None else session.seed
            return secure_sum_signatures.sign_vectors(context, digest, self._key, masked=session is not None, seed=seed), vectors

    def open(self, request: OpenRequest, lock: StudyLock) -> OpenReply:
        """The seed of the site's own mask, once the coordinator's signed list holds the whole roster and the site's own hash."""
        context = request.context
        with self._refusals("open", context):
            session = self._attempts.of(context)
            if session.hash is None or session.ask is None:
                raise privacy.ATTEMPT_SPENT.problem("nothing was released in this attempt")
            given: KeysReply | None = None
            self._check_context(context, session.sites, lock)
            secure_sum_signatures.check_list(context, request.hashes, request.signature, session.sites, lock.coordinator_key)
            if request.hashes[self._site] != session.hash:
                raise privacy.LIST_INCOMPLETE.problem("the list holds another vector of this site")
            if session.opened_with is None:
                check_ledger(self._policy, lock, session.ask, self._ledger)
                given = self._ahead(request, session, lock)
                turn = request.ahead.attempt if given and request.ahead else 0
                self._write(OPEN, OpenedMask(context=context, release=session.entry, ahead=turn))
                session.opened_with = dict(request.hashes)
            elif session.opened_with != request.hashes:
                raise privacy.ATTEMPT_SPENT.problem("the attempt was opened with another list")
            return OpenReply(seed=session.seed.hex(), ahead=given)

    def share(
        self,
        request: RowsRequest,
        lock: StudyLock,
        plan: SharedPlan,
        rows_of: RowsOf,
        slots_of: Callable[[int], int],
        cohort: CohortFacts,
    ) -> tuple[RowsReply, dict[str, NDArray[np.uint8]]]:
        """The site's rows, sealed to every holder; journalled before they are returned."""
        context = _shared_context(lock, plan, SHARED, request.state)
        with self._refusals("rows", context):
            holders = recipients(lock, plan.phase, request.holders, self._site, self._key)
            roster = tuple(sorted(request.sites))
            value = rows_value(context, roster, cohort, lock)
            if self._policy.known_peers is not None:
                check_contributed(self._policy, lock, self._site, roster, cohort)
            self._ledger.check_rows(value, floor(self._policy, lock.study).difference)
            boxes, keys, rule = share(
                self._policy, lock, self._site, plan, roster, holders, rows_of, slots_of, self._clock(), self._entropy
            )
            if set(keys) != {row.partition(".")[0] for row in cohort.keys}:
                raise ValueError("the rows shared are those of the declared sets")
            self._remember_cohorts(value)
            digest = boxes_hash(boxes)
            record = shared_record(lock, plan, roster, boxes, value.cohort, len(keys), rule, digest)
            self._write(SHARED, record.model_copy(update=value.of_rows(cohort.generation)))
            slots = len(next(iter(boxes.values())))
            return sign_rows(self._key, lock.study_id, plan.phase, slots, digest), boxes

    def count(
        self, request: RowsRequest, lock: StudyLock, plan: SharedPlan, patients_of: Callable[[], PaddedPatients], cohort: CohortFacts
    ) -> tuple[RowsReply, dict[str, NDArray[np.uint8]]]:
        """The site's counts for results under differential privacy, charged and journalled before they are returned."""
        context = _shared_context(lock, plan, COUNTED, request.state)
        with self._refusals("rows", context):
            holders = recipients(lock, plan.phase, request.holders, self._site, self._key)
            roster = tuple(sorted(request.sites))
            value = rows_value(context, roster, cohort, lock)
            self._remember_cohorts(value)
            behind = (value.cohort, cohort.keys)
            boxes, rule = self._counts.leaving(self._policy, lock, plan, roster, holders, behind, patients_of, self._clock, self._entropy)
            digest = boxes_hash(boxes)
            self._write(COUNTED, shared_record(lock, plan, roster, boxes, value.cohort, cohort.n, rule, digest))
            return sign_rows(self._key, lock.study_id, plan.phase, len(next(iter(boxes.values()))), digest), boxes

    @property
    def charges(self) -> EpsilonLedger:
        """What differential privacy has cost this hospital's patients."""
        return self._noised.ledger

    def compare(
        self, request: RowsRequest, lock: StudyLock, plan: SharedPlan, slots_of: Callable[[int], int], choices: Mapping[str, frozenset[str]]
    ) -> tuple[RowsReply, dict[str, NDArray[np.uint8]]]:
        """Who changed since earlier studies, sealed to every holder; journalled before it is returned. choices: as `ComparedRows`."""
        context = _shared_context(lock, plan, COMPARED, request.state)
        with self._refusals("rows", context):
            holders = recipients(lock, plan.phase, request.holders, self._site, self._key)
            roster = tuple(sorted(request.sites))
            patients, against = compared_patients(lock, self._site, self._ledger, choices)
            boxes, _, rule = share(
                self._policy, lock, self._site, plan, roster, holders, lambda: (patients, ()), slots_of, self._clock(), self._entropy
            )
            digest = boxes_hash(boxes)
            record = shared_record(lock, plan, roster, boxes, "", len(patients), rule, digest)
            hashes = {choice: cohort_hash(rows) for choice, rows in choices.items()}
            self._write(COMPARED, ComparedRows(**record.model_dump(), against=against, choices=hashes))
            return sign_rows(self._key, lock.study_id, plan.phase, len(next(iter(boxes.values()))), digest), boxes

    def agree(self, lock: StudyLock, opened: Mapping[str, bool]) -> None:
        """Keep which choices of rows all hospitals may use. Raises ROWS_WAIT for a set of this hospital for which there is none.

        A hospital whose own minimum is higher than what was compared keeps to its own changes.
        """
        if self._ledger.agreed(lock.study_id) is not None or floor(self._policy, lock.study).patients > change_model(lock).minimum_patients:
            return
        for name in SETS_OF[lock.entry(self._site).role]:
            if not (opened[f"{LIVE}.{name}"] or opened[f"{BASE}.{name}"]):
                least = change_model(lock).minimum_patients
                raise privacy.ROWS_WAIT.problem(
                    f"fewer than {least} patients of the {name} set joined, left or changed at all hospitals together"
                )
        self._write(AGREED, AgreedRows(study=lock.study_id, choices=tuple(choice for choice, opens in opened.items() if opens)))

    @property
    def ledger(self) -> Ledger:
        """What was opened so far."""
        return self._ledger

    def take_policy(self, policy: Policy) -> None:
        """The hospital changed its policy: it holds from the next message on."""
        self._policy = policy

    def forget(self, study: str) -> None:
        """Drop the keys and seeds of a study; what was not opened stays closed for ever."""
        self._attempts.forget(study)

    def _check_context(self, context: Context, sites: tuple[str, ...], lock: StudyLock) -> Statistic:
        if context.study != lock.study_id:
            raise privacy.CONTEXT_MISMATCH.problem("the context names another study than the lock")
        if context.statistic not in self._registry:
            raise privacy.STATISTIC_UNKNOWN.problem("the statistic is unknown")
        statistic = self._registry[context.statistic]
        known = lock.signing_keys
        if not set(sites) <= set(known) or self._site not in sites:
            raise privacy.ROSTER_NOT_WHOLE.problem("the roster names sites outside the lock, or leaves this one out")
        if context.roster != roster_hash(sites, known):
            raise privacy.CONTEXT_MISMATCH.problem("the roster is not the one in the context")
        if known[self._site] != self._key.public_key().public_bytes_raw().hex():
            raise privacy.CONTEXT_MISMATCH.problem("the lock names another key for this site")
        check_role(self._policy, lock, self._site, statistic, context.phase)
        check_roster(self._policy, lock, self._site, sites)
        return statistic

    def _ask(self, request: ReleaseRequest, statistic: Statistic, sites: tuple[str, ...], arrays: Arrays, cohort: CohortFacts) -> Ask:
        context = request.context
        try:
            parameters = statistic.parameters.model_validate(request.parameters)
        except ValidationError as error:
            raise privacy.PARAMETERS_REFUSED.problem(f"{statistic.name}: {error.error_count()} parameters are not permitted") from None
        canonical = canonical_parameters(parameters)
        if parameters_hash(canonical) != context.parameters or parameters_hash(request.parameters) != context.parameters:
            raise privacy.CONTEXT_MISMATCH.problem("the parameters are not those of the context")
        if state_hash(arrays) != context.state:
            raise privacy.CONTEXT_MISMATCH.problem("the broadcast state is not the one in the context")
        if len(set(cohort.keys)) != cohort.n:
            raise ValueError("cohort.n is the number of its keys")
        return Ask(context, statistic, parameters, question_of(statistic.name, canonical), sites, cohort, request.counts)

    def _ahead(self, request: OpenRequest, session: SiteAttempt[Ask], lock: StudyLock) -> KeysReply | None:
        """The key of this roster's next turn, None where none is asked for or given: no reason to keep the sum closed."""
        ahead, now = request.ahead, session.context
        if ahead is None:
            return None
        try:
            with self._refusals("keys", ahead):
                turn = {"round": ahead.round, "attempt": ahead.attempt, "parameters": "", "state": ""}
                if ahead.round <= now.round or ahead.attempt <= now.attempt or ahead != now.model_copy(update=turn):
                    raise privacy.CONTEXT_MISMATCH.problem("a key is asked ahead for another question than this roster's next turn")
                self._check_context(ahead, session.sites, lock)
                return self._attempts.key_ahead(ahead, session.sites)
        except Problem:
            return None

    def _pair_keys(self, request: ReleaseRequest, session: SiteAttempt[Ask], lock: StudyLock) -> dict[str, bytes]:
        signing = lock.signing_keys
        public = secure_sum_signatures.check_keys(request.context, request.keys, session.sites, signing, ahead=session.ahead)
        if request.keys[self._site] != session.reply:
            raise privacy.CONTEXT_MISMATCH.problem("this site's own key came back changed")
        digest = request.context.digest()
        peers = (peer for peer in session.sites if peer != self._site)
        return {peer: pairwise_masks.pair_key(session.private, public[peer], digest, (self._site, peer)) for peer in peers}

    def _journal_release(
        self, request: ReleaseRequest, ask: Ask, vectors: Mapping[str, NDArray[np.generic]], digest: str, rule: str, *, masked: bool
    ) -> int:
        value = ask.value()
        self._remember_cohorts(value)
        record = Released(
            context=request.context,
            parameters=request.parameters,
            question=ask.question,
            roster=ask.roster,
            cohort=value.cohort,
            shape={segment.name: segment.shape for segment in ask.statistic.segments(ask.parameters)},
            bytes=sum(vector.nbytes for vector in vectors.values()),
            masked=masked,
            noise=words_of(ask.parameters),
            counts=request.counts,
            rule=rule if masked else f"IN THE CLEAR: simulated patients; {rule}",
            hash=digest,
            **value.of_rows(ask.cohort.generation),
        )
        return self._write(RELEASE, record)

    def _remember_cohorts(self, value: OpenedValue) -> None:
        """Every set of rows behind a release, written once."""
        for rows in (value.patients, *value.sets.values()):
            if not self._ledger.knows_cohort(cohort_hash(rows)):
                self._write(COHORT, CohortSeen(cohort=cohort_hash(rows), patients=tuple(sorted(rows))))

    def _write(self, kind: str, record: DoorRecord) -> int:
        entry = self._journal.append(kind, record.model_dump(mode="json"))
        self._ledger.feed(entry)
        self._noised.ledger.feed(entry)
        return entry.number

    @contextmanager
    def _refusals(self, step: str, context: Context) -> Iterator[None]:
        try:
            yield
        except Problem as problem:
            self.refused = problem
            self._write(
                REFUSAL,
                Refused(
                    step=step,
                    study=context.study[:64],
                    phase=context.phase[:16],
                    round=context.round,
                    attempt=context.attempt,
                    statistic=context.statistic[:40],
                    code=problem.code,
                    what=problem.what[:200],
                ),
            )
            raise


def _shared_context(lock: StudyLock, plan: SharedPlan, kind: str, state: str) -> Context:
    """The context of rows that are shared, of which there is one a phase."""
    return Context(study=lock.study_id, phase=plan.phase, round=0, attempt=0, statistic=kind, parameters="", state=state, roster="")
