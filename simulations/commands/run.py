"""`fedhcc-sim run`: a whole study on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from site_config.console import Json, json_wanted, note, show

ENGINES = ("local", "loopback", "ray")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    folder: Annotated[Path | None, typer.Argument(help="Own study: a folder with study.yaml and sites/NAME/.")] = None,
    preset: Annotated[str, typer.Option(help="A simulated study: demo, tiny, paper or clinical-only.")] = "demo",
    out: Annotated[Path, typer.Option(help="Where everything goes; the same folder again resumes.")] = Path("fedhcc-run"),
    engine: Annotated[str, typer.Option(help="local (in process), loopback (real processes over TLS) or ray.")] = "local",
    seed: Annotated[int, typer.Option(help="The same seed gives the same study.")] = 7,
    workers: Annotated[int, typer.Option(min=1, help="Processes for phantoms and segmentation.")] = 2,
    pooled: Annotated[bool, typer.Option(help="Train the same network on pooled patients beside it (simulated studies).")] = True,
    as_json: Json = False,
) -> None:
    """Run a whole study: patients, slices, federated training, evaluation on held-out centres, report.

    The same command again goes on where the last one stopped. Ctrl-C ends it at once and leaves nothing half-written.
    """
    from simulations.cohort.presets import PRESETS
    from simulations.study.progress import progress_view
    from simulations.study.run import Options
    from simulations.study.run import run as run_study
    from site_config.names import choice
    from site_config.problems import host

    if engine not in ENGINES:
        raise host.USAGE.problem(f"there is no engine {engine}", fix=choice(engine, ENGINES))
    if folder is None and preset not in PRESETS:
        raise host.USAGE.problem(f"there is no preset {preset}", fix=choice(preset, PRESETS))
    options = Options(out=out, preset=preset, folder=folder, engine=engine, seed=seed, workers=workers, pooled=pooled)  # type: ignore[arg-type]
    with progress_view(quiet=json_wanted()) as tell:
        finished = run_study(options, tell)
    shown = {
        "study": finished.lock.study_id,
        "label": finished.result.label,
        "simulated": finished.result.simulated,
        "report": str(finished.report),
        "metrics": str(finished.report.with_name("metrics.json")),
        "findings": len(finished.result.findings),
    }
    show(shown, f"{finished.result.label}: study {finished.lock.study_id[:12]}, {len(finished.result.findings)} findings")
    if not json_wanted():
        note(f"Report: {finished.report.resolve()}")
