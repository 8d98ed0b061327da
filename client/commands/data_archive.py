"""`fedhcc-site data export-seg`: segmentations as DICOM SEG for the hospital's own archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.commands.init_and_join import Home
from site_config.console import Json, note, problem_lines, show, table
from site_config.problems.base import Exit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from client.archive.export_seg import ExportedSegs

StudyFile = Annotated[Path | None, typer.Option("--study", help="study.yaml or a signed lock; left out, the study's defaults are assumed.")]


def export_seg(
    out: Annotated[Path, typer.Argument(help="An empty or new folder for the files.", file_okay=False)],
    patient: Annotated[str | None, typer.Option("--patient", help="A key of cohort.csv; left out, every patient.")] = None,
    drawn: Annotated[bool, typer.Option("--drawn", help="Also masks you supplied; the files say that a person drew them.")] = False,
    home: Home = Path(),
    study: StudyFile = None,
    json: Json = False,
) -> None:
    """Write the segmentations as DICOM SEG, linked to the series they were made on, for this hospital's own archive.

    The files name the patient as the scans do and hold segments with their codes; no score and no risk. They are marked
    as research. Nothing is sent: import them into the archive as you import other objects, where your rules allow it.
    """
    from client.archive.export_seg import export_patient
    from client.cohort.pseudonyms import patient_key, site_secret
    from client.cohort.withdrawal import withdrawn_keys
    from client.segmentation.declared_models import check_targets
    from client.study_file import read_study
    from site_config.atomic_files import make_folder
    from site_config.documents.read_yaml_documents import load_site
    from site_config.problems import scans as problems
    from site_config.tables.cohort_csv import load_cohort, load_scans

    site, wanted = load_site(home / "site.yaml"), read_study(study)
    if site.paths.scans is None:
        raise problems.NOT_PREPARED.problem("this hospital lists no scans")
    rows = load_scans(site.path(site.paths.scans), site.path(site.paths.images), wanted, strict=False)
    secret, gone = site_secret(site.state), withdrawn_keys(site.state)
    everybody = {one.key: patient_key(secret, one.key) for one in load_cohort(site.path(site.paths.cohort), wanted).patients}
    keys = {own: key for own, key in everybody.items() if key not in gone and patient in (None, own)}
    if not keys:
        raise problems.KEY_UNKNOWN.problem("no patient of cohort.csv has this key, or the patient was withdrawn")
    check_targets(site, wanted, rows)
    make_folder(out)
    done = []
    for own, key in keys.items():
        done.append((own, export_patient(site, wanted, key, tuple(row for row in rows if row.patient == own), out, drawn)))
    show({"folder": str(out), "patients": [one for _, one in done]}, _table(done))
    findings = [problem for _, one in done for problem in one.findings]
    for finding in findings:
        note("\n".join(problem_lines(finding)))
    if findings:
        raise typer.Exit(int(Exit.FINDINGS))


def _table(done: list[tuple[str, ExportedSegs]]) -> RenderableType:
    lines = [
        (own, file.scan, file.file.name, ", ".join(f"{label} {ml:g} mL ({file.made_by[label]})" for label, ml in file.segments.items()))
        for own, one in done
        for file in one.files
    ]
    told = f"{len(lines)} files; they name the patient as the scans do" if lines else "no file: --drawn exports masks you supplied"
    return table("DICOM SEG", ("patient", "scan", "file", "segments"), lines, told)


def register(data: typer.Typer) -> None:
    """Add the command to `data`."""
    data.command("export-seg")(export_seg)
