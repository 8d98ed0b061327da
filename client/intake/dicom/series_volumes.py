"""Which slices of one series are one volume. Scanners put phases, energies and repeats into one series.

Tags decide first (day, frame of reference, slice thickness, temporal position, trigger, irradiation event, acquisition), then the order of
times and of instance numbers: within one volume they run once along the body. Groups that lie one after the other along
the body are parts of one volume (an examination in two tables' lengths); groups that share a range are volumes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from client.intake.dicom.dicom_header import SliceHeader

Slices = tuple[SliceHeader, ...]
LEAST = 3
MOST_PARTS = 12
APART_SECONDS = 8.0
FEWEST_TO_TELL = 12
BLOCKS = 32
LEAST_ALTERNATING_HU = 0.5
ROWS_LOOKED_AT = 128
BODY_HU = -500.0
CHANCE = 1e-3  # of one block of an honest volume
MOST_BY_CHANCE = 0.02  # of all blocks of the body; honest real scans: at most 0.0012, two phases 20 HU apart: 0.02 to 0.4
Key = Callable[[SliceHeader], object]
TAGS: tuple[Key, ...] = (
    lambda header: header.day,
    lambda header: header.frame,
    lambda header: header.thickness,
    lambda header: header.temporal,
    lambda header: header.trigger,
    lambda header: header.event,
    lambda header: header.acquisition,
)
ORDERS: tuple[Callable[[SliceHeader], float | None], ...] = (
    lambda header: header.taken,
    lambda header: header.created,
    lambda header: None if header.instance is None else float(header.instance),
)


def volumes_of(slices: Slices, normal: NDArray[np.float64]) -> list[Slices]:
    """The volumes of a series, earliest first; one where nothing tells them apart."""
    parts = [slices]
    for key in TAGS:
        parts = [piece for part in parts for piece in _by_tag(part, key, normal)]
    parts = [piece for part in parts for piece in _by_gap_in_time(part, normal)]
    for order in ORDERS:
        parts = [piece for part in parts for piece in _by_passes(part, order, normal)]
    return sorted(parts, key=_first)


def _first(part: Slices) -> tuple[float, int, int]:
    taken = min((header.taken for header in part if header.taken is not None), default=0.0)
    acquisition = min((header.acquisition for header in part if header.acquisition is not None), default=0)
    return taken, acquisition, min((header.instance for header in part if header.instance is not None), default=0)


def heights(part: Sequence[SliceHeader], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions along the normal, mm."""
    return np.array([float(header.position @ normal) for header in part])


def _by_tag(part: Slices, key: Key, normal: NDArray[np.float64]) -> list[Slices]:
    values = {key(header) for header in part}
    if not 1 < len(values) <= len(part) // 2:
        return [part]
    groups = [tuple(header for header in part if key(header) == value) for value in sorted(values, key=str)]
    if float(np.median([len(group) for group in groups])) < LEAST:
        return [part]  # a number for every rotation, not for every volume
    return _joined(part, groups, normal)


def _by_gap_in_time(part: Slices, normal: NDArray[np.float64]) -> list[Slices]:
    """Groups between which the clock jumps, where they cover the same places."""
    times = [header.taken for header in part]
    if any(time is None for time in times) or len(part) < 2 * LEAST:
        return [part]
    ordered = sorted(part, key=lambda header: float(header.taken or 0.0))
    clock = np.array([float(header.taken or 0.0) for header in ordered])
    jumps = np.flatnonzero(np.diff(clock) >= APART_SECONDS)
    if not 0 < len(jumps) < MOST_PARTS:
        return [part]
    edges = [0, *(int(jump) + 1 for jump in jumps), len(ordered)]
    groups = [tuple(ordered[low:high]) for low, high in pairwise(edges)]
    return _joined(part, groups, normal)


def _by_passes(part: Slices, order: Callable[[SliceHeader], float | None], normal: NDArray[np.float64]) -> list[Slices]:
    """Groups of consecutive slices that run once along the body, where the order turns back."""
    numbers = [order(header) for header in part]
    if any(number is None for number in numbers) or len(set(numbers)) < len(part) or len(part) < 2 * LEAST:
        return [part]
    ordered = [part[k] for k in np.argsort(np.array(numbers, dtype=np.float64), kind="stable")]
    steps = np.diff(heights(ordered, normal))
    edges, direction = [0], 0.0
    for place, step in enumerate(steps):
        sign = float(np.sign(step))
        if direction and sign and sign != direction:
            edges.append(place + 1)
            direction = 0.0
        elif sign:
            direction = sign
    edges.append(len(ordered))
    groups = [tuple(ordered[low:high]) for low, high in pairwise(edges)]
    if not 1 < len(groups) <= MOST_PARTS or min(len(group) for group in groups) < LEAST:
        return [part]
    return _joined(part, groups, normal)


