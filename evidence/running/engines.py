"""Evidence: one study on every engine, to the last bit, and on shares within two units; and how far another instruction set takes it.

`python -m evidence.running.engines [ENGINE ...]` writes `docs/evidence/engines.json`. A study of five hospitals on phantoms
(the preset `tiny`: every phase, both networks) is made, enrolled and prepared once and copied, so that keys, secrets and
the study's id are the same everywhere; engines are compared with the first one named. A second study, of more patients and
trained for longer, is run on `local` as it is and with the kernels of older processors (`OTHER`), as if all hospitals had
such machines. Each run is a process of its own with one thread.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evidence.code_meaning import ROOT
from evidence.opened_units import LAST_UNITS, StudyNumbers, units_apart
from evidence.record import record
from server.phases.first_weights import initial_weights
from server.report.metrics_json import compute
from server.study.resume_state import StudyFolder, load_arrays
from server.study.study_results import StudyResult
from server.watch.study_status import folder_of
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.engines.loopback_engine import ONE_THREAD
from simulations.study.simulated_study import Options, federate, ready
from simulations.study.site_folders import Homes
from simulations.threads import one_thread
from site_config.atomic_files import read_json, write_json
from site_config.study.plan_and_lock import StudyLock

COVERS: Final = [
    "simulations/engines",
    "client/app.py",
    "client/program/flower_node.py",
    "client/program/resident_worker.py",
    "server/link/flower_grid.py",
    "server/link/superlink.py",
    "server/asking/ask_masked_sum.py",
    "server/phases",
    "shared_model/secure_sum/message_bytes.py",
    "shared_model/secure_sum/pairwise_masks.py",
]
ENGINES: Final = ("local", "loopback", "ray")
SITES: Final = (3, 2)
SEED: Final = 7
SHORT_PATIENTS: Final = (9, 5)
LONG_PATIENTS: Final = (48, 24)
LONG_TRAINING: Final[dict[str, Any]] = {"rounds": 20, "server": {"name": "adam", "rate": 1e-4}}
WEIGHTS_TOLERANCE: Final = 0.02
"""Largest norm of a difference in weights across instruction sets, as a share of what training changed: the stated tolerance."""
C_TOLERANCE: Final = 0.01
"""Largest difference in a C-index across instruction sets: the stated tolerance."""
OTHER: Final[dict[str, dict[str, str]]] = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
    "sse": {
        "ATEN_CPU_CAPABILITY": "default",
        "DNNL_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    },
}
"""Environment variables that hold torch, oneDNN, MKL and NumPy to an older instruction set."""
SKIPPED: Final = ("control.sock", "run.lock")
ANSWER: Final = "engines.json"


def study_of_five(folder: Path, patients: tuple[int, int], training: Mapping[str, Any] | None = None) -> StudyLock:
    """The prepared study below `folder` of (development, held-out) patients; `training` overrides fields of the preset's."""
    base = PRESETS["tiny"]
    survival = replace(base.survival, sites=SITES, patients=patients)
    study = {**base.study, "training": {**base.study["training"], **(training or {})}}
    homes = Homes(folder)
    make_cohort(replace(base, survival=survival, study=study), homes.cohort, SEED)
    return ready(Options(folder, pooled=False, workers=1), homes, lambda _event: None)


def opened_sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every stored opened value by the hash of its question."""
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "opened").glob("*.safetensors"))}


def metrics(found: StudyResult) -> dict[str, Any]:
    """Every number of the report, without the record of who answered when."""
    shown: dict[str, Any] = compute(found).model_dump(mode="json", exclude={"participation", "statistics"})
    return shown


def run_here(root: Path, engine: str) -> None:
    """Run the study below `root` on an engine and leave what it found in `root`."""
    homes = Homes(root)
    (folder,) = sorted((homes.coordinator / "studies").iterdir())
    lock = StudyFolder(folder).signed_lock().lock
    options = Options(root, preset="tiny", engine=engine, pooled=False)  # type: ignore[arg-type]
    one_thread()
    began = time.monotonic()
    found = federate(options, homes, lock, lambda _event: None, lambda: False)
    run = folder_of(homes.coordinator, lock.study_id)
    write_json(
        root / ANSWER,
        {
            "seconds": round(time.monotonic() - began, 1),
            "label": found.label,
            "weights": found.weights,
            "opened": opened_sums(run),
            "numbers": asdict(StudyNumbers.of(found, run)),
            "metrics": metrics(found),
        },
    )


def run_apart(base: Path, name: str, engine: str, extra: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The study in a copy of the prepared homes, in a process of its own with one thread; what `run_here` left."""
    root = base.with_name(f"{base.name}-{name}")
    shutil.copytree(base, root, ignore=shutil.ignore_patterns(*SKIPPED))
    command = [sys.executable, "-P", "-m", "evidence.running.engines", "--run", str(root), engine]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **ONE_THREAD, **(extra or {})})  # noqa: S603
    answer: dict[str, Any] = read_json(root / ANSWER)
    return answer


