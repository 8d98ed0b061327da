"""The whole attack harness: 20 cohorts each of 207, 60 and 30 patients, every attack with its positive control."""

from __future__ import annotations

import dataclasses
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from evidence.attacks.harness import ATTACKS, EVIDENCE_SEED, SIZES, Report, chosen, run
from evidence.attacks.result import AttackResult
from evidence.record import record

COHORTS = 20
CHOICE = (
    "Try 3 on fresh seeds; no fourth is made. Defaults were fixed after exploring seeds 1 to 40. Try 1 (seeds 1001 to "
    "1020): g at 207 patients 0.22 +- 0.19, h on the fused table of a held-out set of 30 patients, in 30-day cells, beaten "
    "(0.44 +- 0.13). Try 2 (seeds 2001 to 2020, 90-day cells below 60 patients): g at 207 beaten (0.43 +- 0.20), h on the "
    "fused table of 60 patients beaten (0.26 +- 0.12). Since then Cox rounds stop early below 1,000 patients, covariate "
    "sums by interval are not opened, and sets of fewer than 100 patients have 180-day cells. The range was run twice: at "
    "first g's positive control at 207 patients was given the default's two or three rounds and failed; it now runs on, as "
    "before. No default changed in between."
)
COVERS = [
    "evidence/attacks",
    "client/release/door.py",
    "client/release/ledger.py",
    "client/release/policy.py",
    "shared_model/secure_sum/masks.py",
    "shared_model/statistics/precounts.py",
    "shared_model/statistics/catalogue.py",
    "shared_model/statistics/parameters.py",
    "shared_model/survival/cox/totals.py",
    "shared_model/survival/cox/totals_sums.py",
    "shared_model/survival/cutoff.py",
    "simulations/cohort/survival.py",
]


def part(task: tuple[str, int]) -> tuple[list[AttackResult], float]:
    """One attack at one size, with the CPU-seconds it took."""
    start = time.process_time()
    letter, n = task
    return list(run(chosen(letter), (n,), COHORTS, EVIDENCE_SEED)), time.process_time() - start


def main() -> int:
    """Run all and write docs/evidence/attacks.json; 1 when a default is beaten or a positive control fails."""
    tasks = [(attack.letter, n) for attack in ATTACKS for n in (SIZES if attack.over_cohorts and attack.sized else SIZES[:1])]
    found: list[AttackResult] = []
    seconds = 0.0
    with ProcessPoolExecutor(max_workers=2) as pool:
        for results, used in pool.map(part, tasks):
            found += results
            seconds += used
            for result in results:
                print(f"{result.attack} n={result.n or '-'} {result.setting}: {result.title}: {result.verdict} {result.code}", flush=True)
    report = Report(tuple(found))
    figures = {
        "results": [dataclasses.asdict(result) for result in found],
        "failing": [f"{result.attack} n={result.n}: {result.title}" for result in report.failing],
        "cpu_seconds": round(seconds, 1),
        "note": f"{report.note} {CHOICE}",
    }
    record(
        "attacks",
        covers=COVERS,
        figures=figures,
        seeds=list(range(EVIDENCE_SEED, EVIDENCE_SEED + COHORTS)),
        command="python -m evidence.attacks.measure",
    )
    return int(bool(report.failing))


if __name__ == "__main__":
    sys.exit(main())
