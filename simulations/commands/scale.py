"""`fedhcc-sim scale`: what a round costs as hospitals are added."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from site_config.console import Json, json_wanted, show, table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scale")(scale)


def scale(
    sites: Annotated[str, typer.Option(help="Numbers of hospitals, separated by commas.")] = "5,10,20",
    block: Annotated[int, typer.Option(min=0, help="Hospitals a block; 0: one block of all.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated patients.")] = 1,
    as_json: Json = False,
) -> None:
    """Time a masked training round of a small network with one simulated patient a hospital."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from simulations.study.cost_by_hospitals import exponent, round_cost
    from site_config.problems import host

    wanted = [int(word) for word in sites.split(",") if word.strip().isdigit()]
    if not wanted or min(wanted) < 3:
        raise host.USAGE.problem("--sites takes whole numbers of at least 3, such as 5,10,20")
    costs = []
    for number in wanted:
        with TemporaryDirectory(prefix="fedhcc-scale-") as folder:
            costs.append(round_cost(number, Path(folder) / "run", seed=seed, blocks_of=block or None))
    slope = exponent(costs) if len(costs) > 1 else None
    rows = [(c.sites, c.patients, f"{c.cpu_seconds:.2f}", f"{c.bytes_out:,}", f"{c.peak_gigabytes:.2f}") for c in costs]
    caption = f"CPU time grows with the number of hospitals to the power {slope:.2f}." if slope is not None else None
    view = table("A training round, simulated patients", ("hospitals", "patients", "CPU s", "bytes out", "peak GB"), rows, caption=caption)
    show({"simulated": True, "costs": [asdict(cost) for cost in costs], "exponent": slope}, None if json_wanted() else view)
