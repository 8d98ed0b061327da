"""Time and memory of work on a device; on a CPU, where the flow is tested, time only."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

Step = Callable[[], object]


def settle(device: torch.device) -> None:
    """Wait until the device has done everything it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(step: Step, device: torch.device, times: int, warm: int = 1) -> float:
    """Median seconds of a step, after warming up; the device has finished before either clock is read."""
    for _ in range(warm):
        step()
    measured = []
    for _ in range(times):
        settle(device)
        began = time.perf_counter()
        step()
        settle(device)
        measured.append(time.perf_counter() - began)
    return statistics.median(measured)


def peak_mib(step: Step, device: torch.device) -> float:
    """Most memory (MiB) torch held on the device during a step; 0 on a CPU."""
    if device.type != "cuda":
        step()
        return 0.0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    step()
    settle(device)
    return torch.cuda.max_memory_allocated(device) / 2**20


@dataclass
class StepClock:
    """The whole check's time: a part begins only where what it may take is left."""

    limit_s: float
    now: Callable[[], float] = time.monotonic
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.now()

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.limit_s - (self.now() - self.began)

    def allows(self, needed_s: float) -> bool:
        """Whether a part of so many seconds may begin."""
        return self.left >= needed_s
