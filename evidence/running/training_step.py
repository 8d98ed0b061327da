"""What a training step costs: ours against the authors' twelve forward passes, in ten alternating pairs.

The authors' formulation (Xia et al. 2024 and their published training) is re-implemented here: every slice of every organ and
visit goes through its extractor by itself, features are stacked and averaged, the whole batch stays in one graph under the
Cox loss of the batch. Ours: one batch an organ, channels-last, micro-batches of one patient, gradients accumulated. Both
have the same weights, the same frozen normalisation, no dropout and no flips; one thread, batch 4, 224 × 224. Times are
CPU-seconds of this process. Peak memory is that of a process of its own (`--memory authors|ours`); the authors' network is
MONAI's, ours does without MONAI's import, so ours is measured a third time with that import, which it does not use.

`python -m evidence.running.training_step` prints and records the figures; `--compile` adds `torch.compile`: the authors' step against
ours compiled, in pairs again, what compiling costs at first (its C++ compiler included) and in a later process that finds the cache
on disk, and after how many steps it has paid.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from client.training.local_training import local_update, summed_gradient
from evidence.code_meaning import ROOT
from evidence.made_up_patients import MadeUpPatients, made_up_patients
from evidence.record import record
from shared_model.networks.extractors import FEATURES
from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.survival.broadcast_hazard import PiecewiseHazard, piecewise_hazard, piecewise_sums
from shared_model.survival.training_loss import local_risk_set_loss
from site_config.study.plan_and_lock import Study, StudySite

BATCH, SIZE, SEED = 4, 224, 11
CACHE = "TORCHINDUCTOR_CACHE_DIR"
MEMORY = ("authors", "ours", "ours, MONAI imported")
Step = Callable[[], None]


@dataclass(frozen=True)
class Setting:
    """The network, four patients and a hazard."""

    network: RadNetwork
    patients: MadeUpPatients
    hazard: PiecewiseHazard
    study: Study


def setting() -> Setting:
    """The same for every variant."""
    fields = {"backbone": "efficientnet-b0", "norm": "frozen", "dropout": {"Rad-D": 0.0}}
    study = Study.model_validate({"title": "step", "sites": [StudySite(name="a")], "network": fields, "training": {"flips": 0.0}})
    patients = made_up_patients(BATCH, SEED, size=SIZE)
    cuts = (200.0, 500.0)
    sums = piecewise_sums(np.zeros(BATCH), patients.event_day, patients.event, cuts, 0.0)
    return Setting(build(study, "Rad-D", seed=SEED), patients, piecewise_hazard(sums.mass, sums.deaths, cuts, 0.0), study)


def authors_scores(network: RadNetwork, images: Tensor) -> Tensor:
    """Scores (N,) by one forward pass a slice, organ and visit: twelve for Rad-D with two organs and three slices."""
    joined = []
    for index, organ in enumerate(network.organs):
        extractor = network.get_submodule(f"extractor_{organ}")
        visits = [
            torch.mean(torch.stack([extractor(images[:, visit, index, [k]]) for k in range(images.shape[3])]), dim=0)
            for visit in range(network.visits)
        ]
        joined.append(network.get_submodule(f"LSTM_{organ}")(torch.stack(visits, dim=1))[0][:, -1])
    score: Tensor = network.cls_2(torch.relu(network.cls_1(torch.cat(joined, dim=1))))
    return score.squeeze(1)


def with_stock_extractors(network: RadNetwork) -> RadNetwork:
    """The same weights in MONAI's EfficientNet-b0 as it comes, which the authors use."""
    from monai.networks.nets.efficientnet import EfficientNetBN

    for organ in network.organs:
        name = f"extractor_{organ}"
        stock = EfficientNetBN("efficientnet-b0", pretrained=False, in_channels=1, spatial_dims=2, num_classes=FEATURES)
        stock._dropout.p = 0.0
        for stack in stock._blocks:
            for block in stack:
                block.drop_connect_rate = 0.0
        stock.load_state_dict(network.get_submodule(name).state_dict())
        network.set_submodule(name, stock)
    return network


