"""Federated training equals pooled training: 15 ragged sites against all patients in one place.

The pooled side is written independently: the textbook partial likelihood (Efron's ties) of all patients at once,
differentiated by torch, and `torch.optim.Adam` on the network's own parameters. The federated side is the project's: every
site's `local_update` under a fresh exact hazard made of the sites' sums, one full-batch step, `VectorOptimiser` on the
summed update. `python -m evidence.accuracy.equality` prints and records the figures.

Gradients are compared at the same weights (the federated ones); weights and held-out scores after the last round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

import shared_model.statistics.list_of_statistics  # noqa: F401  registers the statistics
from client.training.local_training import local_update, scores
from evidence.made_up_patients import MadeUpPatients, made_up_patients
from evidence.record import record
from server.phases.update_scale import ScaleState
from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.server_optimiser import VectorOptimiser, pseudo_gradient
from shared_model.networks.weight_vector import Schema, from_vector, gradient_vector, to_vector
from shared_model.secure_sum.pairwise_masks import add_pair_masks, dequantise, dtype, encode
from shared_model.statistics.statistic_declaration import REGISTRY
from shared_model.statistics.statistic_parameters import TrainingUpdate
from shared_model.survival.broadcast_hazard import day_sums, step_hazard
from site_config.study.plan_and_lock import Study, StudySite

SITES = {
    "small": (0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 8),
    "efficientnet-b0": (0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 5),
}
"""Patients of each of the 15 sites; fewer for EfficientNet-b0, whose pooled graph holds everybody at once."""
HELD_OUT = 40
SEED = 20261123
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EqualityCase:
    """One comparison: what is trained, how, and whether the sums are masked."""

    backbone: str
    precision: str
    ring: Literal[32, 64]
    masked: bool
    size: int = 32

    @property
    def name(self) -> str:
        """A row's label."""
        return f"{self.backbone} {self.precision} {f'masked 2^{self.ring}' if self.masked else 'clear'}"


@dataclass(frozen=True)
class Figures:
    """Largest relative gradient difference over the compared rounds; weights' and held-out scores' agreement; numbers clipped."""

    gradient_relative: float
    weights_largest_difference: float
    held_out_spearman: float
    held_out_largest_difference: float
    numbers_clipped: int
    rounds: int
    seconds: float


CASES = tuple(
    case
    for backbone in ("small", "efficientnet-b0")
    for case in (
        EqualityCase(backbone, "float64", 64, masked=False),
        EqualityCase(backbone, "float32", 64, masked=True),
        EqualityCase(backbone, "float32", 32, masked=True),
    )
)


def study_of(case: EqualityCase) -> Study:
    """The study compared: dropout and flips off, one step a site, Adam 1e-3 at the server."""
    return Study.model_validate(
        {
            "title": "equality",
            "sites": [StudySite(name=f"site-{i}") for i in range(15)],
            "network": {"backbone": case.backbone, "norm": "group", "dropout": {"Rad-D": 0.0}},
            "training": {
                "precision": case.precision,
                "flips": 0.0,
                "hazard": "fresh",
                "hazard_resolution": "exact",
                "server": {"name": "adam", "rate": 1e-3},
                "batch": 1024,
                "ring": case.ring,
            },
        }
    )


def federated_gradient(
    network: RadNetwork, sites: Sequence[MadeUpPatients], study: Study, scale: ScaleState | None, number: int
) -> dict[str, Floats]:
    """Σ over the sites of their updates (D,), masked within the ranges of `scale` where there is one."""
    n_days = int(max(site.event_day.max(initial=0) for site in sites)) + 1
    sums = [day_sums(scores(network, site, micro_batch=8), site.event_day, site.event, n_days, 0.0) for site in sites]
    hazard = step_hazard(reduce(lambda one, two: one + two, sums), "efron")
    updates = [local_update(network, site, hazard, 0.0, study.training, seed_parts=(SEED, number), micro_batch=4).update for site in sites]
    if scale is None:
        return {"update": np.asarray(np.sum(updates, axis=0), dtype=np.float64)}
    asked = TrainingUpdate(
        model="Rad-D",
        dimension=updates[0].size,
        hazard={},
        centre=0.0,
        scale=scale.broadcast(study.training.clip),
        ring=study.training.ring if scale.known else 64,
        cut_days=(),
        round=number,
    )
    return masked_sum(updates, asked, number)


