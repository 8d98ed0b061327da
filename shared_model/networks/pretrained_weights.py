"""First weights: random by the study's seed, ImageNet from a local file, or a warm start made elsewhere.

Nothing is downloaded. The published file is `efficientnet-b0-355c32eb.pth` of EfficientNet-PyTorch (Luke Melas-Kyriazi);
the study names its SHA-256 and the file is read only when it matches, as tensors only (`weights_only`). Its stem has three
input channels: the kernel is summed over them, which equals feeding the grey slice as red, green and blue. What was not
loaded is told.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from shared_model.networks.rad_networks import RadNetwork
from shared_model.networks.weight_vector import floating
from site_config.atomic_files import read_limited
from site_config.problems import model as problems

LIMIT_BYTES = 200 * 2**20
STEM = "_conv_stem.weight"
FOR_BATCHES = "made for batch normalisation"
LAST = ("_fc.weight", "_fc.bias")


@dataclass(frozen=True)
class LoadReport:
    """Tensors of one extractor that came from the file, and those that keep their first values, with the reason."""

    loaded: tuple[str, ...]
    kept: dict[str, str]


def read_verified(path: Path, sha256: str) -> bytes:
    """A file's bytes, refused unless their SHA-256 is the declared one (64 hex digits)."""
    data = read_limited(path, LIMIT_BYTES, "pretrained weights")
    found = hashlib.sha256(data).hexdigest()
    if found != sha256.lower():
        raise problems.FOREIGN_FILE.problem(f"the file's SHA-256 is {found}, declared is {sha256}")
    return data


def load_imagenet(network: RadNetwork, data: bytes) -> LoadReport:
    """Write a published EfficientNet-b0 state (bytes of a .pth file) into every organ's extractor.

    FH-602 for a file of another architecture: apart from the last layer every tensor must be there and fit. EfficientNet-lite0,
    whose file shares most names and shapes, would leave one tensor in six at random.
    """
    if network.backbone != "efficientnet-b0":
        raise problems.FOREIGN_WEIGHTS.problem(f"ImageNet weights are for efficientnet-b0, the study's backbone is {network.backbone}")
    try:
        published = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise problems.BROKEN_WEIGHTS.problem("the pretrained file is not a readable torch state") from error
    if not isinstance(published, dict) or STEM not in published:
        raise problems.FOREIGN_WEIGHTS.problem(f"the pretrained file holds no tensor {STEM}")
    reports = [_load_published(network.get_submodule(f"extractor_{organ}"), published, network.norm) for organ in network.organs]
    foreign = sorted(name for name, why in reports[0].kept.items() if name not in LAST and why != FOR_BATCHES)
    if foreign:
        raise problems.FOREIGN_WEIGHTS.problem(
            f"the pretrained file is of another architecture: {len(foreign)} of the network's tensors are not in it or have another shape, "
            f"{foreign[0]} first"
        )
    return reports[0]


def load_warm_start(network: RadNetwork, data: bytes) -> LoadReport:
    """Write a simulated study's warm start (bytes of a safetensors file) into a network; every tensor must be there and fit.

    Extractors are shared by the networks and stored under their own names; the rest stands under `Rad-D/` and `Rad-S/`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        stored = load(data)
    except (SafetensorError, ValueError) as error:
        raise problems.BROKEN_WEIGHTS.problem("the warm start is not a readable safetensors file") from error
    with torch.no_grad():
        for name, tensor in floating(network):
            source = stored.get(f"{network.model}/{name}", stored.get(name))
            if source is None or source.shape != tensor.shape:
                raise problems.FOREIGN_WEIGHTS.problem(f"warm-start weights do not fit: {name}")
            tensor.copy_(source)
    return LoadReport(tuple(name for name, _ in floating(network)), {})


def published_name(name: str) -> str:
    """MONAI's tensor name as EfficientNet-PyTorch calls it: blocks are counted through, not by stage."""
    return re.sub(r"^_blocks\.\d+\.(\d+)\.", r"_blocks.\1.", name)


def _load_published(extractor: nn.Module, published: Mapping[str, Tensor], norm: str) -> LoadReport:
    loaded: list[str] = []
    kept: dict[str, str] = {}
    with torch.no_grad():
        for name, tensor in floating(extractor):
            source = published.get(published_name(name))
            if source is not None and name == STEM:
                source = source.sum(dim=1, keepdim=True)
            if norm == "group" and "_bn" in name:
                kept[name] = FOR_BATCHES
            elif source is None:
                kept[name] = "not in the file"
            elif source.shape != tensor.shape:
                kept[name] = "other shape"
            else:
                tensor.copy_(source)
                loaded.append(name)
    return LoadReport(tuple(loaded), kept)
