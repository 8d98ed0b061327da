"""Evidence: one study on every engine gives the same opened sums, weights and results, to the last bit.

`python -m simulations.evidence.engines [ENGINE ...]` writes `docs/evidence/engines.json`. The study is made, enrolled and prepared
once and copied, so that keys, secrets and the study's id are the same everywhere.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from server.results import StudyResult
from server.watch import folder_of
from simulations.evidence.record import record
from simulations.home import Homes
from simulations.run import Options, federate, make_cohort, ready
from site_config.study import StudyLock

COVERS = ["simulations/engines", "client/flower.py", "server/flower.py", "server/superlink.py", "shared_model/wire.py"]
BOOKKEEPING = {"created", "timing", "ledger", "software"}
SKIPPED = ("control.sock", "run.lock")


def opened_sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every opened value by the hash of its question."""
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "opened").glob("*.safetensors"))}


def results(found: StudyResult) -> dict[str, Any]:
    """Everything a study found, without clocks and the record of who answered when."""
    return found.model_dump(mode="json", exclude=BOOKKEEPING)


def run_engine(base: Path, lock: StudyLock, engine: str) -> dict[str, Any]:
    """The study on one engine, in a copy of the prepared homes."""
    homes = Homes(base.with_name(engine))
    shutil.copytree(base, homes.root, ignore=shutil.ignore_patterns(*SKIPPED))
    options = Options(homes.root, preset="tiny", engine=engine, pooled=False)  # type: ignore[arg-type]
    began = time.monotonic()
    found = federate(options, homes, lock, lambda _event: None, lambda: False)
    opened = opened_sums(folder_of(homes.coordinator, lock.study_id))
    return {
        "seconds": round(time.monotonic() - began, 1),
        "label": found.label,
        "weights": found.weights,
        "opened": opened,
        "results": results(found),
    }


def compare(base: Path, engines: tuple[str, ...]) -> dict[str, Any]:
    """Make the study in `base` and run it on every engine; what was equal."""
    homes = Homes(base)
    options = Options(base, preset="tiny", pooled=False)
    make_cohort(options, homes, lambda _event: None)
    lock = ready(options, homes, lambda _event: None)
    found = {engine: run_engine(base, lock, engine) for engine in engines}
    first = found[engines[0]]
    return {
        engine: {
            "seconds": one["seconds"],
            "label": one["label"],
            "weights": one["weights"],
            "opened_sums": len(one["opened"]),
            "same_sums": one["opened"] == first["opened"],
            "same_weights": one["weights"] == first["weights"],
            "same_results": one["results"] == first["results"],
        }
        for engine, one in found.items()
    }


def main() -> None:
    """Compare and record."""
    engines = tuple(sys.argv[1:]) or ("local", "loopback", "ray")
    with tempfile.TemporaryDirectory(prefix="fedhcc-engines-") as folder:
        figures = compare(Path(folder) / "base", engines)
    sys.stderr.write(f"{figures}\n")
    record("engines", covers=COVERS, figures=figures, seeds=[7])


if __name__ == "__main__":
    main()
