"""A locked study from admission to report; resumable at any point.

Phases: admission (who takes part, counts) → clinical (CLN) → training (Rad-S, Rad-D) → fusion (RadCLN, cut-offs) →
evaluation (tables) → report. Under differential privacy only networks are trained, and no count, table or other model is opened but
the noised counts that a study asks for. A validation study takes the models of its bundle (`home/studies/ID/bundle`) in place of the
middle three. All but training are replayed from stored answers when a study resumes; training goes on
from its stored round. A missing block stalls the study, loudly; nothing is ever finished without it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from server.asking.ask_masked_sum import Asker
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import StudyLedger, check_files, remarks
from server.link.transport import Transport
from server.phases.admission_phase import admit, compare, count, exchange_statements
from server.phases.clinical_and_fusion import clinical, fuse
from server.phases.evaluation_phase import evaluate
from server.phases.first_weights import start
from server.phases.network_training import train
from server.phases.on_shares.noised_evaluation import evaluate_with_noise
from server.phases.phase_context import Event, Running
from server.phases.private_training import train_privately
from server.study.bundle_of_study import adopt, bundle_result
from server.study.earlier_studies import check_named
from server.study.office_code import check_code
from server.study.resume_state import StudyFolder
from server.study.study_results import ADMISSION, LedgerEntry, StudyResult
from server.watch import opened_so_far
from shared_model.secure_sum.federation_messages import Message, StudyReference
from site_config.atomic_files import read_json
from site_config.keys_and_signatures import CoordinatorIdentity, verify_lock
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.code_digest import software
from site_config.study.plan_and_lock import SignedLock
from site_config.study.prognostic_models import MODELS


def run_study(
    home: Path,
    study_id: str,
    transport: Transport,
    *,
    effects: Effects | None = None,
    tell: Callable[[Event], None] = lambda _event: None,
    canary: bool = False,
) -> StudyResult:
    """Run or resume a published study to its result; `home/studies/ID` holds its lock and gets everything else.

    Raises FH-716 (STALLED) when a block is missing, FH-753 when a hospital refuses, FH-720 when stopped.
    """
    identity = CoordinatorIdentity.load(home)
    folder = StudyFolder(home / "studies" / study_id / ("canary" if canary else "run"))
    signed = StudyFolder(home / "studies" / study_id).signed_lock()
    lock = verify_lock(signed, identity.public_key)
    effects = effects or Effects(time.monotonic, time.sleep)
    ledger = StudyLedger(folder.ledger_file)
    try:
        ledger.claim()
        check_code(lock, ledger.chain)
        check_files(folder.root, ledger.files)
        check_named(home, lock)
        asker = Asker(lock, identity, transport, folder, ledger, effects)
        empty = _empty(lock.study.title, study_id, lock.study.simulated, effects, lock.model_dump(mode="json"))
        with closing(asker.kept):
            return _phases(Running(asker, folder, empty, tell, canary), signed, transport, home / "studies" / study_id / "bundle")
    finally:
        ledger.close()


def _phases(running: Running, signed: SignedLock, transport: Transport, bundle: Path) -> StudyResult:
    lock, effects, canary = running.lock, running.asker.effects, running.canary
    started = effects.monotonic()
    away = admit(running, signed, transport)
    private = lock.study.privacy.dp is not None
    if not private:
        compare(running)
        exchange_statements(running, away)
        count(running)
    if private:
        _timed(running, "training", started, lambda: _train(running))
    elif lock.study.kind == "validate":
        adopt(running, bundle)
    else:
        _timed(running, "clinical", started, lambda: _clinical(running))
        _timed(running, "training", effects.monotonic(), lambda: _train(running))
        if not canary:
            _timed(running, "fusion", effects.monotonic(), lambda: fuse(running))
    if not canary and private and lock.study.shares_rows:
        _timed(running, "evaluation", effects.monotonic(), lambda: evaluate_with_noise(running))
    if not canary and not private:
        _timed(running, "evaluation", effects.monotonic(), lambda: evaluate(running))
    result = _finish(running, transport)
    if not canary and lock.study.kind == "develop":
        bundle_result(result, lock, running.weights, running.folder.root / "model")
    return result


def _empty(title: str, study_id: str, simulated: bool, effects: Effects, lock: dict[str, object]) -> StudyResult:
    now = effects.now().isoformat(timespec="seconds")
    return StudyResult(study_id=study_id, title=title, label="INCOMPLETE", simulated=simulated, created=now, software=software(), lock=lock)


def _timed(running: Running, phase: str, started: float, work: Callable[[], None]) -> None:
    work()
    running.result.timing[phase] = round(running.asker.effects.monotonic() - started, 3)
    opened_so_far.keep(running.folder.root, running.result)


def _clinical(running: Running) -> None:
    if running.canary or not MODELS.read_variables(running.study.models):
        return
    running.tell(Event("clinical", 0, 1, "Cox model of the clinical variables"))
    clinical(running)
    running.tell(Event("clinical", 1, 1, "Cox model of the clinical variables"))


def _train(running: Running) -> None:
    for model in MODELS.networks(running.study.models):
        running.result.first_seeds[model] = _first_seed(running, model)
        try:
            (train if running.study.privacy.dp is None else train_privately)(running, model)
        except Problem as problem:
            if problem.kind != federation.NOT_ESTIMABLE:
                raise
            running.find(problem, model)


def _first_seed(running: Running, model: str) -> int:
    """The seed of a network's first weights, found once and kept: a resumed study needs no file of first weights any more."""
    path, kept = running.folder.first_seed_file(model), running.asker.kept
    if kept.load(path) is None:
        kept.save(path, json.dumps({"seed": start(running.study, model, running.folder.root).seed}).encode() + b"\n")
    return int(read_json(path)["seed"])


def _finish(running: Running, transport: Transport) -> StudyResult:
    result = running.result
    result.ledger = list(running.asker.ledger.entries)
    result.scores = list(running.specs.values())
    result.label = "COMPLETE" if nothing_missing(result.ledger) and not running.canary else "INCOMPLETE"
    result.remarks = list(remarks(running.asker.ledger.chain))
    running.asker.kept.save(running.folder.result_file, result.model_dump_json(indent=1).encode() + b"\n")
    body = StudyReference(study=result.study_id).model_dump()
    transport.exchange({name: Message("finish", body) for name in running.sites}, 60.0)
    running.tell(Event("report", 1, 1, "the study is finished"))
    return result


def nothing_missing(ledger: Sequence[LedgerEntry]) -> bool:
    """Whether everything that was asked was opened in the end: a question missed and never opened later is a loss.

    Who was not there when a study went on opened nothing by being admitted, and stands in the ledger wherever it was missed.
    """
    questions = [entry for entry in ledger if entry.statistic != ADMISSION]
    asked = {_question(entry): False for entry in questions}
    for entry in questions:
        if entry.outcome == "opened":
            asked[_question(entry)] = True
    return all(asked.values()) and not any(entry.outcome == "excluded" for entry in ledger)


def _question(entry: LedgerEntry) -> tuple[object, ...]:
    return entry.phase, entry.statistic, entry.model, entry.round, entry.block
