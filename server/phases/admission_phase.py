"""Admission: offer the signed lock, hear who refuses and by which code, and open the counts everything else is held against.

The counts (patients, events, per column and pair) are masked sums over each block and split; sites hold every later
request against them, and the report's patient flow is their sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from pydantic import ValidationError

from server.asking.ask_masked_sum import WHOLE, Missed, Outcome
from server.asking.journal_heads import Journals
from server.asking.planned_pauses import Pauses
from server.link.transport import Failure, Transport
from server.phases.on_shares.fit_phases import compute
from server.phases.phase_context import Event, Running, scalar
from server.study.study_results import ADMISSION
from server.watch import hospital_board
from shared_model.analyses.phases.admission_plan import BASE, LIVE, SETS_OF, change_model
from shared_model.disclosure.limits import PAIRED_PATIENTS
from shared_model.secure_sum.federation_messages import AdmissionReply, AdmissionRequest, Message, OpenedCounts
from shared_model.secure_sum.statements import StatementsReply, StatementsRequest
from shared_model.statistics.statistic_parameters import EXCLUSIONS, PreCounts, Split
from site_config.atomic_files import read_json
from site_config.problems import federation, identity, privacy, shares
from site_config.study.plan_and_lock import Role, SignedLock

SPLITS: dict[Role, tuple[Split, ...]] = {"development": ("train", "validation"), "evaluation": ("test",)}
PAUSE_S = 2.0
UNDER_WAY_S = 60.0
"""For how long a study that goes on waits for hospitals to be admitted again."""
NOBODY_S = 600.0
"""How much longer it asks each time while nobody at all answers: at night, say, when every hospital's machine is off."""
AGAIN = "`fedhcc-coordinator leave STUDY` again: it takes one companion more of each hospital. This try opened nothing."


def admit(running: Running, signed: SignedLock, transport: Transport) -> frozenset[str]:
    """Every site of the roster accepts, or the study does not start. Raises FH-753 on a refusal, FH-716 on silence.

    A study that is under way, and goes on, waits for a minute only, or until somebody answers: whoever is away then was admitted
    before, and its block owes the turns that it misses. These sites are given back.
    """
    sites = list(running.sites)
    under_way = any(entry.phase != "admission" for entry in running.asker.ledger.entries)
    patience = running.study.deadlines.admission
    seen = Journals(running.folder.home)
    offer = AdmissionRequest(signed=signed, canary=running.canary).model_dump(mode="json")
    offers = {site: {**offer, "journal": seen.last(site)} for site in sites}
    began = running.asker.effects.monotonic()
    end = began + (min(patience, UNDER_WAY_S) if under_way else patience)
    pauses = Pauses(running.asker.exchange, running.asker.effects, running.study.deadlines.pause)
    waiting, failures = set(sites), dict[str, Failure]()
    refused: dict[str, tuple[str, ...]] = {}
    told: dict[str, AdmissionReply] = {}
    while waiting:
        running.asker.check_stop()
        left = max(end - running.asker.effects.monotonic(), 1.0)
        done = running.asker.exchange({site: Message("admission", offers[site]) for site in sorted(waiting)}, left)
        failures = {**done.failures, **_take(running, done.replies, told, refused)}
        waiting -= told.keys()
        seen.keep({site: answer.journal for site, answer in told.items()})
        hospital_board.keep(running.folder.home, running.lock.study_id, told)
        silent = f"; waiting for {', '.join(sorted(waiting))}" if waiting else ""
        tell = partial(_tell, running, len(sites) - len(waiting), f"hospitals answered{silent}")
        tell("")
        goes_on = under_way and len(waiting) < len(sites)
        if not goes_on and (stood := pauses.wait(failures, tell)):
            end += stood
            continue
        if under_way and len(waiting) == len(sites):
            end = max(end, min(running.asker.effects.monotonic() + NOBODY_S, began + patience))
        late = running.asker.effects.monotonic() + PAUSE_S >= end
        _note(running, sites, {site: failures[site].code for site in sorted(waiting) if site in failures}, late and not goes_on)
        if waiting and late:
            break
        if waiting:
            running.asker.effects.sleep(PAUSE_S)
    if refused:
        who = "; ".join(f"{site}: {', '.join(codes)}" for site, codes in sorted(refused.items()))
        raise federation.ADMISSION_REFUSED.problem(f"the study is refused by {who}")
    if waiting and not (under_way and len(waiting) < len(sites)):
        who = ", ".join(f"{site} ({failures[site].code})" for site in sorted(waiting) if site in failures)
        raise federation.STUDY_STALLED.problem(f"phase admission: no answer from {who}")
    return frozenset(waiting)


def _take(
    running: Running, replies: Mapping[str, Message], told: dict[str, AdmissionReply], refused: dict[str, tuple[str, ...]]
) -> dict[str, Failure]:
    """Keep who answered and who refused; a failure for each answer that does not read."""
    failures: dict[str, Failure] = {}
    for site, reply in replies.items():
        try:
            answer = AdmissionReply.model_validate(reply.body)
        except ValidationError:
            failures[site] = Failure(federation.REPLY_MALFORMED.label, "admission")
            continue
        told[site] = answer
        other = answer.code_digest != (running.lock.code_digest or answer.code_digest)
        if not answer.accepted or other:
            refused[site] = answer.refusals or (identity.CODE_DIFFERS.label,)
    return failures


