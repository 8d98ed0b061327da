"""`fedhcc-sim run`: a whole study on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from site_config.console import Json, json_wanted, note, show


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    folder: Annotated[Path | None, typer.Argument(help="Own study: a folder with study.yaml and sites/NAME/.")] = None,
    preset: Annotated[str, typer.Option(help="A simulated study: demo, tiny, paper or clinical-only.")] = "demo",
    out: Annotated[Path, typer.Option(help="Where everything goes; the same folder again resumes.")] = Path("fedhcc-run"),
    engine: Annotated[str, typer.Option(help="local (in process), loopback (real processes over TLS) or ray.")] = "local",
    seed: Annotated[int, typer.Option(help="The same seed gives the same patients and the same split.")] = 7,
    workers: Annotated[int, typer.Option(min=1, help="Processes for phantoms and segmentation.")] = 2,
    pooled: Annotated[bool, typer.Option(help="Train the same network on pooled patients beside it (simulated studies).")] = True,
    as_json: Json = False,
) -> None:
    """Run a whole study: patients, slices, federated training, evaluation on held-out centres, report.

    The same command again goes on where the last one stopped. Ctrl-C ends it at once and leaves nothing half-written.
    """
    import fedhcc
    from simulations.study.progress_bars import progress_view
    from site_config.log_lines import said_once
    from site_config.words_of_messages import plural

    with said_once("fedhcc", note), progress_view(quiet=json_wanted()) as tell:
        if folder is None:
            done = fedhcc.simulate(preset, out=out, engine=engine, seed=seed, workers=workers, pooled=pooled, progress=tell)  # type: ignore[arg-type]
        else:
            study = fedhcc.Study(folder)
            done = study.run(out, engine=engine, seed=seed, workers=workers, pooled=pooled, progress=tell)  # type: ignore[arg-type]
    shown = {
        "study": done.study_id,
        "label": done.label,
        "simulated": done.simulated,
        "report": str(done.report),
        "metrics": str(done.report.with_name("metrics.json")),
        "findings": len(done.findings),
    }
    show(shown, f"{done.label}: study {done.study_id[:12]}, {plural(len(done.findings), 'finding')}")
    if not json_wanted():
        note(f"Report: {done.report.resolve()}")
