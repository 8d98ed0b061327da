"""Evidence: what a GPU does with this code. `python -m evidence.gpu.measure`, or `make gpu`; under nine minutes on one card.

Parts run in the order of their importance; one begins only where the time it may take is left, and what did not run is
said. Writes `docs/evidence/gpu.json` after every part.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from evidence.code_meaning import ROOT
from evidence.gpu import gpu_here, gpu_numbers, gpu_segmentation, gpu_training_step
from evidence.gpu.time_and_memory import StepClock, seconds
from evidence.record import record
from site_config.problems.base import Problem
from site_config.problems.model import NO_GPU

SEED: Final = 11
LIMIT_S: Final = 520.0
BATCH, SIZE = 16, 224
COVERS = [
    "client/training/training_device.py",
    "client/training/per_patient_clipping.py",
    "client/training/local_training.py",
    "client/training/batches_and_flips.py",
    "client/segmentation/nnunet.py",
    "shared_model/networks/efficientnet.py",
    "shared_model/networks/rad_networks.py",
    "evidence/gpu",
]


def tests() -> dict[str, Any]:
    """The unit tests that need CUDA."""
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "tests/gpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    print(done.stdout[-2000:], flush=True)
    return {"passed": done.returncode == 0, "summary": done.stdout.strip().splitlines()[-1][:120] if done.stdout.strip() else ""}


def speed(device: torch.device) -> dict[str, Any]:
    """A batch of 16 at 224 px against the raw loop."""
    found = gpu_training_step.compare(gpu_training_step.GpuSetting.of(BATCH, SIZE, "efficientnet-b0", SEED), device, 5, (1, 2, 8, 16))
    return {"a_step": found, "bars": gpu_training_step.bars(found)}


def compiled(device: torch.device) -> dict[str, Any]:
    """Whether `torch.compile` of the extractors pays: seconds to compile, and of a step before and after."""
    made = gpu_training_step.GpuSetting.of(BATCH, SIZE, "efficientnet-b0", SEED)
    network = made.network("float32").to(device)
    images = torch.from_numpy(made.patients.images.slices[:4]).to(device)

    def step() -> None:
        network(images).sum().backward()
        network.zero_grad(set_to_none=True)

    before = seconds(step, device, 5)
    for organ in network.organs:
        network.get_submodule(f"extractor_{organ}").compile()
    began = time.monotonic()
    step()
    return {"seconds_to_compile": time.monotonic() - began, "seconds_before": before, "seconds_after": seconds(step, device, 5)}


def parts(device: torch.device) -> dict[str, tuple[float, Callable[[], dict[str, Any]]]]:
    """Name → the seconds it may take, and what it does; the most important first."""
    small = gpu_training_step.GpuSetting.of(4, SIZE, "efficientnet-b0", SEED)
    return {
        "card": (5.0, gpu_numbers.card),
        "tests": (60.0, tests),
        "training_step": (90.0, lambda: speed(device)),
        "equality": (60.0, lambda: gpu_numbers.equality(small, device)),
        "segmentation": (90.0, lambda: gpu_segmentation.measure(device, (256, 256, 256), 2)),
        "repeats": (30.0, lambda: gpu_numbers.repeats(small, device, 5)),
        "clipping": (30.0, lambda: gpu_numbers.clipping(small, device)),
        "out_of_memory": (30.0, lambda: gpu_numbers.out_of_memory(small, device, gpu_numbers.share_for(small, device, 1))),
        "compile": (150.0, lambda: compiled(device)),
    }


def main() -> int:
    """Every part; 1 when a bar is missed, FH-605 and its exit status where there is no GPU."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for everything")
    parser.add_argument("--out", default="", help="a further copy of the JSON")
    options = parser.parse_args()
    try:
        gpu_here.check()
        if not torch.cuda.is_available():
            raise NO_GPU.problem("torch sees no GPU; nothing was measured")
    except Problem as problem:
        return gpu_here.told(problem)
    clock = StepClock(options.limit)
    figures: dict[str, Any] = {}
    skipped: list[str] = []
    for name, (needed, part) in parts(torch.device("cuda")).items():
        if not clock.allows(needed):
            skipped.append(name)
            continue
        began = time.monotonic()
        try:
            figures[name] = part()
        except (RuntimeError, OSError, ValueError, Problem) as error:  # one part's fault must not cost the others' figures
            figures[name] = {"ran": False, "error": str(error).splitlines()[0][:200]}
        torch.cuda.empty_cache()
        print(f"{name} ({time.monotonic() - began:.0f} s, {clock.left:.0f} s left): {json.dumps(figures[name], indent=1)}", flush=True)
        path = record("gpu", covers=COVERS, figures={**figures, "not_played": skipped}, seeds=[SEED], command="make gpu")
    if options.out:
        Path(options.out).write_bytes(path.read_bytes())
    return int(": false" in json.dumps(figures))


if __name__ == "__main__":
    raise SystemExit(main())
