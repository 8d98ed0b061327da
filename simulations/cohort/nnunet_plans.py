"""The documents of a tiny nnU-Net v2 model folder: what `plans.json` and `dataset.json` hold for a 2-D network of five stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

PIXEL_MM: Final = 3.875
PATCH: Final = 96
FEATURES: Final = (8, 16, 24, 32, 32)


@dataclass(frozen=True)
class Intensities:
    """Foreground statistics in HU that CT normalisation clips and scales by."""

    mean: float
    std: float
    median: float
    minimum: float
    maximum: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Under nnU-Net's names."""
        names = {"mean": self.mean, "std": self.std, "median": self.median, "min": self.minimum, "max": self.maximum}
        return {**names, "percentile_00_5": self.low, "percentile_99_5": self.high}


def dataset_json(organ: str, tumour: str, cases: int) -> dict[str, Any]:
    """`dataset.json` of one channel of CT and two labels."""
    return {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, organ: 1, tumour: 2},
        "numTraining": cases,
        "file_ending": ".nii.gz",
        "description": "Generated phantoms. Fit for phantoms only.",
    }


@dataclass(frozen=True)
class UNet:
    """A plain convolutional U-Net: `dimensions` 2 or 3, features a stage, convolutions a stage on the way down and up."""

    dimensions: int
    features: tuple[int, ...]
    down: int = 2
    up: int = 1

    def as_dict(self) -> dict[str, Any]:
        """`architecture` of a configuration, strides of two between stages."""
        stages, n = len(self.features), self.dimensions
        return {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {
                "n_stages": stages,
                "features_per_stage": list(self.features),
                "conv_op": f"torch.nn.modules.conv.Conv{n}d",
                "kernel_sizes": [[3] * n] * stages,
                "strides": [[1] * n, *([[2] * n] * (stages - 1))],
                "n_conv_per_stage": [self.down] * stages,
                "n_conv_per_stage_decoder": [self.up] * (stages - 1),
                "conv_bias": True,
                "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{n}d",
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        }


@dataclass(frozen=True)
class Planned:
    """What one configuration plans with: its name, patch and pixels (mm) in its own dimensions, and orders of interpolation."""

    configuration: str
    network: UNet
    patch: tuple[int, ...]
    spacing: tuple[float, ...]
    batch: int
    order: int


def plans_json(name: str, planned: Planned, intensities: Intensities, spacing: tuple[float, ...], shape: tuple[int, ...]) -> dict[str, Any]:
    """`plans.json` of one configuration, as nnU-Net 2.8 writes it; `spacing` (mm) and `shape`: a median scan, slices first."""
    resampling = {"is_seg": False, "order": planned.order, "order_z": 0, "force_separate_z": None}
    configuration: dict[str, Any] = {
        "data_identifier": f"nnUNetPlans_{planned.configuration}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": planned.batch,
        "patch_size": list(planned.patch),
        "median_image_size_in_voxels": [float(n) for n in planned.patch],
        "spacing": list(planned.spacing),
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
    }
    for use in ("data", "seg", "probabilities"):
        configuration[f"resampling_fn_{use}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{use}_kwargs"] = {**resampling, "is_seg": use == "seg"}
    configuration |= {"architecture": planned.network.as_dict(), "batch_dice": True}
    return {
        "dataset_name": name,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": list(spacing),
        "original_median_shape_after_transp": list(shape),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {planned.configuration: configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensities.as_dict()},
    }


def phantom_plans(name: str, intensities: Intensities) -> dict[str, Any]:
    """`plans.json` with the one configuration `2d`, for scans like the phantoms'."""
    planned = Planned("2d", UNet(2, FEATURES), (PATCH, PATCH), (PIXEL_MM, PIXEL_MM), batch=16, order=1)
    return plans_json(name, planned, intensities, (5.0, PIXEL_MM, PIXEL_MM), (48, PATCH, PATCH))
