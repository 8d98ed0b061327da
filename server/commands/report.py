"""`fedhcc-coordinator report`: a finished study's report again, and as files to paste from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.enrol_and_renew import Home
from server.commands.run import Study
from site_config.console import Json, note, show

report_app = typer.Typer(help="The report of a finished study.", no_args_is_help=True)
Out = Annotated[Path, typer.Option("--out", help="Folder to write; files of the same names are replaced.", file_okay=False)]


OfStudy = Annotated[str | None, typer.Option("--study", help="The study's id, or its first 6 or more digits; left out, the only one.")]


@report_app.command()
def export(study: Study = None, home: Home = Path(), out: Out = Path("report-export"), json: Json = False) -> None:
    """Figures as SVG and PDF, tables as CSV, all in one Word file, a methods paragraph, a TRIPOD+AI checklist, metrics.json with schema.

    Example: fedhcc-coordinator report export 5f0c --out paper
    """
    from server import published_studies
    from server.report.export.export_folder import export as write
    from server.watch import study_status as watch

    study_id = published_studies.find_study(home, study)
    written = write(watch.result_of(home, study_id), out)
    names = [str(path) for path in written]
    show({"study": study_id, "files": names}, f"{len(names)} files in {out}; to paste from: {out / 'report.docx'}")


@report_app.command()
def track(
    to: Annotated[list[str], typer.Argument(help="tensorboard:FOLDER or mlflow:URI.")],
    study: OfStudy = None,
    home: Home = Path(),
    json: Json = False,
) -> None:
    """Tell TensorBoard or MLflow what a study has opened so far, each number once; `run --track` does so while it runs.

    Example: fedhcc-coordinator report track tensorboard:runs mlflow:sqlite:///mlflow.db
    """
    from server import published_studies
    from server.tracking.tracker import Tracker

    study_id = published_studies.find_study(home, study)
    tracker = Tracker(home, study_id, to, note)
    told = tracker.catch_up()
    tracker.close()
    show({"study": study_id, "told": told}, f"{told} opened numbers reported; what was reported before is not reported again")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(report_app, name="report")
