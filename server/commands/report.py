"""`fedhcc-coordinator report`: a finished study's report again, and as files to paste from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.enrol import Home
from server.commands.run import Study
from site_config.console import Json, show

report_app = typer.Typer(help="The report of a finished study.", no_args_is_help=True)
Out = Annotated[Path, typer.Option("--out", help="Folder to write; files of the same names are replaced.", file_okay=False)]


@report_app.command()
def export(study: Study = "", home: Home = Path(), out: Out = Path("report-export"), json: Json = False) -> None:
    """Figures as SVG and PDF, tables as CSV, all in one Word file, a methods paragraph, a TRIPOD+AI checklist, metrics.json with schema.

    Example: fedhcc-coordinator report export 5f0c --out paper
    """
    from server import enrolment as enrol
    from server.report.export.folder import export as write
    from server.watch import standing as watch

    study_id = enrol.find_study(home, study)
    written = write(watch.result_of(home, study_id), out)
    names = [str(path) for path in written]
    show({"study": study_id, "files": names}, f"{len(names)} files in {out}; to paste from: {out / 'report.docx'}")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(report_app, name="report")
