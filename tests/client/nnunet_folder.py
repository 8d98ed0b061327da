"""A tiny nnU-Net v2 model folder with random weights, written as nnU-Net 2.8.1 writes one."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from site_config.site_yaml import SegmentationModel

ARCHITECTURE: dict[str, Any] = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 3,
        "features_per_stage": [4, 8, 8],
        "conv_op": "torch.nn.modules.conv.Conv2d",
        "kernel_sizes": [[3, 3]] * 3,
        "strides": [[1, 1], [2, 2], [2, 2]],
        "n_conv_per_stage": [1, 1, 1],
        "n_conv_per_stage_decoder": [1, 1],
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
RESAMPLING = {
    f"resampling_fn_{use}{end}": value
    for use, order in (("data", 3), ("seg", 1), ("probabilities", 1))
    for end, value in (
        ("", "resample_data_or_seg_to_shape"),
        ("_kwargs", {"is_seg": use == "seg", "order": order, "order_z": 0, "force_separate_z": None}),
    )
}


def plans_of(patch: tuple[int, int] = (64, 64), spacing: tuple[float, float] = (6.0, 6.0)) -> dict[str, Any]:
    """The contents of plans.json for a 2d configuration."""
    configuration = {
        "data_identifier": "nnUNetPlans_2d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "median_image_size_in_voxels": list(patch),
        "spacing": list(spacing),
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        **copy.deepcopy(RESAMPLING),
        "architecture": copy.deepcopy(ARCHITECTURE),
        "batch_dice": True,
    }
    intensities = {
        "max": 300.0,
        "mean": 60.0,
        "median": 60.0,
        "min": -100.0,
        "percentile_00_5": -100.0,
        "percentile_99_5": 250.0,
        "std": 40.0,
    }
    return {
        "dataset_name": "Dataset999_Test",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [5.0, *spacing],
        "original_median_shape_after_transp": [40, *patch],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensities},
    }


def plans_3d(patch: tuple[int, int, int] = (16, 32, 32), spacing: tuple[float, float, float] = (4.0, 6.0, 6.0)) -> dict[str, Any]:
    """The contents of plans.json for a 3d_fullres configuration."""
    plans = plans_of()
    flat = plans["configurations"]["2d"]
    arguments = {**flat["architecture"]["arch_kwargs"], "kernel_sizes": [[3, 3, 3]] * 3, "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]]}
    arguments |= {"conv_op": "torch.nn.modules.conv.Conv3d", "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d"}
    architecture = {**flat["architecture"], "arch_kwargs": arguments}
    sizes = {"patch_size": list(patch), "median_image_size_in_voxels": list(patch), "spacing": list(spacing)}
    plans["configurations"] = {"3d_fullres": {**flat, **sizes, "data_identifier": "nnUNetPlans_3d_fullres", "architecture": architecture}}
    plans["original_median_spacing_after_transp"] = list(spacing)
    return plans


DATASET = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": 1, "tumour": 2}, "numTraining": 4, "file_ending": ".nii.gz"}


def write_model(
    folder: Path,
    plans: dict[str, Any] | None = None,
    dataset: dict[str, Any] | None = None,
    checkpoint: dict[str, Any] | None = None,
    raw_checkpoint: bytes | None = None,
) -> SegmentationModel:
    """Write the folder and give its entry of site.yaml; random weights of seed 0 unless a checkpoint is given."""
    import torch

    plans = plans if plans is not None else plans_of()
    dataset = dataset if dataset is not None else DATASET
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    path = folder / "fold_0" / "checkpoint_final.pth"
    if raw_checkpoint is not None:
        path.write_bytes(raw_checkpoint)
    else:
        torch.save(checkpoint if checkpoint is not None else genuine_checkpoint(plans, dataset), path)
    files = ("dataset.json", "plans.json", "fold_0/checkpoint_final.pth")
    return SegmentationModel(folder=folder, sha256={file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files})


def genuine_checkpoint(plans: dict[str, Any], dataset: dict[str, Any]) -> dict[str, Any]:
    """The fields nnUNetTrainer.save_checkpoint writes, NumPy scalars included."""
    import numpy as np
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    torch.manual_seed(0)
    name, configuration = next(iter(plans.get("configurations", {"2d": {}}).items()))
    solid = len(configuration.get("patch_size", ())) == 3
    arguments = dict(configuration["architecture"]["arch_kwargs"] if solid else ARCHITECTURE["arch_kwargs"])
    arguments |= {"conv_op": torch.nn.Conv3d, "norm_op": torch.nn.InstanceNorm3d} if solid else {}
    arguments |= {} if solid else {"conv_op": torch.nn.Conv2d, "norm_op": torch.nn.InstanceNorm2d}
    arguments |= {"nonlin": torch.nn.LeakyReLU}
    network = PlainConvUNet(input_channels=1, num_classes=len(dataset["labels"]), deep_supervision=False, **arguments)
    return {
        "network_weights": network.state_dict(),
        "optimizer_state": {},
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float64(0.5)], "ema_fg_dice": [np.float32(0.5)]},
        "_best_ema": np.float64(0.5),
        "current_epoch": 1,
        "init_args": {"plans": plans, "configuration": name, "fold": 0, "dataset_json": dataset},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1, 2) if solid else (0, 1),
    }
