"""The GPU: its device files, an allocation, and a convolution held against the CPU's."""

from __future__ import annotations

import time
from typing import Literal

import torch

from client.program.gpu_watch import fault, gpu_files
from client.training.training_device import arithmetic, choose_device
from site_config.health.doctor_finding import DoctorFinding
from site_config.problems import model

TOLERANCE = 1e-4
SIDE, CHANNELS = 128, 32


def look(wanted: Literal["auto", "cpu", "cuda"]) -> DoctorFinding:
    """Whether the device that `site.yaml` asks for computes. Raises FH-605 where `cuda` is asked for and there is none."""
    if wanted == "cpu":
        return DoctorFinding("GPU", "not asked", "compute.device is cpu")
    files = gpu_files()
    why = fault(files) if files else ""
    device = choose_device(wanted)
    if device.type == "cpu":
        words = f"none usable{f' ({why})' if why else ''}; compute.device is auto, so the CPU computes"
        return DoctorFinding("GPU", "look" if files else "ok", words, "Expose the GPU to the container." if files else "")
    name, difference, seconds = convolve(device)
    free, total = (size / 2**30 for size in torch.cuda.mem_get_info(device))
    words = f"{name}: {free:.1f} of {total:.1f} GiB free; a convolution took {seconds:.3f} s and differs from the CPU's by {difference:.1e}"
    if difference > TOLERANCE:
        return DoctorFinding(
            "GPU", "wrong", words, "The GPU computes wrongly: restart the machine, and have the card checked.", model.GPU_LOST.label
        )
    return DoctorFinding("GPU", "ok", words)


def convolve(device: torch.device) -> tuple[str, float, float]:
    """Name of the device, largest difference of one convolution to the CPU's relative to its largest value, and its seconds."""
    generator = torch.Generator().manual_seed(7)
    image = torch.randn(4, CHANNELS, SIDE, SIDE, generator=generator)
    kernel = torch.randn(CHANNELS, CHANNELS, 3, 3, generator=generator)
    expected = torch.nn.functional.conv2d(image, kernel)
    with arithmetic(device):
        there = image.to(device), kernel.to(device)
        torch.nn.functional.conv2d(*there).sum().item()  # the first use loads libraries
        began = time.perf_counter()
        found = torch.nn.functional.conv2d(*there).cpu()
        seconds = time.perf_counter() - began
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return name, float((found - expected).abs().max() / expected.abs().max()), seconds
