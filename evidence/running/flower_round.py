"""Evidence: a training round of the full-size network over five loopback sites, and where its seconds go.

Everything is the real thing: Rad-D with two EfficientNet-b0 (8.1 million weights, 33 MB), sites that train it on phantoms
of 32 pixels (so that the network's own time is small beside the transport's), masks, door, gateway and SuperLink. Site
programs differ from a hospital's in one respect: they write down when a message came, and how long the steps at the door took.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from client.program.hospital_log import log_to_file
from client.program.message_agent import Agent
from client.program.resident_worker import Handle, Worker
from client.program.site_runner import SiteProgram
from server.asking.ask_masked_sum import Asker, Question
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import StudyLedger
from server.link.transport import Exchange, Transport
from server.study.resume_state import StudyFolder
from server.study.run_study import run_study
from shared_model.secure_sum.federation_messages import AdmissionRequest, Message
from shared_model.statistics.statistic_declaration import REGISTRY
from shared_model.statistics.statistic_parameters import PreCounts
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.loopback_engine import Loopback, SiteProcess
from simulations.study.simulated_study import Options, ready
from simulations.study.site_folders import Homes
from site_config.documents.read_yaml_documents import load_site
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.study.plan_and_lock import StudyLock

ROUNDS = 5
SECURE_SUMS = 7
SPANS = "spans.jsonl"
UPDATE = "training.update"
TICKS = os.sysconf("SC_CLK_TCK")
AT_THE_DOOR = (
    ("shared_model.secure_sum.pairwise_masks", "encode", "quantise"),
    ("shared_model.secure_sum.pairwise_masks", "add_pair_masks", "masks"),
    ("shared_model.secure_sum.pairwise_masks", "seed_mask", "masks"),
    ("shared_model.secure_sum.pairwise_masks", "vectors_hash", "hash of vectors"),
    ("client.release.door", "state_hash", "hash of weights"),
    ("client.program.message_agent", "compute", "network"),
)
"""Module, function, and what the function's time is called."""


@dataclass(frozen=True)
class AskedRound:
    """One exchange: what, arrays' bytes to a site, when it began and ended (seconds of the epoch), CPU seconds before it by program."""

    kind: str
    statistic: str
    round: int
    sent: int
    began: float
    ended: float
    cpu: dict[str, float]


class Spans:
    """Appends named spans of time of one site to a file in its home."""

    def __init__(self, home: Path) -> None:
        self._file = home / SPANS

    def write(self, name: str, began: float, cpu: float) -> None:
        """A span that ends now; `cpu` is what it cost this process, seconds."""
        line = json.dumps({"name": name, "began": began, "ended": time.time(), "cpu": cpu})
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its spans written down."""

        def measured(*words: Any, **named: Any) -> Any:
            began, cpu = time.time(), time.process_time()
            try:
                return function(*words, **named)
            finally:
                self.write(name, began, time.process_time() - cpu)

        return measured


class MeasuredWorker(Worker):
    """A worker that notes when an update is asked of it and when it has answered."""

    def __init__(self, home: Path, plain: bool = False) -> None:
        super().__init__(home, MeasuredAgent(home, plain))
        self._spans = Spans(home)

    def handle(self, message: Message) -> Message:
        """As a worker; a request for an update leaves a span `inside`."""
        context = message.body.get("context", {})
        if message.kind != "release" or context.get("statistic") != UPDATE:
            return super().handle(message)
        reply: Message = self._spans.timed("inside", super().handle)(message)
        return reply


class MeasuredAgent:
    """Makes the site's agent in its own process and measures the steps at its door.

    With `plain` the network trains once and every later update is that one again, as the clients of the other frameworks'
    benchmark add a constant: what is left is what carrying, masking and summing cost.
    """

    def __init__(self, home: Path, plain: bool = False) -> None:
        self.home, self.plain = home, plain

    def __call__(self, home: Path) -> Handle:
        """The agent's handle."""
        spans = Spans(home)
        if self.plain:
            agent = import_module("client.program.message_agent")
            setattr(agent, "compute", once_only(agent.compute))  # noqa: B010 - a name the module imports, changed on purpose
        for place, name, step in AT_THE_DOOR:
            module = import_module(place)
            setattr(module, name, spans.timed(step, getattr(module, name)))
        return Agent(load_site(home / "site.yaml")).handle


