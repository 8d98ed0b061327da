"""Evidence: the same federation with every hospital 150 ms away: an exchange, a secure sum, a round of 33 MB, the paper's study.

`python -m evidence.running.distant_hospitals [PART]` writes `docs/evidence/distant_hospitals.json`. A user-space line stands
between each site's program and the gateway and holds back what passes by 75 ms each way. PART (`small`, `round`, `shares` or
`paper`) measures one part alone and records nothing. In `paper`, five models over 52 hospitals, the holders are such programs; the
other hospitals, who are asked a few times a phase, answer in this process after as long a way, because 52 networks do not fit into
this machine's memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from client.app import forget_agents
from client.keys_kit_and_decisions import join
from evidence.record import record
from evidence.running.flower_round import five_sites, measured
from evidence.running.flower_speed import COVERS, EXCHANGES, offices, spread, timed
from evidence.running.frozen52 import SEED, cohort
from server import hospital_register as at_office
from server import office_setup
from server.asking.clocks_and_waiting import Effects
from server.link.transport import Exchange, Transport
from server.study.run_study import run_study
from shared_model.secure_sum.federation_messages import Message
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.local_engine import local_transport
from simulations.engines.loopback_engine import Loopback, SiteProcess, loopback_address
from simulations.study.simulated_study import Options, ready
from simulations.study.site_folders import Homes, approve_everywhere, enrol, publish
from site_config.documents.read_yaml_documents import load_site
from site_config.keys_and_signatures import CoordinatorIdentity, sign_kit

ROUND_TRIP_S, SITES, PIECE = 0.15, 5, 1 << 16
ROUND_MOST_S = 5.0
SHARES = {"sites": (8, 2), "patients": (90, 20)}
ANALYSES_MOST_S = 480.0
ANALYSES = ("clinical", "fusion", "evaluation")


class LongLine:
    """Forwards a port of this machine to another one, each piece `delay_s` after it came; nothing is dropped or reordered."""

    def __init__(self, target: int, delay_s: float) -> None:
        self._target, self._delay_s = target, delay_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="line")
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Drop everything."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, out = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            back.close()
            return
        await asyncio.gather(self._carry(near, out), self._carry(far, back))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """One way: a piece is read when it comes and written when its time has come, while later ones are read."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        writer = asyncio.create_task(self._deliver(waiting, sink))
        with contextlib.suppress(OSError):
            while piece := await source.read(PIECE):
                waiting.put_nowait((self._loop.time() + self._delay_s, piece))
        waiting.put_nowait((self._loop.time() + self._delay_s, b""))
        await writer

    async def _deliver(self, waiting: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, piece = await waiting.get()
                await asyncio.sleep(max(due - self._loop.time(), 0.0))
                if not piece:
                    break
                sink.write(piece)
                await sink.drain()
        sink.close()


@contextlib.contextmanager
def far_away(office: Path, homes: Mapping[str, Path], programs: Mapping[str, list[str]] | None = None) -> Iterator[Loopback]:
    """The federation with a line of its own to every site; `programs`: a site's command where it is not a hospital's own."""
    address, superlink = loopback_address()
    office_setup.readdress(office, address, listen=address, superlink_port=superlink)
    lines = {name: LongLine(int(address.rpartition(":")[2]), ROUND_TRIP_S / 2) for name in homes}
    identity = CoordinatorIdentity.load(office)
    for name, home in homes.items():
        kit = at_office.kit(office, name).model_copy(update={"address": f"127.0.0.1:{lines[name].port}"})
        join(load_site(home / "site.yaml").state, sign_kit(kit, identity).model_dump_json().encode())
    federation = Loopback(office, homes)
    for name, command in (programs or {}).items():
        federation.sites[name] = SiteProcess(name, homes[name], command)
    try:
        with federation:
            yield federation
    finally:
        for line in lines.values():
            line.close()


def small(folder: Path) -> dict[str, Any]:
    """Exchanges of 400 bytes with sites that echo."""
    office, homes = offices(folder)
    echo = {name: [sys.executable, "-P", "-m", "evidence.running.flower_speed", "echo", str(home)] for name, home in homes.items()}
    with far_away(office, homes, echo) as federation:
        transport = federation.transport()
        asked = {name: Message("status", {"echo": True}, {"v": np.zeros(50)}, room=400) for name in homes}
        timed(transport, asked)
        return {"exchange_s": spread([timed(transport, asked) for _ in range(EXCHANGES)])}


def a_round(folder: Path) -> dict[str, Any]:
    """Secure sums and rounds of 33 MB down and up; an update is computed once and repeated, so a round is the line's and ours."""
    homes, lock = five_sites(folder, SITES, 32)
    program = [sys.executable, "-P", "-m", "evidence.running.flower_round"]
    plain = {name: [*program, str(home), "plain"] for name, home in homes.sites().items()}
    with far_away(homes.coordinator, homes.sites(), plain) as federation:
        found = measured(homes, lock, federation)
    inside = found["wall_s"]["inside a site (median)"]
    return {
        "secure_sum_s": spread(found["secure_sum_s"]),
        "round_s": spread(found["all_rounds_s"]),
        "of_it_inside_a_site_s": inside,
        "beyond_the_sites_own_s": round(found["wall_s"]["round"] - inside, 2),
    }


class Counted:
    """A transport that counts exchanges and their seconds by kind."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.times: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """As the inner one."""
        kind, began = next(iter(requests.values())).kind, time.perf_counter()
        try:
            return self._inner.exchange(requests, deadline_s)
        finally:
            self.times[kind] += 1
            self.seconds[kind] += time.perf_counter() - began

    def sites(self) -> Mapping[str, bool]:
        """As the inner one."""
        return self._inner.sites()


def on_shares(folder: Path) -> dict[str, Any]:
    """A study of tables on shares, three holders and every hospital far away: seconds by phase, and of an opening."""
    base = PRESETS["clinical-only"]
    survival = replace(base.survival, sites=SHARES["sites"], patients=SHARES["patients"])
    settings = {**base.study, "privacy": {"demonstration": True}, "resolution": "shares", "models": ("CLN",)}
    homes = Homes(folder)
    make_cohort(replace(base, survival=survival, study=settings), homes.cohort, seed=3)
    enrol(homes, 3)
    lock = publish(homes)
    approve_everywhere(homes, lock)
    with far_away(homes.coordinator, homes.sites()) as federation:
        counted = Counted(federation.transport())
        result = run_study(homes.coordinator, lock.study_id, counted, effects=Effects(time.monotonic, time.sleep))
    openings, seconds = counted.times["hold"], counted.seconds["hold"]
    return {
        "shares": {
            "hospitals": len(lock.roster),
            "holders": len(lock.holders),
            "label": result.label,
            "phase_s": {name: round(value, 1) for name, value in result.timing.items()},
            "exchanges_with_holders": openings,
            "seconds_an_exchange_with_holders": round(seconds / max(openings, 1), 3),
        }
    }


class Parted:
    """Far programs for some sites, this process for the others, whose requests and replies take the round trip's time too."""

    def __init__(self, far: Transport, near: Transport, here: Collection[str]) -> None:
        self._far, self._near, self._here = far, near, frozenset(here)

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """Both at once; a reply from here is not there before its way is over."""
        here = {site: message for site, message in requests.items() if site in self._here}
        there = {site: message for site, message in requests.items() if site not in self._here}
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self._far.exchange, there, deadline_s) if there else None
            if here:
                time.sleep(ROUND_TRIP_S)
            mine = self._near.exchange(here, deadline_s) if here else Exchange()
            other = asked.result() if asked else Exchange()
        return Exchange({**mine.replies, **other.replies}, {**mine.failures, **other.failures})

    def sites(self) -> Mapping[str, bool]:
        """All of them."""
        return {**self._far.sites(), **dict.fromkeys(self._here, True)}


