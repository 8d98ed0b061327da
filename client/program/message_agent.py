"""What a hospital does with a message, whatever carried it: validate, act, answer with released vectors or a problem code.

This is the one place where every fault is turned into a code: nothing of an exception's text leaves the hospital, and
codes that could depend on a patient's data all leave as one, SITE_CANNOT_RELEASE. Details go to the site's own log.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

import shared_model.statistics.list_of_statistics  # noqa: F401  registers the statistics
from client import keys_kit_and_decisions as enrol
from client.holder.answer_as_holder import Holder
from client.program.declared_machine import machine
from client.program.patients_by_study import COUNTED, Benches, live_table
from client.program.rehearsal_times import declared_seconds
from client.release.contributed_counts import keep
from client.release.days_opened import DaysOpened
from client.release.door import Door, outward_code
from client.release.epsilon_spent import budget_faults
from client.release.journal_entries import REFUSAL, Refused
from client.release.known_hospitals import effective, heard, holder_faults
from client.release.site_policy import refusals
from client.release.verified_journal import check_seen, last_hash, open_journal, print_of
from client.statistics.count_statistics import compute
from client.statistics.shared_rows import counted_patients, padded, shared_rows
from shared_model.analyses.analysis_plan import request_plan
from shared_model.analyses.phases.admission_plan import change_model
from shared_model.secure_sum.federation_messages import (
    AdmissionReply,
    AdmissionRequest,
    KeysRequest,
    Message,
    OpenRequest,
    Refusal,
    ReleaseRequest,
    StatusReply,
    StudyReference,
    state_hash,
)
from shared_model.secure_sum.statements import StatementsReply, StatementsRequest, make, opened, sealed
from shared_model.shares.messages.share_messages import HolderKeyRequest, HoldRequest, RowsRequest, believe
from shared_model.statistics.statistic_declaration import REGISTRY, Parameters, Statistic
from site_config.documents.read_yaml_documents import load_site
from site_config.hash_chained_journal import local_time
from site_config.keys_and_signatures import SiteIdentity
from site_config.problems import all_kinds, federation, identity, model, privacy
from site_config.problems.base import Kind, Problem
from site_config.site_yaml import Policy, SiteConfig
from site_config.study.code_digest import code_digest, software
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import MODELS

log = logging.getLogger("fedhcc.site")
Arrays = Mapping[str, NDArray[Any]]
Form = TypeVar("Form", bound=BaseModel)
KEPT_STATES = 2
DOOR_GROUP = 5
WITH_ARRAYS = ("release", "rows", "hold")
BESIDE_THE_DOOR = ("holder", "rows", "hold", "statements")
"""Kinds of message that are refused by more than the door, which writes its own refusals into the journal."""


class Agent:
    """One hospital's side of every study it is in. Lives as long as the client process; its door holds the masks' secrets."""

    def __init__(
        self,
        site: SiteConfig,
        *,
        now: Callable[[], datetime] = local_time,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.site = site
        self.identity = SiteIdentity.load(site.state, site.site)
        self.journal = open_journal(site.state, durable=not site.policy.simulated_patients)
        policy = effective(site)
        self.door = Door(site.site, self.identity.signing_key, policy, self.journal, clock=now, entropy=entropy, kept=site.state)
        self.days = DaysOpened.of(self.journal)
        self.holder = Holder(site.site, self.identity.signing_key, policy, self.journal, site.state)
        self._entropy = entropy
        self._locks: dict[str, StudyLock] = {}
        self._benches = Benches(site, self.journal, self.door.ledger)
        self._states: OrderedDict[str, dict[str, NDArray[Any]]] = OrderedDict()
        self.phase = ""
        self.trouble = ""
        self.studies: dict[str, str] = {}
        self._configuration = print_of(site.home / "site.yaml")

    def handle(self, message: Message) -> Message:
        """The reply to a message; raises FH-616 only, where the GPU failed and this process has to end with it.

        Only what reading the message itself raised is called malformed: the same exceptions out of a computation could
        depend on a patient, and leave as SITE_CANNOT_RELEASE like every other. `trouble` says it whole, for the hospital's screen.
        """
        try:
            self._take_configuration()
            if message.arrays and message.kind not in WITH_ARRAYS:
                raise federation.MESSAGE_MALFORMED.problem(f"a {message.kind} message carries arrays")
            reply = self._handler(message.kind)(message)
            self.trouble = self.trouble if message.kind == "status" else ""
            return reply
        except Problem as problem:
            # What the coordinator can see and mend needs nobody here; the door's own refusals (FH-5xx) do.
            seen = problem.kind.leaves and problem.kind.code // 100 != DOOR_GROUP
            self.trouble = "" if seen else str(problem)
            log.warning("%s %s: %s", message.kind, problem.code, problem)
            if problem.kind == model.GPU_LOST:
                raise
            self._note_refusal(message, problem)
            return Message("refusal", Refusal(code=outward_code(problem)).model_dump())
        except Exception as error:
            self.trouble = f"{privacy.SITE_CANNOT_RELEASE.label} unexpected {type(error).__name__} in {_place(error)}"
            log.error("unexpected %s in %s", type(error).__name__, _place(error))
            return Message("refusal", Refusal(code=privacy.SITE_CANNOT_RELEASE.label).model_dump())

    def _note_refusal(self, message: Message, problem: Problem) -> None:
        """Write a refusal into the journal that the door has not; a broadcast that has to be sent again is none."""
        if message.kind not in BESIDE_THE_DOOR or problem.kind == federation.BROADCAST_MISSING or self.door.refused is problem:
            return
        words = {name: str(message.body.get(name, "")).encode("ascii", "replace").decode() for name in ("study", "phase")}
        told = {"study": words["study"][:64], "phase": words["phase"][:16], "what": problem.what[:200]}
        refused = Refused(**told, step=message.kind, round=0, attempt=0, statistic="", code=problem.code)
        try:
            self.journal.append(REFUSAL, refused.model_dump(mode="json"))
        except Problem as unwritten:
            log.warning("the refusal is not in the journal: %s", unwritten)

    def _take_configuration(self) -> None:
        """A changed `site.yaml` holds from this message on; one that does not read refuses everything until it does."""
        found = print_of(self.site.home / "site.yaml")
        if found == self._configuration:
            return
        changed = load_site(self.site.home / "site.yaml")
        if changed.site != self.site.site or changed.state != self.site.state:
            raise identity.NOT_JOINED.problem("site.yaml names another hospital or another state folder than this program began with")
        self.site, self._configuration = changed, found
        self._take_policy(effective(changed))
        self._benches.site = changed
        self._benches.forget()
        self.journal.append("configuration", {"site_yaml": found})
        log.warning("site.yaml was changed; it holds from this message on")

    def _take_policy(self, policy: Policy) -> None:
        self.door.take_policy(policy)
        self.holder.take_policy(policy)

    def close(self) -> None:
        """Let go of the journal, so that another process may write."""
        self.journal.close()

    def _handler(self, kind: str) -> Callable[[Message], Message]:
        known: dict[str, Callable[[Message], Message]] = {
            "admission": self._admission,
            "keys": self._keys,
            "release": self._release,
            "open": self._open,
            "status": lambda _m: _reply("status", StatusReply(phase=self.phase)),
            "finish": self._finish,
            "holder": self._holder_key,
            "rows": self._rows,
            "hold": self._hold,
            "statements": self._statements,
        }
        if kind not in known:
            raise federation.MESSAGE_MALFORMED.problem("the kind of a message is unknown")
        return known[kind]

    def _admission(self, message: Message) -> Message:
        request = _read(AdmissionRequest, message)
        lock = enrol.offer(self.site.state, request.signed)
        policy = effective(self.site)
        self._take_policy(policy)
        found = [*refusals(policy, lock, self.site.site), *holder_faults(policy, lock, self.site.site)]
        found += self.days.faults(policy, lock, self.door.ledger.consented(lock.study_id))
        found += enrol.earlier_faults(self.site.state, lock)
        if policy.epsilon_budget is not None:
            found += budget_faults(policy, lock, self.door.charges, live_table(self.site).rows, lock.entry(self.site.site).role)
        try:
            self._require_consent(lock)
        except Problem as undecided:
            found.append(undecided)
        try:
            check_seen(self.journal, request.journal)
        except Problem as went_back:
            enrol.note_journal_asked(self.site.state, request.journal)
            found.append(went_back)
        if lock.code_digest and lock.code_digest != code_digest():
            found.append(identity.CODE_DIFFERS.problem("the lock was made for other code than this image runs"))
        for problem in found:
            log.warning("admission %s: %s", problem.code, problem)
        if not found:
            self._locks[lock.study_id] = lock
            self._benches.forget(lock.study_id)
        self.phase = "admission"
        self.studies[lock.study_id] = "admitted" if not found else "refused: " + "; ".join(str(problem) for problem in found)
        reply = AdmissionReply(
            accepted=not found,
            refusals=tuple(outward_code(problem) for problem in found),
            software=software(),
            code_digest=code_digest(),
            step_seconds=declared_seconds(self.site.state),
            **asdict(machine(self.site, lock.study)),
        )
        self.journal.append("admission", {"study": lock.study_id, **reply.model_dump(mode="json", exclude={"journal"})})
        return _reply("admission", reply.model_copy(update={"journal": last_hash(self.journal)}))

    def _statements(self, message: Message) -> Message:
        """This hospital's own numbers, sealed to every other one; the others' are kept where they came along."""
        request = _read(StatementsRequest, message)
        lock, key = self._lock(request.study), self.identity.signing_key
        if lock.study.privacy.dp is not None:
            raise privacy.ONLY_WITH_NOISE.problem("numbers of patients")
        if request.opened and lock.compares:
            few = believe(lock, request.opened)["admission"]["change.few"]
            self.door.agree(lock, change_model(lock).opens(few.astype(bool)))
        if request.boxes:
            keep(self.site.state, lock, opened(lock, self.site.site, key, request.boxes))
        own = make(lock, self.site.site, key, self._benches.numbers(lock), frozenset(heard(self.site)))
        return _reply("statements", StatementsReply(boxes=sealed(own, lock, key, self._entropy)))

    def _keys(self, message: Message) -> Message:
        request = _read(KeysRequest, message)
        lock = self._lock(request.context.study)
        self.phase = request.context.phase
        return _reply("keys", self.door.keys(request, lock))

    def _take_days(self, lock: StudyLock, phase: str) -> None:
        """Before anything of a phase is computed: FH-532 where the study opens days beside those of earlier results."""
        if self.days.wants(lock, phase):
            self.days.take(effective(self.site), lock, phase, self.door.ledger.consented(lock.study_id))

    def _release(self, message: Message) -> Message:
        request = _read(ReleaseRequest, message)
        lock = self._lock(request.context.study)
        self.phase = self.studies[lock.study_id] = request.context.phase
        self._take_days(lock, request.context.phase)
        arrays = self._broadcast(request.context.state, message.arrays)
        bench = self._benches.of(lock)
        facts = self._benches.facts(lock, (_split(request),))
        reply, vectors = self.door.release(request, lock, arrays, _computation(bench, facts.keys), facts)
        return Message("release", reply.model_dump(mode="json"), vectors)

    def _open(self, message: Message) -> Message:
        request = _read(OpenRequest, message)
        return _reply("open", self.door.open(request, self._lock(request.context.study)))

    def _holder_key(self, message: Message) -> Message:
        request = _read(HolderKeyRequest, message)
        return _reply("holder", self.holder.key(request, self._lock(request.study)))

    def _rows(self, message: Message) -> Message:
        request = _read(RowsRequest, message)
        lock = self._lock(request.study)
        self.phase = request.phase
        self.studies[lock.study_id] = f"{request.phase}: shares of its rows"
        self._take_days(lock, request.phase)
        arrays = self._broadcast(request.state, message.arrays)
        plan = request_plan(lock, request.phase, request.earlier, request.frozen)
        shares, role = lock.study.shares, lock.entry(self.site.site).role
        if plan.phase == "admission":
            compared = self._benches.choices(lock)
            reply, boxes = self.door.compare(request, lock, plan, lambda n: padded(n, shares.slots), compared)
            return Message("rows", reply.model_dump(mode="json"), dict(boxes))
        bench, facts = self._benches.of(lock), self._benches.facts(lock, plan.splits_of(role))
        if lock.study.privacy.dp is not None:
            reply, boxes = self.door.count(request, lock, plan, lambda: counted_patients(bench, plan, role), facts)
            return Message("rows", reply.model_dump(mode="json"), dict(boxes))
        reply, boxes = self.door.share(
            request,
            lock,
            plan,
            lambda: shared_rows(bench, plan, role, arrays, shares.longest_days),
            lambda n: padded(n, shares.slots),
            facts,
        )
        return Message("rows", reply.model_dump(mode="json"), dict(boxes))

    def _hold(self, message: Message) -> Message:
        request = _read(HoldRequest, message)
        self.studies[request.study] = "holding shares"
        reply, frame = self.holder.hold(request, self._lock(request.study), message.arrays)
        return Message("hold", reply.model_dump(mode="json"), dict(frame))

    def _finish(self, message: Message) -> Message:
        study = _read(StudyReference, message).study
        self.door.forget(study)
        self.holder.forget(study)
        self._locks.pop(study, None)
        self._benches.forget(study)
        self._states.clear()
        self.phase = ""
        self.studies[study] = "finished"
        return _reply("finish", StudyReference(study=study))

    def _lock(self, study_id: str) -> StudyLock:
        """The admitted study; after a restart of this program the kept, approved lock is taken up again."""
        if study_id in self._locks:
            self._require_consent(self._locks[study_id])
        else:
            lock = enrol.load_lock(self.site.state, study_id)
            self._require_consent(lock)
            if lock.code_digest and lock.code_digest != code_digest():
                raise identity.CODE_DIFFERS.problem("the lock was made for other code than this image runs")
            self._locks[study_id] = lock
        return self._locks[study_id]

    def _require_consent(self, lock: StudyLock) -> None:
        """The hospital's decision as it stands now, asked at every message; simulated hospitals need not approve, but may decline."""
        simulated = self.site.policy.simulated_patients and lock.study.simulated
        if not simulated or enrol.decision(self.site.state, lock.study_id) == "declined":
            enrol.require_approved(self.site.state, lock.study_id)

    def _broadcast(self, digest: str, arrays: Arrays) -> Arrays:
        broadcast = {f"weights.{model.name}" for model in MODELS if model.is_network}
        for name, array in arrays.items():
            if name not in broadcast or array.ndim != 1 or array.dtype.name != "float32":
                raise federation.MESSAGE_MALFORMED.problem("a broadcast array is none of a network's weights")
            if not np.isfinite(array).all():
                raise federation.MESSAGE_MALFORMED.problem("a broadcast weight is no number")
        if not arrays and digest != state_hash({}):
            if digest not in self._states:
                raise federation.BROADCAST_MISSING.problem("the broadcast state is not held here")
            self._states.move_to_end(digest)
            return self._states[digest]
        if arrays:
            self._states[digest] = dict(arrays)
            while len(self._states) > KEPT_STATES:
                self._states.popitem(last=False)
        return arrays