def once_only(compute: Callable[..., Any]) -> Callable[..., Any]:
    """A statistic's function that trains once and repeats the update from then on."""
    kept: dict[str, Any] = {}

    def repeated(name: str, *words: Any) -> Any:
        if name != UPDATE:
            return compute(name, *words)
        if name not in kept:
            kept[name] = compute(name, *words)
        return dict(kept[name])

    return repeated


class MeasuredTransport:
    """A transport that notes every exchange."""

    def __init__(self, inner: Transport, programs: Callable[[], dict[str, float]]) -> None:
        self._inner = inner
        self._programs = programs
        self.asked: list[AskedRound] = []

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """As the inner one."""
        message = next(iter(requests.values()))
        context = message.body.get("context", {})
        before, began = self._programs(), time.time()
        done = self._inner.exchange(requests, deadline_s)
        statistic, number = str(context.get("statistic", "")), int(context.get("round", 0))
        sent = sum(array.nbytes for array in message.arrays.values())
        self.asked.append(AskedRound(message.kind, statistic, number, sent, began, time.time(), before))
        return done

    def sites(self) -> Mapping[str, bool]:
        """As the inner one."""
        return self._inner.sites()


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of its children that ended; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS


def children(pid: int) -> list[int]:
    """Processes started by a process, and theirs."""
    try:
        found = [int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()]
    except OSError:
        return []
    return found + [below for child in found for below in children(child)]


def programs(federation: Loopback) -> dict[str, float]:
    """CPU seconds so far of each kind of program of a federation, all sites together."""
    times = os.times()
    found = {"coordinator": times.user + times.system, "SuperLink": 0.0, "gateway": 0.0, "site programs": 0.0, "site workers": 0.0}
    for name, child in (("SuperLink", federation.gateway.superlink), ("gateway", federation.gateway.nginx)):
        if child.process is not None:
            found[name] = sum(cpu_seconds(pid) for pid in (child.process.pid, *children(child.process.pid)))
    for site in federation.sites.values():
        if site.process is not None:
            found["site programs"] += cpu_seconds(site.process.pid)
            found["site workers"] += sum(cpu_seconds(pid) for pid in children(site.process.pid))
    return found


def five_sites(folder: Path, sites: int, ring: int) -> tuple[Homes, StudyLock]:
    """A prepared study of Rad-D in full size over one block of `sites` hospitals."""
    base = PRESETS["tiny"]
    survival = replace(base.survival, sites=(sites, 0), patients=(sites + 1, 0), lone_sites=sites - 1)
    study = {
        **base.study,
        "models": ("Rad-D",),
        "validation_fraction": 0.0,
        "network": {**base.study["network"], "backbone": "efficientnet-b0"},
        "training": {**base.study["training"], "rounds": ROUNDS, "validate_every": 1000, "ring": ring},
        "blocks": {"minimum_sites": sites, "minimum_patients": 1},
    }
    homes = Homes(folder)
    make_cohort(replace(base, survival=survival, study=study), homes.cohort, seed=7, workers=1)
    return homes, ready(Options(out=folder, pooled=False, workers=1), homes, lambda _event: None)


def measure(folder: Path, sites: int, ring: int, plain: bool = False) -> dict[str, Any]:
    """Small secure sums, then rounds of training in the ring 2^`ring` after the first, over `sites` loopback sites.

    `plain` rounds train once and repeat that update (`MeasuredAgent`).
    """
    homes, lock = five_sites(folder, sites, ring)
    federation = Loopback(homes.coordinator, homes.sites())
    words = ["plain"] if plain else []
    for name, home in homes.sites().items():
        federation.sites[name] = SiteProcess(name, home, [sys.executable, "-P", "-m", "evidence.running.flower_round", str(home), *words])
    with federation:
        return measured(homes, lock, federation)


def measured(homes: Homes, lock: StudyLock, federation: Loopback) -> dict[str, Any]:
    """The figures of a federation that runs."""
    transport = MeasuredTransport(federation.transport(), lambda: programs(federation))
    small = secure_sums(homes, lock, transport)
    result = run_study(homes.coordinator, lock.study_id, transport, effects=Effects(time.monotonic, time.sleep))
    sites = len(lock.blocks["development"][0])
    released = [entry.bytes_out for entry in result.ledger if entry.statistic == UPDATE]
    spans = [span for home in homes.sites().values() for span in read_spans(home)]
    return {
        "sites": sites,
        "label": result.label,
        "secure_sum_s": small,
        "megabytes_down_a_site": round(max(one.sent for one in transport.asked) / 1e6, 1),
        "megabytes_up_a_site": round(statistics.median(released) / sites / 1e6, 1),
        **where_time_goes(transport.asked, spans),
    }