def paper(folder: Path) -> dict[str, Any]:
    """The paper's five models over 37 + 15 hospitals at default minima: seconds of the analyses, and what a hospital is asked."""
    homes = Homes(folder)
    cohort(homes.cohort, SEED)
    lock = ready(Options(folder, seed=SEED, workers=2, pooled=False), homes, lambda _event: None)
    everybody = homes.sites()
    holders = {name: everybody[name] for name in lock.holders}
    with far_away(homes.coordinator, holders) as federation:
        parted = Parted(federation.transport(), local_transport(everybody), set(everybody) - set(holders))
        counted = Counted(parted)
        result = run_study(homes.coordinator, lock.study_id, counted, effects=Effects(time.monotonic, time.sleep))
    forget_agents()
    phases = {name: round(value, 1) for name, value in result.timing.items()}
    return {
        "paper": {
            "hospitals": len(lock.roster),
            "patients": sum(one.n for one in result.analyses.sets if one.set == "all") if result.analyses else 0,
            "holders": len(holders),
            "label": result.label,
            "scores": [spec.model for spec in result.scores],
            "phase_s": phases,
            "analyses_s": round(sum(phases[name] for name in ANALYSES), 1),
            "exchanges": dict(counted.times),
            "seconds_an_exchange": {kind: round(counted.seconds[kind] / times, 3) for kind, times in counted.times.items()},
        }
    }


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {"small": small, "round": a_round, "shares": on_shares, "paper": paper}


def main() -> None:
    """Measure, and record where every part was measured."""
    wanted = sys.argv[1:] or list(PARTS)
    figures: dict[str, Any] = {"round_trip_s": ROUND_TRIP_S, "sites": SITES, "load_before": [round(one, 1) for one in os.getloadavg()]}
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="fedhcc-far-") as folder:
            figures |= PARTS[name](Path(folder) / "run")
        print(figures, flush=True)
    if set(wanted) != set(PARTS):
        return
    figures["load_after"] = [round(one, 1) for one in os.getloadavg()]
    figures["bars"] = {
        "a round takes at most the sites' own time and 5 s": figures["beyond_the_sites_own_s"] <= ROUND_MOST_S,
        "all analyses of the paper's study take at most 8 minutes": figures["paper"]["analyses_s"] <= ANALYSES_MOST_S,
    }
    covers = [*COVERS, "evidence/running/distant_hospitals.py", "server/asking/sum_attempt.py", "server/asking/ask_on_shares.py"]
    record("distant_hospitals", covers=covers, figures=figures, seeds=[3, SEED], command="python -m evidence.running.distant_hospitals")


if __name__ == "__main__":
    main()
