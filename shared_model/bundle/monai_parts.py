"""What the configuration of a MONAI bundle builds: the network, the values of its slices, and the run that writes scores.

A bundle's `configs/inference.json` names these by `_target_`; MONAI's own programs call them. Images are (V, O, S, H, W): visits
stand where MONAI expects channels, so a batch is (N, V, O, S, H, W) and a prediction (N, 1).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.slice_values import normalised
from shared_model.networks.weight_vector import load_named
from site_config.atomic_files import make_folder, read_limited, write_atomic
from site_config.problems import model as problems
from site_config.study.plan_and_lock import Study, Window
from site_config.study.prognostic_models import NetworkName

LIMIT_BYTES = 2**30


class BundledNetwork(nn.Module):
    """A network whose scores are a column: images (N, V, O, S, H, W) to log hazards (N, 1)."""

    def __init__(self, network: RadNetwork, shape: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.shape = tuple(shape)

    def forward(self, image: Tensor) -> Tensor:
        """Scores as a column."""
        scores: Tensor = self.network(image)
        return scores[:, None]

    def __prepare_scriptable__(self) -> nn.Module:
        """What `torch.jit.script` takes in this one's place: the network has Python that only a trace can follow.

        The number of patients stays free; the slices' shape is the study's.
        """
        image = torch.zeros((2, *self.shape), dtype=next(self.parameters()).dtype)
        return _Traced(torch.jit.trace(self.eval(), image))  # type: ignore[no-untyped-call]


class _Traced(nn.Module):
    """A traced network as a module that can be scripted."""

    def __init__(self, traced: nn.Module) -> None:
        super().__init__()
        self.traced = traced

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.traced(image)
        return found


def network_for_monai(study: dict[str, Any], model: NetworkName, bundle_root: str = ".") -> BundledNetwork:
    """The network of a study given as plain data. FH-617 where the bundle asks for another version of a package."""
    check_versions(Path(bundle_root))
    declared = Study.model_validate(study)
    network = build(declared, model, pooled=True)
    size = declared.imaging.size
    return BundledNetwork(network, (network.visits, len(declared.organs), declared.imaging.slices, size, size)).eval()


def check_versions(root: Path) -> None:
    """FH-617 names the first package of `required_packages_version` that is missing or another one here."""
    metadata = json.loads(read_limited(root / "configs" / "metadata.json", LIMIT_BYTES))
    for package, wanted in metadata["required_packages_version"].items():
        try:
            found = version(package)
        except PackageNotFoundError:
            found = "none"
        if found != wanted:
            raise problems.OTHER_VERSION.problem(f"the bundle needs {package} {wanted}, installed is {found}", where="metadata.json")


class WindowedSlices:
    """A MONAI transform: slices in Hounsfield units, (V, O, S, h, w) of any size, to what the network reads, (V, O, S, H, W)."""

    def __init__(self, windows: Sequence[Sequence[float]], size: int, key: str = "image") -> None:
        self.windows = [Window(width=width, level=level) for width, level in windows]
        self.size, self.key = size, key

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same case with its slices windowed, resized and normalised, each by itself."""
        slices = np.asarray(data[self.key], dtype=np.float64)
        if slices.ndim != 5 or slices.shape[1] != len(self.windows):
            raise problems.FOREIGN_WEIGHTS.problem(
                f"slices are (visits, {len(self.windows)} organs, slices, height, width), found shape {slices.shape}"
            )
        planes = [
            [[normalised(plane, window, self.size) for plane in organ] for organ, window in zip(visit, self.windows, strict=True)]
            for visit in slices
        ]
        return {**data, self.key: torch.from_numpy(np.asarray(planes, dtype=np.float32))}


class ScoreRun:
    """Score every case of a loader and write `scores.csv`: the file's name without ending, and the log hazard."""

    def __init__(
        self, loader: Iterable[Mapping[str, Any]], network: nn.Module, inferer: Any, checkpoint: str, device: Any, out: str
    ) -> None:
        self.loader, self.network, self.inferer = loader, network, inferer
        self.checkpoint, self.device, self.out = Path(checkpoint), device, Path(out)

    def run(self) -> Path:
        """Load the weights, strictly, and score; the path of the file written."""
        weights = torch.load(io.BytesIO(read_limited(self.checkpoint, LIMIT_BYTES)), map_location="cpu", weights_only=True)
        load_named(self.network, weights)
        self.network.to(self.device).eval()
        kind = next(self.network.parameters()).dtype
        rows: list[tuple[str, str]] = []
        with torch.inference_mode():
            for batch in self.loader:
                scores = self.inferer(batch["image"].to(self.device, kind), self.network)[:, 0].tolist()
                rows += [(Path(name).stem, repr(score)) for name, score in zip(batch["case"], scores, strict=True)]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([("case", "score"), *rows])
        make_folder(self.out, 0o755)
        write_atomic(self.out / "scores.csv", text.getvalue().encode(), 0o644)
        return self.out / "scores.csv"
