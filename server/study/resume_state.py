"""What the coordinator keeps on disk so that a study resumes bit for bit.

Clinical, fusion and evaluation phases are deterministic functions of opened sums, so they resume by replay: every opened
value is stored under the hash of what was asked, and a replayed ask is answered from there and not opened again.
Training keeps its state explicitly, one file a model, replaced after every round, with a folder of its long arrays beside it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from server.phases.update_scale import ScaleState
from server.study.array_files import Parts, part_file
from server.study.study_results import RoundPoint
from site_config.atomic_files import read_json, write_atomic, write_json
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import SignedLock, canonical

Array = NDArray[Any]
HASHING = 2
"""Threads that hash a training state's arrays, 160 MB a round for a network of 33 MB."""


class StudyFolder:
    """The folder of one study at the coordinator: lock, ledger, opened values, training state, results."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("opened", "training"):
            (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def home(self) -> Path:
        """The coordinator's home, for the folder of a run: `home/studies/ID/run`."""
        return self.root.parents[2]

    @property
    def lock_file(self) -> Path:
        """The signed lock."""
        return self.root / "lock.json"

    @property
    def ledger_file(self) -> Path:
        """The participation ledger."""
        return self.root / "ledger.jsonl"

    @property
    def result_file(self) -> Path:
        """The finished study's `StudyResult`."""
        return self.root / "result.json"

    def signed_lock(self) -> SignedLock:
        """The lock as published; its signature is checked by whoever uses it."""
        try:
            return SignedLock.model_validate(read_json(self.lock_file))
        except ValidationError:
            raise federation.STATE_UNREADABLE.problem("the published lock is damaged", where="lock.json") from None

    def next_epoch(self, now: float | None = None) -> int:
        """The number of this start: attempts of different starts never share a number, and later ones have the higher.

        Hospitals refuse an attempt that is older than the newest they saw. So the canary's starts and the study's, which have
        folders of their own, count together, and a folder that was restored from an older copy goes on above what it lost:
        the number is at least the seconds since 1970. A damaged count is as good as none.
        """
        path = self.root / "epoch.json"
        earlier = [_count(one) for one in sorted(self.root.parent.glob("*/epoch.json"))]
        epoch = max([int(time.time() if now is None else now), *(one + 1 for one in earlier)])
        write_json(path, {"epoch": epoch})
        return epoch

    def opened_file(self, key: str) -> Path:
        """The stored value of an earlier ask."""
        return self.root / "opened" / f"{key}.safetensors"

    def first_seed_file(self, model: str) -> Path:
        """The seed one network's first weights were drawn with."""
        return self.root / f"first_seed.{model}.json"

    def training_file(self, model: str) -> Path:
        """The training state of one network."""
        return self.root / "training" / f"{model}.safetensors"

    def carried_file(self, name: str) -> Path:
        """What the study that this one goes on from left: a network's training state, or the opened counts."""
        return self.root.parent / "carried" / name

    def weights_file(self, model: str) -> Path:
        """The final weights of one network."""
        return self.root / "training" / f"{model}.final.safetensors"


LARGEST_EPOCH = 1 << 38
"""Attempts are numbered from an epoch times 2^24, below 2^63."""


def _count(path: Path) -> int:
    """The count of starts in a file, 0 where it does not read as one."""
    try:
        found = int(read_json(path)["epoch"])
    except (Problem, TypeError, KeyError, ValueError):
        return 0
    return found if 0 <= found < LARGEST_EPOCH else 0


def ask_key(**parts: object) -> str:
    """SHA-256, hex, of what identifies an ask: phase, statistic, parameters, broadcast state, block."""
    return hashlib.sha256(canonical(parts)).hexdigest()


def arrays_bytes(arrays: Mapping[str, Array], meta: Mapping[str, str]) -> bytes:
    """Arrays and text as one safetensors file."""
    from safetensors.numpy import save

    return bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=dict(meta) or None))


def save_arrays(path: Path, arrays: Mapping[str, Array], meta: Mapping[str, str]) -> None:
    """Arrays and text in one safetensors file, whole or not at all; for what no number of a study is computed from."""
    write_atomic(path, arrays_bytes(arrays, meta))


