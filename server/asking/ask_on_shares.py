"""One computation on secret shares: holders' keys, hospitals' rows, and the holders' steps until every result is opened.

A hospital is asked for its rows once and may go offline; its sealed boxes lie in the study's folder, which the coordinator
cannot open. Only the holders have to be there together. When one is lost, a new attempt begins with the same boxes; what was
revealed before is answered from the holders' journals. Nothing is opened but the declared results.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from server.asking.ask_masked_sum import RETRY_PAUSE_S, WHOLE, Asker, Missed
from server.asking.holder_replies import bad_keys, step
from server.asking.hospital_refusals import are_final
from server.asking.planned_pauses import Pauses
from server.link.transport import Failure
from server.study.resume_state import StudyFolder, load_arrays, save_arrays
from shared_model.analyses.analysis_plan import SharedPlan
from shared_model.secure_sum.federation_messages import Message, state_hash
from shared_model.shares.holder.dealt_rows import slot_bytes
from shared_model.shares.holder.holder_session import RESTARTS
from shared_model.shares.messages.coordinator_relay import Relay, permuted
from shared_model.shares.messages.share_messages import (
    BOXES,
    FRAME,
    HolderKeyReply,
    HolderKeyRequest,
    HoldReply,
    HoldRequest,
    RowsReply,
    RowsRequest,
    SignedResults,
    believe,
    check_holder_keys,
    check_rows,
)
from site_config.atomic_files import read_json, write_json
from site_config.problems import federation
from site_config.problems import shares as problems
from site_config.problems.base import Problem

Arrays = Mapping[str, NDArray[Any]]
Found = TypeVar("Found")
Form = TypeVar("Form", bound=BaseModel)
STATISTIC = "shares"
"""What the participation ledger calls the computation of a phase."""
ROWS = "rows"
"""What it calls the part in which hospitals upload theirs."""


COST = "cost.json"
FRAME_ROOM = 1 << 28
"""Most bytes of a holder's frame."""
MOST_FILLS = 256
"""A hospital's slots are at most so many times the study's multiple."""


@dataclass(frozen=True)
class Shared:
    """What is computed: a plan over the rows of its sites, the broadcast state, what was opened before, a frozen bundle's manifest."""

    plan: SharedPlan
    sites: tuple[str, ...]
    state: Arrays = field(default_factory=dict)
    earlier: tuple[SignedResults, ...] = ()
    frozen: str = ""


