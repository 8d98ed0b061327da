"""The methods that are compared: same patients, same first weights, same optimiser, same number of updates.

ours        hospitals train on Σ e^{f − c} H(t) − δ (f − c) with the broadcast hazard H; sums are opened
local       hospitals train on the partial likelihood of their own risk sets (federated averaging with an ordinary Cox loss)
pooled      one place holds all rows: full batch, or batches of 16 with risk sets inside the batch
alone       every hospital trains by itself
private     clipped gradients on a public baseline with noise, by ε and by who adds it; as many methods as a plan names ε
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor

from shared_model.networks.server_optimiser import VectorOptimiser, pseudo_gradient
from shared_model.secure_sum import pairwise_masks
from shared_model.statistics import list_of_statistics
from shared_model.statistics.statistic_declaration import REGISTRY, Segment
from shared_model.statistics.statistic_parameters import TrainingUpdate, UpdateScale
from shared_model.survival.broadcast_hazard import (
    DaySums,
    PiecewiseHazard,
    PiecewiseSums,
    StepHazard,
    day_sums,
    next_centre,
    piecewise_hazard,
    piecewise_sums,
    step_hazard,
)
from shared_model.survival.training_loss import broadcast_loss
from simulations.compare.compared_cohorts import ComparedCohort, Floats
from simulations.compare.private_training_compared import Placement, share_of, trained_privately
from simulations.compare.tabular_models import Architecture, ModelName, Padded, PooledLikelihood, local_partial_likelihood
from site_config.study.plan_and_lock import ServerOptimiser, SiteOptimiser, Training
from site_config.study.prognostic_models import RAD_D

Kind = Literal["pooled", "alone", "local", "ours", "private"]
HANDSHAKE_UP: Final = 32 + 64 + 32 + 64 + 32
"""Bytes a site sends a masked release beside the vectors: key and signature, hash and signature, seed (DESIGN section 5)."""
HANDSHAKE_DOWN: Final = 32 + 64 + 32
"""Bytes a site receives for every peer: key and signature, and its place in the signed list of hashes."""
assert list_of_statistics.__doc__  # importing it registers the statistics whose vectors are counted


@dataclass(frozen=True)
class Method:
    """What is trained and how; `batch` 0 is the full batch."""

    name: str
    title: str
    kind: Kind
    steps: int = 1
    hazard: Literal["piecewise", "exact"] = "piecewise"
    carried: bool = False
    masked: bool = False
    batch: int = 0
    epsilon: float = 0.0
    placement: Placement = "distributed"


METHODS: Final = (
    Method("pooled-full", "Pooled rows, full batch", "pooled"),
    Method("pooled-16", "Pooled rows, batches of 16 (as the paper's code)", "pooled", batch=16),
    Method("alone", "Each hospital alone", "alone"),
    Method("local-1", "Federated, local risk sets, 1 step", "local"),
    Method("local-5", "Federated, local risk sets, 5 steps (FedAvg)", "local", steps=5),
    Method("ours-1-exact", "Broadcast hazard, 1 step, exact, fresh, clear", "ours", hazard="exact"),
    Method("ours-1-piecewise", "Broadcast hazard, 1 step, piecewise, fresh, clear", "ours"),
    Method("ours-1", "Broadcast hazard, 1 step, piecewise, carried, masked", "ours", carried=True, masked=True),
    Method("ours-5-exact", "Broadcast hazard, 5 steps, exact, fresh, clear", "ours", steps=5, hazard="exact"),
    Method("ours-5", "Broadcast hazard, 5 steps, piecewise, carried, masked", "ours", steps=5, carried=True, masked=True),
)
PLACED: Final[dict[Placement, str]] = {"distributed": "noise in shares", "local": "each hospital's own noise"}
REFERENCE: Final = "pooled-full"


@dataclass(frozen=True)
class Trained:
    """Weights (1, D), or (S, D) of hospitals alone; bytes all hospitals sent and received; seconds of one CPU."""

    weights: Floats
    bytes_up: int
    bytes_down: int
    seconds: float


@dataclass(frozen=True)
class TrainingPlan:
    """Rounds and rates, the same for every method."""

    rounds: int = 150
    server_rate: float = 0.02
    site_rate: float = 0.02
    intervals: int = 8
    holders: int | None = None
    """Holders of shares that compute C on the hospitals held out (0: their plain twin); None: C from rows."""
    epsilons: tuple[float, ...] = ()
    """Differential privacy at δ = 1e-5, beside the methods without it."""

    def training(self, method: Method) -> Training:
        """The study's training block that this plan stands for."""
        return Training(
            rounds=self.rounds,
            local_steps=method.steps,
            site=SiteOptimiser(rate=self.site_rate),
            server=ServerOptimiser(name="adam", rate=self.server_rate),
            hazard="carried" if method.carried else "fresh",
            hazard_resolution=method.hazard,
            intervals=self.intervals,
        )