def secure_sums(homes: Homes, lock: StudyLock, transport: Transport) -> list[float]:
    """Wall seconds of secure sums (three exchanges) of the masked counts over the block, after a first one."""
    study = StudyFolder(homes.coordinator / "studies" / lock.study_id)
    body = AdmissionRequest(signed=study.signed_lock()).model_dump(mode="json")
    transport.exchange({entry.name: Message("admission", body) for entry in lock.roster}, 300.0)
    run = StudyFolder(study.root / "run")
    effects = Effects(time.monotonic, time.sleep)
    question = Question(REGISTRY["precounts"], PreCounts(split="train", columns=()), "admission", 0, "development", 0)
    found = []
    with closing(StudyLedger(run.ledger_file)) as ledger:  # the study itself opens it next
        asker = Asker(lock, CoordinatorIdentity.load(homes.coordinator), transport, run, ledger, effects)
        for _ in range(SECURE_SUMS + 1):
            began = time.perf_counter()
            asker.once(question)
            found.append(round(time.perf_counter() - began, 3))
    return found[1:]


def read_spans(home: Path) -> list[dict[str, Any]]:
    """What a site wrote down."""
    return [json.loads(line) for line in (home / SPANS).read_text(encoding="utf-8").splitlines()]


def where_time_goes(asked: list[AskedRound], spans: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds between the first and the last: wall seconds by step, CPU seconds by program and by step."""
    updates = [one for one in asked if one.statistic == UPDATE]
    starts = [next(one for one in updates if one.round == number) for number in sorted({one.round for one in updates})]
    rounds = [_round(asked, spans, begin, end) for begin, end in pairwise(starts[1:])]
    return {"rounds": len(rounds), "all_rounds_s": [one["wall_s"]["round"] for one in rounds], **_median(rounds)}


def _round(asked: list[AskedRound], spans: list[dict[str, Any]], begin: AskedRound, end: AskedRound) -> dict[str, dict[str, float]]:
    """One round, from its first request to the next one's; its keys may have come with the opening before it."""
    mine = {one.kind: one for one in asked if one.statistic == UPDATE and begin.began <= one.began < end.began}
    release, opening = mine["release"], mine["open"]
    keys = mine.get("keys", replace(release, ended=release.began))
    inside = [span for span in spans if release.began <= span["began"] <= release.ended]
    whole = [span for span in inside if span["name"] == "inside"]
    steps = sorted({span["name"] for span in inside} - {"inside"})
    wall = {
        "round": end.began - begin.began,
        "keys": keys.ended - keys.began,
        "down, to the median site": statistics.median(span["began"] for span in whole) - release.began,
        "down, to the last site": max(span["began"] for span in whole) - release.began,
        "inside a site (median)": statistics.median(span["ended"] - span["began"] for span in whole),
        "up, after the last site answered": release.ended - max(span["ended"] for span in whole),
        "open": opening.ended - opening.began,
        "coordinator: sum, step, state": end.began - opening.ended + (release.began - keys.ended) + (opening.began - release.ended),
    }
    cpu = {name: end.cpu[name] - begin.cpu[name] for name in begin.cpu}
    site = {name: sum(span["cpu"] for span in inside if span["name"] == name) / len(whole) for name in steps}
    return {"wall_s": wall, "cpu_s": cpu | {"all": sum(cpu.values())}, "cpu_s_a_site": site}


def _median(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    def middle(part: str, names: Iterable[str]) -> dict[str, float]:
        return {name: round(statistics.median(one[part][name] for one in rounds), 2) for name in names}

    return {part: middle(part, rounds[0][part]) for part in rounds[0]}


def serve() -> None:
    """Run one measured site until it is asked to end."""
    site = load_site(Path(sys.argv[1]) / "site.yaml")
    log_to_file(site.state, "info", 2)
    program = SiteProgram(site, MeasuredWorker(site.home, "plain" in sys.argv[2:]))
    signal.signal(signal.SIGTERM, lambda *_: program.stop())
    program.run()


if __name__ == "__main__":
    serve()
