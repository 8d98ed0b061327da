"""Rad-D on phantoms, federated against pooled, as many seeds as the time allows: `python -m evidence.accuracy.compare_phantom`.

Takes hours: each seed is a whole study. Writes docs/evidence/compare_phantom.json.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from evidence.record import record
from simulations.compare.compare_phantoms import compare_phantom

COVERS = [
    "client/training/local_training.py",
    "server/phases/network_training.py",
    "shared_model/survival/broadcast_hazard.py",
    "shared_model/survival/training_loss.py",
]


def main() -> None:
    """Run, record, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "fedhcc-compare-phantom")
    given = parser.parse_args()
    found = compare_phantom(
        given.out, given.preset, range(1, given.seeds + 1), 3600 * given.hours, lambda line: print(line, file=sys.stderr, flush=True)
    )
    mean = found.mean
    figures = {**found.as_dict(), "bars": {"within 0.01 of pooled": mean is not None and abs(mean[0]) <= 0.01}}
    path = record("compare_phantom", covers=COVERS, figures=figures, seeds=[one.seed for one in found.outcomes])
    print(path.name, figures["bars"], mean)


if __name__ == "__main__":
    main()
