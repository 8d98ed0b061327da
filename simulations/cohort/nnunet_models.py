"""Two tiny, genuine nnU-Net v2 model folders, trained on phantoms: they prove the plumbing and are fit for phantoms only.

A folder holds what nnU-Net 2.8 leaves behind (`plans.json`, `dataset.json`, `fold_0/checkpoint_final.pth` with the trainer's
own keys) and `fedhcc_phantom.json`, by which a real hospital's client refuses it. On real CT the liver Dice is about 0.05.
Loss: cross-entropy + soft Dice over a batch (Isensee et al. 2021); AdamW with a one-cycle rate; slices with tumour oversampled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from simulations.cohort.nnunet_plans import Intensities, dataset_json, phantom_plans
from simulations.cohort.phantom_ct import SCANNERS, PhantomOptions, PhantomScan, Region, draw_anatomy, render
from simulations.cohort.simulated_patients import BURDEN_MEAN, BURDEN_SD
from site_config.atomic_files import write_json

if TYPE_CHECKING:
    import torch

MARK: Final = "fedhcc_phantom.json"
CHECKPOINT: Final = "fold_0/checkpoint_final.pth"


@dataclass(frozen=True)
class Task:
    """One model: the region it reads and the phantom's labels that become its labels 1 (organ) and 2 (tumour)."""

    name: str
    region: Region
    organ: int
    tumour: int
    tumour_name: str


TASKS: Final = (Task("liver", "abdomen", 1, 2, "tumour"), Task("lung", "chest", 3, 4, "nodule"))


@dataclass(frozen=True)
class TrainingOptions:
    """How a model is trained: phantoms drawn, steps, batch, highest rate, seed, and the range of lesion contrast."""

    phantoms: int = 40
    steps: int = 450
    batch: int = 16
    rate: float = 4e-3
    seed: int = 2024
    contrast: tuple[float, float] = (1.2, 2.8)


@dataclass(frozen=True)
class SegmentationFigures:
    """Mean Dice on held-out phantoms, the tumour's over lesions loads above 1 ml; `organ` counts organ ∪ tumour."""

    phantoms: int
    organ_dice: float
    tumour_dice: float
    tumour_cases: int


def phantom_scans(task: Task, seeds: Sequence[int], contrast: tuple[float, float]) -> list[PhantomScan]:
    """One scan a seed: burden, scanner and lesion contrast drawn by it."""
    scans = []
    for seed in seeds:
        rng = np.random.default_rng([seed, 77])
        nodules = float(np.exp(rng.normal(0.8, 0.8))) if task.name == "lung" else 0.0
        anatomy = draw_anatomy(seed, float(np.exp(rng.normal(BURDEN_MEAN, BURDEN_SD))), 1.0, nodules)
        scanner = list(SCANNERS.values())[rng.integers(len(SCANNERS))]
        options = PhantomOptions(lesion_contrast=float(rng.uniform(*contrast)))
        scans.append(render(anatomy, "baseline", task.region, options, scanner, seed))
    return scans


def targets(task: Task, scan: PhantomScan) -> NDArray[np.int64]:
    """The model's labels of a scan: 0 background, 1 organ, 2 tumour."""
    return np.asarray(np.isin(scan.labels, (task.organ, task.tumour)).astype(np.int64) + (scan.labels == task.tumour))


def intensities(task: Task, scans: Sequence[PhantomScan]) -> Intensities:
    """Foreground statistics of the training scans, as nnU-Net's fingerprint has them."""
    values = np.concatenate([scan.hu[targets(task, scan) > 0] for scan in scans]).astype(float)
    low, median, high = np.percentile(values, (0.5, 50, 99.5))
    mean, std = float(values.mean()), float(values.std())
    return Intensities(mean, std, float(median), float(values.min()), float(values.max()), float(low), float(high))


def normalise(hu: NDArray[Any], by: Intensities) -> NDArray[np.float32]:
    """nnU-Net's CTNormalization."""
    return ((np.clip(hu.astype(np.float32), by.low, by.high) - by.mean) / by.std).astype(np.float32)


def build(plans: dict[str, Any]) -> torch.nn.Module:
    """The network of the plans' `2d` configuration with three outputs, without deep supervision."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from dynamic_network_architectures.initialization.weight_init import InitWeights_He
    from torch import nn

    settings = dict(plans["configurations"]["2d"]["architecture"]["arch_kwargs"])
    classes = {"conv_op": nn.Conv2d, "norm_op": nn.InstanceNorm2d, "dropout_op": None, "nonlin": nn.LeakyReLU}
    network: nn.Module = PlainConvUNet(input_channels=1, num_classes=3, deep_supervision=False, **{**settings, **classes})
    return network.apply(InitWeights_He(1e-2))


def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy plus one minus the mean soft Dice of organ and tumour over the batch; logits (N, 3, H, W)."""
    import torch
    from torch.nn import functional

    truth = functional.one_hot(target, 3).permute(0, 3, 1, 2)[:, 1:].float()
    chance = torch.softmax(logits, 1)[:, 1:]
    overlap = (chance * truth).sum((0, 2, 3))
    dice = (2 * overlap + 1e-5) / (chance.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + 1e-5)
    return functional.cross_entropy(logits, target) + 1 - dice.mean()


