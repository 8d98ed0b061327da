"""A bundle's networks for other programs: `torch.export` programs and a MONAI bundle.

    network_Rad-D.pt2                       torch.export: loads without this package
    monai/configs/{metadata,inference}.json MONAI bundle around the same weights
    monai/models/model_Rad-D.pt, monai/docs/README.md

Both are checked when they are made: outputs on the same random slices agree with the network to 1e-4.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shared_model.bundle.manifest import Bundle
from shared_model.networks.rad import RadNetwork, build
from shared_model.networks.weights import floating, load_named
from site_config.files import make_folder, read_limited, write_atomic, write_json
from site_config.problems import model as problems
from site_config.study.model import Study
from site_config.study.prognostic_models import NetworkName

TOLERANCE = 1e-4
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
    for model in bundle.manifest.networks:
        network = bundle.network(model)
        images = example(bundle.lock.study, network, patients=3)
        with torch.inference_mode():
            expected = network(images)
        program = export_program(network, bundle.lock.study, folder / f"network_{model}.pt2")
        found.append(_checked(folder, f"network_{model}.pt2", load_program(program), images, expected))
        monai = write_monai(bundle, network, folder / "monai", model)
        found.append(_checked(folder, f"monai/models/model_{model}.pt", load_monai(monai, model), images, expected))
    return tuple(found)


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
    program = torch.export.export(plain(network), (example(study, network, patients=3),), dynamic_shapes={"images": {0: patients}})
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    make_folder(path.parent, 0o755)
    write_atomic(path, buffer.getvalue(), 0o644)
    return path


def load_program(path: Path) -> nn.Module:
    """The module of an exported program."""
    data = read_limited(path, LIMIT_BYTES, path.name)
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise problems.BROKEN_WEIGHTS.problem("the exported program is not readable", where=path.name)
    return torch.export.load(io.BytesIO(data)).module()


def network_for_monai(study: dict[str, Any], model: NetworkName) -> RadNetwork:
    """What a MONAI bundle's `network_def` calls: the network of a study given as plain data."""
    return build(Study.model_validate(study), model, pooled=True)


def write_monai(bundle: Bundle, network: RadNetwork, folder: Path, model: NetworkName) -> Path:
    """A MONAI bundle (configs, models, docs) of one or several networks in one folder."""
    for name in ("configs", "models", "docs"):
        make_folder(folder / name, 0o755)
    buffer = io.BytesIO()
    torch.save({name: tensor.detach().clone() for name, tensor in floating(network)}, buffer)
    write_atomic(folder / "models" / f"model_{model}.pt", buffer.getvalue(), 0o644)
    study = bundle.lock.study.model_dump(mode="json")
    definition = {"_target_": "shared_model.bundle.export.network_for_monai", "study": study, "model": model}
    key = model.replace("-", "_").lower()
    inference = folder / "configs" / "inference.json"
    before = json.loads(read_limited(inference, LIMIT_BYTES)) if inference.exists() else {"bundle_root": "."}
    checkpoint = f"$@bundle_root + '/models/model_{model}.pt'"
    write_json(inference, before | {f"network_{key}": definition, f"checkpoint_{key}": checkpoint}, 0o644)
    write_json(folder / "configs" / "metadata.json", _metadata(bundle, network), 0o644)
    write_atomic(folder / "docs" / "README.md", bundle.card.encode(), 0o644)
    return folder


def load_monai(folder: Path, model: NetworkName) -> nn.Module:
    """The network of a MONAI bundle, built by MONAI's own config parser and loaded with its weights."""
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(folder / "configs" / "inference.json"))
    parser["bundle_root"] = str(folder)
    key = model.replace("-", "_").lower()
    network = parser.get_parsed_content(f"network_{key}")
    data = read_limited(Path(parser.get_parsed_content(f"checkpoint_{key}")), LIMIT_BYTES)
    load_named(network, torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    loaded: nn.Module = network.eval()
    return loaded


def _metadata(bundle: Bundle, network: RadNetwork) -> dict[str, Any]:
    study, manifest = bundle.lock.study, bundle.manifest
    shape = [network.visits, len(study.organs), study.imaging.slices, study.imaging.size, study.imaging.size]
    versions = {"monai_version": _version("monai"), "pytorch_version": _version("torch"), "numpy_version": _version("numpy")}
    image = {"type": "image", "format": "hounsfield", "modality": "CT", "num_channels": len(study.organs), "spatial_shape": shape}
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json",
        "version": "0.1.0",
        "changelog": {"0.1.0": f"study {manifest.study_id}"},
        **versions,
        "required_packages_version": {},
        "name": manifest.title,
        "task": "Prognosis of advanced hepatocellular carcinoma under immunotherapy from CT slices",
        "description": "Risk score (log hazard). For research only.",
        "authors": manifest.software,
        "copyright": "Apache-2.0",
        "intended_use": "Research only; see docs/README.md",
        "network_data_format": {
            "inputs": {
                "images": {**image, "dtype": "float32", "value_range": [-10, 10], "is_patch_data": False, "channel_def": {"0": "slices"}}
            },
            "outputs": {
                "score": {
                    "type": "probabilities",
                    "format": "regression",
                    "num_channels": 1,
                    "spatial_shape": [],
                    "dtype": "float32",
                    "value_range": [-100, 100],
                    "is_patch_data": False,
                    "channel_def": {"0": "log hazard"},
                }
            },
        },
    }


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _checked(folder: Path, file: str, loaded: nn.Module, images: Tensor, expected: Tensor) -> Exported:
    with torch.inference_mode():
        difference = float((loaded(images) - expected).abs().max())
    if not difference <= TOLERANCE:
        raise problems.EXPORT_DIFFERS.problem(f"{file} differs from the network by {difference:.1e}", where=file)
    return Exported(file, hashlib.sha256(read_limited(folder / file, LIMIT_BYTES)).hexdigest(), difference)