def _computation(bench: Any, rows: tuple[str, ...]) -> Callable[[Statistic, Parameters, Arrays], Mapping[str, NDArray[Any]]]:
    """A statistic's function, which may read the declared rows and no others."""
    declared = {row.partition(".")[0] for row in rows}

    def compute_named(statistic: Statistic, parameters: Parameters, arrays: Arrays) -> Mapping[str, NDArray[Any]]:
        bench.read.clear()
        values = compute(statistic.name, bench, parameters, arrays)
        if not bench.read <= declared:
            raise ValueError("a statistic read rows beyond those it was checked for")
        return values

    return compute_named


def _split(request: ReleaseRequest) -> str:
    """The set a request reads, of parameters that the door has yet to check."""
    asked = request.parameters.get("split")
    if request.context.statistic not in REGISTRY:
        return "train"
    given = "split" in REGISTRY[request.context.statistic].parameters.model_fields and asked in COUNTED
    return str(asked) if given else "validation" if request.context.statistic == "validation.loss" else "train"


def _read(form: type[Form], message: Message) -> Form:
    """A message's body in its declared form; FH-755 otherwise, without the values it holds."""
    try:
        return form.model_validate(message.body)
    except ValidationError:
        raise federation.MESSAGE_MALFORMED.problem(f"a {message.kind} message has not the declared form") from None


def _reply(kind: Any, body: BaseModel) -> Message:
    return Message(kind, body.model_dump(mode="json"))


def _place(error: BaseException) -> str:
    """File and line of our own code where an unexpected error rose; never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"


def kinds_that_leave() -> tuple[Kind, ...]:
    """Every kind whose own code may leave a hospital."""
    return tuple(kind for kind in all_kinds() if kind.leaves)
