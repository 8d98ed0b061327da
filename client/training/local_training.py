"""Training at a site: from broadcast weights and a broadcast hazard to one summed update.

With the hazard H broadcast, the loss Σ_i e^{f_i − c} H(t_i) − δ_i (f_i − c) is a sum over patients, so

    G = Σ_i ∂ℓ_i/∂w        is accumulated patient by patient (micro-batches are exact, batch 16 in the memory of one),
    update = n·(w − w_local)/rate,   for one full-batch SGD step G itself.

The steps run on a displacement in float64 and the update is never formed as a difference of float32 weights, which would
lose it to rounding. With several local steps or a proximal term the same loss is a majorising bound (DESIGN section 3).
A site without patients contributes zeros. Nothing here writes to disk or leaves the site.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from client.training.batches_and_flips import SeedParts, Trainees, draw, flipped, is_flipped, load_batch, per_patient, with_images
from client.training.per_patient_clipping import ClippedSum
from client.training.training_device import Hardware, arithmetic, choose_device, is_out_of_memory, place
from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.weight_vector import from_vector, gradient_vector, to_vector
from shared_model.survival.training_loss import broadcast_loss
from site_config.study.plan_and_lock import Study, Training

Floats = NDArray[np.float64]


class Hazard(Protocol):
    """Either broadcast hazard of `shared_model.survival.broadcast_hazard`."""

    def for_patients(self, event_day: Floats, event: NDArray[np.bool_]) -> Floats:
        """Cumulative hazard H_i (n,)."""
        ...


@dataclass(frozen=True)
class LocalUpdate:
    """What a site computed in a round, before the door.

    `update` (D,) float64; `patients` trained on; `skipped` training patients without images; `score`, `event_day`, `event`
    (patients,) of an eval-mode pass at the broadcast weights, from which the next hazard's sums are made; `loss_sum` of
    that pass; `shrunk` per-patient gradients that were clipped; `seconds` per local step.
    """

    update: Floats
    patients: int
    skipped: int
    score: Floats
    event_day: Floats
    event: NDArray[np.bool_]
    loss_sum: float
    shrunk: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def scores(network: RadNetwork, patients: Trainees, *, device: str = "cpu", micro_batch: int = 1) -> Floats:
    """Eval-mode scores (n,) float64; NaN for a patient without images."""
    out = np.full(len(patients.keys), np.nan)
    rows = np.flatnonzero(with_images(patients)).tolist()
    out[rows] = _scores(network, patients, rows, Hardware(choose_device(device), micro_batch))
    return out


def scores_at(
    study: Study,
    model: str,
    weights: NDArray[Any],
    patients: Trainees,
    rows: NDArray[np.int64],
    *,
    device: str = "cpu",
    micro_batch: int = 1,
) -> Floats:
    """Eval-mode scores (len(rows),) of the patients `rows` at the flat weights (D,) of one of the study's networks."""
    network = build(study, model)
    from_vector(network, weights)
    return _scores(network, patients, [int(row) for row in rows], Hardware(choose_device(device), micro_batch))


def loss_sum(network: RadNetwork, patients: Trainees, hazard: Hazard, centre: float, *, device: str = "cpu", micro_batch: int = 1) -> float:
    """Summed eval-mode loss of all patients given that have images (the validation scalar)."""
    score = scores(network, patients, device=device, micro_batch=micro_batch)
    seen = ~np.isnan(score)
    hazard_i = hazard.for_patients(patients.event_day, patients.event)
    return _loss(score[seen], hazard_i[seen], patients.event[seen], centre)


