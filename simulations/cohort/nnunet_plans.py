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


def plans_json(name: str, intensities: Intensities) -> dict[str, Any]:
    """`plans.json` with the one configuration `2d`, as nnU-Net 2.8 writes it."""
    stages = len(FEATURES)
    resampling = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "nnUNetPlans_2d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 16,
        "patch_size": [PATCH, PATCH],
        "median_image_size_in_voxels": [float(PATCH), float(PATCH)],
        "spacing": [PIXEL_MM, PIXEL_MM],
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": {**resampling, "is_seg": True},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": resampling,
        "architecture": _architecture(stages),
        "batch_dice": True,
    }
    return {
        "dataset_name": name,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [5.0, PIXEL_MM, PIXEL_MM],
        "original_median_shape_after_transp": [48, PATCH, PATCH],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensities.as_dict()},
    }


def _architecture(stages: int) -> dict[str, Any]:
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": list(FEATURES),
            "conv_op": "torch.nn.modules.conv.Conv2d",
            "kernel_sizes": [[3, 3]] * stages,
            "strides": [[1, 1], *([[2, 2]] * (stages - 1))],
            "n_conv_per_stage": [2] * stages,
            "n_conv_per_stage_decoder": [1] * (stages - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
