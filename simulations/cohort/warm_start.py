"""A declared warm start for simulated studies: networks that have seen how large lesions are, and nothing about survival.

On 48 made-up patients a network from random weights memorises and learns nothing general, so the demonstration starts from
weights trained on phantoms of other seeds to tell a slice's lesion area:

1. each organ's extractor regresses the log lesion area of single slices through a throw-away linear layer;
2. with the extractors fixed, the recurrent layers and the first linear layer regress the mean log areas of both organs (and
   both visits) through another throw-away layer. Visits are slices of any two phantoms, so growth is as free as burden.

The last layer is zero: which areas matter, in which direction and when, is left to the study. The first linear layer is
scaled by `gain`, which lets the last layer learn faster than the extractors forget. No patient and no survival time is used.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from client.imaging.slices import cut, field_of, grid_of, labels_on, measure, slice_at
from client.imaging.volume import HU_LOWEST, Volume
from shared_model.networks.rad_networks import build
from shared_model.networks.slice_values import normalised
from simulations.cohort.nnunet_models import TASKS, Task, phantom_scans
from site_config.study.plan_and_lock import Imaging, Study, StudySite, two_organs
from site_config.study.prognostic_models import RAD_D, RAD_S, no_dropout

if TYPE_CHECKING:
    import torch

    from shared_model.networks.rad_networks import RadNetwork

FILE: Final = Path(__file__).parent / "models" / "warm_start_small.safetensors"
SOFTENING_MM2: Final = {"liver": 150.0, "lung": 30.0}


@dataclass(frozen=True)
class WarmStartOptions:
    """Phantoms an organ, slices a phantom, steps of both stages, and how the first linear layer is scaled."""

    phantoms: int = 300
    slices: int = 8
    steps: int = 700
    batch: int = 64
    rate: float = 2e-3
    head_steps: int = 600
    gain: float = 30.0
    size: int = 64
    seed: int = 9000
    contrast: tuple[float, float] = (1.5, 2.8)


@dataclass(frozen=True)
class SlicePool:
    """Slices (P, K, H, W) of P phantoms as a network sees them, the three with most lesion first, and lesion areas (P, K) in mm²."""

    images: NDArray[np.float32]
    area_mm2: NDArray[np.float64]


def slice_pool(task: Task, options: WarmStartOptions) -> SlicePool:
    """Half of a phantom's slices are those with most lesion, half any that show enough of the organ."""
    window = next(organ.window for organ in two_organs() if organ.name == task.name)
    images, areas = [], []
    seeds = range(options.seed, options.seed + options.phantoms)
    for seed in seeds:
        (scan,) = phantom_scans(task, [seed], options.contrast)
        rng = np.random.default_rng([seed, 5])
        z = np.asarray(scan.spacing[0] * np.arange(scan.hu.shape[0]), np.float64)
        volume = Volume(scan.hu, z, (scan.spacing[1], scan.spacing[2]), np.array(scan.origin), np.eye(3))
        grid = grid_of(z, Imaging().spacing_mm)
        measured = measure(
            labels_on(np.isin(scan.labels, (task.organ, task.tumour)), grid), labels_on(scan.labels == task.tumour, grid), volume, grid
        )
        field = field_of(measured, volume, "organ")
        top = np.argsort(-measured.tumour_mm2, kind="stable")[: options.slices // 2]
        rest = rng.choice(np.flatnonzero(measured.organ_mm2 > 0.15 * measured.organ_mm2.max()), options.slices - len(top))
        chosen = [int(k) for k in (*top, *rest)]
        images.append(np.stack([normalised(cut(slice_at(volume.hu, grid, k), field, HU_LOWEST), window, options.size) for k in chosen]))
        areas.append(measured.tumour_mm2[chosen])
    return SlicePool(np.stack(images).astype(np.float32), np.stack(areas))


def standardised(area_mm2: NDArray[np.float64], organ: str) -> NDArray[np.float32]:
    """Log areas, softened near zero, to zero mean and unit variance."""
    logged = np.log(area_mm2 + SOFTENING_MM2[organ])
    return np.asarray((logged - logged.mean()) / logged.std(), np.float32)


def train_extractor(extractor: torch.nn.Module, task: Task, pool: SlicePool, options: WarmStartOptions) -> float:
    """Stage 1, in place; returns the correlation of found and true log areas on the held-out eighth of the phantoms."""
    import torch
    from torch import nn

    rng = np.random.default_rng(options.seed)
    slices = torch.from_numpy(pool.images.reshape(-1, 1, options.size, options.size))
    target = torch.from_numpy(standardised(pool.area_mm2, task.name).reshape(-1))
    held = len(slices) // 8
    reader = nn.Linear(32, 1)
    model = nn.Sequential(extractor, reader)
    optimiser = torch.optim.AdamW(model.parameters(), options.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.rate, total_steps=options.steps)
    for _ in range(options.steps):
        chosen = torch.from_numpy(rng.integers(held, len(slices), options.batch))
        batch = slices[chosen].flip((-1, -2)) if rng.uniform() < 0.5 else slices[chosen]
        optimiser.zero_grad(set_to_none=True)
        ((model(batch)[:, 0] - target[chosen]) ** 2).mean().backward()
        optimiser.step()
        schedule.step()
    with torch.inference_mode():
        found = model(slices[:held])[:, 0].numpy()
    return float(np.corrcoef(found, target[:held].numpy())[0, 1])


def train_head(network: RadNetwork, pools: dict[str, SlicePool], options: WarmStartOptions) -> float:
    """Stage 2, in place: everything after the extractors but the last layer, which is zeroed; returns the mean correlation."""
    import torch
    from torch import nn

    rng = np.random.default_rng([options.seed, 2])
    features, targets = {}, {}
    with torch.inference_mode():
        for organ, pool in pools.items():
            triples = torch.from_numpy(pool.images[:, :3].reshape(-1, 1, options.size, options.size))
            out = network.get_submodule(f"extractor_{organ}")(triples)
            features[organ] = out.reshape(len(pool.images), 3, -1).mean(1)
            targets[organ] = standardised(pool.area_mm2[:, :3].mean(1), organ)
    features = {organ: value.clone() for organ, value in features.items()}
    held, visits = options.phantoms // 8, network.visits
    reader = nn.Linear(8, visits * len(pools))
    learned = [p for name, p in network.named_parameters() if name.startswith(("LSTM_", "cls_1"))] + list(reader.parameters())
    optimiser = torch.optim.Adam(learned, options.rate)

    def draw(low: int, high: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = {organ: rng.integers(low, high, (count, visits)) for organ in pools}
        stacked = torch.stack([features[organ][torch.from_numpy(rows[organ])] for organ in pools], dim=2)
        wanted = np.concatenate([targets[organ][rows[organ]] for organ in pools], axis=1)
        return stacked, torch.from_numpy(wanted)

    def hidden(stacked: torch.Tensor) -> torch.Tensor:
        if visits == 2:
            joined = [network.get_submodule(f"LSTM_{organ}")(stacked[:, :, i])[0][:, -1] for i, organ in enumerate(pools)]
        else:
            joined = [stacked[:, 0, i] for i in range(len(pools))]
        return torch.relu(network.cls_1(torch.cat(joined, 1)))

    for _ in range(options.head_steps):
        stacked, wanted = draw(held, options.phantoms, 64)
        optimiser.zero_grad(set_to_none=True)
        ((reader(hidden(stacked)) - wanted) ** 2).mean().backward()
        optimiser.step()
    with torch.inference_mode():
        stacked, wanted = draw(0, held, 400)
        units = hidden(stacked)
        found = reader(units).numpy()
        scale = options.gain / float(units.std(0).mean())
        network.cls_1.weight.mul_(scale)
        network.cls_1.bias.mul_(scale)
        network.cls_2.weight.zero_()
    return float(np.mean([np.corrcoef(found[:, k], wanted[:, k].numpy())[0, 1] for k in range(found.shape[1])]))


def make(out: Path, options: WarmStartOptions | None = None) -> dict[str, float]:
    """Train the warm start of Rad-D and Rad-S and write it as safetensors; returns the correlations reached.

    The two networks share the extractors' tensors, stored once; what differs is stored under `Rad-D/` and `Rad-S/`.
    """
    from safetensors.torch import save_file

    options = options or WarmStartOptions()
    study = Study(
        title="warm start",
        simulated=True,
        imaging=Imaging(size=options.size, field="organ"),
        network={"backbone": "small", "norm": "group", "dropout": no_dropout()},  # type: ignore[arg-type]
        sites=(StudySite(name="nowhere"),),
    )
    networks = {model: build(study, model, seed=options.seed).train() for model in (RAD_D.name, RAD_S.name)}
    pools = {task.name: slice_pool(task, options) for task in TASKS}
    figures = {
        f"{task.name} slices": train_extractor(
            networks[RAD_D.name].get_submodule(f"extractor_{task.name}"), task, pools[task.name], options
        )
        for task in TASKS
    }
    shared = {name: value.clone() for name, value in networks[RAD_D.name].state_dict().items() if name.startswith("extractor_")}
    networks[RAD_S.name].load_state_dict(shared, strict=False)
    tensors: dict[str, torch.Tensor] = dict(shared)
    for model, network in networks.items():
        figures[f"{model} areas"] = train_head(network, pools, options)
        tensors |= {f"{model}/{name}": value for name, value in network.state_dict().items() if name not in shared}
    meta = {"fit_for": "phantoms only", "backbone": "small", "options": str(asdict(options)), "figures": str(figures)}
    save_file({name: value.detach().contiguous().clone() for name, value in tensors.items()}, out, metadata=meta)
    return figures
