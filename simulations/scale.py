"""What a federation costs as it grows: CPU time, bytes and memory of a training round by number of hospitals.

One simulated patient a hospital, a small network, masked sums in one block (the dearest case: masks grow with the square of
a block's size), the whole in one process with one thread.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from server.ask import Effects
from server.phases.study import Event
from simulations.home import Homes

ROUNDS = 4


@dataclass(frozen=True)
class RoundCost:
    """One training round at `sites` hospitals: CPU seconds of all sides together, bytes released, peak memory so far."""

    sites: int
    patients: int
    cpu_seconds: float
    bytes_out: int
    peak_gigabytes: float


def round_cost(sites: int, folder: Path, *, seed: int = 1, blocks_of: int | None = None) -> RoundCost:
    """Build a federation of `sites` hospitals below `folder` and time its rounds after the first.

    `blocks_of` hospitals make a block; None makes one block of all.
    """
    from client.app import forget_agents
    from server.study_run import run_study
    from simulations.engines.local import local_transport
    from simulations.run import one_thread, ready

    one_thread()
    homes = Homes(folder)
    lock = ready(prepared_options(sites, homes, seed, blocks_of or sites), homes, lambda _event: None)
    ends: list[float] = []

    def tell(event: Event) -> None:
        if event.phase.startswith("training"):
            ends.append(time.process_time())

    result = run_study(
        homes.coordinator, lock.study_id, local_transport(homes.sites()), effects=Effects(time.monotonic, time.sleep), tell=tell
    )
    forget_agents()
    updates = [entry for entry in result.ledger if entry.statistic == "training.update"]
    return RoundCost(
        sites=sites,
        patients=result.flow["train.analysed"],
        cpu_seconds=float(np.median(np.diff(ends))),
        bytes_out=updates[-1].bytes_out,
        peak_gigabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    )


def prepared_options(sites: int, homes: Homes, seed: int, block: int) -> Any:
    """The cohort of a cost measurement, written where it is missing, and the options that run it."""
    from simulations.cohort import make_cohort
    from simulations.cohort_presets import PRESETS
    from simulations.run import Options

    base = PRESETS["tiny"]
    survival = replace(base.survival, sites=(sites, 0), patients=(sites, 0), lone_sites=sites)
    study = {
        **base.study,
        "models": ("Rad-D",),
        "validation_fraction": 0.0,
        "training": {**base.study["training"], "rounds": ROUNDS, "validate_every": 1000},
        "blocks": {"minimum_sites": block, "minimum_patients": 1},
    }
    if not (homes.cohort / "study.yaml").exists():
        make_cohort(replace(base, survival=survival, study=study), homes.cohort, seed, workers=2)
    return Options(out=homes.root, seed=seed, pooled=False)


def exponent(costs: list[RoundCost]) -> float:
    """Slope of log CPU time on log hospitals."""
    x = np.log([cost.sites for cost in costs])
    return float(np.polyfit(x, np.log([cost.cpu_seconds for cost in costs]), 1)[0])