def train(task: Task, out: Path, options: TrainingOptions | None = None, progress: Callable[[int, float], None] | None = None) -> Path:
    """Train one model and write its folder `out`; returns it. `progress` is told the step and its loss."""
    import torch

    options = options or TrainingOptions()
    rng = np.random.default_rng(options.seed)
    torch.manual_seed(options.seed)
    seeds = [options.seed * 1000 + i for i in range(options.phantoms)]
    scans = phantom_scans(task, seeds, options.contrast)
    by = intensities(task, scans)
    images = torch.from_numpy(np.concatenate([normalise(scan.hu, by) for scan in scans]))[:, None]
    labels = torch.from_numpy(np.concatenate([targets(task, scan) for scan in scans]))
    chances = _slice_chances(labels.numpy())
    plans = phantom_plans(f"Dataset{900 + TASKS.index(task):03d}_Phantom{task.name.capitalize()}", by)
    network = build(plans).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.rate, total_steps=options.steps)
    for step in range(options.steps):
        chosen = rng.choice(len(images), options.batch, p=chances)
        optimiser.zero_grad(set_to_none=True)
        value = loss(network(images[chosen].contiguous(memory_format=torch.channels_last)), labels[chosen])
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimiser.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, float(value.detach()))
    _write(task, out, options, plans, network)
    return out


def _slice_chances(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Half the draws show tumour, three tenths organ, the rest anything."""
    tumour, organ = (labels == 2).any((1, 2)), (labels == 1).any((1, 2))
    shares = ((tumour, 0.5), (organ, 0.3), (np.ones_like(organ), 0.2))
    return np.asarray(sum(share * group / max(group.sum(), 1) for group, share in shares) / sum(s for g, s in shares if g.any()))


def _write(task: Task, out: Path, options: TrainingOptions, plans: dict[str, Any], network: torch.nn.Module) -> None:
    """The folder as nnU-Net's trainer leaves it, with an optimiser state that was never stepped, which keeps it small."""
    import torch

    dataset = dataset_json(task.name, task.tumour_name, options.phantoms)
    (out / "fold_0").mkdir(parents=True, exist_ok=True)
    write_json(out / "plans.json", plans)
    write_json(out / "dataset.json", dataset)
    marked = {"fit_for": "phantoms only", "task": task.name, "options": asdict(options)}
    write_json(out / MARK, marked)
    # The decoder holds the encoder and the blocks hold their parts twice: shared storage keeps the file a third of the size.
    weights = network.to(memory_format=torch.contiguous_format).state_dict()
    curves = ("mean_fg_dice", "ema_fg_dice", "dice_per_class_or_region", "train_losses", "val_losses", "lrs")
    state: dict[str, Any] = {
        "network_weights": weights,
        "optimizer_state": torch.optim.SGD(network.parameters(), 1e-2, momentum=0.99, nesterov=True).state_dict(),
        "grad_scaler_state": None,
        "logging": {**{name: [] for name in curves}, "epoch_start_timestamps": [], "epoch_end_timestamps": []},
        "_best_ema": np.float64(0.0),
        "current_epoch": 1,
        "init_args": {"plans": plans, "configuration": "2d", "fold": 0, "dataset_json": dataset, "device": torch.device("cpu")},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(state, out / CHECKPOINT)
    for path in out.rglob("*"):
        if path.is_file():
            path.chmod(0o644)


def list_hashes(models: Path) -> dict[str, dict[str, str]]:
    """SHA-256 of every file of every model folder below `models`: folder → file → 64 hex digits."""
    return {
        folder.name: {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        for folder in sorted(models.iterdir())
        if folder.is_dir() and (folder / "plans.json").exists()
    }


def evaluate(task: Task, folder: Path, seeds: Sequence[int], contrast: tuple[float, float]) -> SegmentationFigures:
    """Dice of a folder's network on fresh phantoms, run directly; the site's own path is measured in the evidence."""
    import json

    import torch

    plans = json.loads((folder / "plans.json").read_text())
    properties = plans["foreground_intensity_properties_per_channel"]["0"]
    order = ("mean", "std", "median", "min", "max", "percentile_00_5", "percentile_99_5")
    by = Intensities(*(properties[name] for name in order))
    network = build(plans)
    trusted: list[Any] = [import_module("numpy._core.multiarray").scalar, np.dtype, np.dtypes.Float64DType]
    with torch.serialization.safe_globals(trusted):
        network.load_state_dict(torch.load(folder / CHECKPOINT, weights_only=True)["network_weights"])
    network.eval()
    organ, tumour = [], []
    for scan in phantom_scans(task, seeds, contrast):
        truth = targets(task, scan)
        with torch.inference_mode():
            found = network(torch.from_numpy(normalise(scan.hu, by))[:, None]).argmax(1).numpy()
        organ.append(dice(found > 0, truth > 0))
        if scan.millilitres(task.tumour) > 1.0:
            tumour.append(dice(found == 2, truth == 2))
    return SegmentationFigures(len(seeds), float(np.mean(organ)), float(np.mean(tumour)), len(tumour))


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """2|A ∩ B| / (|A| + |B|), 1 when both are empty."""
    total = int(found.sum()) + int(truth.sum())
    return 2.0 * int((found & truth).sum()) / total if total else 1.0
