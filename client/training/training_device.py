"""Where a pass runs: the choice of the device, the arithmetic on it, memory that runs out, and a GPU that goes away.

`auto` takes a GPU where torch sees one; `cuda` without one is a problem, never silently the CPU. On a GPU the arithmetic is
that of the CPU: torch's own default lets cuDNN round float32 to TF32 (10 bits of mantissa), which moves a summed gradient by
about 1e-3, so it is switched off for as long as a pass runs, and reproducible algorithms are chosen. `mixed` allows both
TF32 and bfloat16.

torch is loaded by whoever computes with a network, not with this module: a hospital of tables alone never needs its half a gigabyte.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from site_config.problems import model as problems

if TYPE_CHECKING:
    import torch

CPU_PATIENTS: Final = 1
GPU_PATIENTS: Final = 4
"""Patients in the network at once where `compute.micro_batch` is 0: 24 slices an organ keep a large GPU busy, in a quarter of
the memory of a batch of 16. A fixed number, since another one adds the same gradients in another order."""
WORKSPACE: Final = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
"""What cuBLAS, and cuDNN's LSTM with it, needs to be reproducible; read when torch first uses the GPU."""
MEMORY_WORDS: Final = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")


def choose_device(wanted: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`. Raises FH-605 where `cuda` is asked for and there is none.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    import torch

    if wanted == "cpu":
        return torch.device("cpu")
    os.environ.setdefault(*WORKSPACE)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if wanted == "cuda":
        raise problems.NO_GPU.problem("compute.device is cuda, and torch sees no GPU", where="site.yaml: compute.device")
    return torch.device("cpu")


def patients_at_once(micro_batch: int, device: torch.device) -> int:
    """`compute.micro_batch`, or for 0 what fits the device."""
    if micro_batch:
        return micro_batch
    return GPU_PATIENTS if device.type == "cuda" else CPU_PATIENTS


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU (its own exception) or on the host (a `MemoryError`, or torch's RuntimeError)."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in MEMORY_WORDS)


def is_device_fault(error: BaseException) -> bool:
    """Whether the GPU itself failed: torch tells that by an exception of its own, older faults by their text."""
    import torch

    named = isinstance(error, torch.AcceleratorError)
    return named or (isinstance(error, RuntimeError) and any(words in str(error) for words in ("CUDA error", "CUDNN_STATUS", "CUBLAS_")))


def place(network: torch.nn.Module, device: torch.device) -> None:
    """Put a network onto the device. Raises FH-604 where not even that fits, FH-616 where the GPU fails."""
    try:
        with arithmetic(device):
            network.to(device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise problems.OUT_OF_MEMORY.problem(f"the network does not fit into the memory of {device.type}") from None


@contextlib.contextmanager
def arithmetic(device: torch.device, *, mixed: bool = False) -> Iterator[None]:
    """Reproducible algorithms, and full float32 unless `mixed`; on the CPU one thread is reproducible as it is.

    Raises FH-616 when the GPU fails meanwhile: after that no process that used it can go on.
    """
    if device.type != "cuda":
        yield
        return
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
    cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = True, False, mixed, mixed
    try:
        yield
    except RuntimeError as error:
        if is_device_fault(error) and not is_out_of_memory(error):
            raise problems.GPU_LOST.problem("the GPU failed while it computed", where="compute.device") from None
        raise
    finally:
        cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = before


@dataclass
class Hardware:
    """Where and how a pass runs; `micro_batch` shrinks when memory does not suffice, and a note says so."""

    device: torch.device
    micro_batch: int
    mixed: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.micro_batch = patients_at_once(self.micro_batch, self.device)

    def cast(self) -> contextlib.AbstractContextManager[Any]:
        """Mixed precision (bfloat16: the range of float32, no loss scaling), on a GPU only."""
        if self.mixed and self.device.type == "cuda":
            import torch

            return torch.autocast("cuda", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def arithmetic(self) -> contextlib.AbstractContextManager[None]:
        """The arithmetic of this pass."""
        return arithmetic(self.device, mixed=self.mixed)

    def chunks(self, rows: Sequence[int]) -> Iterator[Sequence[int]]:
        """Micro-batches of patients."""
        for first in range(0, len(rows), self.micro_batch):
            yield rows[first : first + self.micro_batch]

    def shrink(self) -> None:
        """Halve the micro-batch, or give up at one patient. Called when nothing of the failed pass is held any more."""
        if self.micro_batch == 1:
            raise problems.OUT_OF_MEMORY.problem(f"one patient does not fit into the memory of {self.device.type}")
        self.micro_batch //= 2
        self.notes.append(f"out of memory: micro-batch reduced to {self.micro_batch}")
        if self.device.type == "cuda":
            import torch

            torch.cuda.empty_cache()