def authors_step(made: Setting) -> Step:
    """Forward, the batch's Cox loss, backward, as the authors train."""
    network = with_stock_extractors(made.network).to(memory_format=torch.contiguous_format)
    images = torch.from_numpy(made.patients.images.slices)
    day, event = torch.from_numpy(made.patients.event_day), torch.from_numpy(made.patients.event)

    def step() -> None:
        network.train()
        network.zero_grad(set_to_none=True)
        local_risk_set_loss(authors_scores(network, images), day, event).backward()  # type: ignore[no-untyped-call]
        network.zero_grad(set_to_none=True)

    return step


def our_step(made: Setting) -> Step:
    """The summed gradient of the batch, one patient at a time."""
    network, zeros = made.network, np.zeros(BATCH)

    def step() -> None:
        summed_gradient(network, made.patients, made.hazard, 0.0, made.study.training, broadcast_score=zeros, seed_parts=(SEED,))

    return step


def whole_update(made: Setting) -> Step:
    """A site's whole round: the step and the eval-mode pass from which the next hazard is made."""

    def step() -> None:
        local_update(made.network, made.patients, made.hazard, 0.0, made.study.training, seed_parts=(SEED,))

    return step


def frozen_extractors(made: Setting) -> Setting:
    """All but the last stages of the extractors untrained (reported separately: it is another training)."""
    for name, parameter in made.network.named_parameters():
        kept = any(part in name for part in ("_blocks.5", "_blocks.6", "_conv_head", "_bn1.", "_fc")) and "_blocks.0" not in name
        if name.startswith("extractor_"):
            parameter.requires_grad_(kept)
    return made


def compiled(made: Setting) -> Setting:
    """Extractors under `torch.compile`."""
    for organ in made.network.organs:
        made.network.get_submodule(f"extractor_{organ}").compile()
    return made


def seconds(step: Step) -> float:
    """CPU-seconds of one step."""
    started = time.process_time()
    step()
    return time.process_time() - started


