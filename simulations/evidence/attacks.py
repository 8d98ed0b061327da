"""The whole attack harness: 20 cohorts each of 207, 60 and 30 patients, every attack with its positive control."""

from __future__ import annotations

import dataclasses
import sys
import time

from simulations.attacks.harness import ATTACKS, SIZES, Report, run
from simulations.evidence.record import record

COHORTS = 20
COVERS = [
    "simulations/attacks",
    "client/door.py",
    "client/ledger.py",
    "client/policy.py",
    "shared_model/secure_sum.py",
    "shared_model/precounts.py",
    "shared_model/catalogue.py",
    "shared_model/survival/cox_totals.py",
    "simulations/survival_model.py",
]


def main() -> int:
    """Run all and write docs/evidence/attacks.json; 1 when a default is beaten or a positive control fails."""
    start = time.process_time()
    found = []
    for result in run(ATTACKS, SIZES, COHORTS):
        found.append(result)
        print(f"{result.attack} n={result.n or '-'} {result.setting}: {result.title}: {result.verdict} {result.code}", flush=True)
    report = Report(tuple(found))
    figures = {
        "results": [dataclasses.asdict(result) for result in found],
        "failing": [f"{result.attack} n={result.n}: {result.title}" for result in report.failing],
        "cpu_seconds": round(time.process_time() - start, 1),
        "note": report.note,
    }
    record("attacks", covers=COVERS, figures=figures, seeds=list(range(1, COHORTS + 1)), command="python -m simulations.evidence.attacks")
    return int(bool(report.failing))


if __name__ == "__main__":
    sys.exit(main())
