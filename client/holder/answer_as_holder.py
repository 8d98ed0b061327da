"""One hospital as a holder of shares: it answers key, opening and step of every computation it is named for in a lock.

A computation's X25519 key lies in the state folder until the study is finished here, so that a restart of this program loses
no rows: the coordinator sends the same boxes again and a new attempt begins. Everything else lives in memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from client.holder.holder_records import HolderRecords
from client.release.site_policy import check_holding
from shared_model.analyses.analysis_plan import request_plan
from shared_model.shares.holder.dealt_rows import Rows, gather
from shared_model.shares.holder.holder_session import Finished, Plan, Seat, Session
from shared_model.shares.messages.sealed_envelopes import admission_of
from shared_model.shares.messages.share_messages import (
    BOXES,
    FRAME,
    HolderKeyReply,
    HolderKeyRequest,
    HoldReply,
    HoldRequest,
    check_holder_keys,
    records,
    sign_key,
    sign_results,
    signed_slots,
)
from site_config.atomic_files import read_limited, write_atomic
from site_config.hash_chained_journal import Journal
from site_config.keys_and_signatures import private_folder
from site_config.problems import shares as problems
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import StudyLock

Arrays = Mapping[str, NDArray[Any]]
SESSIONS = 4


@dataclass
class _Computation:
    """A computation in progress: the attempt's session, the last step answered, and the answer, kept for a repeated question."""

    attempt: int
    session: Session
    step: int
    reply: HoldReply
    frame: bytes


class Holder:
    """This hospital's seat in computations on shares."""

    def __init__(self, site: str, key: Ed25519PrivateKey, policy: Policy, journal: Journal, state: Path) -> None:
        self._site, self._key, self._policy, self._journal = site, key, policy, journal
        self._folder = state / "shares"
        self._running: OrderedDict[tuple[str, str], _Computation] = OrderedDict()

    def take_policy(self, policy: Policy) -> None:
        """The hospital changed its policy: it holds from the next message on."""
        self._policy = policy

    def key(self, request: HolderKeyRequest, lock: StudyLock) -> HolderKeyReply:
        """The signed key of a computation; made at the first question and kept on disk."""
        check_holding(self._policy, lock, self._site)
        attempt = HolderRecords(self._journal, lock.study_id, request.phase).attempt()
        return sign_key(self._key, lock, request.phase, self._private(lock, request.phase), attempt)

    def hold(self, request: HoldRequest, lock: StudyLock, arrays: Arrays) -> tuple[HoldReply, dict[str, NDArray[np.uint8]]]:
        """The next frame, or the end. The last step may be asked again; any other order is refused (FH-557)."""
        check_holding(self._policy, lock, self._site)
        name = (lock.study_id, request.phase)
        known = self._running.get(name)
        if known is not None and (request.attempt, request.step) == (known.attempt, known.step):
            return known.reply, _frame(known.frame)
        if request.step == 0:
            known = self._begin(request, lock, arrays)
        else:
            if known is None or (request.attempt, request.step) != (known.attempt, known.step + 1) or known.reply.done:
                raise problems.SHARE_ATTEMPTS_SPENT.problem(f"step {request.step} of attempt {request.attempt} is not the one that is due")
            self._advance(known, request, lock, known.session.step(_bytes(arrays)))
        self._running[name] = known
        self._running.move_to_end(name)
        while len(self._running) > SESSIONS:
            self._running.popitem(last=False)
        return known.reply, _frame(known.frame)

    def forget(self, study: str) -> None:
        """The study is finished here: its computations and keys go; what was opened stays in the journal."""
        for name in [name for name in self._running if name[0] == study]:
            del self._running[name]
        for path in self._folder.glob(f"{study[:32]}-*.key"):
            path.unlink(missing_ok=True)

    def _begin(self, request: HoldRequest, lock: StudyLock, arrays: Arrays) -> _Computation:
        publics = check_holder_keys(lock, request.phase, request.holders)
        number = lock.holders.index(self._site) + 1
        plan = request_plan(lock, request.phase, request.earlier, request.frozen)
        if not plan.permits(lock, request.sites) or set(request.rows) != set(request.sites):
            raise problems.SHARED_ROWS_MALFORMED.problem("the rows are not those of the whole roster of this phase")
        private = self._private(lock, request.phase)
        slots = signed_slots(lock, request.phase, request.rows)
        rows = gather(plan.parts, _boxes(arrays, number), slots, private, admission_of(private), plan.context)
        self._check_size(lock, len(request.sites), rows)
        kept = HolderRecords(self._journal, lock.study_id, request.phase)
        session = Session(Seat(number, private, publics), Plan(plan.context, plan.declaration, plan.circuit), rows, kept, request.attempt)
        return _Computation(request.attempt, session, 0, HoldReply(step=0), session.start())

    def _check_size(self, lock: StudyLock, sites: int, rows: Rows) -> None:
        """Every hospital fills its slots to a multiple that the lock declares, so other numbers of slots come from elsewhere."""
        if rows.slots % lock.study.shares.slots or rows.slots < sites * lock.study.shares.slots:
            raise problems.SHARED_ROWS_MALFORMED.problem(f"{rows.slots} slots of {sites} hospitals")

    def _advance(self, known: _Computation, request: HoldRequest, lock: StudyLock, out: bytes | Finished) -> None:
        known.step = request.step
        if isinstance(out, bytes):
            known.reply, known.frame = HoldReply(step=request.step), out
            return
        results = records(out.results)
        signature = sign_results(self._key, lock.study_id, request.phase, results)
        known.reply = HoldReply(step=request.step, done=True, results=results, signature=signature, openings=out.openings)
        known.frame = b""

    def _private(self, lock: StudyLock, phase: str) -> X25519PrivateKey:
        path = private_folder(self._folder) / f"{lock.study_id[:32]}-{phase}.key"
        if not path.exists():
            write_atomic(path, X25519PrivateKey.generate().private_bytes_raw())
        return X25519PrivateKey.from_private_bytes(read_limited(path, 32, "a holder's key"))


def _boxes(arrays: Arrays, number: int) -> Sequence[bytes]:
    boxes = arrays.get(f"{BOXES}{number}")
    if boxes is None or boxes.dtype != np.uint8 or boxes.ndim != 2:
        raise problems.SHARED_ROWS_MALFORMED.problem("the boxes of this holder are missing")
    return [bytes(box) for box in boxes]


def _bytes(arrays: Arrays) -> bytes:
    frame = arrays.get(FRAME)
    if frame is None or frame.dtype != np.uint8 or frame.ndim != 1:
        raise problems.SHARE_MESSAGE_MALFORMED.problem("the frame is missing")
    return frame.tobytes()


def _frame(data: bytes) -> dict[str, NDArray[np.uint8]]:
    return {FRAME: np.frombuffer(data, dtype=np.uint8)} if data else {}
