"""What a federation costs as it grows: CPU time, bytes and memory of a training round by number of hospitals.

One simulated patient a hospital, a small network, masked sums in one block (the dearest case: a site agrees on a mask with
every other one, so the sites together do work that grows with the square of a block's size), the whole in one process with
one thread. The study is stopped after its last round.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from client.app import forget_agents
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import asks, history
from server.phases.phase_context import Event
from server.study.resume_state import StudyFolder, TrainingState
from server.study.run_study import run_study
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.local_engine import local_transport
from simulations.study.simulated_study import Options, ready
from simulations.study.site_folders import Homes
from simulations.threads import one_thread
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.prognostic_models import RAD_D

ROUNDS: Final = 4
MODEL: Final = RAD_D.name
STEPS: Final = (
    ("shared_model.secure_sum.pairwise_masks", "add_pair_masks", "masks"),
    ("shared_model.secure_sum.pairwise_masks", "seed_mask", "masks"),
    ("shared_model.secure_sum.pairwise_masks", "pair_key", "key agreement"),
    ("shared_model.secure_sum.signatures", "check_keys", "signatures of keys"),
    ("client.program.message_agent", "compute", "network"),
)
"""Module, function, and what its time is called; everything else is `other`."""


@dataclass(frozen=True)
class RoundCost:
    """One training round at `sites` hospitals: CPU seconds of all sides together, by step and a site; bytes released; peak memory."""

    sites: int
    patients: int
    cpu_seconds: float
    bytes_out: int
    peak_gigabytes: float
    cpu_seconds_a_site: float
    cpu_seconds_by_step: dict[str, float]


@contextmanager
def metered() -> Iterator[dict[str, float]]:
    """CPU seconds spent so far in each of `STEPS`, while the block runs."""
    spent = dict.fromkeys((name for _, _, name in STEPS), 0.0)
    before = [(import_module(place), word) for place, word, _ in STEPS]
    functions = [getattr(module, word) for module, word in before]

    def timed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @wraps(function)
        def measured(*words: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return function(*words, **named)
            finally:
                spent[name] += time.process_time() - began

        return measured

    for (module, word), function, (_, _, name) in zip(before, functions, STEPS, strict=True):
        setattr(module, word, timed(function, name))
    try:
        yield spent
    finally:
        for (module, word), function in zip(before, functions, strict=True):
            setattr(module, word, function)


def round_cost(sites: int, folder: Path, *, seed: int = 1, blocks_of: int | None = None, backbone: str | None = None) -> RoundCost:
    """Build a federation of `sites` hospitals below `folder`, or take the one that is there, and time its rounds after the first.

    `blocks_of` hospitals make a block; None makes one block of all. `backbone`: the network's, where it is not the small one.
    """
    one_thread()
    homes = Homes(folder)
    lock = ready(prepared_options(sites, homes, seed, blocks_of or sites, backbone), homes, lambda _event: None)
    marks: list[dict[str, float]] = []
    with metered() as spent:

        def tell(event: Event) -> None:
            if event.phase.startswith("training"):
                marks.append({**spent, "all": time.process_time()})

        effects = Effects(time.monotonic, time.sleep, lambda: len(marks) >= ROUNDS)
        try:
            run_study(homes.coordinator, lock.study_id, local_transport(homes.sites()), effects=effects, tell=tell)
        except Problem as problem:
            if problem.kind != federation.STUDY_STOPPED:
                raise
        finally:
            forget_agents()
    return _cost(sites, StudyFolder(homes.coordinator / "studies" / lock.study_id / "run"), marks)


def _cost(sites: int, run: StudyFolder, marks: list[dict[str, float]]) -> RoundCost:
    """The medians of the rounds between the marks."""
    spent = {name: float(np.median(np.diff([mark[name] for mark in marks]))) for name in marks[0]}
    whole = spent.pop("all")
    updates = [entry for entry in asks(history(run.ledger_file)) if entry.statistic == "training.update"]
    return RoundCost(
        sites=sites,
        patients=sum(sums.patients for sums in TrainingState.load(run.training_file(MODEL)).blocks.values()),
        cpu_seconds=whole,
        bytes_out=updates[-1].bytes_out,
        peak_gigabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        cpu_seconds_a_site=whole / len(updates[-1].roster),
        cpu_seconds_by_step={**spent, "other": whole - sum(spent.values())},
    )


def prepared_options(sites: int, homes: Homes, seed: int, block: int, backbone: str | None = None) -> Any:
    """The cohort of a cost measurement, written where it is missing, and the options that run it in blocks of `block`."""
    import yaml

    base = PRESETS["tiny"]
    survival = replace(base.survival, sites=(sites, 0), patients=(sites, 0), lone_sites=sites)
    study = {
        **base.study,
        "models": (MODEL,),
        "validation_fraction": 0.0,
        "training": {**base.study["training"], "rounds": ROUNDS, "validate_every": 1000},
    }
    if backbone:
        study["network"] = {**base.study["network"], "backbone": backbone}
    declared = homes.cohort / "study.yaml"
    if not declared.exists():
        make_cohort(replace(base, survival=survival, study=study), homes.cohort, seed, workers=2)
    blocks = {"minimum_sites": block, "minimum_patients": 1}
    declared.write_text(yaml.safe_dump({**yaml.safe_load(declared.read_text(encoding="utf-8")), "blocks": blocks}), encoding="utf-8")
    return Options(out=homes.root, seed=seed, pooled=False)


def exponent(costs: list[RoundCost]) -> float:
    """Slope of log CPU time on log hospitals."""
    x = np.log([cost.sites for cost in costs])
    return float(np.polyfit(x, np.log([cost.cpu_seconds for cost in costs]), 1)[0])
