"""`fedhcc-sim flower-app`: a study as a folder that Flower's own command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from site_config.console import Json, json_wanted, show


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("flower-app")(flower_app)


def flower_app(
    out: Annotated[Path, typer.Argument(help="The app's folder; the same folder again goes on.", file_okay=False)],
    own: Annotated[Path | None, typer.Option("--own", help="Own study: a folder with study.yaml and sites/NAME/.", file_okay=False)] = None,
    preset: Annotated[str, typer.Option(help="A simulated study: demo, tiny, paper or clinical-only.")] = "tiny",
    seed: Annotated[int, typer.Option(help="The same seed gives the same patients and the same split.")] = 7,
    workers: Annotated[int, typer.Option(min=1, help="Processes for phantoms and segmentation.")] = 2,
    as_json: Json = False,
) -> None:
    """Make a Flower app of a study: hospitals enrolled and prepared below FOLDER/study, and `flwr run FOLDER` runs it.

    Flower's own way in, in simulation. A federation of hospitals is run by fedhcc-coordinator and fedhcc-site.
    """
    from simulations.study.flower_app import STUDY, write_flower_app
    from simulations.study.progress_bars import progress_view
    from simulations.study.simulated_study import Options, make_cohort, ready
    from simulations.study.site_folders import Homes

    options = Options(out / STUDY, preset, own, "ray", seed, workers)
    homes = Homes(options.out)
    with progress_view(quiet=json_wanted()) as tell:
        make_cohort(options, homes, tell)
        lock = ready(options, homes, tell)
    command = write_flower_app(out, homes, lock)
    show({"folder": str(out), "study": lock.study_id, "command": command}, f"{out}: {lock.study.title}\nnext:\n{command}")
