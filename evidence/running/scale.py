"""Cost of a masked training round by number of hospitals, in one block and in blocks of thirteen.

A block's round and a whole pass, in which every hospital's block has its turn once. `python -m evidence.running.scale 26 104 1000`
prints those sizes in blocks alone.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from evidence.record import record
from simulations.study.scale import RoundCost, exponent, round_cost

SITES = (13, 26, 52, 104, 208, 1000)
BLOCK, ONE_BLOCK_MOST = 13, 208
EXPONENT_MOST = 1.1


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


def passes_of(blocks: list[RoundCost]) -> list[RoundCost]:
    """What a whole pass costs, in which every block has its turn once."""
    return [replace(one, cpu_seconds=one.cpu_seconds_a_site * one.sites) for one in blocks]


def main() -> None:
    """Measure and record; sizes that are named are measured in blocks alone, and nothing is recorded."""
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
    figures = {
        "one_block": [asdict(cost) for cost in whole],
        "one_block_exponent": exponent(whole),
        "blocks_of_13": [asdict(cost) for cost in blocks],
        "blocks_of_13_exponent": exponent(blocks),
        "whole_pass": {cost.sites: round(cost.cpu_seconds, 2) for cost in passes},
        "whole_pass_exponent": exponent(passes),
        "bars": {"a pass over all blocks grows with hospitals to the power of 1.1 at most": exponent(passes) <= EXPONENT_MOST},
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
