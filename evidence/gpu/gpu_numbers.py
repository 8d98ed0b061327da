"""How far the numbers of a GPU are from the CPU's, whether they repeat, what clipping costs, and memory that runs out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client.program.gpu_watch import fault, require
from client.training.per_patient_clipping import ClippedSum
from client.training.training_device import arithmetic, choose_device
from evidence.gpu.gpu_training_step import GpuSetting, our_gradient, our_scores
from evidence.gpu.time_and_memory import seconds, settle
from shared_model.networks.weight_vector import gradient_vector
from site_config.problems.base import Problem

Floats = NDArray[np.float64]
FLOAT32_BAR = 1e-5
"""Largest relative difference of the summed gradient in float32, GPU against CPU."""


def apart(one: Floats, other: Floats) -> float:
    """‖one − other‖ / ‖other‖."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def plain_pass(made: GpuSetting, device: torch.device) -> Callable[[], Floats]:
    """The summed gradient (D,) in plain PyTorch, all patients at once, under whatever arithmetic is in force."""
    network = made.network("float32").to(device)
    images = torch.from_numpy(made.patients.images.slices).to(device)
    hazard = torch.from_numpy(made.hazard.for_patients(made.patients.event_day, made.patients.event)).to(device)
    event = torch.from_numpy(made.patients.event).to(device)

    def step() -> Floats:
        network.train()
        score = network(images).double()
        (score.exp() * hazard - score * event).sum().backward()
        gradient = gradient_vector(network)
        network.zero_grad(set_to_none=True)
        network.eval()
        return gradient

    return step


def rounded_to_tf32(made: GpuSetting, device: torch.device) -> tuple[Floats, Floats]:
    """Gradient and scores with TF32 allowed and nothing cast: what torch does on a GPU where nobody forbids it."""
    network = made.network("float32").to(device)
    images = torch.from_numpy(made.patients.images.slices).to(device)
    with arithmetic(device, mixed=True):
        gradient = plain_pass(made, device)()
        with torch.inference_mode():
            scored = network(images).double().cpu().numpy()
    return gradient, scored


def equality(made: GpuSetting, device: torch.device) -> dict[str, Any]:
    """Each precision against the CPU's float64 and float32: the summed gradient relative, the scores at most."""
    cpu = torch.device("cpu")
    exact, plain = our_gradient(made, cpu, "float64")(), our_gradient(made, cpu, "float32")()
    exact_scores = our_scores(made, cpu, "float64")
    found: dict[str, tuple[Floats, Floats]] = {
        "CPU float32": (plain, our_scores(made, cpu, "float32")),
        "GPU float32": (our_gradient(made, device, "float32")(), our_scores(made, device, "float32")),
        "GPU TF32": rounded_to_tf32(made, device),
        "GPU bfloat16": (our_gradient(made, device, "mixed")(), our_scores(made, device, "mixed")),
    }
    table = {
        name: {
            "gradient_to_float64": apart(gradient, exact),
            "gradient_to_cpu_float32": apart(gradient, plain),
            "scores_at_most": float(np.abs(scored - exact_scores).max()),
        }
        for name, (gradient, scored) in found.items()
    }
    return {
        "differences": table,
        "float32_within_1e-5_of_the_cpu": table["GPU float32"]["gradient_to_cpu_float32"] <= FLOAT32_BAR,
    }


def repeats(made: GpuSetting, device: torch.device, times: int) -> dict[str, Any]:
    """Whether a step repeats bit for bit, in float32 and mixed, and what the reproducible algorithms cost."""
    step, mixed = our_gradient(made, device, "float32"), our_gradient(made, device, "mixed")
    plain = plain_pass(made, device)
    with arithmetic(device):
        reproducible = seconds(plain, device, times)
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=False):
        free = seconds(plain, device, times, warm=3)
    return {
        "float32_repeats_bit_for_bit": bool(np.array_equal(step(), step())),
        "mixed_repeats_bit_for_bit": bool(np.array_equal(mixed(), mixed())),
        "seconds_with_reproducible_algorithms": reproducible,
        "seconds_with_free_algorithms": free,
    }


def clipping(made: GpuSetting, device: torch.device) -> dict[str, Any]:
    """Clipping patient by patient on the device against the same with a copy to the host for each patient."""
    ours = our_gradient(made, device, "float32", gradient_norm=1e-3)
    network = made.network("float32").to(device)
    gradients = _one_gradient(made, network, device)

    def on_the_host() -> Floats:
        total = np.zeros(made.weights.size)
        for row in range(len(made.patients.keys)):
            gradients(row)
            one = gradient_vector(network)
            total += one * min(1.0, 1e-3 / float(np.linalg.norm(one)))
            network.zero_grad(set_to_none=True)
        return total

    def on_the_device() -> Floats:
        clipped = ClippedSum(network, 1e-3)
        for row in range(len(made.patients.keys)):
            gradients(row)
            clipped.take()
        return clipped.result()[0]

    with arithmetic(device):
        return {
            "difference": apart(on_the_device(), on_the_host()),
            "seconds_on_the_device": seconds(on_the_device, device, 3),
            "seconds_with_a_copy_a_patient": seconds(on_the_host, device, 3),
            "norm_of_the_sum_within_the_limit": bool(np.linalg.norm(ours()) <= 1e-3 * len(made.patients.keys) * (1 + 1e-6)),
        }


def _one_gradient(made: GpuSetting, network: Any, device: torch.device) -> Callable[[int], None]:
    images = torch.from_numpy(made.patients.images.slices)

    def backward(row: int) -> None:
        network(images[row : row + 1].to(device)).double().exp().sum().backward()

    return backward


def out_of_memory(made: GpuSetting, device: torch.device, share: float) -> dict[str, Any]:
    """A batch that does not fit is cut until it does, with the same result; a patient that does not fit is numbered."""
    everybody = len(made.patients.keys)
    whole = our_gradient(made, device, "float32", micro_batch=1)()
    torch.cuda.empty_cache()
    try:
        torch.cuda.set_per_process_memory_fraction(share, device)
        cut = our_gradient(made, device, "float32", micro_batch=everybody)()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1e-4, device)
        code = _code(lambda: our_gradient(made, device, "float32", micro_batch=1)())
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()
    difference = apart(cut, whole)
    return {"memory_mib": share * _total(device) / 2**20, "difference": difference, "same_result": difference <= 1e-5, "code": code}


def _total(device: torch.device) -> float:
    return float(torch.cuda.get_device_properties(device).total_memory)


def share_for(made: GpuSetting, device: torch.device, patients: int) -> float:
    """The share of the card in which so many patients at once fit, and twice as many do not."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    our_gradient(made, device, "float32", micro_batch=patients)()
    settle(device)
    return 1.5 * torch.cuda.max_memory_reserved(device) / _total(device)


def _code(step: Callable[[], object]) -> str:
    try:
        step()
    except Problem as problem:
        return problem.code
    return "none"


def card() -> dict[str, Any]:
    """What the figures were measured on, and that the watch sees it."""
    device = choose_device("cuda")
    found = torch.cuda.get_device_properties(device)
    began = time.perf_counter()
    files = require("cuda")
    return {
        "card": found.name,
        "memory_gib": round(found.total_memory / 2**30, 1),
        "capability": f"{found.major}.{found.minor}",
        "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "watched_files": [path.name for path in files],
        "the_watch_can_open_them": fault(files) == "",
        "seconds_of_a_look": round(time.perf_counter() - began, 4),
    }