def load_arrays(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """What `arrays_bytes` made; a file that is not whole is the problem STATE_UNREADABLE."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}, dict(stream.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError):
        raise federation.STATE_UNREADABLE.problem(f"the coordinator's file {path.name} cannot be read", where=path.name) from None


@dataclass
class BlockSums:
    """A block's hazard sums at its own last turn: mass per interval (days · e^{f−centre}), and the centring they used."""

    mass: Array
    event_score: float
    patients: int
    events: int
    centre: float


@dataclass
class TrainingState:
    """One network's training between two rounds. `weights` are broadcast next; `accepted` is where a bad step returns to."""

    next_round: int
    weights: Array
    accepted: Array
    optimiser: dict[str, Array]
    rate_factor: float
    scale: ScaleState
    deaths: Array
    blocks: dict[int, BlockSums]
    best_loss: float
    best_validation: float
    best_weights: Array
    points: list[RoundPoint] = field(default_factory=list)
    accepted_blocks: dict[int, float] = field(default_factory=dict)
    _known: list[tuple[Array, str]] = field(default_factory=list, repr=False, compare=False)

    def gone_on_from(self, before: TrainingState) -> TrainingState:
        """These hospitals' sums at the weights, the optimiser and the round of `before`; turns that were owed there are left to do."""
        done = [point for point in before.points if point.patients or point.accepted]
        return replace(
            self,
            next_round=len(done),
            optimiser=before.optimiser,
            rate_factor=before.rate_factor,
            scale=before.scale,
            best_validation=before.best_validation,
            best_weights=before.best_weights,
            points=done,
        )

    def as_file(self) -> tuple[bytes, Parts]:
        """The state as a small file, and the arrays as long as the weights, which it names by their digests.

        Few of them are new in a round: the weights before a step and the best ones were broadcast before, so they lie on the
        disk already. None may be changed in place afterwards.
        """
        small = {"deaths": self.deaths, "largest": self.scale.largest} | {f"mass.{block}": s.mass for block, s in self.blocks.items()}
        long = {"weights": self.weights, "accepted": self.accepted, "best_weights": self.best_weights}
        for name, value in self.optimiser.items():
            (long if value.shape == self.weights.shape else small)[f"optimiser.{name}"] = value
        long = {name: np.ascontiguousarray(array) for name, array in long.items()}
        with ThreadPoolExecutor(HASHING) as pool:  # hashlib lets other threads run meanwhile
            digests = dict(zip(long, pool.map(self._digest, long.values()), strict=True))
        self._known = [(array, digests[name]) for name, array in long.items()]
        plain = {
            "next_round": self.next_round,
            "rate_factor": self.rate_factor,
            "lengths": list(self.scale.lengths),
            "best_loss": self.best_loss,
            "best_validation": self.best_validation,
            "blocks": {str(b): [s.event_score, s.patients, s.events, s.centre] for b, s in self.blocks.items()},
            "accepted_blocks": {str(b): value for b, value in self.accepted_blocks.items()},
            "points": [point.model_dump() for point in self.points],
            "parts": {name: [digests[name], array.dtype.name] for name, array in long.items()},
        }
        return arrays_bytes(small, {"state": json.dumps(plain)}), {
            digests[name]: np.ascontiguousarray(array).data for name, array in long.items()
        }

    def _digest(self, array: Array) -> str:
        """SHA-256, hex, of an array's bytes; of one that the state held before, what was found then."""
        known = next((digest for one, digest in self._known if one is array), None)
        return known or hashlib.sha256(array.data).hexdigest()

    @classmethod
    def load(cls, path: Path) -> TrainingState:
        """The stored state; STATE_UNREADABLE where it or an array it names is not what was written."""
        arrays, meta = load_arrays(path)
        plain = json.loads(meta["state"])
        # an office of an earlier version kept all arrays in the one file
        arrays |= {name: _part(path, digest, dtype) for name, (digest, dtype) in plain.get("parts", {}).items()}
        blocks = {
            int(b): BlockSums(arrays[f"mass.{b}"], float(v[0]), int(v[1]), int(v[2]), float(v[3])) for b, v in plain["blocks"].items()
        }
        return cls(
            next_round=plain["next_round"],
            weights=arrays["weights"],
            accepted=arrays["accepted"],
            optimiser={name.removeprefix("optimiser."): value for name, value in arrays.items() if name.startswith("optimiser.")},
            rate_factor=plain["rate_factor"],
            scale=ScaleState(tuple(plain["lengths"]), arrays["largest"]),
            deaths=arrays["deaths"],
            blocks=blocks,
            best_loss=plain["best_loss"],
            best_validation=plain["best_validation"],
            best_weights=arrays["best_weights"],
            points=[RoundPoint.model_validate(point) for point in plain["points"]],
            accepted_blocks={int(b): float(v) for b, v in plain["accepted_blocks"].items()},
        )


def next_round_of(path: Path) -> int:
    """The round that a stored state asks next, for whoever watches a running office, which may replace the state's arrays meanwhile."""
    return int(json.loads(load_arrays(path)[1]["state"])["next_round"])


def _part(path: Path, digest: str, dtype: str) -> Array:
    """An array of a stored state, held against its digest."""
    try:
        data = part_file(path, digest).read_bytes()
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != digest:
        raise federation.STATE_UNREADABLE.problem(f"an array of {path.name} is gone or is another", where=path.name)
    return np.frombuffer(data, dtype).copy()