class SharedComputation:
    """Runs one computation to its results, which are stored before they are used."""

    def __init__(self, asker: Asker, folder: StudyFolder, what: Shared) -> None:
        self._asker, self._folder, self._what = asker, folder, what
        self._lock = asker.lock
        self._root = folder.root / "shares" / what.plan.phase
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._bytes = self._openings = 0
        most = MOST_FILLS * asker.lock.study.shares.slots
        self._room = len(asker.lock.holders) * most * slot_bytes(what.plan.parts)

    def results(self) -> SignedResults:
        """The opened results with the holders' signatures; FH-716 where somebody was missing at the deadline."""
        path = self._root / "results.json"
        if path.exists():
            kept = SignedResults.model_validate(read_json(path))
            believe(self._lock, (kept,))
            return kept
        end = self._asker.effects.monotonic() + float(getattr(self._lock.study.deadlines, self._what.plan.phase))
        keys = self._until(end, "keys", self._lock.holders, self._keys)
        check_holder_keys(self._lock, self._what.plan.phase, keys)
        self._forget_foreign_boxes(keys)
        self._until(end, ROWS, self._what.sites, partial(self._rows, keys))
        found = self._until(end, "steps", self._lock.holders, partial(self._attempt, keys))
        believe(self._lock, (found,))
        write_json(self._root / COST, {"openings": self._openings, "bytes": self._bytes + self._uploaded()})
        write_json(path, found.model_dump(mode="json"))
        return found

    def cost(self) -> tuple[int, int]:
        """Of a finished computation: openings, and bytes that its last attempt sent through the coordinator, uploads among them."""
        kept = read_json(self._root / COST)
        return int(kept["openings"]), int(kept["bytes"])

    def _uploaded(self) -> int:
        """Bytes of all hospitals' boxes, which came in and went on to the holders."""
        return sum(2 * self._box_file(site).stat().st_size for site in self._what.sites)

    # waiting

    def _until(self, end: float, part: str, roster: Sequence[str], once: Callable[[float], Found | dict[str, Failure]]) -> Found:
        """`once` again and again until it gives something else than failures; the clock stands still in planned pauses."""
        effects = self._asker.effects
        pauses = Pauses(self._asker.exchange, effects, self._lock.study.deadlines.pause)
        tries = 0
        while True:
            tries += 1
            self._asker.check_stop()
            found = once(max(end - effects.monotonic(), 1.0))
            if not _is_failures(found):
                self._write(part, roster, "opened", tries, {})
                return found  # type: ignore[return-value]
            failures: dict[str, Failure] = found  # type: ignore[assignment]
            missing = {site: failure.code for site, failure in failures.items()}
            if stood := pauses.wait(failures, partial(self._write, part, roster, "paused", tries, missing)):
                end += stood
                continue
            spent = problems.SHARE_ATTEMPTS_SPENT.label in missing.values() and tries > RESTARTS
            refused = part == ROWS and are_final(missing.values(), tries)  # holders' steps begin anew instead
            late = effects.monotonic() + RETRY_PAUSE_S >= end
            self._write(part, roster, "refused" if refused else "missed" if late or spent else "retried", tries, missing)
            if late or spent or refused:
                raise self._asker.stalled(Missed(WHOLE, missing), self._what.plan.phase)
            effects.sleep(RETRY_PAUSE_S)

    def _write(self, part: str, roster: Sequence[str], outcome: Any, tries: int, missing: Mapping[str, str], until: str = "") -> None:
        more = {"round": 0, "block": WHOLE, "attempts": tries, "bytes_out": self._bytes}
        self._asker.write(self._what.plan.phase, f"{STATISTIC}.{part}", roster, outcome, missing, until, **more)

    # the three parts

    def _keys(self, left: float) -> dict[str, HolderKeyReply] | dict[str, Failure]:
        body = HolderKeyRequest(study=self._lock.study_id, phase=self._what.plan.phase).model_dump(mode="json")
        done = self._asker.exchange({site: Message("holder", body) for site in self._lock.holders}, left)
        found, failures = _parsed(done.replies, HolderKeyReply)
        return {**done.failures, **failures, **bad_keys(self._lock, self._what.plan.phase, found)} or found

    def _rows(self, keys: Mapping[str, HolderKeyReply], left: float) -> Sequence[str] | dict[str, Failure]:
        """Ask those whose boxes are not here yet; each one's boxes are kept as soon as they come."""
        wanted = [site for site in self._what.sites if not self._box_file(site).exists()]
        request = RowsRequest(
            study=self._lock.study_id,
            phase=self._what.plan.phase,
            sites=self._what.sites,
            holders=dict(keys),
            earlier=self._what.earlier,
            frozen=self._what.frozen,
            state=state_hash(self._what.state),
        )
        body, state = request.model_dump(mode="json"), dict(self._what.state)
        digest = state_hash(state)
        send = {site: state if self._asker.needs_state(site, digest) else {} for site in wanted}
        done = self._asker.exchange({site: Message("rows", body, send[site], self._room) for site in wanted}, left) if wanted else None
        if done is None:
            return wanted
        found, failures = _parsed(done.replies, RowsReply)
        failures = {**done.failures, **failures}
        for site, reply in found.items():
            boxes = done.replies[site].arrays
            try:
                check_rows(self._lock, self._what.plan.phase, site, reply, boxes)
            except Problem as problem:
                failures[site] = Failure(problem.code, "rows")
                continue
            save_arrays(self._box_file(site), boxes, {"reply": reply.model_dump_json()})
            self._bytes += sum(box.nbytes for box in boxes.values())
            if state:
                self._asker.told(site, digest)
        for site, failure in failures.items():
            if failure.code == federation.BROADCAST_MISSING.label:
                self._asker.forgot(site)
        return failures or wanted

    def _attempt(self, keys: Mapping[str, HolderKeyReply], left: float) -> SignedResults | dict[str, Failure]:
        """One attempt of the holders from its first step to the end."""
        holders = self._lock.holders
        attempt = 1 + max(key.attempt for key in self._fresh_keys(keys, left).values())
        base = HoldRequest(
            study=self._lock.study_id,
            phase=self._what.plan.phase,
            attempt=attempt,
            step=0,
            sites=self._what.sites,
            holders=dict(keys),
            rows={site: RowsReply.model_validate_json(load_arrays(self._box_file(site))[1]["reply"]) for site in self._what.sites},
            earlier=self._what.earlier,
            frozen=self._what.frozen,
        )
        relay, arrays = Relay(len(holders)), self._boxes_of_holders()
        while True:
            body = base.model_dump(mode="json")
            done = self._asker.exchange({site: Message("hold", body, arrays[site], FRAME_ROOM) for site in holders}, left)
            replies, failures = _parsed(done.replies, HoldReply)
            failures = {**done.failures, **failures}
            if failures:
                return failures
            self._openings = max(reply.openings for reply in replies.values())
            back = step(self._lock, self._what.plan.phase, relay, replies, done.replies)
            if not isinstance(back, list):
                return back
            arrays = {site: {FRAME: np.frombuffer(frame, dtype=np.uint8)} for site, frame in zip(holders, back, strict=True)}
            self._bytes = sum(relay.nbytes)
            base = base.model_copy(update={"step": base.step + 1, "sites": (), "holders": {}, "rows": {}, "earlier": (), "frozen": ""})

    def _fresh_keys(self, keys: Mapping[str, HolderKeyReply], left: float) -> Mapping[str, HolderKeyReply]:
        """The holders' last attempts may have grown since the keys came; whoever does not answer is asked by the attempt itself."""
        found = self._keys(left)
        return keys if _is_failures(found) else found  # type: ignore[return-value]

    # boxes on disk

    def _box_file(self, site: str) -> Any:
        return self._root / f"{site}.boxes.safetensors"

    def _forget_foreign_boxes(self, keys: Mapping[str, HolderKeyReply]) -> None:
        """Boxes sealed to other keys than the holders have now open nowhere: a holder that lost its state asks for new ones."""
        path = self._root / "keys.json"
        now = {site: reply.public_key for site, reply in keys.items()}
        if path.exists() and read_json(path) == now:
            return
        for site in self._what.sites:
            self._box_file(site).unlink(missing_ok=True)
        write_json(path, now)

    def _boxes_of_holders(self) -> dict[str, dict[str, NDArray[np.uint8]]]:
        """Every holder's boxes of all hospitals' slots, all in one random order."""
        every = [load_arrays(self._box_file(site))[0] for site in self._what.sites]
        holders = self._lock.holders
        slots = [
            [boxes[f"{BOXES}{k}"][slot] for k in range(1, len(holders) + 1)] for boxes in every for slot in range(len(boxes[f"{BOXES}1"]))
        ]
        of_holder = permuted(slots)
        return {site: {f"{BOXES}{k}": np.stack(of_holder[k - 1])} for k, site in enumerate(holders, 1)}


def _is_failures(found: object) -> bool:
    return isinstance(found, dict) and bool(found) and all(isinstance(value, Failure) for value in found.values())


def _parsed(replies: Mapping[str, Message], form: type[Form]) -> tuple[dict[str, Form], dict[str, Failure]]:
    """Replies in their declared form, and whose have another one."""
    found: dict[str, Form] = {}
    failures: dict[str, Failure] = {}
    for site, reply in replies.items():
        try:
            found[site] = form.model_validate(reply.body)
        except (ValidationError, json.JSONDecodeError):
            failures[site] = Failure(federation.REPLY_MALFORMED.label, form.__name__)
    return found, failures