def methods_of(plan: TrainingPlan) -> tuple[Method, ...]:
    """The ten methods and, for every ε of the plan, both placements of its noise."""
    noised = [
        Method(
            f"private-{epsilon:g}-{placement}",
            f"Differential privacy, ε = {epsilon:g}, {words}",
            "private",
            epsilon=epsilon,
            placement=placement,
        )
        for epsilon in plan.epsilons
        for placement, words in PLACED.items()
    ]
    return (*METHODS, *noised)


def default_plan(model: ModelName, rounds: int | None = None) -> TrainingPlan:
    """Enough updates for the linear model to settle; fewer and gentler ones for the network, which would overfit."""
    return TrainingPlan(rounds=rounds or 150) if model == "linear" else TrainingPlan(rounds=rounds or 60, server_rate=0.01)


def train(cohort: ComparedCohort, method: Method, architecture: Architecture, plan: TrainingPlan, seed: int) -> Trained:
    """Train one method on one cohort. Deterministic for a seed."""
    started = time.process_time()
    runs = {"pooled": _pooled, "alone": _alone, "local": _federated, "ours": _federated, "private": _private}
    run = runs[method.kind]
    weights, up, down = run(cohort, method, architecture, plan, seed)
    return Trained(np.atleast_2d(weights), up, down, time.process_time() - started)


def _pooled(cohort: ComparedCohort, method: Method, architecture: Architecture, plan: TrainingPlan, seed: int) -> tuple[Floats, int, int]:
    x, days, event = (np.concatenate([site[k] for site in cohort.sites]) for k in range(3))
    weights, optimiser = architecture.start(seed), VectorOptimiser(plan.training(method), architecture.size)
    everybody = PooledLikelihood.of(torch.from_numpy(days), torch.from_numpy(event))
    order: list[int] = []
    draw = np.random.default_rng([seed, 6])
    for _ in range(plan.rounds):
        if method.batch:
            order = order if len(order) >= method.batch else [*order, *draw.permutation(len(days)).tolist()]
            rows, order = np.asarray(order[: method.batch]), order[method.batch :]
            likelihood = PooledLikelihood.of(torch.from_numpy(days[rows]), torch.from_numpy(event[rows]))
        else:
            rows, likelihood = np.arange(len(days)), everybody
        leaf = torch.from_numpy(weights[None]).clone().requires_grad_()
        likelihood.loss(architecture.score(leaf, torch.from_numpy(x[rows])[None])[0]).backward()  # type: ignore[no-untyped-call]
        weights = optimiser.step(weights, _gradient(leaf)[0] / len(rows))
    return weights, x.nbytes + days.nbytes + event.nbytes, 0


def _alone(cohort: ComparedCohort, method: Method, architecture: Architecture, plan: TrainingPlan, seed: int) -> tuple[Floats, int, int]:
    data = Padded.of(cohort.sites)
    shape = (len(cohort.sites), architecture.size)
    weights = np.tile(architecture.start(seed), (shape[0], 1))
    optimiser = VectorOptimiser(plan.training(method), weights.size)
    for _ in range(plan.rounds):
        leaf = torch.from_numpy(weights).clone().requires_grad_()
        local_partial_likelihood(architecture.score(leaf, data.x), data).sum().backward()  # type: ignore[no-untyped-call]
        mean = _gradient(leaf) / data.sizes[:, None]
        weights = optimiser.step(weights.ravel(), mean.ravel()).reshape(shape)
    return weights, 0, 0


def _private(cohort: ComparedCohort, method: Method, architecture: Architecture, plan: TrainingPlan, seed: int) -> tuple[Floats, int, int]:
    share = share_of(method.epsilon, method.placement, plan.rounds, len(cohort.sites))
    optimiser = VectorOptimiser(plan.training(method), architecture.size)
    weights = trained_privately(cohort, architecture, optimiser, plan.rounds, share, seed)
    sites, size = len(cohort.sites), architecture.size
    up, down = 8 * size + HANDSHAKE_UP, 4 * size + HANDSHAKE_DOWN * (sites - 1)
    return weights, up * sites * plan.rounds, down * sites * plan.rounds


def _gradient(leaf: Tensor) -> Floats:
    assert leaf.grad is not None
    return np.asarray(leaf.grad.numpy(), dtype=np.float64)


def _federated(
    cohort: ComparedCohort, method: Method, architecture: Architecture, plan: TrainingPlan, seed: int
) -> tuple[Floats, int, int]:
    """Rounds of: broadcast weights and hazard, local steps, one summed update, one step of the server's optimiser."""
    federation = Federation(cohort, method, architecture, plan)
    weights = architecture.start(seed)
    optimiser = VectorOptimiser(federation.training, architecture.size)
    for _ in range(plan.rounds):
        update = federation.round(weights)
        weights = optimiser.step(weights, pseudo_gradient(update, cohort.n, federation.training))
    up, down = federation.bytes_a_round()
    return weights, up * plan.rounds, down * plan.rounds