def local_update(
    network: RadNetwork,
    patients: Trainees,
    hazard: Hazard,
    centre: float,
    training: Training,
    *,
    seed_parts: SeedParts,
    device: str = "cpu",
    micro_batch: int = 1,
) -> LocalUpdate:
    """A round at one site, from the weights `network` holds; they are the same afterwards.

    `hazard` is relative to `centre`. `seed_parts` (study id, model, round, …) with each patient's key and the step give
    the flips and the dropout masks. `training.batch` bounds the patients of a step: a site that has more goes through them
    in a seeded order, step by step. Deterministic on one machine with one thread.
    """
    bench = Hardware(choose_device(device), micro_batch, mixed=training.precision == "mixed")
    place(network, bench.device)
    wanted = ~np.asarray(patients.is_validation, dtype=bool)
    chosen = wanted & with_images(patients)
    rows = np.flatnonzero(chosen).tolist()
    event_day, event = patients.event_day[chosen], patients.event[chosen]
    task = _Task(network, patients, rows, hazard.for_patients(event_day, event), event, centre, training, seed_parts, bench)
    score = _scores(network, patients, rows, bench)
    started = time.perf_counter()
    update = task.descend(score)
    seconds = (time.perf_counter() - started) / training.local_steps
    return LocalUpdate(
        update=update,
        patients=len(rows),
        skipped=int(wanted.sum()) - len(rows),
        score=score,
        event_day=event_day,
        event=event,
        loss_sum=_loss(score, task.hazard_i, event, centre),
        shrunk=task.shrunk,
        seconds=seconds,
        notes=tuple(bench.notes),
    )


def summed_gradient(
    network: RadNetwork,
    patients: Trainees,
    hazard: Hazard,
    centre: float,
    training: Training,
    *,
    broadcast_score: Floats,
    seed_parts: SeedParts,
    device: str = "cpu",
    micro_batch: int = 1,
) -> Floats:
    """Σ_i ∂ℓ_i/∂w (D,) of all patients given, in training mode: one step's work without the eval-mode pass beside it.

    `broadcast_score` (n,) are the scores the loss is linearised around.
    """
    bench = Hardware(choose_device(device), micro_batch, mixed=training.precision == "mixed")
    place(network, bench.device)
    rows = list(range(len(patients.keys)))
    hazard_i = hazard.for_patients(patients.event_day, patients.event)
    task = _Task(network, patients, rows, hazard_i, patients.event, centre, training, seed_parts, bench)
    return task.gradient(rows, broadcast_score, 0)


