"""Cost of a masked training round by number of hospitals, in one block and in blocks of thirteen.

A block's round and a whole pass, in which every hospital's block has its turn once, with a small network; and updates of the full
size (two EfficientNet-b0, 33 MB) of 52 hospitals in one block against thirteen blocks of four. `python -m evidence.running.scale 26
104 1000` prints those sizes in blocks alone.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evidence.record import record
from simulations.study.cost_by_hospitals import RoundCost, exponent, round_cost

SITES = (13, 26, 52, 104, 208, 1000)
BLOCK, ONE_BLOCK_MOST = 13, 208
EXPONENT_MOST = 1.1
FULL_SITES, FULL_BLOCK, FULL_MOST = 52, 4, 2.0
FULL_BACKBONE = "efficientnet-b0"


def measure(sites: int) -> tuple[RoundCost, RoundCost]:
    """One size in one block (where that is not too dear) and in blocks, each in a process of its own, on one cohort.

    Peak memory is a process's.
    """
    found = []
    ways = [None] if sites <= BLOCK else [None, BLOCK] if sites <= ONE_BLOCK_MOST else [BLOCK]
    with TemporaryDirectory(prefix="fedhcc-scale-") as folder:
        for block in ways:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found.append(pool.submit(round_cost, sites, Path(folder) / "run", blocks_of=block).result())
            print(found[-1], flush=True)
    return found[0], found[-1]


def full_size() -> dict[str, Any]:
    """CPU seconds of all sides for one update of the full size from each of 52 hospitals: in one block, and in blocks of four.

    In one process and without a transport, which costs both the same: the ratio of real processes is nearer to 1.
    """
    with TemporaryDirectory(prefix="fedhcc-scale-") as folder:
        found = []
        for block in (None, FULL_BLOCK):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                asked = pool.submit(round_cost, FULL_SITES, Path(folder) / "run", blocks_of=block, backbone=FULL_BACKBONE)
                found.append(asked.result())
            print(found[-1], flush=True)
    one, blocks = (cost.cpu_seconds_a_site for cost in found)
    carried = [cost.cpu_seconds_a_site - cost.cpu_seconds_by_step["network"] * cost.cpu_seconds_a_site / cost.cpu_seconds for cost in found]
    return {
        "hospitals": FULL_SITES,
        "one_block_cpu_s": round(one * FULL_SITES, 2),
        "blocks_of_4_cpu_s": round(blocks * FULL_SITES, 2),
        "ratio": round(one / blocks, 2),
        "ratio_without_the_networks": round(carried[0] / carried[1], 2),
        "by_step_in_one_block_cpu_s": {name: round(value, 2) for name, value in found[0].cpu_seconds_by_step.items()},
        "peak_gigabytes": [round(cost.peak_gigabytes, 2) for cost in found],
    }


def passes_of(blocks: list[RoundCost]) -> list[RoundCost]:
    """What a whole pass costs, in which every block has its turn once."""
    return [replace(one, cpu_seconds=one.cpu_seconds_a_site * one.sites) for one in blocks]


def main() -> None:
    """Measure and record; sizes that are named are measured in blocks alone, and nothing is recorded."""
    if sys.argv[1:] == ["full"]:
        print(full_size(), flush=True)
        return
    if sys.argv[1:]:
        with TemporaryDirectory(prefix="fedhcc-scale-") as folder, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found = []
            for word in sys.argv[1:]:
                found += passes_of([pool.submit(round_cost, int(word), Path(folder) / word, blocks_of=BLOCK).result()])
                print(found[-1], flush=True)
        print({"whole_pass_exponent": exponent(found)}, flush=True)
        return
    costs = [measure(sites) for sites in SITES]
    whole, blocks = [one for one, _ in costs if one.sites <= ONE_BLOCK_MOST], [one for _, one in costs]
    passes = passes_of(blocks)
    full = full_size()
    figures = {
        "one_block": [asdict(cost) for cost in whole],
        "one_block_exponent": exponent(whole),
        "blocks_of_13": [asdict(cost) for cost in blocks],
        "blocks_of_13_exponent": exponent(blocks),
        "whole_pass": {cost.sites: round(cost.cpu_seconds, 2) for cost in passes},
        "whole_pass_exponent": exponent(passes),
        "full_size": full,
        "bars": {
            "a pass over all blocks grows with hospitals to the power of 1.1 at most": exponent(passes) <= EXPONENT_MOST,
            "52 hospitals in one block take at most twice the time of 13 blocks of 4": full["ratio_without_the_networks"] <= FULL_MOST,
        },
    }
    covers = [
        "simulations/study/cost_by_hospitals.py",
        "server/asking/ask_masked_sum.py",
        "server/phases/network_training.py",
        "shared_model/secure_sum/pairwise_masks.py",
        "client/release/door.py",
    ]
    record("scale", covers=covers, figures=figures, seeds=[1])


if __name__ == "__main__":
    main()
