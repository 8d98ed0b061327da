"""Evidence: 52 simulated hospitals with 207 patients go through every phase of the `paper` preset in one process.

`python -m evidence.running.paper52` writes `docs/evidence/paper52.json`. Who the patients are, the roles of the hospitals,
the blocks, the privacy rules and the models are the preset's. What is smaller is named in `SMALLER` and in the record: the
network, the size of a slice, the phantoms (with their own masks in place of the segmenter), and the number of rounds.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from evidence.record import record
from server.phases.phase_context import Event
from server.study.study_results import StudyResult
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.study.simulated_study import Options, federate, ready
from simulations.study.site_folders import Homes
from simulations.study.study_outputs import write_out
from simulations.threads import one_thread

SEED: Final = 7
ROUNDS: Final = 16
SMALLER: Final[dict[str, Any]] = {
    "network": {"backbone": "small"},
    "imaging": {"size": 32, "field": "organ"},
    "training": {"rounds": ROUNDS},
    "phantom": {"matrix": 64, "slice_mm": 6.0},
    "segmenter": "masks",
}
COVERS: Final = [
    "server/asking/ask_masked_sum.py",
    "server/study/run_study.py",
    "server/phases",
    "client/release/door.py",
    "client/release/site_policy.py",
    "client/statistics/count_statistics.py",
    "client/training/local_training.py",
    "shared_model/secure_sum/pairwise_masks.py",
    "simulations/study/simulated_study.py",
    "simulations/engines/local_engine.py",
    "site_config/study/study_presets.py",
]
WORKERS: Final = 2
MOST_GIGABYTES: Final = 6.0


def cohort(folder: Path) -> None:
    """The preset's cohort with its smaller pictures, below `folder`."""
    base = PRESETS["paper"]
    assert base.phantom is not None
    study = {
        **base.study,
        "network": SMALLER["network"],
        "imaging": SMALLER["imaging"],
        "training": {**base.study["training"], **SMALLER["training"]},
    }
    options = replace(base, study=study, phantom=replace(base.phantom, **SMALLER["phantom"]), segmenter="masks", truth_masks=False)
    make_cohort(options, folder, SEED, workers=WORKERS)


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that ended."""
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def peak_gigabytes() -> dict[str, float]:
    """Peak resident memory (VmHWM): this process; the largest child; and a bound for all at once, `WORKERS` children of that size."""
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return {"process": round(mine, 2), "largest_child": round(child, 2), "at_most": round(mine + WORKERS * child, 2)}


class Phases:
    """CPU and wall seconds by phase, from the events a study tells."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}
        self._last = (time.monotonic(), cpu_seconds())

    def tell(self, event: Event) -> None:
        """Count what passed since the last event to the phase that tells it."""
        self.close(event.phase)

    def close(self, phase: str) -> None:
        """Count what passed since the last event to `phase`."""
        now = (time.monotonic(), cpu_seconds())
        entry = self.found.setdefault(phase, {"wall_s": 0.0, "cpu_s": 0.0})
        entry["wall_s"] += now[0] - self._last[0]
        entry["cpu_s"] += now[1] - self._last[1]
        self._last = now

    def rounded(self) -> dict[str, dict[str, float]]:
        """To a tenth of a second."""
        return {phase: {name: round(value, 1) for name, value in entry.items()} for phase, entry in self.found.items()}


def measure(root: Path, say: Callable[[str], None] = lambda _text: None) -> dict[str, Any]:
    """The whole study below `root`, from phantoms to report."""
    one_thread()
    homes, phases = Homes(root), Phases()
    cohort(homes.cohort)
    phases.close("phantoms")
    say("phantoms written")
    options = Options(root, seed=SEED, workers=WORKERS, pooled=False)
    lock = ready(options, homes, lambda _event: None)
    phases.close("enrolment and slices")
    say("slices chosen")
    result = federate(options, homes, lock, phases.tell, lambda: False)
    report = write_out(homes, lock, result, None, phases.tell)
    phases.close("report")
    peak = peak_gigabytes()
    return {
        "hospitals": {role: sum(len(block) for block in blocks) for role, blocks in lock.blocks.items()},
        "blocks": {role: len(blocks) for role, blocks in lock.blocks.items()},
        "smaller_than_the_preset": SMALLER,
        **outcome(result),
        "report_kilobytes": round(report.stat().st_size / 1e3),
        "phases": phases.rounded(),
        "cpu_s": round(cpu_seconds()),
        "peak_gigabytes": peak,
        "bars": {"the study is COMPLETE": result.label == "COMPLETE", "at most 6 GB": peak["at_most"] <= MOST_GIGABYTES},
    }


def outcome(result: StudyResult) -> dict[str, Any]:
    """What the study says of itself: label, flow, rounds, what was opened, and what its privacy rules refused."""
    refused = [entry for entry in result.ledger if entry.outcome == "refused"]
    return {
        "label": result.label,
        "flow": dict(result.flow),
        "rounds": {model: sum(point.model == model for point in result.rounds) for model in sorted(result.weights)},
        "accepted_rounds": {
            model: sum(point.model == model and point.accepted for point in result.rounds) for model in sorted(result.weights)
        },
        "opened": sum(entry.outcome == "opened" for entry in result.ledger),
        "refused": sorted({f"{entry.phase} {entry.statistic}" for entry in refused}),
        "scores": [spec.model for spec in result.scores],
        "tables": sorted(f"{table.model} on {table.set}" for table in result.tables if table.variable == "all"),
        "subgroup_tables": sum(table.variable != "all" for table in result.tables),
        "findings": sorted({f"{finding['code']} {finding['about']}: {finding['what']}" for finding in result.findings}),
    }


def main() -> None:
    """Measure and record."""
    with tempfile.TemporaryDirectory(prefix="fedhcc-paper-") as folder:
        figures = measure(Path(folder) / "run", lambda text: print(text, flush=True))
    sys.stderr.write(f"{figures}\n")
    record("paper52", covers=COVERS, figures=figures, seeds=[SEED])


if __name__ == "__main__":
    main()