def compare(base: Path, engines: tuple[str, ...]) -> dict[str, Any]:
    """Make the study in `base` and run it on every engine; what was equal to the first."""
    study_of_five(base, SHORT_PATIENTS)
    found = {engine: run_apart(base, engine, engine) for engine in engines}
    first = found[engines[0]]
    numbers = {engine: StudyNumbers(**one["numbers"]) for engine, one in found.items()}
    return {
        engine: {
            "seconds": one["seconds"],
            "label": one["label"],
            "weights": one["weights"],
            "opened_sums": len(one["opened"]),
            "same_sums": one["opened"] == first["opened"],
            "same_weights": one["weights"] == first["weights"],
            "numbers_on_shares": sum(map(len, numbers[engine].opened.values())),
            "furthest_apart_on_shares_in_units": units_apart(numbers[engine].opened, numbers[engines[0]].opened)[0],
            "other_than_the_first": numbers[engine].other_than(numbers[engines[0]]),
        }
        for engine, one in found.items()
    }


def final_weights(root: Path, model: str) -> NDArray[np.float64]:
    """The final weights (D,) of a network of a finished study."""
    (folder,) = sorted((Homes(root).coordinator / "studies").iterdir())
    return np.asarray(load_arrays(StudyFolder(folder / "run").weights_file(model))[0]["weights"], np.float64)


def first_weights(root: Path, model: str) -> NDArray[np.float64]:
    """The weights (D,) a network started from."""
    homes = Homes(root)
    return np.asarray(initial_weights(homes.study(), model, homes.coordinator), np.float64)


def concordances(answer: Mapping[str, Any]) -> dict[str, float]:
    """C-index by model and set."""
    return {f"{row['model']} {row['set']}": row["c"]["value"] for row in answer["metrics"]["concordance"] if row["c"]["value"] is not None}


def across_machines(base: Path) -> dict[str, Any]:
    """The longer study on this processor and on older ones: how far the weights and the C-indices are apart."""
    study_of_five(base, LONG_PATIENTS, LONG_TRAINING)
    here = run_apart(base, "here", "local")
    found: dict[str, Any] = {"patients": LONG_PATIENTS, "rounds": LONG_TRAINING["rounds"]}
    for name, extra in OTHER.items():
        there = run_apart(base, name, "local", extra)
        c_here, c_there = concordances(here), concordances(there)
        alike = here["opened"].keys() & there["opened"].keys()
        found[name] = {
            "questions_alike": len(alike),
            "sums_alike": sum(here["opened"][key] == there["opened"][key] for key in alike),
            "weights": {model: apart(base, name, model) for model in sorted(here["weights"])},
            "c_index_largest_difference": max(abs(c_here[key] - c_there[key]) for key in c_here),
            "c_indices": len(c_here),
        }
    return found


def apart(base: Path, name: str, model: str) -> dict[str, float]:
    """Final weights of two runs: the largest difference, and the norm of the difference beside that of what training changed."""
    here, there = (final_weights(base.with_name(f"{base.name}-{one}"), model) for one in ("here", name))
    moved = float(np.linalg.norm(here - first_weights(base, model)))
    return {"largest_difference": float(np.abs(here - there).max()), "share_of_training": float(np.linalg.norm(here - there)) / moved}


def bars(figures: Mapping[str, Any]) -> dict[str, bool]:
    """What is asked of the engines, and of another instruction set."""
    engines = figures["engines"].values()
    others = [figures["another_instruction_set"][name] for name in OTHER]
    return {
        "every engine opens the same sums": all(one["same_sums"] for one in engines),
        "every engine ends with the same weights": all(one["same_weights"] for one in engines),
        f"every engine gives the same results, those on shares within {LAST_UNITS} units": not any(
            one["other_than_the_first"] for one in engines
        ),
        f"another instruction set moves no network by more than {WEIGHTS_TOLERANCE:.0%} of its training": all(
            one["share_of_training"] <= WEIGHTS_TOLERANCE for other in others for one in other["weights"].values()
        ),
        f"and no C-index by more than {C_TOLERANCE}": all(other["c_index_largest_difference"] <= C_TOLERANCE for other in others),
    }


def main() -> None:
    """Compare and record; `--run HOMES ENGINE` runs one study."""
    if sys.argv[1:2] == ["--run"]:
        run_here(Path(sys.argv[2]), sys.argv[3])
        return
    engines = tuple(sys.argv[1:]) or ENGINES
    with tempfile.TemporaryDirectory(prefix="fedhcc-engines-") as folder:
        figures = {"engines": compare(Path(folder) / "base", engines), "another_instruction_set": across_machines(Path(folder) / "longer")}
    figures["bars"] = bars(figures)
    sys.stderr.write(f"{figures}\n")
    record("engines", covers=COVERS, figures=figures, seeds=[SEED])


if __name__ == "__main__":
    main()