def _joined(part: Slices, groups: list[Slices], normal: NDArray[np.float64]) -> list[Slices]:
    """Groups as volumes: those that follow each other along the body are chained, those that share a range stay apart."""
    ranges = [(float(along.min()), float(along.max())) for along in (heights(group, normal) for group in groups)]
    step = _step(part, normal)
    order = sorted(range(len(groups)), key=lambda k: ranges[k])
    chains: list[list[int]] = []
    for k in order:
        fitting = [chain for chain in chains if ranges[chain[-1]][1] <= ranges[k][0] + 0.5 * step]
        if len(fitting) == 1 and len(chains) == 1:
            fitting[0].append(k)
        else:
            chains.append([k])
    if len(chains) == 1:
        return [part]
    return [tuple(header for k in chain for header in groups[k]) for chain in chains]


def _step(part: Slices, normal: NDArray[np.float64]) -> float:
    places = np.unique(np.round(heights(part, normal), 2))
    return float(np.median(np.diff(places))) if len(places) > 1 else 0.0


def interleaved(hu: NDArray[np.int16]) -> bool:
    """Whether two volumes alternate in a stack (z, y, x).

    What alternates with the slices is a line at the highest frequency along z. In every block of the body the power of that
    line is held beside the power at the frequencies below it: an honest volume has no more there, so the ratio follows at
    most F(1, 2k) with k frequencies compared, and exceeds its 1-in-1,000 point in one block of a thousand. Two phases or two
    breaths exceed it wherever they differ. Fewer than 16 slices leave so few frequencies that little can be told.
    """
    means = BlockMeans.of_slices(hu.shape[1:])
    return alternating(np.stack([means(plane) for plane in hu]))


def alternating(blocks: NDArray[np.float64]) -> bool:
    """The same, of the means (z, block) that `BlockMeans` gives."""
    from scipy.special import fdtri

    count = len(blocks) - len(blocks) % 2
    if count < FEWEST_TO_TELL:
        return False
    blocks = blocks[:count]
    inside = blocks.mean(axis=0) > BODY_HU
    if not inside.any():
        return False
    along = blocks[:, inside]
    taper = np.hanning(count + 2)[1:-1]
    power = np.abs(np.fft.rfft((along - along.mean(axis=0)) * taper[:, None], axis=0)) ** 2
    others = power[count // 4 : count // 2 - 2 : 2]  # every second: neighbours share power through the taper
    limit = float(fdtri(1, 2 * len(others), 1 - CHANCE))
    marked = np.sqrt(power[-1]) / taper.sum() > LEAST_ALTERNATING_HU
    return float(np.mean(marked & (power[-1] > limit * others.mean(axis=0)))) > MOST_BY_CHANCE


@dataclass(frozen=True)
class BlockMeans:
    """Means of the blocks of a slice; of large slices every fourth row or so is looked at."""

    step: int
    rows: int
    high: int
    across: NDArray[np.float32]

    @classmethod
    def of_slices(cls, shape: tuple[int, ...]) -> BlockMeans:
        """For slices of `shape` (y, x)."""
        step = max(1, shape[0] // ROWS_LOOKED_AT)
        looked_at = -(-shape[0] // step)
        high, wide = (max(1, length // BLOCKS) for length in (looked_at, shape[1]))
        rows, columns = high * (looked_at // high), wide * (shape[1] // wide)
        means = np.full((wide, 1), 1 / wide, dtype=np.float32)
        across: NDArray[np.float32] = np.asarray(np.kron(np.eye(columns // wide, dtype=np.float32), means), dtype=np.float32)
        return cls(step, rows, high, across)

    @property
    def count(self) -> int:
        """Blocks of a slice."""
        return self.rows // self.high * int(self.across.shape[1])

    def __call__(self, plane: NDArray[np.int16]) -> NDArray[np.float64]:
        """Means (block,) of a slice (y, x)."""
        seen = plane[:: self.step][: self.rows, : len(self.across)].astype(np.float32) @ self.across
        means: NDArray[np.float64] = seen.reshape(self.rows // self.high, self.high, -1).mean(axis=1).astype(np.float64).ravel()
        return means