@dataclass
class _Task:
    """The fixed parts of one round at one site; positions count within `rows`."""

    network: RadNetwork
    patients: Trainees
    rows: list[int]
    hazard_i: Floats
    event: NDArray[np.bool_]
    centre: float
    training: Training
    seed_parts: SeedParts
    bench: Hardware
    shrunk: int = 0

    def descend(self, broadcast_score: Floats) -> Floats:
        """The update (D,) of `local_steps` steps."""
        start = to_vector(self.network)
        n, site = len(self.rows), self.training.site
        if n == 0:
            return np.zeros(start.size, dtype=np.float64)
        moved = np.zeros(start.size, dtype=np.float64)
        step_by = _sgd(site.rate) if site.name == "sgd" else _adam(site.rate, start.size)
        for step in range(self.training.local_steps):
            batch = self._batch(step)
            gradient = self.gradient(batch, broadcast_score, step) / len(batch)
            moved += step_by(gradient + self.training.proximal * moved)
            if step + 1 < self.training.local_steps:
                from_vector(self.network, (start + moved).astype(start.dtype))
        if self.training.local_steps > 1:
            from_vector(self.network, start)
        return moved * (-n / site.rate)

    def gradient(self, batch: Sequence[int], broadcast_score: Floats, step: int) -> Floats:
        """Σ over the batch of ∂ℓ_i/∂w (D,), in as many micro-batches as memory asks for."""
        while True:
            found = self._tried(batch, broadcast_score, step)
            if found is not None:
                return found
            self.bench.shrink()

    def _tried(self, batch: Sequence[int], broadcast_score: Floats, step: int) -> Floats | None:
        """The same with the present micro-batch; None where memory ran out, with nothing of the pass held any more."""
        try:
            with self.bench.arithmetic():
                self.network.train()
                return self._accumulated(batch, broadcast_score, step)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        finally:
            self.network.noise.seed(None)
            self.network.zero_grad(set_to_none=True)
            self.network.eval()

    def _accumulated(self, batch: Sequence[int], broadcast_score: Floats, step: int) -> Floats:
        limit = self.training.gradient_norm
        if not limit:
            for chunk in self.bench.chunks(batch):
                self._loss(chunk, broadcast_score, step).backward()  # type: ignore[no-untyped-call]
            return gradient_vector(self.network)
        clipped = ClippedSum(self.network, limit)
        for position in batch:
            self._loss([position], broadcast_score, step).backward()  # type: ignore[no-untyped-call]
            clipped.take()
        total, shrunk = clipped.result()
        self.shrunk += shrunk
        return total

    def _loss(self, chunk: Sequence[int], broadcast_score: Floats, step: int) -> Tensor:
        """Summed loss of a micro-batch, in float64 from the scores on."""
        device, rows = self.bench.device, [self.rows[position] for position in chunk]
        keys = [self.patients.keys[row] for row in rows]
        images = load_batch(self.patients, rows, dtype=next(self.network.parameters()).dtype, device=device)
        images = flipped(images, [is_flipped(self.seed_parts, step, key, self.training.flips) for key in keys])
        self.network.noise.seed([draw(self.seed_parts, "dropout", step, key) for key in keys])
        with self.bench.cast():
            score = self.network(images)
        return broadcast_loss(
            score.double(),
            per_patient(self.hazard_i, chunk, device),
            per_patient(self.event, chunk, device),
            centre=self.centre,
            broadcast_score=per_patient(broadcast_score, chunk, device),
        ).sum()

    def _batch(self, step: int) -> list[int]:
        """The positions of a step: everybody, or the next `training.batch` of a seeded order."""
        n, size = len(self.rows), self.training.batch
        if n <= size:
            return list(range(n))
        steps = -(-n // size)
        order = sorted(range(n), key=lambda i: draw(self.seed_parts, "order", step // steps, self.patients.keys[self.rows[i]]))
        first = (step % steps) * size
        return order[first : first + size]


def _sgd(rate: float) -> Callable[[Floats], Floats]:
    """Gradient (D,) to displacement (D,): plain gradient descent (torch.optim would import its compiler, 5 CPU-seconds)."""
    return lambda gradient: -rate * gradient


def _adam(rate: float, size: int) -> Callable[[Floats], Floats]:
    """Gradient (D,) to displacement (D,): Adam whose moments start anew every round, since a site keeps no optimiser."""
    moved = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([moved], lr=rate, foreach=False)

    def step(gradient: Floats) -> Floats:
        before = moved.detach().numpy().copy()
        moved.grad = torch.from_numpy(gradient)
        optimiser.step()
        return np.asarray(moved.detach().numpy() - before, dtype=np.float64)

    return step


def _scores(network: RadNetwork, patients: Trainees, rows: Sequence[int], bench: Hardware) -> Floats:
    """Eval-mode scores (len(rows),) float64."""
    place(network, bench.device)
    network.eval()
    network.noise.seed(None)
    while True:
        found = _scored(network, patients, rows, bench)
        if found is not None:
            return found
        bench.shrink()


def _scored(network: RadNetwork, patients: Trainees, rows: Sequence[int], bench: Hardware) -> Floats | None:
    """The same with the present micro-batch; None where memory ran out. Always in the network's own precision."""
    dtype = next(network.parameters()).dtype
    try:
        with torch.inference_mode(), arithmetic(bench.device):
            out = [network(load_batch(patients, chunk, dtype=dtype, device=bench.device)).double() for chunk in bench.chunks(rows)]
            return np.asarray(torch.cat(out).cpu().numpy()) if out else np.zeros(0)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None


def _loss(score: Floats, hazard_i: Floats, event: NDArray[np.bool_], centre: float) -> float:
    """Summed loss of scores (n,), float64."""
    terms = broadcast_loss(torch.from_numpy(score), torch.from_numpy(hazard_i), torch.from_numpy(np.asarray(event)), centre=centre)
    return float(terms.sum())
