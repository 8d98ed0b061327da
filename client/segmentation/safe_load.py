"""Reading an nnU-Net v2 model folder without executing anything that comes from it.

nnU-Net's own loader unpickles checkpoints freely and calls classes that plans.json names. Here every file is read once,
compared with the SHA-256 of `site.yaml`, and used from memory; JSON is checked against lists of what genuine models name;
checkpoints are unpickled with `weights_only=True` and a short list of harmless NumPy types.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from site_config.atomic_files import read_limited
from site_config.problems import segmentation as problems
from site_config.problems.base import Problem
from site_config.site_yaml import SegmentationModel

JSON_LIMIT = 16 * 2**20
CHECKPOINT_LIMIT = 4 * 2**30
PHANTOM_MARK = "fedhcc_phantom.json"

NETWORKS = {
    f"dynamic_network_architectures.architectures.{module}.{name}"
    for module, name in (
        ("unet", "PlainConvUNet"),
        ("unet", "ResidualEncoderUNet"),
        ("residual_unet", "ResidualEncoderUNet"),
        ("residual_encoders", "ResidualEncoderUNet"),
    )
}
OPERATORS = {
    *(f"torch.nn.modules.conv.Conv{d}d" for d in (2, 3)),
    *(f"torch.nn.modules.instancenorm.InstanceNorm{d}d" for d in (2, 3)),
    *(f"torch.nn.modules.batchnorm.BatchNorm{d}d" for d in (2, 3)),
    *(f"torch.nn.modules.dropout.Dropout{d}d" for d in (2, 3)),
    *(f"torch.nn.{name}" for name in ("LeakyReLU", "ReLU", "Conv2d", "Conv3d", "InstanceNorm2d", "InstanceNorm3d")),
    *(f"torch.nn.modules.activation.{name}" for name in ("LeakyReLU", "ReLU")),
}
IMPORTED = {"conv_op", "norm_op", "dropout_op", "nonlin"}
ARGUMENTS = {
    *IMPORTED,
    "n_stages",
    "features_per_stage",
    "kernel_sizes",
    "strides",
    "n_conv_per_stage",
    "n_blocks_per_stage",
    "n_conv_per_stage_decoder",
    "conv_bias",
    "norm_op_kwargs",
    "dropout_op_kwargs",
    "nonlin_kwargs",
    "nonlin_first",
}
RESAMPLERS = {"resample_data_or_seg_to_shape", "resample_torch_simple", "resample_torch_fornnunet", "no_resampling_hack"}
RESAMPLING_OPTIONS = {
    "is_seg",
    "order",
    "order_z",
    "force_separate_z",
    "separate_z_anisotropy_threshold",
    "mode",
    "memefficient_seg_resampling",
}
NORMALISATIONS = {"CTNormalization", "ZScoreNormalization", "NoNormalization", "RescaleTo01Normalization"}
CLASS_NAMES = {"preprocessor_name": {"DefaultPreprocessor"}, "label_manager": {"LabelManager"}}
OLD_NETWORKS = {"PlainConvUNet", "ResidualEncoderUNet"}


_READ: dict[str, ModelFiles] = {}  # what was read, by the approved checksums: verified again each time, parsed once


@dataclass(frozen=True)
class ModelFiles:
    """A verified model: parsed JSON, the checkpoints' contents, the configuration's name, and a digest of all of it."""

    name: str
    dataset: dict[str, Any]
    plans: dict[str, Any]
    checkpoints: tuple[dict[str, Any], ...]
    configuration: str
    digest: str


def refuse(what: str, name: str) -> Problem:
    """The problem of a model that asks for what is not on the list."""
    return problems.MODEL_UNSAFE.problem(f"the model {name} names {what}", where=f"segmentation.models.{name}")


def read_model(name: str, folder: Path, model: SegmentationModel, simulated: bool) -> ModelFiles:
    """Verify and read a model. Raises FH-340, FH-341, FH-342, FH-344, FH-345 or an access problem."""
    where = f"segmentation.models.{name}"
    wanted = {"dataset.json", "plans.json", *(f"fold_{fold}/{model.checkpoint}" for fold in model.folds)}
    files = {file: _verified(file, name, folder, model) for file in sorted(wanted | set(model.sha256))}
    described = [sorted(model.sha256.items()), [str(fold) for fold in model.folds], model.checkpoint, model.step, model.mirroring]
    digest = hashlib.sha256(json.dumps([name, described, simulated]).encode()).hexdigest()
    phantom = (folder / PHANTOM_MARK).exists()
    if digest in _READ and not (phantom and not simulated):
        return _READ[digest]
    dataset, plans = (_parsed(files[file], file, name) for file in ("dataset.json", "plans.json"))
    if (phantom or PHANTOM_MARK.removesuffix(".json") in dataset) and not simulated:
        raise problems.PHANTOMS_ONLY.problem(f"the model {name} is fit for phantoms only", where=where)
    check_plans(plans, name)
    checkpoints = []
    for fold in model.folds:
        file = f"fold_{fold}/{model.checkpoint}"
        checkpoints.append(_unpickled(files[file], file, name))
    configuration = _configuration(checkpoints, name)
    if configuration not in plans["configurations"]:
        raise problems.MODEL_INCOMPLETE.problem(f"the checkpoint of {name} belongs to another plans.json", where=where)
    check_configuration(resolved(plans, configuration, name), name)
    check_channels(dataset, name)
    _READ[digest] = ModelFiles(name, dataset, plans, tuple(checkpoints), configuration, digest)
    return _READ[digest]


def _verified(file: str, name: str, folder: Path, model: SegmentationModel) -> bytes:
    """The bytes of one file, once their SHA-256 is the approved one."""
    where = f"segmentation.models.{name}"
    if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
        raise problems.MODEL_INCOMPLETE.problem(f"the model {name} names a file outside its folder", where=where)
    approved = model.sha256.get(file)
    if approved is None:
        raise problems.MODEL_CHANGED.problem(f"no SHA-256 is given for {file} of the model {name}", where=where)
    limit = JSON_LIMIT if file.endswith(".json") else CHECKPOINT_LIMIT
    data = read_limited(folder / file, limit, f"{file} of the model {name}")
    if hashlib.sha256(data).hexdigest() != approved.lower():
        raise problems.MODEL_CHANGED.problem(f"{file} of the model {name} has another SHA-256", where=where)
    return data


def _parsed(data: bytes, file: str, name: str) -> dict[str, Any]:
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise problems.MODEL_INCOMPLETE.problem(f"{file} of the model {name} is not a JSON object", where=f"segmentation.models.{name}")
    return parsed


def _unpickled(data: bytes, file: str, name: str) -> dict[str, Any]:
    """A checkpoint's tensors and plain values; anything that would run code is refused by the unpickler."""
    import numpy as np
    import torch

    where = f"segmentation.models.{name}"
    dtypes = [type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")]
    scalar: Any = np._core.multiarray.scalar  # type: ignore[attr-defined]
    allowed = [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, *dtypes]
    try:
        with torch.serialization.safe_globals(allowed):
            checkpoint = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)|[Uu]nsupported (?:class|operand|global)[^\w]*([\w.]+)", str(error))
        thing = next((part for part in named.groups() if part), None) if named else None
        raise refuse(f"the object {thing} in {file}" if thing else f"an object outside the list in {file}", name) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError):
        raise problems.MODEL_INCOMPLETE.problem(f"{file} of the model {name} is no checkpoint", where=where) from None
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("network_weights"), Mapping):
        raise problems.MODEL_INCOMPLETE.problem(f"{file} of the model {name} is no nnU-Net v2 checkpoint", where=where)
    return checkpoint


