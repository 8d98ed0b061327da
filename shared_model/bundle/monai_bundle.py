"""One network as a MONAI bundle that MONAI's own programs accept: run, verify_net_in_out, verify_metadata, ckpt_export.

configs/metadata.json, configs/inference.json   what the network reads and gives, and the run from slices to scores
models/model.pt                                 the weights
docs/README.md, docs/license.txt
schema.json                                     what `verify_metadata` checks against where no network is reached
slices/                                         where `run` looks for cases, one CASE.npy each
"""

from __future__ import annotations

import io
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shared_model.bundle.bundle_manifest import Bundle
from shared_model.bundle.monai_parts import LIMIT_BYTES, BundledNetwork, check_versions, network_for_monai
from shared_model.networks.rad_networks import RadNetwork
from shared_model.networks.weight_vector import floating, load_named
from site_config.atomic_files import make_folder, read_limited, write_atomic, write_json
from site_config.study.prognostic_models import MODELS, NetworkName

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
"""The address MONAI's own bundles name; `schema.json` beside it holds what it asks for."""
REQUIRED = ("fedhcc",)
PARTS = "shared_model.bundle.monai_parts"
RUN_READ_ME = """

## Run it with MONAI

Put one `CASE.npy` a patient into `slices/`: the slices in Hounsfield units, an array (visits, organs, slices, height, width).

```
python -m monai.bundle run --config_file configs/inference.json --bundle_root .
python -m monai.bundle verify_metadata --meta_file configs/metadata.json --filepath schema.json
python -m monai.bundle verify_net_in_out --net_id network_def --meta_file configs/metadata.json --config_file configs/inference.json
python -m monai.bundle ckpt_export --net_id network_def --filepath models/model.ts --ckpt_file models/model.pt \\
  --meta_file configs/metadata.json --config_file configs/inference.json
```

The first writes `eval/scores.csv`; the second needs no network, because the schema lies here. MONAI's command line needs the package
fire, its schema check jsonschema (`fedhcc[export]`).
"""


def write_monai(bundle: Bundle, network: RadNetwork, folder: Path, model: NetworkName) -> Path:
    """Write the bundle of one network and return its folder."""
    for name in ("configs", "models", "docs", "slices"):
        make_folder(folder / name, 0o755)
    buffer = io.BytesIO()
    torch.save({f"network.{name}": tensor.detach().clone() for name, tensor in floating(network)}, buffer)
    write_atomic(folder / "models" / "model.pt", buffer.getvalue(), 0o644)
    write_json(folder / "configs" / "inference.json", _inference(bundle, model), 0o644)
    write_json(folder / "configs" / "metadata.json", _metadata(bundle, network, model), 0o644)
    write_atomic(folder / "schema.json", files("shared_model.bundle").joinpath("monai_schema.json").read_bytes(), 0o644)
    write_atomic(folder / "docs" / "README.md", (bundle.card + RUN_READ_ME).encode(), 0o644)
    write_atomic(folder / "docs" / "license.txt", b"Apache-2.0: https://www.apache.org/licenses/LICENSE-2.0\n", 0o644)
    return folder


def load_monai(folder: Path) -> nn.Module:
    """The network of a MONAI bundle, built by MONAI's own config parser and loaded with its weights: scores (N, 1).

    Raises FH-617, which MONAI's parser would wrap.
    """
    from monai.bundle import ConfigParser

    check_versions(folder)
    parser = ConfigParser()
    parser.read_config(str(folder / "configs" / "inference.json"))
    parser["bundle_root"] = str(folder)
    network: BundledNetwork = parser.get_parsed_content("network_def")
    data = read_limited(folder / "models" / "model.pt", LIMIT_BYTES)
    load_named(network, torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    return network.eval()


def _inference(bundle: Bundle, model: NetworkName) -> dict[str, Any]:
    study = bundle.lock.study
    windows = [[organ.window.width, organ.window.level] for organ in study.organs]
    return {
        "imports": ["$from glob import glob"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/slices'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": {
            "_target_": f"{PARTS}.{network_for_monai.__name__}",
            "study": study.model_dump(mode="json"),
            "model": model,
            "bundle_root": "@bundle_root",
        },
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image", "reader": "NumpyReader", "image_only": True},
                {"_target_": f"{PARTS}.WindowedSlices", "windows": windows, "size": study.imaging.size},
            ],
        },
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': path, 'case': path} for path in sorted(glob(@dataset_dir + '/*.npy'))]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "shuffle": False, "num_workers": 0},
        "inferer": {"_target_": "SimpleInferer"},
        "evaluator": {
            "_target_": f"{PARTS}.ScoreRun",
            "loader": "@dataloader",
            "network": "@network_def",
            "inferer": "@inferer",
            "checkpoint": "$@bundle_root + '/models/model.pt'",
            "device": "@device",
            "out": "@output_dir",
        },
        "run": ["$@evaluator.run()"],
    }


def _metadata(bundle: Bundle, network: RadNetwork, model: NetworkName) -> dict[str, Any]:
    study, manifest = bundle.lock.study, bundle.manifest
    precision = "float64" if study.training.precision == "float64" else "float32"
    whole = {"dtype": precision, "is_patch_data": False}
    visits = ("baseline", "follow-up")[: network.visits]
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": "CT",
        "num_channels": network.visits,
        "spatial_shape": [len(study.organs), study.imaging.slices, study.imaging.size, study.imaging.size],
        "value_range": [],
        "channel_def": {str(index): f"{visit}: organ, slice, height, width" for index, visit in enumerate(visits)},
        **whole,
    }
    pred = {
        "type": "tuples",
        "format": "log hazard",
        "num_channels": 1,
        "spatial_shape": [],
        "value_range": [],
        "channel_def": {"0": "log hazard; higher means earlier death"},
        **whole,
    }
    return {
        "schema": SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": f"study {manifest.study_id}"},
        **{f"{name}_version": version(package) for name, package in (("monai", "monai"), ("pytorch", "torch"), ("numpy", "numpy"))},
        "required_packages_version": {package: version(package) for package in REQUIRED},
        "name": f"{manifest.title}: {model}",
        "task": "Prognosis of advanced hepatocellular carcinoma under immunotherapy from CT slices",
        "description": f"Risk score (log hazard) of {model}, which reads the {MODELS[model].scans}. For research only.",
        "authors": manifest.software,
        "copyright": "Apache-2.0",
        "data_type": "npy: slices in Hounsfield units, (visits, organs, slices, height, width)",
        "intended_use": "Research only; see docs/README.md",
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": pred}},
    }
