"""A tile of nnU-Net's 3d_fullres configuration: through our segmenter, and through nnU-Net's own predictor."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from client.segmentation.nnunet import NnUNetModel, logits_on_gpu
from client.segmentation.tiles import labels_by_plane
from evidence.gpu.time_and_memory import peak_mib, seconds
from simulations.cohort.nnunet_plans import Intensities, Planned, UNet, plans_json

PATCH: Final = (128, 128, 128)
FEATURES: Final = (32, 64, 128, 256, 320, 320)
HEADS: Final = 3
TIME_BAR: Final = 1.1


def tiles(shape: tuple[int, ...], patch: tuple[int, ...], step: float = 0.5) -> int:
    """Number of tiles nnU-Net's sliding window takes."""
    return math.prod(1 + math.ceil((max(n, p) - p) / (p * step)) for n, p in zip(shape, patch, strict=True))


def plans(patch: tuple[int, int, int], features: tuple[int, ...]) -> dict[str, Any]:
    """The documents of a 3d_fullres model as nnU-Net plans one for CT at 1 mm."""
    spacing = (1.0, 1.0, 1.0)
    planned = Planned("3d_fullres", UNet(3, features, up=2), patch, spacing, batch=2, order=3)
    intensities = Intensities(mean=60.0, std=30.0, median=60.0, minimum=-1000.0, maximum=300.0, low=-50.0, high=200.0)
    return plans_json("Dataset900_Speed", planned, intensities, spacing, patch)


def model(device: torch.device, patch: tuple[int, int, int] = PATCH, features: tuple[int, ...] = FEATURES) -> NnUNetModel:
    """A model of random weights, in our segmenter and, inside it, in nnU-Net's predictor."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    dataset = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "tumour": 2}, "file_ending": ".nii.gz"}
    managed = PlansManager(plans(patch, features))
    configuration = managed.get_configuration("3d_fullres")
    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_mirroring=False, perform_everything_on_device=device.type == "cuda", device=device, allow_tqdm=False
    )
    torch.manual_seed(1)
    network = nnUNetTrainer.build_network_architecture(managed, configuration, 1, HEADS, enable_deep_supervision=False)
    predictor.manual_initialization(network, managed, configuration, [network.state_dict()], dataset, "nnUNetTrainer", None)
    return NnUNetModel("speed", "0" * 64, frozenset(range(HEADS)), False, False, predictor)


def measure(device: torch.device, shape: tuple[int, int, int], times: int, made: NnUNetModel | None = None) -> dict[str, Any]:
    """Seconds a tile of both, memory, and the same labels from logits on the card and on the host."""
    made = made or model(device)
    patch = tuple(made.predictor.configuration_manager.patch_size)
    scan: NDArray[np.int16] = np.random.default_rng(2).integers(-200, 300, shape, dtype=np.int16)
    data = torch.from_numpy(((scan[None] - 60.0) / 30.0).astype(np.float32))
    count = tiles(shape, patch)
    theirs = seconds(lambda: made.predictor.predict_logits_from_preprocessed_data(data), device, times)
    ours = seconds(lambda: _labels(made, data), device, times)
    whole = seconds(lambda: made._predict(scan, (1.0, 1.0, 1.0), np.arange(len(scan))), device, 1, warm=0)
    figures: dict[str, Any] = {
        "tiles": count,
        "seconds_a_tile": ours / count,
        "seconds_a_tile_of_nnunet": theirs / count,
        "time_within_1.1": ours <= TIME_BAR * theirs,
        "seconds_of_a_scan_with_preprocessing": whole,
        "peak_mib": peak_mib(lambda: _labels(made, data), device),
    }
    if device.type == "cuda":
        figures |= _both_ways(made, data, scan.shape, device)
    return figures


def _labels(made: NnUNetModel, data: torch.Tensor) -> NDArray[np.uint8]:
    """Labels of a preprocessed image at its own spacing, every plane."""
    size = (int(data.shape[1]), int(data.shape[2]), int(data.shape[3]))
    return labels_by_plane(made.predictor, data.numpy(), size, (1.0, 1.0, 1.0), range(size[0]))


def _both_ways(made: NnUNetModel, data: torch.Tensor, shape: tuple[int, ...], device: torch.device) -> dict[str, Any]:
    """The same with the logits gathered on the host, as where memory is bounded."""
    near = _labels(made, data)
    made.predictor.perform_everything_on_device = False
    memory = peak_mib(lambda: _labels(made, data), device)
    far = _labels(made, data)
    made.predictor.perform_everything_on_device = True
    return {
        "peak_mib_with_logits_on_the_host": memory,
        "share_of_equal_labels": float((near == far).mean()),
        "three_labels_of_a_large_scan_fit_the_card": logits_on_gpu(HEADS, (600, 512, 512), torch.cuda.mem_get_info()[0]),
        "voxels": math.prod(shape),
    }
