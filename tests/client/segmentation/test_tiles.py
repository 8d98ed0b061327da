"""Labels plane by plane equal nnU-Net's own export, with few labels and with a hundred, tilted grids and thick slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.imaging import slices
from client.imaging.volume import Volume
from client.segmentation import tiles
from client.segmentation.declared_models import SiteModels
from site_config.site_yaml import Segmentation, SegmentationModel, SiteConfig
from tests.client.made_scans import body
from tests.client.nnunet_folder import genuine_checkpoint, plans_3d, plans_of, write_model

SPACING = (5.0, 7.0, 7.0)


def dice(ours: Any, theirs: Any) -> float:
    """The smallest Dice over the labels that nnU-Net gives to at least 50 voxels."""
    found = []
    for label in np.unique(theirs):
        a, b = ours == label, theirs == label
        if b.sum() >= 50:
            found.append(2 * (a & b).sum() / (a.sum() + b.sum()))
    return float(min(found))


def sensible(plans: dict[str, Any], dataset: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint whose last layer was fitted to tell values apart: random ones leave ties everywhere, which rounding decides."""
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    made = genuine_checkpoint(plans, dataset)
    configuration = next(iter(plans["configurations"].values()))
    flat = len(configuration["patch_size"]) == 2
    kinds = (torch.nn.Conv2d, torch.nn.InstanceNorm2d) if flat else (torch.nn.Conv3d, torch.nn.InstanceNorm3d)
    arguments = configuration["architecture"]["arch_kwargs"] | {"conv_op": kinds[0], "norm_op": kinds[1], "nonlin": torch.nn.LeakyReLU}
    network = PlainConvUNet(input_channels=1, num_classes=len(dataset["labels"]), deep_supervision=False, **arguments).eval()
    network.load_state_dict(made["network_weights"])
    network.decoder.seg_layers[-1] = torch.nn.Identity()
    hu = body((16, 32, 32))[0].astype(np.float32)
    image = torch.from_numpy((np.clip(hu, -100, 250) - 60) / 40)
    with torch.no_grad():
        features = network(image[:, None]).permute(1, 0, 2, 3) if flat else network(image[None, None])[0]
    x = np.concatenate([features.reshape(len(features), -1).numpy(), np.ones((1, hu.size), np.float32)])
    bins = np.digitize(hu.ravel(), np.quantile(hu, np.linspace(0, 1, len(dataset["labels"]) + 1)[1:-1]))
    wanted = np.where(np.arange(len(dataset["labels"]))[:, None] == bins, 20.0, 0.0)
    fitted = np.linalg.lstsq(x.T, wanted.T, rcond=None)[0].T.astype(np.float32)
    name = f"decoder.seg_layers.{len(network.decoder.seg_layers) - 1}"
    made["network_weights"][f"{name}.weight"] = torch.from_numpy(fitted[:, :-1]).reshape(made["network_weights"][f"{name}.weight"].shape)
    made["network_weights"][f"{name}.bias"] = torch.from_numpy(fitted[:, -1].copy())
    return made


def both(tmp_path: Path, plans: dict[str, Any], labels: int, shape: tuple[int, int, int], **options: Any) -> tuple[Any, Any]:
    """Our labels on every slice, and nnU-Net's own."""
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{f"part {k}": k for k in range(1, labels)}},
        "numTraining": 4,
        "file_ending": ".nii.gz",
    }
    hu, _ = body(shape)
    model = write_model(tmp_path / "m", plans=plans, dataset=dataset, checkpoint=sensible(plans, dataset))
    model = SegmentationModel(**{**model.model_dump(), **options})
    loaded = SiteModels(SiteConfig(site="here", segmentation=Segmentation(models={"m": model}))).get("m")
    volume = Volume(hu, np.arange(shape[0]) * SPACING[0], SPACING[1:], np.zeros(3), np.eye(3))
    ours = loaded.label_map(volume, slices.grid_of(volume.z_mm, SPACING[0]))
    theirs = loaded.predictor.predict_single_npy_array(hu[None].astype(np.float32), {"spacing": list(SPACING)})
    return ours, theirs


@pytest.mark.parametrize("labels", [3, 7])
@pytest.mark.parametrize(
    ("patch", "spacing"),
    [((16, 32, 32), (5.0, 7.0, 7.0)), ((16, 32, 32), (4.0, 6.0, 6.0)), ((8, 32, 32), (9.0, 2.8, 2.8)), ((32, 64, 64), (7.0, 9.0, 9.0))],
)
def test_three_dimensional_labels_equal_nnunets_own(
    tmp_path: Path, patch: tuple[int, int, int], spacing: tuple[float, float, float], labels: int
) -> None:
    ours, theirs = both(tmp_path, plans_3d(patch, spacing), labels, (22, 48, 40))
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("spacing", [(7.0, 7.0), (5.5, 5.5)])
def test_flat_labels_equal_nnunets_own(tmp_path: Path, spacing: tuple[float, float]) -> None:
    ours, theirs = both(tmp_path, plans_of((32, 32), spacing), 6, (20, 48, 48), mirroring=True)
    assert dice(ours, theirs) >= 0.999


def test_many_labels_are_kept_as_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty labels of neighbouring values: nnU-Net in single precision gives the same; its half precision cannot tell some apart."""
    import torch

    ours, theirs = both(tmp_path / "half", plans_3d((16, 32, 32), (4.0, 6.0, 6.0)), 40, (22, 48, 40))
    assert (ours == theirs).mean() >= 0.99
    monkeypatch.setattr(torch, "half", torch.float32)
    ours, theirs = both(tmp_path / "single", plans_3d((16, 32, 32), (4.0, 6.0, 6.0)), 40, (22, 48, 40))
    assert dice(ours, theirs) >= 0.999


def test_only_the_planes_of_the_grid_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    ordinary = tiles._labels
    monkeypatch.setattr(tiles, "_labels", lambda *rest: (made.append(rest[4]), ordinary(*rest))[1])
    model = write_model(tmp_path / "m", plans=plans_3d())
    loaded = SiteModels(SiteConfig(site="here", segmentation=Segmentation(models={"m": model}))).get("m")
    hu, _ = body((60, 40, 40))
    volume = Volume(hu, np.arange(60) * 1.0, (7.0, 7.0), np.zeros(3), np.eye(3))
    grid = slices.grid_of(volume.z_mm, 5.0)
    assert loaded.label_map(volume, grid).shape == (len(grid), 40, 40) and len(made) == len(grid)


def test_buffers_on_disk_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "BUFFER_BYTES", 1000)
    ours, theirs = both(tmp_path, plans_3d(), 7, (22, 48, 40))
    assert np.array_equal(ours, theirs)