def compare(running: Running) -> None:
    """Find out on shares which rows this study may use, before a hospital chooses its own; nothing where no study came before.

    Raises FH-531 where neither the rows as they stand nor those used last differ enough from every earlier study.
    """
    if not running.lock.compares:
        return
    running.tell(Event("admission", 0, 1, "the holders compare the rows with those of earlier studies"))
    opens = compute(running, "admission")
    least = change_model(running.lock).minimum_patients
    for role in running.lock.blocks:
        for name in SETS_OF[role]:
            few = f"the {name} set: fewer than {least} patients joined, left or changed at all hospitals together"
            if not (opens[f"{LIVE}.{name}"] or opens[f"{BASE}.{name}"]):
                raise privacy.ROWS_WAIT.problem(few, fix=AGAIN if running.lock.leaving is not None else None)
            if not opens[f"{LIVE}.{name}"] and running.lock.leaving is None:
                running.find(privacy.OLD_ROWS.problem(few), name)


def exchange_statements(running: Running, away: frozenset[str] = frozenset()) -> None:
    """Carry to every hospital what each other one states of itself, sealed; nothing where every patient is made up.

    A hospital holds its minima against these numbers, and keeps them with the study. While one is `away` of a study that is under
    way, nothing is carried: every hospital has them. Raises FH-716 where one does not answer before the deadline.
    """
    if running.study.privacy.demonstration or away:
        return
    sites = running.sites
    own = _statements(running, {site: {} for site in sites})
    _statements(running, {site: {other: own[other].boxes.get(site, "") for other in sites if other != site} for site in sites})


def _statements(running: Running, boxes: dict[str, dict[str, str]]) -> dict[str, StatementsReply]:
    asker, study = running.asker, running.lock.study_id
    end = asker.effects.monotonic() + running.study.deadlines.admission
    pauses = Pauses(asker.exchange, asker.effects, running.study.deadlines.pause)
    opened = tuple(running.shared[phase] for phase in ("admission",) if phase in running.shared)
    found: dict[str, StatementsReply] = {}
    while waiting := sorted(boxes.keys() - found.keys()):
        asker.check_stop()
        bodies = {site: StatementsRequest(study=study, opened=opened, boxes=boxes[site]).model_dump(mode="json") for site in waiting}
        left = max(end - asker.effects.monotonic(), 1.0)
        done = asker.exchange({site: Message("statements", body) for site, body in bodies.items()}, left)
        failures = dict(done.failures)
        for site, reply in done.replies.items():
            try:
                found[site] = StatementsReply.model_validate(reply.body)
            except ValidationError:
                failures[site] = Failure(federation.REPLY_MALFORMED.label, "statements")
        tell = partial(_tell, running, len(found), "hospitals stated what they contribute")
        if stood := pauses.wait(failures, tell):
            end += stood
        elif failures and asker.effects.monotonic() + PAUSE_S >= end:
            raise asker.stalled(Missed(WHOLE, {site: failure.code for site, failure in failures.items()}), "admission")
        elif failures:
            asker.effects.sleep(PAUSE_S)
    return found


def _tell(running: Running, answered: int, words: str, until: str) -> None:
    running.tell(Event("admission", answered, len(running.sites), words + (f"; paused until {until}" if until else "")))


def _note(running: Running, roster: list[str], missing: dict[str, str], late: bool) -> None:
    """Write into the ledger who does not answer, when that changed, and that everybody did after somebody had not."""
    asker = running.asker
    before = next((entry.missing for entry in reversed(asker.ledger.entries) if entry.statistic == ADMISSION), {})
    if missing != before or (missing and late):
        outcome: Outcome = "opened" if not missing else "missed" if late else "retried"
        asker.write("admission", ADMISSION, roster, outcome, missing, round=0, block=WHOLE)


def count(running: Running) -> None:
    """Open the counts of every block and split, and write the patient flow.

    Columns are counted later and over all blocks together: a block of twenty patients has columns that one of them holds.
    Raises FH-751 when a split that has to hold patients holds none, FH-563 when there are too many to be paired on shares.
    """
    flow, everybody = running.result.flow, 0
    for role, splits in SPLITS.items():
        for split in splits:
            patients = 0
            for block in running.asker.standing(role):
                question = running.asker.question(
                    "precounts", PreCounts(split=split, columns=()), phase="admission", role=role, block=block
                )
                try:
                    values = running.asker.remembered(question)
                except Missed as missed:
                    raise running.asker.stalled(missed, "admission") from None
                found = OpenedCounts(
                    sites=round(scalar(values, "sites")), patients=round(scalar(values, "patients")), events=round(scalar(values, "events"))
                )
                running.asker.counts[role, block, split] = found
                patients += found.patients
                for name, number in zip(EXCLUSIONS, values["flow"], strict=True):
                    flow[f"{split}.{name}"] = flow.get(f"{split}.{name}", 0) + round(float(number))
            flow.update(_left(running, split, patients))
            if patients == 0 and split != "validation" and running.lock.blocks.get(role):
                raise federation.EMPTY_AGGREGATE.problem(
                    f"the {role} hospitals together have no patient complete for this study{_held_back(running, split)}"
                )
            everybody += patients
    if running.study.pairs_patients and everybody > PAIRED_PATIENTS.value:
        raise shares.TOO_MANY_PATIENTS.problem(f"{everybody} patients, at most {PAIRED_PATIENTS.value}")


def _held_back(running: Running, split: str) -> str:
    """That validation may have taken them all, for a training set without patients."""
    share = running.study.validation_fraction
    return f" to train on (`validation_fraction: {share:g}` keeps that share for validation)" if split == "train" and share else ""


def _left(running: Running, split: str, patients: int) -> dict[str, int]:
    """Who left since the study that this one goes on from: nobody of a set, or at least the minimum, companions among them."""
    path = running.folder.carried_file("counts.json")
    before = int(read_json(path).get(split, 0)) if running.lock.leaving is not None and path.exists() else 0
    if before <= patients:
        return {}
    return {f"{split}.left": before - patients, f"{split}.enrolled": running.result.flow.get(f"{split}.enrolled", 0) + before - patients}
