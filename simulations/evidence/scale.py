"""Cost of a masked training round by number of hospitals, in one block and in blocks of thirteen."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from simulations.evidence.record import record
from simulations.scale import RoundCost, exponent, round_cost

SITES = (13, 26, 52, 104, 208)


def measure(block: int | None) -> list[RoundCost]:
    """Every size, each in a fresh folder."""
    found = []
    for sites in SITES:
        with TemporaryDirectory() as folder:
            found.append(round_cost(sites, Path(folder) / "run", blocks_of=block))
            print(found[-1], flush=True)
    return found


def main() -> None:
    """Measure and record."""
    whole, blocks = measure(None), measure(13)
    figures = {
        "one_block": [asdict(cost) for cost in whole],
        "one_block_exponent": exponent(whole),
        "blocks_of_13": [asdict(cost) for cost in blocks],
        "blocks_of_13_exponent": exponent(blocks),
    }
    covers = ["simulations/scale.py", "server/ask.py", "server/phases/training.py", "shared_model/secure_sum.py", "client/door.py"]
    record("scale", covers=covers, figures=figures, seeds=[1])


if __name__ == "__main__":
    main()