def masked_sum(updates: Sequence[Floats], asked: TrainingUpdate, number: int) -> dict[str, Floats]:
    """The sums as the coordinator opens them: each tensor in its range, fixed point, pair masks that cancel."""
    segments = [segment for segment in REGISTRY["training.update"].segments(asked) if segment.name in ("update", "largest", "clipped")]
    names = [f"site-{i:02d}" for i in range(len(updates))]
    totals = {segment.name: np.zeros(segment.size, dtype=dtype(segment)) for segment in segments}
    for name, update in zip(names, updates, strict=True):
        scaled = asked.scale.divide(update)
        vectors = encode(segments, {"update": scaled, "largest": asked.scale.largest(scaled), "clipped": np.zeros(1)}, len(updates))
        keys = {peer: np.random.default_rng([number, *sorted(map(hash_of, (name, peer)))]).bytes(32) for peer in names if peer != name}
        add_pair_masks(vectors, name, keys)
        for label, total in totals.items():
            total += vectors[label]
    opened = {segment.name: dequantise(segment, totals[segment.name], len(updates)) for segment in segments}
    units = asked.scale.units()
    return opened | {"update": asked.scale.multiply(opened["update"]), "largest": opened["largest"] * units}


def hash_of(name: str) -> int:
    """A site's number, for its made-up pair keys."""
    return int(name.rsplit("-", 1)[1])


def pooled_gradient(network: RadNetwork, patients: MadeUpPatients) -> Floats:
    """∂/∂w (D,) of the negative log partial likelihood with Efron's ties, all patients in one graph."""
    network.zero_grad(set_to_none=True)
    kind = next(network.parameters()).dtype
    risk = network(torch.from_numpy(patients.images.slices).to(kind)).double()
    day, event = torch.from_numpy(patients.event_day), torch.from_numpy(patients.event)
    loss = torch.zeros((), dtype=torch.float64)
    for moment in torch.unique(day[event]):
        at_risk = torch.exp(risk[day >= moment]).sum()
        dying = risk[(day == moment) & event]
        shares = torch.arange(len(dying), dtype=torch.float64) / len(dying)
        loss = loss + torch.log(at_risk - shares * torch.exp(dying).sum()).sum() - dying.sum()
    loss.backward()  # type: ignore[no-untyped-call]
    out = gradient_vector(network)
    network.zero_grad(set_to_none=True)
    return out


def compare(case: EqualityCase, rounds: int) -> Figures:
    """Train both ways from the same weights and compare."""
    started = time.perf_counter()
    study = study_of(case)
    sizes = SITES[case.backbone]
    everybody = made_up_patients(sum(sizes), SEED, size=case.size)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    sites = [everybody.part(range(bounds[i], bounds[i + 1])) for i in range(15)]
    federated, pooled = build(study, "Rad-D", seed=SEED), build(study, "Rad-D", seed=SEED)
    server = VectorOptimiser(study.training, to_vector(federated).size)
    adam = torch.optim.Adam([p for p in pooled.parameters() if p.requires_grad], lr=study.training.server.rate)
    scale = ScaleState.start(tuple(entry.size for entry in Schema.of(federated).entries)) if case.masked else None
    worst, clipped = 0.0, 0
    for number in range(rounds):
        opened = federated_gradient(federated, sites, study, scale, number)
        total = opened["update"]
        if scale is not None:
            clipped += int(opened["clipped"][0])
            scale = scale.learned(opened["largest"], 1)
        if number % 5 == 0 or number == rounds - 1:
            reference = pooled_gradient(federated, everybody)
            worst = max(worst, float(np.linalg.norm(total - reference) / np.linalg.norm(reference)))
        weights = server.step(to_vector(federated), pseudo_gradient(total, sum(sizes), study.training))
        from_vector(federated, weights)
        pooled_step(pooled, everybody, adam)
    return agreement(case, (federated, pooled), (worst, clipped), rounds, time.perf_counter() - started)


