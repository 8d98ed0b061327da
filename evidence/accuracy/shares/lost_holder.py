"""A holder's process killed at every tenth opening of every phase, and hospitals lost in the middle of their uploads.

`python -m evidence.accuracy.shares.lost_holder` writes docs/evidence/lost_holder.json. A phase has five restarts, so the deaths are
dealt to several runs of the same study from the same folders; each run is held against an undisturbed one: the same names, numbers
within two units of their grids, none opened twice.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from client.app import forget_agents
from evidence.accuracy.shares.killed_office import COVERS, PHASES, SEED, go_on, put_back, small_study, undisturbed
from evidence.accuracy.shares.opened_numbers import Openings
from evidence.record import record
from server.link.transport import Exchange, Failure, Transport
from server.study.study_results import StudyResult
from shared_model.secure_sum.federation_messages import Message
from shared_model.shares.holder.holder_session import RESTARTS
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes
from site_config.problems import federation
from site_config.study.plan_and_lock import StudyLock

EVERY: Final = 10
SILENT: Final = Failure(federation.SITE_SILENT.label, "silent")
LOST: Final = ("before it answers", "after it made its rows", "half of every box arrives")
Death = tuple[str, int]


class HolderDies:
    """A transport on which one holder's process ends before it hears of a step; deaths: (phase, step of an attempt), each once."""

    def __init__(self, homes: Homes, holder: str, deaths: Sequence[Death]) -> None:
        self.inner: Transport = local_transport(homes.sites())
        self.home, self.holder = homes.sites()[holder], holder
        self.left, self.steps = list(deaths), dict.fromkeys(PHASES, 0)
        self.died: list[Death] = []

    def sites(self) -> Mapping[str, bool]:
        """As it is."""
        return self.inner.sites()

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """As it is, but for the deaths."""
        one = next(iter(requests.values()), None)
        if one is None or one.kind != "hold":
            return self.inner.exchange(requests, deadline_s)
        now = (str(one.body["phase"]), int(one.body["step"]))
        self.steps[now[0]] = max(self.steps[now[0]], now[1])
        if now not in self.left:
            return self.inner.exchange(requests, deadline_s)
        self.left.remove(now)
        self.died.append(now)
        forget_agents(self.home)
        done = self.inner.exchange({site: request for site, request in requests.items() if site != self.holder}, deadline_s)
        return Exchange(done.replies, {**done.failures, self.holder: SILENT})


class HospitalsLost:
    """A transport on which hospitals are lost while they upload; a hospital a kind of loss, once a phase."""

    def __init__(self, homes: Homes, hospitals: Sequence[str]) -> None:
        self.inner: Transport = local_transport(homes.sites())
        self.homes, self.hospitals = homes.sites(), dict(zip(LOST, hospitals, strict=True))
        self.lost: list[tuple[str, str]] = []

    def sites(self) -> Mapping[str, bool]:
        """As it is."""
        return self.inner.sites()

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """As it is, but for the losses."""
        one = next(iter(requests.values()), None)
        if one is None or one.kind != "rows":
            return self.inner.exchange(requests, deadline_s)
        phase = str(one.body["phase"])
        due = {how: site for how, site in self.hospitals.items() if site in requests and (phase, how) not in self.lost}
        self.lost += [(phase, how) for how in due]
        before, after, half = (due.get(how) for how in LOST)
        done = self.inner.exchange({site: request for site, request in requests.items() if site != before}, deadline_s)
        replies, failures = dict(done.replies), dict(done.failures)
        for site in (before, after):
            if site is not None:
                forget_agents(self.homes[site])
                replies.pop(site, None)
                failures[site] = SILENT
        if half in replies:
            whole = replies[half]
            arrays = {name: np.asarray(box)[:, : np.asarray(box).shape[-1] // 2] for name, box in whole.arrays.items()}
            replies[half] = Message(whole.kind, whole.body, arrays, whole.room)
        return Exchange(replies, failures)


def dealt(steps: Mapping[str, int]) -> list[list[Death]]:
    """Every tenth step of every phase, so that a run has at most as many deaths a phase as there are restarts."""
    every = {phase: range(EVERY, n + 1, EVERY) for phase, n in steps.items()}
    runs = max(-(-len(one) // RESTARTS) for one in every.values())
    return [[(phase, step) for phase, all_ in every.items() for step in all_[run::runs]] for run in range(runs)]


def measure(root: Path) -> dict[str, Any]:
    """An undisturbed run, the runs with deaths, and one with losses."""
    homes, lock = small_study(root)
    known = undisturbed(homes, lock)
    saved = root.with_name(f"{root.name}-saved")
    counted = HolderDies(homes, lock.holders[1], ())
    again = _ended(go_on(homes, lock.study_id, counted), homes, lock, known)
    runs = []
    for number, deaths in enumerate(dealt(counted.steps)):
        put_back(homes, saved)
        dying = HolderDies(homes, lock.holders[number % len(lock.holders)], deaths)
        ended = _ended(go_on(homes, lock.study_id, dying), homes, lock, known)
        runs.append({"killed at": [f"{phase} {step}" for phase, step in dying.died], "not reached": dying.left, **ended})
        sys.stderr.write(f"{runs[-1]}\n")
    put_back(homes, saved)
    hospitals = [name for name in lock.names("development") if name not in lock.holders]
    losing = HospitalsLost(homes, hospitals[:3])
    lost = _ended(go_on(homes, lock.study_id, losing), homes, lock, known)
    return {
        "steps of an undisturbed run": counted.steps,
        "two undisturbed runs": again,
        "a holder killed at every tenth step": runs,
        "hospitals lost while they upload": {"lost": [f"{phase}: {how}" for phase, how in losing.lost], **lost},
    }


def _ended(result: StudyResult, homes: Homes, lock: StudyLock, known: Openings) -> dict[str, Any]:
    return {"label": result.label, **Openings.of(homes, lock).beside(known)}


def main() -> None:
    """Measure and record."""
    with tempfile.TemporaryDirectory(prefix="fedhcc-lost-") as folder:
        figures = measure(Path(folder) / "study")
    record("lost_holder", covers=[*COVERS, "evidence/accuracy/shares/lost_holder.py"], figures=figures, seeds=[SEED])
    sys.stderr.write(f"{figures}\n")


if __name__ == "__main__":
    main()
