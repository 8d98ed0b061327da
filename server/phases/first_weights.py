"""Where training starts: seeded random weights, or a declared file verified by its hash; never a network that cannot learn.

The head's hidden layer is eight ReLU units. A random draw that has all of them off for every patient (about one in four
hundred of the small networks) has no gradient anywhere and stays as it is for ever, so a draw is tried on made-up images
first and the next seed is taken instead. The images are the same for everybody, so the same study starts from the same weights.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from shared_model.disclosure.limits import RANGE_NUMBERS
from shared_model.networks.pretrained_weights import load_imagenet, load_warm_start, read_verified
from shared_model.networks.rad_networks import build
from shared_model.networks.weight_vector import Schema, to_vector
from site_config.problems import model as problems
from site_config.study.plan_and_lock import Study

if TYPE_CHECKING:
    from shared_model.networks.rad_networks import RadNetwork

FOLDER = "pretrained"
DRAWS: Final = 16
PROBES: Final = 16
PROBE_SIZE: Final = 64
PROBE_SEED: Final = 1


@dataclass(frozen=True)
class FirstWeights:
    """First weights (D,), the seed they were drawn with, and how many draws before it could not learn."""

    weights: NDArray[Any]
    seed: int
    skipped: int


def initial_weights(study: Study, model: str, folder: Path) -> NDArray[Any]:
    """The flat weights (D,) of the first broadcast, as `start` finds them."""
    return start(study, model, folder).weights


def start(study: Study, model: str, folder: Path) -> FirstWeights:
    """The first weights: the same for the same study.

    A declared file of first weights is looked for under `pretrained/`, named by its SHA-256, in the coordinator's home, of
    which `folder` is a part. Raises FH-607 where it is missing, FH-608 where it is another file, and FH-615 where the weights
    cannot learn whatever is drawn.
    """
    first = study.training.seed * 1009 + zlib.crc32(model.encode()) % 1000
    declared = study.network.pretrained_sha256
    data = None if declared is None else read_verified(_file(folder, declared), declared)
    for skipped in range(DRAWS):
        network = build(study, model, seed=first + skipped)
        if data is not None:
            load = load_warm_start if study.network.warm_start == "phantom" else load_imagenet
            load(network, data)
        if can_learn(network):
            return FirstWeights(to_vector(network), first + skipped, skipped)
    raise problems.DEAD_START.problem(f"{model}: no hidden unit of the head is on, in {DRAWS} draws")


def can_learn(network: RadNetwork) -> bool:
    """Whether a hidden unit of the head is on for at least half of sixteen made-up patients.

    Their slices are noise of several grains, each of zero mean and unit variance as real slices are. A network in double or
    single precision, in evaluation mode, is left as it was.
    """
    import torch
    from torch.nn import functional

    generator = torch.Generator().manual_seed(PROBE_SEED)
    planes = []
    for patient in range(PROBES):
        grain = PROBE_SIZE // 2 ** (1 + patient % 4)
        coarse = torch.randn(network.visits * len(network.organs), 1, grain, grain, generator=generator)
        plane = functional.interpolate(coarse, size=PROBE_SIZE, mode="bilinear")
        plane = (plane - plane.mean((2, 3), keepdim=True)) / plane.std((2, 3), keepdim=True)
        planes.append(plane.reshape(network.visits, len(network.organs), 1, PROBE_SIZE, PROBE_SIZE))
    hidden: list[torch.Tensor] = []
    hook = network.cls_1.register_forward_hook(lambda _layer, _inputs, out: hidden.append(out))
    try:
        with torch.no_grad():
            network(torch.stack(planes).to(network.cls_1.weight.dtype))
    finally:
        hook.remove()
    return bool(((hidden[0] > 0).float().mean(dim=0) >= 0.5).any())


def tensor_lengths(study: Study, model: str) -> tuple[int, ...]:
    """Numbers of each tensor of the flat vector, in its order; small neighbours joined until they have `RANGE_NUMBERS` together."""
    return joined([entry.size for entry in Schema.of(build(study, model)).entries if entry.size])


def joined(sizes: Sequence[int], least: int = RANGE_NUMBERS.value) -> tuple[int, ...]:
    """Neighbours joined until each has `least` numbers; what is left at the end joins the last.

    Example:
        >>> joined([300, 10, 20, 400, 5], least=256)
        (300, 435)
    """
    found: list[int] = []
    for size in sizes:
        if found and found[-1] < least:
            found[-1] += size
        else:
            found.append(size)
    if len(found) > 1 and found[-1] < least:
        found[-2:] = [found[-2] + found[-1]]
    return tuple(found)


def _file(folder: Path, sha256: str) -> Path:
    for home in (folder, *folder.resolve().parents[:4]):
        path = home / FOLDER / sha256
        if path.exists():
            return path
    raise problems.PRETRAINED_MISSING.problem(f"the study declares first weights {sha256[:12]}…, and {FOLDER}/ does not hold them")
