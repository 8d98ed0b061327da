"""Cost of a masked training round by number of hospitals, in one block and in blocks of thirteen."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from evidence.record import record
from simulations.study.scale import RoundCost, exponent, round_cost

SITES = (13, 26, 52, 104, 208)
BLOCK = 13


def measure(sites: int) -> tuple[RoundCost, RoundCost]:
    """One size in one block and in blocks, each in a process of its own (peak memory is a process's), on one cohort."""
    found = []
    with TemporaryDirectory(prefix="fedhcc-scale-") as folder:
        for block in (None, BLOCK)[: 1 if sites <= BLOCK else 2]:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found.append(pool.submit(round_cost, sites, Path(folder) / "run", blocks_of=block).result())
            print(found[-1], flush=True)
    return found[0], found[-1]


def main() -> None:
    """Measure and record."""
    costs = [measure(sites) for sites in SITES]
    whole, blocks = [one for one, _ in costs], [one for _, one in costs]
    figures = {
        "one_block": [asdict(cost) for cost in whole],
        "one_block_exponent": exponent(whole),
        "blocks_of_13": [asdict(cost) for cost in blocks],
        "blocks_of_13_exponent": exponent(blocks),
    }
    covers = [
        "simulations/study/scale.py",
        "server/asking/ask.py",
        "server/phases/training.py",
        "shared_model/secure_sum/masks.py",
        "client/release/door.py",
    ]
    record("scale", covers=covers, figures=figures, seeds=[1])


if __name__ == "__main__":
    main()
