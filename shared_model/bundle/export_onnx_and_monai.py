"""A bundle's networks for other programs: `torch.export` programs, ONNX, and a MONAI bundle each.

    network_Rad-D.pt2       torch.export: loads without this package
    network_Rad-D.onnx      ONNX, where the packages of `fedhcc[export]` are installed
    monai/Rad-D/            a MONAI bundle around the same weights

Each is checked when it is made: outputs on the same random slices agree with the network to 1e-4, whatever the number of patients.
"""

from __future__ import annotations

import copy
import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared_model.bundle.bundle_manifest import Bundle
from shared_model.bundle.monai_bundle import load_monai, write_monai
from shared_model.bundle.onnx_program import export_onnx, onnx_missing, run_elsewhere
from shared_model.bundle.quiet_exporters import quiet
from shared_model.networks.rad_networks import RadNetwork
from site_config.atomic_files import make_folder, read_limited, write_atomic
from site_config.problems import model as problems
from site_config.study.plan_and_lock import Study

TOLERANCE = 1e-4
PATIENTS = (1, 3, 7)
"""Numbers of patients the exports are tried with."""
LIMIT_BYTES = 2**30


@dataclass(frozen=True)
class Exported:
    """A file written, and how far its outputs are from the network's (largest absolute difference)."""

    file: str
    sha256: str
    difference: float


def export_bundle(bundle: Bundle, folder: Path) -> tuple[Exported, ...]:
    """Write every network of a bundle both ways; FH-611 when an export does not agree."""
    found: list[Exported] = []
    study = bundle.lock.study
    for model in bundle.manifest.networks:
        network = bundle.network(model)
        images = [example(study, network, patients=patients) for patients in PATIENTS]
        with torch.inference_mode():
            expected = [network(one) for one in images]
        program = export_program(network, study, folder / f"network_{model}.pt2")
        found.append(_checked(folder, program.name, _scores(load_program(program), images), expected))
        if onnx_missing() is None:
            graph = export_onnx(plain(network), example(study, network, patients=3), folder / f"network_{model}.onnx")
            found.append(_checked(folder, graph.name, run_elsewhere(graph, [one.numpy() for one in images]), expected))
        monai = write_monai(bundle, network, folder / "monai" / model, model)
        scores = _scores(load_monai(monai), images)
        found.append(_checked(folder, f"monai/{model}/models/model.pt", [one[:, 0] for one in scores], expected))
    return tuple(found)


def _scores(network: nn.Module, images: Sequence[Tensor]) -> list[NDArray[Any]]:
    with torch.inference_mode():
        return [network(one).numpy() for one in images]


def example(study: Study, network: RadNetwork, *, patients: int) -> Tensor:
    """Random slices (patients, V, O, S, H, W) of the study's shape."""
    shape = (patients, network.visits, len(study.organs), study.imaging.slices, study.imaging.size, study.imaging.size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=next(network.parameters()).dtype)


def plain(network: RadNetwork) -> RadNetwork:
    """A copy for export, in eval mode.

    Parameters keep `requires_grad`: without it torch 2.15 ties the recurrent layer to the example's number of patients.
    """
    return copy.deepcopy(network).eval()


def export_program(network: RadNetwork, study: Study, path: Path) -> Path:
    """Write a `torch.export` program whose number of patients is free."""
    patients = torch.export.Dim("patients", min=1, max=4096)
    buffer = io.BytesIO()
    with quiet():
        program = torch.export.export(plain(network), (example(study, network, patients=3),), dynamic_shapes={"images": {0: patients}})
        torch.export.save(program, buffer)
    make_folder(path.parent, 0o755)
    write_atomic(path, buffer.getvalue(), 0o644)
    return path


def load_program(path: Path) -> nn.Module:
    """The module of an exported program."""
    data = read_limited(path, LIMIT_BYTES, path.name)
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise problems.BROKEN_WEIGHTS.problem("the exported program is not readable", where=path.name)
    with quiet():
        return torch.export.load(io.BytesIO(data)).module()


def _checked(folder: Path, file: str, found: Sequence[NDArray[Any]], expected: Sequence[Tensor]) -> Exported:
    difference = max(float(np.abs(one - theirs.numpy()).max()) for one, theirs in zip(found, expected, strict=True))
    if not difference <= TOLERANCE:
        raise problems.EXPORT_DIFFERS.problem(f"{file} differs from the network by {difference:.1e}", where=file)
    return Exported(file, hashlib.sha256(read_limited(folder / file, LIMIT_BYTES)).hexdigest(), difference)
