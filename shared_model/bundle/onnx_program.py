"""A network as ONNX, whose number of patients is free, checked by onnxruntime in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared_model.bundle.quiet_exporters import quiet
from site_config.atomic_files import make_folder, read_limited, write_atomic
from site_config.problems import model as problems

NEEDED = ("onnx", "onnxscript", "onnxruntime")
"""Packages of the extra `export`; `site` does without them."""
LIMIT_BYTES = 2**30
SECONDS = 600
RUN = """
import sys
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
with numpy.load(sys.argv[2]) as given:
    numpy.savez(sys.argv[3], **{name: session.run(None, {"image": given[name]})[0] for name in given.files})
"""
"""What the other process runs: nothing of ours and no torch, so that the file alone gives the scores."""


def onnx_missing() -> str | None:
    """The first needed package that is not installed, or None."""
    return next((name for name in NEEDED if find_spec(name) is None), None)


def export_onnx(network: nn.Module, example: Tensor, path: Path) -> Path:
    """Write a network (in eval mode) as ONNX by torch's exporter over `torch.export`: input `image`, output `pred`.

    `example` (N, …) gives the shape; N is free in the file. Nothing is printed.
    """
    make_folder(path.parent, 0o755)
    patients = torch.export.Dim("patients", min=1, max=4096)
    with tempfile.TemporaryDirectory() as folder, quiet():
        part = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (example,),
            str(part),
            input_names=["image"],
            output_names=["pred"],
            dynamic_shapes=({0: patients},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        write_atomic(path, read_limited(part, LIMIT_BYTES), 0o644)
    return path


def run_elsewhere(path: Path, images: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Scores of batches by onnxruntime in a fresh process. Raises FH-611 where it cannot run the file."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        np.savez(given, **{f"batch_{index}": one for index, one in enumerate(images)})  # type: ignore[arg-type]
        command = [sys.executable, "-P", "-c", RUN, str(path), str(given), str(found)]
        ran = subprocess.run(command, capture_output=True, check=False, timeout=SECONDS)  # noqa: S603
        if ran.returncode or not found.exists():
            raise problems.EXPORT_DIFFERS.problem(f"onnxruntime could not run {path.name}", where=path.name)
        with np.load(found) as scores:
            return [scores[f"batch_{index}"] for index in range(len(images))]