def _configuration(checkpoints: list[dict[str, Any]], name: str) -> str:
    names = {str((checkpoint.get("init_args") or {}).get("configuration")) for checkpoint in checkpoints}
    if len(names) != 1:
        raise problems.MODEL_INCOMPLETE.problem(
            f"the folds of {name} belong to different configurations", where=f"segmentation.models.{name}"
        )
    return names.pop()


def check_plans(plans: dict[str, Any], name: str) -> None:
    """Refuse plans that name classes outside the list, and those that are no plans."""
    configurations = plans.get("configurations")
    if not isinstance(configurations, dict) or not all(isinstance(value, dict) for value in configurations.values()):
        raise problems.MODEL_INCOMPLETE.problem(f"plans.json of {name} holds no configurations", where=f"segmentation.models.{name}")
    _check_names(plans, name)
    for configuration in configurations:
        check_architecture(configurations[configuration], name)


def _check_names(part: dict[str, Any], name: str) -> None:
    for key, allowed in CLASS_NAMES.items():
        if key in part and part[key] not in allowed:
            raise refuse(f"the {key.replace('_', ' ')} {part[key]!r}", name)


def resolved(plans: dict[str, Any], configuration: str, name: str) -> dict[str, Any]:
    """A configuration with what it inherits. Raises FH-345 on a circle."""
    chain: list[dict[str, Any]] = []
    current: Any = configuration
    while current is not None:
        if current not in plans["configurations"] or len(chain) > len(plans["configurations"]):
            raise problems.MODEL_INCOMPLETE.problem(f"the configurations of {name} do not resolve", where=f"segmentation.models.{name}")
        chain.append(plans["configurations"][current])
        current = chain[-1].get("inherits_from")
    merged: dict[str, Any] = {}
    for part in reversed(chain):
        merged.update(part)
    return merged


