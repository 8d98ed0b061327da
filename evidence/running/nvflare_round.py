"""Evidence: a masked round with 33 MB down and up over five sites against NVFlare's plain FedAvg round of the same size.

`python -m evidence.running.nvflare_round [FOLDER]` writes `docs/evidence/nvflare_round.json`. Both run on this machine, one after
the other, five times in turns. NVFlare is installed into an environment of its own (or taken from FOLDER, one that has it);
where that cannot be done the piece says so and measures nothing. Its clients add a constant; ours train once and send that
update again, masked, so that what is compared is carrying, masking and summing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import venv
from itertools import pairwise
from pathlib import Path
from typing import Any

from evidence.record import record
from evidence.running.flower_round import measure
from evidence.running.flower_speed import COVERS
from site_config.atomic_files import write_atomic

SITES, TURNS, PEER_ROUNDS = 5, 5, 6
WEIGHTS = 8_125_000
"""Numbers of four bytes: as many as Rad-D of EfficientNet-b0 has weights."""
PEER = "nvflare==2.9.0"
LIMIT_S = 600
CLIENT = """import sys, time
import numpy as np
import nvflare.client as flare

flare.init()
log = sys.argv[1] + "/" + flare.get_site_name() + ".times"
while flare.is_running():
    model = flare.receive()
    if model is None:
        break
    with open(log, "a") as stream:
        stream.write(f"{time.time()}\\n")
    params = {name: np.asarray(value) + np.float32(1.0) for name, value in model.params.items()}
    flare.send(flare.FLModel(params=params, params_type=model.params_type))
"""
JOB = """import sys
import numpy as np
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.recipe import PocEnv

folder, sites, rounds, weights = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
np.save(folder + "/first.npy", np.zeros(weights, dtype=np.float32))
recipe = NumpyFedAvgRecipe(
    name="round", initial_ckpt=folder + "/first.npy", min_clients=sites, num_rounds=rounds,
    train_script=folder + "/client.py", train_args=folder,
)
env = PocEnv(num_clients=sites)
run = recipe.execute(env)
print(run.get_status())
run.get_result()
env.stop(clean_up=True)
"""


def peer(folder: Path) -> Path | None:
    """The Python of an environment with NVFlare below `folder`; None where it cannot be installed."""
    python = folder / "bin" / "python"
    if python.exists():
        return python
    venv.create(folder, with_pip=True)
    words = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEER]
    return python if subprocess.run(words, check=False).returncode == 0 else None  # noqa: S603


def peer_rounds(python: Path, folder: Path) -> list[float]:
    """Seconds between two rounds' weights at a client, all clients and rounds after the first."""
    folder.mkdir()
    for name, text in (("client.py", CLIENT), ("job.py", JOB)):
        write_atomic(folder / name, text.encode())
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    there = {**os.environ, "PATH": path, "NVFLARE_POC_WORKSPACE": str(folder / "poc"), "PYTHONPATH": ""}
    words = [str(python), str(folder / "job.py"), str(folder), str(SITES), str(PEER_ROUNDS), str(WEIGHTS)]
    with (folder / "job.log").open("wb") as out:
        subprocess.run(words, check=True, env=there, cwd=folder, stdout=out, stderr=subprocess.STDOUT, timeout=LIMIT_S)  # noqa: S603
    times = [[float(line) for line in path.read_text().split()] for path in folder.glob("*.times")]
    found = [later - earlier for one in times for earlier, later in pairwise(one[1:])]
    if len(times) != SITES or not found:
        raise RuntimeError("the other framework's clients wrote no times")
    return found


def in_turns(python: Path, folder: Path) -> dict[str, Any]:
    """Both, five times one after the other; the ratio of a turn is ours over theirs."""
    ours, theirs, cpu = list[float](), list[float](), list[dict[str, float]]()
    for turn in range(TURNS):
        theirs.append(statistics.median(peer_rounds(python, folder / f"peer-{turn}")))
        found = measure(folder / f"ours-{turn}", SITES, 32, plain=True)
        ours.append(statistics.median(found["all_rounds_s"]))
        cpu.append(found["cpu_s"])
        sys.stderr.write(f"turn {turn + 1}: NVFlare {theirs[-1]:.2f} s, masked {ours[-1]:.2f} s, CPU seconds {cpu[-1]}\n")
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return {
        "sites": SITES,
        "megabytes": round(WEIGHTS * 4 / 1e6, 1),
        "peer": PEER,
        "peer_plain_round_s": spread(theirs),
        "masked_round_s": spread(ours),
        "ratio": spread(ratios),
        "cpu_s": {name: spread([one[name] for one in cpu]) for name in cpu[0]},
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    return {"median": round(statistics.median(values), 2), "min": round(min(values), 2), "max": round(max(values), 2)}


def main() -> None:
    """Measure and record, or say why not."""
    with tempfile.TemporaryDirectory(prefix="fedhcc-peer-") as name:
        folder = Path(name)
        python = peer(Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "environment")
        if python is None:
            sys.stderr.write(f"{PEER} cannot be installed here: not measured\n")
            return
        before = [round(value, 1) for value in os.getloadavg()]
        figures = {"load_before": before, **in_turns(python, folder)}
    cpu = figures["cpu_s"]
    figures["bars"] = {
        "a masked round takes at most as long as NVFlare's plain one (medians)": figures["ratio"]["median"] <= 1.0,
        "the SuperLink costs at most 1.5 CPU-s a round": cpu["SuperLink"]["median"] <= 1.5,
        "all programs without the networks cost at most 6 CPU-s a round": cpu["all"]["median"] <= 6.0,
    }
    record(
        "nvflare_round",
        covers=[*COVERS, "client/program/worker_pipe.py"],
        figures=figures,
        seeds=[7],
        command="python -m evidence.running.nvflare_round",
    )


if __name__ == "__main__":
    main()
