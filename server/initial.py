"""Where training starts: seeded random weights, or a declared file verified by its hash."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from site_config.catalogue import model as problems
from site_config.study import Study

FOLDER = "pretrained"


def initial_weights(study: Study, model: str, folder: Path) -> NDArray[Any]:
    """The flat weights (D,) of the first broadcast: the same for the same study.

    A declared file of first weights is looked for under `pretrained/`, named by its SHA-256, in the coordinator's home, of
    which `folder` is a part.
    """
    from shared_model.networks import build
    from shared_model.pretrained import load_imagenet, load_warm_start, read_verified
    from shared_model.weights import to_vector

    name: Literal["Rad-S", "Rad-D"] = "Rad-S" if model == "Rad-S" else "Rad-D"
    network = build(study, name, seed=study.training.seed * 1009 + zlib.crc32(name.encode()) % 1000)
    declared = study.network.pretrained_sha256
    if declared is not None:
        load = load_warm_start if study.network.warm_start == "phantom" else load_imagenet
        load(network, read_verified(_file(folder, declared), declared))
    return to_vector(network)


def tensor_lengths(study: Study, model: str) -> tuple[int, ...]:
    """Numbers of each tensor of the flat vector, in its order."""
    from shared_model.networks import build
    from shared_model.weights import Schema

    return tuple(entry.size for entry in Schema.of(build(study, "Rad-S" if model == "Rad-S" else "Rad-D")).entries if entry.size)


def _file(folder: Path, sha256: str) -> Path:
    for home in (folder, *folder.resolve().parents[:4]):
        path = home / FOLDER / sha256
        if path.exists():
            return path
    raise problems.PRETRAINED_MISSING.problem(f"the study declares first weights {sha256[:12]}…, and {FOLDER}/ does not hold them")