def check_configuration(configuration: dict[str, Any], name: str) -> None:
    """Refuse cascades and every name outside the lists in the configuration that will be used."""
    if configuration.get("previous_stage") is not None:
        raise problems.MODEL_UNSUPPORTED.problem(f"the model {name} is the second stage of a cascade", where=f"segmentation.models.{name}")
    _check_names(configuration, name)
    unknown = [scheme for scheme in configuration.get("normalization_schemes", ()) if scheme not in NORMALISATIONS]
    if unknown:
        raise refuse(f"the normalisation {unknown[0]!r}", name)
    for use in ("data", "seg", "probabilities"):
        function = configuration.get(f"resampling_fn_{use}")
        options = configuration.get(f"resampling_fn_{use}_kwargs") or {}
        if function not in RESAMPLERS or not isinstance(options, dict) or not set(options) <= RESAMPLING_OPTIONS:
            raise refuse(f"the resampling {function!r}", name)
    check_architecture(configuration, name)


def check_architecture(configuration: dict[str, Any], name: str) -> None:
    """Refuse a network, an operator or an argument outside the lists, wherever plans.json states one."""
    old = configuration.get("UNet_class_name")
    if old is not None and old not in OLD_NETWORKS:
        raise refuse(f"the network {old!r}", name)
    architecture = configuration.get("architecture")
    if architecture is None:
        return
    arguments = architecture.get("arch_kwargs") if isinstance(architecture, dict) else None
    if not isinstance(arguments, dict):
        raise problems.MODEL_INCOMPLETE.problem(f"plans.json of {name} describes no network", where=f"segmentation.models.{name}")
    if architecture.get("network_class_name") not in NETWORKS:
        raise refuse(f"the network {architecture.get('network_class_name')!r}", name)
    foreign = set(architecture.get("_kw_requires_import") or ()) - IMPORTED
    unknown = set(arguments) - ARGUMENTS
    if foreign or unknown:
        raise refuse(f"the network argument {min(foreign | unknown)!r}", name)
    for key in IMPORTED & set(arguments):
        if arguments[key] is not None and arguments[key] not in OPERATORS:
            raise refuse(f"the operator {arguments[key]!r}", name)


def check_channels(dataset: dict[str, Any], name: str) -> None:
    """Refuse models that need more than one image, or another one than CT."""
    channels = dataset.get("channel_names", dataset.get("modality"))
    if not isinstance(channels, dict) or not isinstance(dataset.get("labels"), dict):
        raise problems.MODEL_INCOMPLETE.problem(f"dataset.json of {name} states no channels or labels", where=f"segmentation.models.{name}")
    if len(channels) != 1:
        raise problems.MODEL_UNSUPPORTED.problem(
            f"the model {name} needs {len(channels)} input images", where=f"segmentation.models.{name}"
        )
    channel = str(next(iter(channels.values())))
    if "ct" not in channel.lower().split("_"):
        raise problems.MODEL_UNSUPPORTED.problem(f"the model {name} was made for {channel!r}, not CT", where=f"segmentation.models.{name}")
