"""What a coordinator must never be shown: a success that silently lost a hospital."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from client.cohort.prepared_cohort import load_patients
from client.program.message_agent import Agent
from client.statistics.study_patients import Bench
from evidence.faults.damages import WaitedClock
from server.asking.clocks_and_waiting import Effects
from server.link.transport import Exchange, Failure, Transport
from server.study.run_study import run_study
from server.watch.study_status import status_of
from shared_model.secure_sum.federation_messages import AdmissionRequest, Message
from shared_model.survival.cox import cox_by_day as cox
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes
from site_config.documents.read_yaml_documents import load_site
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock

Make = Callable[..., tuple[Homes, StudyLock]]


class Broken(Transport):
    """A transport whose messages a test may change; `change(site, request, reply)` gives the reply or a failure."""

    def __init__(self, inner: Transport, change: Callable[[str, Message, Message], Message | Failure]) -> None:
        self._inner, self._change = inner, change

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        done = self._inner.exchange(requests, deadline_s)
        out = Exchange({}, dict(done.failures))
        for site, reply in done.replies.items():
            changed = self._change(site, requests[site], reply)
            if isinstance(changed, Failure):
                out.failures[site] = changed
            else:
                out.replies[site] = changed
        return out

    def sites(self) -> Mapping[str, bool]:
        return self._inner.sites()


def go(homes: Homes, lock: StudyLock, transport: Transport, should_stop: Callable[[], bool] = lambda: False):
    clock = WaitedClock()
    return run_study(homes.coordinator, lock.study_id, transport, effects=Effects(clock.monotonic, clock.sleep, should_stop))


@pytest.fixture(autouse=True)
def fresh_agents():
    from client.app import forget_agents

    forget_agents()
    yield
    forget_agents()


def result_file(homes: Homes, lock: StudyLock) -> Path:
    return homes.coordinator / "studies" / lock.study_id / "run" / "result.json"


def test_a_silent_hospital_stalls_the_study_loudly_and_it_resumes_to_the_same_numbers(tables: Make) -> None:
    homes, lock = tables()
    lost = lock.names("development")[2]

    def silent(site: str, request: Message, reply: Message) -> Message | Failure:
        after_admission = request.kind == "release" and request.body["context"]["statistic"] == "cox.exact"
        return Failure("FH-701", "silent") if site == lost and after_admission else reply

    with pytest.raises(Problem) as stalled:
        go(homes, lock, Broken(local_transport(homes.sites()), silent))
    assert stalled.value.code == "FH-716"
    assert lost in stalled.value.what
    assert not result_file(homes, lock).exists()
    result = go(homes, lock, local_transport(homes.sites()))
    assert result.label == "COMPLETE"
    assert [entry for entry in result.ledger if lost in entry.missing], "the ledger tells it"
    assert result.clinical is not None


def test_a_hospital_that_comes_back_in_time_costs_nothing(tables: Make) -> None:
    homes, lock = tables()
    failures = iter([True, True])

    def flaky(site: str, request: Message, reply: Message) -> Message | Failure:
        first = site == lock.names("development")[0] and request.kind == "keys"
        return Failure("FH-702") if first and next(failures, False) else reply

    result = go(homes, lock, Broken(local_transport(homes.sites()), flaky))
    assert result.label == "COMPLETE"
    assert [entry.outcome for entry in result.ledger].count("retried") == 2


def test_a_planned_pause_longer_than_the_deadline_stalls_nothing(tables: Make) -> None:
    homes, lock = tables()
    paused = lock.names("development")[1]
    clock, began, hour = WaitedClock(), datetime(2026, 11, 24, 18, 0, tzinfo=UTC), 3600.0
    until = int(began.timestamp() + hour)

    def rests(site: str, request: Message, reply: Message) -> Message | Failure:
        asked = request.kind == "status" or request.body.get("context", {}).get("statistic") == "cox.exact"
        refusal = Message("refusal", {"code": "FH-721", "until": until})
        return refusal if site == paused and asked and clock.now < hour else reply

    effects = Effects(clock.monotonic, clock.sleep, now=lambda: began + timedelta(seconds=clock.now))
    transport = Broken(local_transport(homes.sites()), rests)
    result = run_study(homes.coordinator, lock.study_id, transport, effects=effects)
    assert result.label == "COMPLETE" and clock.now >= hour > lock.study.deadlines.clinical
    told = [entry for entry in result.ledger if entry.outcome == "paused"]
    assert [(entry.missing, entry.until) for entry in told] == [({paused: "FH-721"}, "2026-11-24T19:00:00+00:00")]


def test_a_hospital_late_for_admission_stands_in_the_ledger_and_costs_nothing(tables: Make) -> None:
    homes, lock = tables()
    late = lock.names("development")[0]
    failures = iter([True, True])

    def silent(site: str, request: Message, reply: Message) -> Message | Failure:
        return Failure("FH-702") if site == late and request.kind == "admission" and next(failures, False) else reply

    result = go(homes, lock, Broken(local_transport(homes.sites()), silent))
    told = [(entry.outcome, entry.missing) for entry in result.ledger if entry.statistic == "admission"]
    assert told == [("retried", {late: "FH-702"}), ("opened", {})]
    assert result.label == "COMPLETE"


def test_a_study_stalled_at_admission_says_so_and_completes_later(tables: Make) -> None:
    homes, lock = tables()
    lost = lock.names("evaluation")[0]

    def silent(site: str, request: Message, reply: Message) -> Message | Failure:
        return Failure("FH-702") if site == lost else reply

    with pytest.raises(Problem, match="FH-716") as stalled:
        go(homes, lock, Broken(local_transport(homes.sites()), silent))
    assert f"{lost} (FH-702)" in stalled.value.what
    assert status_of(homes.coordinator, lock.study_id).state == "STALLED"
    assert go(homes, lock, local_transport(homes.sites())).label == "COMPLETE"


def test_a_stall_names_who_kept_it_closed_and_not_whom_the_deadline_cut(tables: Make) -> None:
    homes, lock = tables()
    full = lock.names("development")[1]
    clock = WaitedClock()

    def refuses(site: str, request: Message, reply: Message) -> Message | Failure:
        if request.kind != "release":
            return reply
        clock.sleep(0.4)
        return Failure("FH-701") if clock.now > 8.0 else Failure("FH-914") if site == full else reply

    transport = Broken(local_transport(homes.sites()), refuses)
    with pytest.raises(Problem, match="FH-716") as stalled:
        run_study(homes.coordinator, lock.study_id, transport, effects=Effects(clock.monotonic, clock.sleep))
    assert stalled.value.what.endswith(f"missing: {full} (FH-914)")


def test_what_happened_on_the_way_stands_in_the_ledger_and_silence_is_told_once(tables: Make) -> None:
    homes, lock = tables()
    lost, told, failures = lock.names("development")[1], list[str](), iter([True, True, True])
    happened = iter([{"SuperLink": "FH-706"}])
    clock = WaitedClock()
    effects = Effects(clock.monotonic, clock.sleep, disturbed=lambda: next(happened, {}), notice=told.append)

    def flaky(site: str, request: Message, reply: Message) -> Message | Failure:
        return Failure("FH-701") if site == lost and request.kind == "keys" and next(failures, False) else reply

    transport = Broken(local_transport(homes.sites()), flaky)
    result = run_study(homes.coordinator, lock.study_id, transport, effects=effects)
    assert [entry.disturbed for entry in result.ledger if entry.disturbed] == [{"SuperLink": "FH-706"}]
    assert len(told) == 1 and f"{lost} (FH-701)" in told[0]


@pytest.mark.parametrize("kind", ["keys", "release", "open"])
def test_a_changed_reply_opens_nothing(tables: Make, kind: str) -> None:
    homes, lock = tables()
    liar = lock.names("development")[1]

    def change(site: str, request: Message, reply: Message) -> Message | Failure:
        if site != liar or request.kind != kind:
            return reply
        if kind == "release":
            arrays = {name: array.copy() for name, array in reply.arrays.items()}
            next(iter(arrays.values()))[0] += 1
            return Message(reply.kind, reply.body, arrays)
        field = "public_key" if kind == "keys" else "seed"
        text = reply.body[field]
        return Message(reply.kind, {**reply.body, field: ("0" if text[0] != "0" else "1") + text[1:]}, reply.arrays)

    with pytest.raises(Problem) as refused:
        go(homes, lock, Broken(local_transport(homes.sites()), change))
    assert refused.value.code in ("FH-716", "FH-522")
    assert not result_file(homes, lock).exists()


def test_stop_ends_between_two_steps_and_resume_gives_the_undisturbed_result(tables: Make) -> None:
    homes, lock = tables()
    asked = iter(range(1000))
    with pytest.raises(Problem) as stopped:
        go(homes, lock, local_transport(homes.sites()), lambda: next(asked) > 9)
    assert stopped.value.code == "FH-720"
    assert not result_file(homes, lock).exists()
    resumed = go(homes, lock, local_transport(homes.sites()))
    assert resumed.label == "COMPLETE"
    values = (resumed.clinical, resumed.cutoffs, resumed.tables, resumed.pairs)
    import shutil

    shutil.rmtree(homes.coordinator / "studies" / lock.study_id / "run")
    undisturbed = go(homes, lock, local_transport(homes.sites()))
    assert (undisturbed.clinical, undisturbed.cutoffs, undisturbed.tables, undisturbed.pairs) == values


def test_a_lock_for_other_code_is_refused_on_both_sides(tables: Make) -> None:
    from server.study.resume_state import StudyFolder
    from site_config.atomic_files import write_atomic
    from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock

    homes, lock = tables()
    other = lock.model_copy(update={"code_digest": "0" * 64})
    folder = StudyFolder(homes.coordinator / "studies" / other.study_id)
    write_atomic(folder.lock_file, sign_lock(other, CoordinatorIdentity.load(homes.coordinator)).model_dump_json().encode())
    with pytest.raises(Problem) as refused:
        go(homes, other, local_transport(homes.sites()))
    assert refused.value.code == "FH-415", "the office does not begin"
    agent = Agent(load_site(homes.site(other.names("development")[0]) / "site.yaml"))
    body = AdmissionRequest(signed=folder.signed_lock()).model_dump(mode="json")
    assert agent.handle(Message("admission", body)).body["refusals"] == ["FH-415"]
    agent.close()


def test_another_office_code_goes_on_only_on_the_record(tables: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from server.study import office_code

    homes, lock = tables()
    asked = iter(range(1000))
    with pytest.raises(Problem):
        go(homes, lock, local_transport(homes.sites()), lambda: next(asked) > 9)
    monkeypatch.setattr(office_code, "office_digest", lambda: "ab" * 32)
    with pytest.raises(Problem) as refused:
        go(homes, lock, local_transport(homes.sites()))
    assert refused.value.code == "FH-420" and "upgrade" in refused.value.fix
    ledger = homes.coordinator / "studies" / lock.study_id / "run" / "ledger.jsonl"
    assert office_code.upgrade(ledger, lock) and not office_code.upgrade(ledger, lock)
    result = go(homes, lock, local_transport(homes.sites()))
    assert result.label == "COMPLETE" and len(result.remarks) == 1 and "ab" * 6 in result.remarks[0]
    monkeypatch.undo()
    with pytest.raises(Problem):
        go(homes, lock, local_transport(homes.sites()))


def test_the_clinical_model_equals_the_same_fit_on_pooled_rows(tables: Make) -> None:
    homes, lock = tables(patients=(150, 30))
    result = go(homes, lock, local_transport(homes.sites()))
    parts = [load_patients(homes.config(name), lock.study, lock.study_id, "development") for name in lock.names("development")]
    train = [Bench(lock.study, part).split("train") for part in parts]
    names = tuple(result.clinical["covariates"])
    order = [train[0].clinical_names.index(name) for name in names]
    grid = cox.DayGrid.days(4_000)

    class Pooled:
        x = np.concatenate([part.clinical[:, order] for part in train])
        day = np.concatenate([part.event_day for part in train])
        event = np.concatenate([part.event for part in train])

        def moments(self, origin):
            return cox.site_moments(self.x, self.event, origin)

        def exact(self, beta, mean, sd):
            return cox.exact_sums(self.x, self.day, self.event, beta, mean, sd, 4_000)

    pooled = cox.fit_exact(Pooled(), names, grid)
    for mine, theirs, se in zip(result.clinical["coef"], pooled.coef, pooled.se, strict=True):
        assert abs((mine or 0.0) - theirs) <= 1e-6 * max(se, 1e-12)
