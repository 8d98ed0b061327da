"""One thread a process, set before the first operation."""

from __future__ import annotations


def one_thread() -> None:
    """One thread for this process, before its first tensor operation."""
    import os

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    import torch

    torch.set_num_threads(1)