def pooled_step(network: RadNetwork, patients: MadeUpPatients, adam: torch.optim.Optimizer) -> None:
    """One Adam step on the mean gradient of all patients."""
    gradient, first = torch.from_numpy(pooled_gradient(network, patients) / len(patients.keys)), 0
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.grad = gradient[first : first + parameter.numel()].reshape(parameter.shape).to(parameter.dtype)
        first += parameter.numel()
    adam.step()


def agreement(
    case: EqualityCase, networks: tuple[RadNetwork, RadNetwork], found: tuple[float, int], rounds: int, seconds: float
) -> Figures:
    """Weights and scores of held-out patients, compared."""
    from scipy.stats import spearmanr

    federated, pooled = networks
    held_out = made_up_patients(HELD_OUT, SEED + 1, size=case.size)
    one, two = scores(federated, held_out, micro_batch=8), scores(pooled, held_out, micro_batch=8)
    return Figures(
        gradient_relative=found[0],
        weights_largest_difference=float(np.abs(to_vector(federated).astype(np.float64) - to_vector(pooled)).max()),
        held_out_spearman=float(spearmanr(one, two).statistic),
        held_out_largest_difference=float(np.abs(one - two).max()),
        numbers_clipped=found[1],
        rounds=rounds,
        seconds=round(seconds, 1),
    )


def main() -> None:
    """Print one row a case and record them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--backbone", choices=("small", "efficientnet-b0"))
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"15 sites, {options.rounds} rounds; patients {SITES}")
    print(f"{'case':42} {'gradient, relative':>20} {'weights, largest':>18} {'Spearman':>10} {'clipped':>9} {'seconds':>8}")
    for backbone in SITES:
        if options.backbone in (None, backbone):
            figures = {"sites": SITES[backbone], "held_out": HELD_OUT, "cases": rows_of(backbone, options.rounds)}
            if not options.no_record:
                keep(backbone, figures)


def rows_of(backbone: str, rounds: int) -> dict[str, object]:
    """Compare and print the cases of one backbone."""
    found: dict[str, object] = {}
    for case in CASES:
        if case.backbone == backbone:
            row = compare(case, rounds)
            found[case.name] = asdict(row)
            print(
                f"{case.name:42} {row.gradient_relative:20.2e} {row.weights_largest_difference:18.2e} "
                f"{row.held_out_spearman:10.6f} {row.numbers_clipped:9d} {row.seconds:8.1f}",
                flush=True,
            )
    return found


def keep(backbone: str, figures: dict[str, object]) -> None:
    """Record the figures of one backbone."""
    covers = [
        "client/training/local_training.py",
        "client/training/batches_and_flips.py",
        "shared_model/networks/rad_networks.py",
        "shared_model/networks/extractors.py",
    ]
    covers += [
        "server/phases/update_scale.py",
        "shared_model/networks/efficientnet.py",
        "shared_model/networks/weight_vector.py",
        "shared_model/networks/server_optimiser.py",
        "shared_model/survival/broadcast_hazard.py",
        "shared_model/survival/training_loss.py",
    ]
    command = f"python -m evidence.accuracy.equality --backbone {backbone}"
    record(f"equality_{backbone.replace('-', '_')}", covers=covers, figures=figures, seeds=[SEED], command=command)


if __name__ == "__main__":
    main()
