"""Evidence: what a federation costs between studies, when nothing is asked.

`python -m evidence.running.idle [SECONDS]` starts five loopback sites with gateway and SuperLink, waits until every site beats as
an idle one, and counts the CPU seconds of every program over SECONDS (240), and what grew meanwhile: own memory, open files and
threads of every program, and files and bytes on the disk, logs included. Nobody is connected to a site's control service, and no
coordinator to the SuperLink.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from client.program.site_runner import IDLE_BEATS_S
from evidence.record import record
from evidence.running.flower_round import children, cpu_seconds, programs
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.loopback_engine import Loopback
from simulations.study.site_folders import Homes, enrol

SITES, SECONDS, HOUR_S = 5, 240.0, 3600.0
SITE_MOST, SUPERLINK_MOST = 3.0, 5.0
START_S, SETTLES_S = 120.0, 300.0
"""Every program has as much memory as it takes about four minutes after it began to idle: the first requests of each kind are over."""
LOOKS, BETWEEN_LOOKS_S = 30, 5.0
"""A beat on its way is an open file at both of its ends; of so many looks each program's fewest are what it keeps."""
NOISE_KIB = 256
"""Of a program's own memory: an allocator takes and gives back single pages."""
OWN = ("Anonymous:", "Swap:", "Pss_Shmem:")


def federation_of(folder: Path) -> Loopback:
    """Five enrolled hospitals with tables alone: what they hold makes no difference."""
    base = PRESETS["clinical-only"]
    homes = Homes(folder)
    make_cohort(replace(base, survival=replace(base.survival, sites=(SITES, 0), patients=(4 * SITES, 0))), homes.cohort, seed=7)
    enrol(homes, 7)
    return Loopback(homes.coordinator, homes.sites())


@dataclass(frozen=True)
class HeldNow:
    """What programs hold: own memory in KiB, open files and threads of each, and files and bytes below a folder."""

    memory: dict[str, int]
    handles: dict[str, int]
    files: int
    bytes_on_disk: int

    def grown(self, before: HeldNow) -> dict[str, Any]:
        """The growth since an earlier look."""
        return {
            "own_memory_kib": {name: self.memory[name] - before.memory[name] for name in before.memory},
            "open_files_and_threads": {name: self.handles[name] - before.handles[name] for name in before.handles},
            "files": self.files - before.files,
            "bytes_of_files_and_logs": self.bytes_on_disk - before.bytes_on_disk,
        }


def held_between_beats(federation: Loopback, folder: Path, sleep: Callable[[float], None]) -> HeldNow:
    """The last of several looks, with the fewest open files and threads that any of them saw."""
    looks = [held_now(federation, folder)]
    while len(looks) < LOOKS:
        sleep(BETWEEN_LOOKS_S)
        looks.append(held_now(federation, folder))
    return replace(looks[-1], handles={name: min(look.handles[name] for look in looks) for name in looks[-1].handles})


def held_now(federation: Loopback, folder: Path) -> HeldNow:
    """One look at every program of a federation and at everything below a folder."""
    roots = {"SuperLink": federation.gateway.superlink.process, "gateway": federation.gateway.nginx.process}
    roots |= {name: site.process for name, site in federation.sites.items()}
    every = {name: (process.pid, *children(process.pid)) for name, process in roots.items() if process is not None}
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return HeldNow(
        {name: sum(_own_kib(pid) for pid in pids) for name, pids in every.items()},
        {name: sum(_entries(pid, "fd") + _entries(pid, "task") for pid in pids) for name, pids in every.items()},
        len(paths),
        sum(path.stat().st_size for path in paths),
    )


def _own_kib(pid: int) -> int:
    """What a program wrote itself, swapped out or not. Pages of program files are not its own: the kernel counts one that two
    programs read as private as soon as the other ends, so such a figure follows what else runs on the machine."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(OWN))


def _entries(pid: int, what: str) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/{what}").iterdir()))
    except OSError:
        return 0


def measure(seconds: float, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """CPU seconds an hour, of a site (the dearest one too) and of the SuperLink for each."""
    with TemporaryDirectory(prefix="fedhcc-idle-") as folder, federation_of(Path(folder) / "run") as federation:
        transport, end = federation.transport(), time.monotonic() + START_S
        while not all(transport.sites().values()):
            if time.monotonic() > end:
                raise SystemExit("the sites did not register")
            sleep(0.5)
        transport.close()  # nobody asks anything between studies; a coordinator's own beats would be counted with the SuperLink
        sleep(IDLE_BEATS_S + SETTLES_S)
        began = held_between_beats(federation, Path(folder), sleep)
        before, each = programs(federation), site_seconds(federation)
        sleep(seconds)
        after, each_after = programs(federation), site_seconds(federation)
        grown = held_between_beats(federation, Path(folder), sleep).grown(began)
        online = all(federation.transport().sites().values())
    hourly = {name: (after[name] - before[name]) * HOUR_S / seconds for name in before}
    site = (hourly["site programs"] + hourly["site workers"]) / SITES
    dearest = max(each_after[name] - each[name] for name in each) * HOUR_S / seconds
    return {
        "seconds": seconds,
        "sites": SITES,
        "all_online_at_the_end": online,
        "cpu_s_an_hour_a_site": round(site, 2),
        "of_it_working_process": round(hourly["site workers"] / SITES, 2),
        "dearest_site": round(dearest, 2),
        "superlink_cpu_s_an_hour_a_site": round(hourly["SuperLink"] / SITES, 2),
        "gateway_cpu_s_an_hour_a_site": round(hourly["gateway"] / SITES, 2),
        "growth": grown,
        "bars": {
            "memory, open files, threads, files and logs do not grow": _nothing_grew(grown),
            "a site idles at 3 CPU-s an hour at most": site <= SITE_MOST,
            "and costs the SuperLink 5 at most": hourly["SuperLink"] / SITES <= SUPERLINK_MOST,
        },
    }


def _nothing_grew(grown: dict[str, Any]) -> bool:
    quiet = max(grown["own_memory_kib"].values()) <= NOISE_KIB and max(grown["open_files_and_threads"].values()) <= 0
    return bool(quiet and grown["files"] <= 0 and grown["bytes_of_files_and_logs"] <= 0)


def site_seconds(federation: Loopback) -> dict[str, float]:
    """CPU seconds so far of each site's program and its working process."""
    found = {}
    for name, site in federation.sites.items():
        pid = site.process.pid if site.process is not None else 0
        found[name] = sum(cpu_seconds(one) for one in (pid, *children(pid)))
    return found


def main() -> None:
    """Measure and record."""
    figures = measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
    print(figures, flush=True)
    covers = [
        "client/program/flower_node.py",
        "client/program/control_service.py",
        "client/program/sleeping_socket.py",
        "client/program/resident_worker.py",
    ]
    record("idle", covers=[*covers, "client/program/site_runner.py", "server/link/superlink_calls.py"], figures=figures, seeds=[7])


if __name__ == "__main__":
    main()
