"""Weights as one flat vector with a schema, because a federation adds vectors and a mistake in their order is silent.

The vector holds every floating tensor of the network in `state_dict` order: parameters, and the buffers a frozen
normalisation needs (their update is exactly zero). Integer counters stay behind. Names, shapes, dtypes and the
architecture make the schema; its hash travels with the vector and must match on arrival.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared_model.networks.rad_networks import RadNetwork
from site_config.atomic_files import write_atomic
from site_config.problems import model as problems
from site_config.study.plan_and_lock import canonical


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of the vector: where it starts, and whether training may change it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    start: int
    trained: bool

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def stop(self) -> int:
        """One past the last value."""
        return self.start + self.size


@dataclass(frozen=True)
class Schema:
    """What stands where in the vector."""

    architecture: str
    entries: tuple[TensorEntry, ...]

    @classmethod
    def of(cls, module: nn.Module) -> Schema:
        """The schema of a network's floating tensors in `state_dict` order."""
        trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
        entries: list[TensorEntry] = []
        start = 0
        for name, tensor in floating(module):
            entry = TensorEntry(name, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), start, name in trained)
            entries.append(entry)
            start = entry.stop
        return cls(module.architecture if isinstance(module, RadNetwork) else type(module).__name__, tuple(entries))

    @property
    def size(self) -> int:
        """Length D of the vector."""
        return self.entries[-1].stop if self.entries else 0

    @property
    def hash(self) -> str:
        """SHA-256, hex, of architecture, names, shapes and dtypes."""
        listed = [[entry.name, list(entry.shape), entry.dtype, entry.trained] for entry in self.entries]
        return hashlib.sha256(canonical([self.architecture, listed])).hexdigest()

    def trained_mask(self) -> NDArray[np.bool_]:
        """(D,) True where training may change the value."""
        mask = np.zeros(self.size, dtype=bool)
        for entry in self.entries:
            mask[entry.start : entry.stop] = entry.trained
        return mask


def floating(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Named floating tensors in `state_dict` order; they share memory with the module."""
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            yield name, tensor


def to_vector(module: nn.Module) -> NDArray[Any]:
    """The flat vector (D,) of a network, float32 or float64 as the network is."""
    parts = [tensor.detach().reshape(-1) for _, tensor in floating(module)]
    return torch.cat(parts).cpu().numpy().copy()


def from_vector(module: nn.Module, vector: NDArray[Any], schema_hash: str | None = None) -> None:
    """Write a flat vector (D,) into a network; refused when hash, length or a value (not finite) does not fit."""
    schema = Schema.of(module)
    if schema_hash is not None and schema_hash != schema.hash:
        raise problems.FOREIGN_WEIGHTS.problem(f"the weights were made for another network than {schema.architecture}")
    if vector.ndim != 1 or vector.shape[0] != schema.size:
        raise problems.FOREIGN_WEIGHTS.problem(f"{vector.size} weights for a network of {schema.size} ({schema.architecture})")
    if not np.isfinite(vector).all():
        raise problems.BROKEN_WEIGHTS.problem(f"{int((~np.isfinite(vector)).sum())} weights are not finite")
    device = next((tensor.device for _, tensor in floating(module)), torch.device("cpu"))
    flat = torch.from_numpy(np.ascontiguousarray(vector)).to(device)
    with torch.no_grad():
        for entry, (_, tensor) in zip(schema.entries, floating(module), strict=True):
            tensor.copy_(flat[entry.start : entry.stop].reshape(entry.shape))


def gradient_vector(module: nn.Module) -> NDArray[np.float64]:
    """The flat vector (D,) of the accumulated gradients, float64; zero where nothing is trained."""
    gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
    parts = []
    for name, tensor in floating(module):
        gradient = gradients.get(name)
        whole = torch.zeros_like(tensor, dtype=torch.float64) if gradient is None else gradient.detach().double()
        parts.append(whole.reshape(-1))
    return np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float64)


def load_named(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors into a network; every floating tensor must be there with its shape, and no other."""
    wanted = dict(floating(module))
    missing, foreign = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing or foreign:
        told = [f"missing {', '.join(missing[:5])}"] * bool(missing) + [f"unknown {', '.join(foreign[:5])}"] * bool(foreign)
        raise problems.FOREIGN_WEIGHTS.problem(f"the weights do not fit: {'; '.join(told)}")
    for name, tensor in wanted.items():
        given = tensors[name]
        if given.shape != tensor.shape:
            raise problems.FOREIGN_WEIGHTS.problem(f"{name} has shape {tuple(given.shape)}, the network needs {tuple(tensor.shape)}")
        if given.dtype != tensor.dtype:
            raise problems.FOREIGN_WEIGHTS.problem(f"{name} holds {given.dtype}, the network needs {tensor.dtype}")
        if not bool(torch.isfinite(given).all()):
            raise problems.BROKEN_WEIGHTS.problem(f"{name} holds values that are not finite")
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(tensors[name])


def save_safetensors(module: nn.Module, path: Path) -> str:
    """Write the network's floating tensors with architecture and schema hash; returns the file's SHA-256, hex."""
    from safetensors.torch import save

    schema = Schema.of(module)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in floating(module)}
    # One entry: safetensors writes several in a random order, and the same weights must give the same file.
    data = save(tensors, metadata={"fedhcc": f"{schema.architecture} {schema.hash}"})
    write_atomic(path, data)
    return hashlib.sha256(data).hexdigest()


def load_safetensors(module: nn.Module, data: bytes) -> None:
    """Read the bytes of a safetensors file into a network; anything that does not fit is refused by name."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
    except (SafetensorError, ValueError) as error:
        raise problems.BROKEN_WEIGHTS.problem("the weights file is not a readable safetensors file") from error
    load_named(module, tensors)