def peak_mib() -> float:
    """Peak resident memory (MiB) of this process; `getrusage` would tell that of the parent it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def memory_of(variant: str) -> dict[str, float]:
    """Peak resident memory (MiB) of a process that does two steps of a variant, and before the first."""
    command = [sys.executable, "-P", "-m", "evidence.running.training_step", "--memory", variant]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return dict(json.loads(done.stdout.splitlines()[-1]))


def where_time_goes(step: Step) -> dict[str, float]:
    """Share of a step's CPU time by kind of operation (torch's profiler, self time)."""
    from torch.profiler import ProfilerActivity, profile

    kinds = {
        "convolution, backward": ("convolution_backward",),
        "convolution, forward": ("mkldnn_convolution", "convolution", "_slow_conv", "thnn_conv"),
        "matrix products (1×1 convolutions)": ("mm",),
        "normalisation": ("batch_norm",),
        "swish": ("sigmoid", "swish", "silu", "mul"),
        "padding and copies": ("constant_pad", "copy_", "clone", "contiguous", "fill_", "pad"),
    }
    with profile(activities=[ProfilerActivity.CPU]) as found:
        step()
    total = sum(event.self_cpu_time_total for event in found.key_averages())
    shares = dict.fromkeys((*kinds, "other"), 0.0)
    for event in found.key_averages():
        kind = next((name for name, words in kinds.items() if any(word in event.key.lower() for word in words)), "other")
        shares[kind] += event.self_cpu_time_total / total
    return {name: round(share, 3) for name, share in shares.items()}


def pairs(first: Step, second: Step, count: int) -> tuple[list[float], list[float]]:
    """CPU-seconds of two steps in alternating pairs, the order changing from pair to pair, after one warm-up each."""
    first()
    second()
    one: list[float] = []
    two: list[float] = []
    for number in range(count):
        order = ((first, one), (second, two)) if number % 2 == 0 else ((second, two), (first, one))
        for step, kept in order:
            kept.append(seconds(step))
    return one, two


def measure(count: int, compile_too: bool) -> dict[str, object]:
    """All figures, each printed as soon as it is there."""
    figures: dict[str, object] = {}

    def keep(name: str, value: object) -> None:
        figures[name] = value
        print(f"{name}: {value}", flush=True)

    ours = our_step(setting())
    theirs, mine = pairs(authors_step(setting()), ours, count)
    ratios = [two / one for one, two in zip(theirs, mine, strict=True)]
    keep("authors_seconds", theirs)
    keep("ours_seconds", mine)
    keep("time_ratio_median", statistics.median(ratios))
    keep("time_ratio_range", [min(ratios), max(ratios)])
    memory = {variant: memory_of(variant) for variant in MEMORY}
    keep("memory", memory)
    keep("memory_ratio", memory["ours"]["peak_mib"] / memory["authors"]["peak_mib"])
    keep("memory_ratio_with_monai_in_both", memory["ours, MONAI imported"]["peak_mib"] / memory["authors"]["peak_mib"])
    used = {variant: found["peak_mib"] - found["before_mib"] for variant, found in memory.items()}
    keep("memory_ratio_without_the_libraries", used["ours"] / used["authors"])
    keep("where_our_time_goes", where_time_goes(ours))
    keep("whole_update_seconds", seconds(whole_update(setting())))
    late = our_step(frozen_extractors(setting()))
    late()
    keep("ours_early_stages_frozen_seconds", seconds(late))
    if compile_too:
        compiling(count, statistics.median(mine), keep)
    return figures


def compiling(count: int, eager: float, keep: Callable[[str, object], None]) -> None:
    """Figures of `torch.compile`, with a cache of its own; `eager`: CPU-seconds of our step without it."""
    with TemporaryDirectory(prefix="fedhcc-compiled-") as cache:
        os.environ[CACHE] = cache
        quick = our_step(compiled(setting()))
        at_first = seconds_with_children(quick)
        theirs, mine = pairs(authors_step(setting()), quick, count)
        step = statistics.median(mine)
        later = seconds_of_a_later_process()
    ratios = [two / one for one, two in zip(theirs, mine, strict=True)]
    keep("compiled_seconds", mine)
    keep("compiled_time_ratio_median", statistics.median(ratios))
    keep("compiled_time_ratio_range", [min(ratios), max(ratios)])
    keep("compiling_seconds_once", round(at_first - step, 1))
    keep("compiling_seconds_with_a_cache", round(later - step, 1))
    saved = eager - step
    keep("steps_until_compiling_has_paid", round((at_first - step) / saved) if saved > 0 else None)
    keep("steps_until_a_start_with_a_cache_has_paid", round((later - step) / saved) if saved > 0 else None)
    keep("gradient_difference_relative", difference_when_compiled())


def seconds_with_children(step: Step) -> float:
    """CPU-seconds of one step of this process and of the compilers it starts."""
    before = os.times()
    step()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def seconds_of_a_later_process() -> float:
    """CPU-seconds of the first compiled step of a process that finds the cache."""
    command = [sys.executable, "-P", "-m", "evidence.running.training_step", "--cached"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout.splitlines()[-1])


def difference_when_compiled() -> float:
    """Norm of the summed gradient's change under compilation, relative to its own."""

    def gradient(made: Setting) -> NDArray[np.float64]:
        zeros = np.zeros(BATCH)
        return summed_gradient(
            made.network, made.patients, made.hazard, 0.0, made.study.training, broadcast_score=zeros, seed_parts=(SEED,)
        )

    plain = gradient(setting())
    return float(np.linalg.norm(gradient(compiled(setting())) - plain) / np.linalg.norm(plain))


def main() -> None:
    """Print and record, or measure one variant's memory for the parent process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", choices=MEMORY)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--cached", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.cached:
        print(seconds_with_children(our_step(compiled(setting()))))
        return
    if options.memory:
        if options.memory == MEMORY[2]:
            import_module("monai.networks.nets.efficientnet")
        step = authors_step(setting()) if options.memory == "authors" else our_step(setting())
        before = peak_mib()
        step()
        step()
        print(json.dumps({"peak_mib": peak_mib(), "before_mib": before}))
        return
    figures = measure(options.pairs, options.compile)
    if not options.no_record:
        covers = [
            "client/training/local_training.py",
            "client/training/batches_and_flips.py",
            "shared_model/networks/rad_networks.py",
            "shared_model/networks/extractors.py",
        ]
        covers += ["shared_model/networks/efficientnet.py"]
        record("training_step", covers=covers, figures=figures, seeds=[SEED])


if __name__ == "__main__":
    main()