class Federation:
    """The hospitals of a cohort during one method's training."""

    def __init__(self, cohort: ComparedCohort, method: Method, architecture: Architecture, plan: TrainingPlan) -> None:
        self.cohort, self.method, self.architecture = cohort, method, architecture
        self.training = plan.training(method)
        self.data = Padded.of(cohort.sites)
        self.cuts = cohort.cut_days
        self.time, self.event = self.data.flat(self.data.time), self.data.flat(self.data.event.double()) > 0
        # Only the order of times matters to an exact hazard, so its cells are the distinct times.
        self.rank = np.unique(self.time, return_inverse=True)[1].astype(np.float64)
        self.hazard, self.centre = self._hazard(np.zeros(len(self.time)), 0.0)

    def _hazard(self, score: Floats, centre: float) -> tuple[PiecewiseHazard | StepHazard, float]:
        """The pooled hazard at the given scores, from summed cells only, relative to a centre."""
        if self.method.hazard == "exact":
            cells: DaySums = day_sums(score, self.rank, self.event, int(self.rank.max()) + 1, centre)
            return step_hazard(cells, "efron", centre), centre
        sums: PiecewiseSums = piecewise_sums(score, self.time, self.event, self.cuts, centre)
        moved = next_centre(sums, centre)
        return piecewise_hazard(sums.mass * np.exp(centre - moved), sums.deaths, self.cuts, moved), moved

    def round(self, weights: Floats) -> Floats:
        """The summed update (D,): Σ over hospitals of n·(w − w_local)/rate."""
        spread = torch.from_numpy(np.tile(weights, (len(self.cohort.sites), 1)))
        with torch.inference_mode():
            score = self.architecture.score(spread, self.data.x)
        now = self.data.flat(score)
        if self.method.kind == "ours" and not self.method.carried:
            self.hazard, self.centre = self._hazard(now, self.centre)
        updates = self._local_steps(spread, score.clone())
        if self.method.kind == "ours" and self.method.carried:
            self.hazard, self.centre = self._hazard(now, self.centre)
        return self._sum(updates)

    def _local_steps(self, start: Tensor, broadcast_score: Tensor) -> Floats:
        """Every hospital's n·(w − w_local)/rate, (S, D)."""
        rate, sizes = self.training.site.rate, torch.from_numpy(self.data.sizes)[:, None]
        days = self.rank if self.method.hazard == "exact" else self.time
        hazard_i = self.data.back(self.hazard.for_patients(days, self.event))
        moved = torch.zeros_like(start)
        for _ in range(self.method.steps):
            leaf = (start + moved).requires_grad_()
            score = self.architecture.score(leaf, self.data.x)
            if self.method.kind == "local":
                loss = local_partial_likelihood(score, self.data).sum()
            else:
                losses = broadcast_loss(score, hazard_i, self.data.event, centre=self.centre, broadcast_score=broadcast_score)
                loss = torch.where(self.data.present, losses, torch.zeros_like(losses)).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            assert leaf.grad is not None
            moved = moved - rate * leaf.grad / sizes
        return np.asarray((moved * (-sizes / rate)).numpy(), dtype=np.float64)

    @property
    def scale(self) -> UpdateScale:
        """One range for these small models."""
        return UpdateScale(lengths=(self.architecture.size,), exponents=(7,))

    def segments(self) -> tuple[Segment, ...]:
        """The segments of `training.update` for this model: what a hospital releases a round."""
        parameters = TrainingUpdate(
            model=RAD_D.name,
            dimension=self.architecture.size,
            hazard={},
            centre=0.0,
            scale=self.scale,
            ring=32,
            cut_days=self.cuts,
            round=0,
        )
        return REGISTRY["training.update"].segments(parameters)

    def _sum(self, updates: Floats) -> Floats:
        """Σ over hospitals; masked, of fixed-point integers: masks cancel to exactly this sum (a test adds real ones)."""
        if not self.method.masked:
            return np.asarray(updates.sum(axis=0), dtype=np.float64)
        segment, k = self.segments()[0], len(updates)
        total = np.zeros(segment.size, pairwise_masks.dtype(segment))
        for update in updates:
            total += pairwise_masks.quantise(segment, self.scale.divide(update), k)
        return self.scale.multiply(pairwise_masks.dequantise(segment, total, k))

    def bytes_a_round(self) -> tuple[int, int]:
        """Bytes all hospitals send and receive in a round: vectors and handshakes, without the messages' own envelope."""
        k, size = len(self.cohort.sites), self.architecture.size
        vector = sum(segment.size * segment.ring // 8 for segment in self.segments()) if self.method.kind == "ours" else 4 * size + 8
        broadcast = 4 * size
        if self.method.kind == "ours":
            cells = int(self.time.max()) + 1
            broadcast += 8 * (2 * cells if self.method.hazard == "exact" else self.training.intervals)
            vector += 8 * 3 * cells if self.method.hazard == "exact" else 0
        if self.method.masked:
            vector, broadcast = vector + HANDSHAKE_UP, broadcast + HANDSHAKE_DOWN * (k - 1)
        return k * vector, k * broadcast
