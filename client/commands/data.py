"""`fedhcc-site data`: from the hospital's scans to the prepared cohort, every step on this machine only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from client.commands.init_and_join import Home
from site_config.console import Json, note, problem_lines, show, table
from site_config.problems.base import Exit

if TYPE_CHECKING:
    from client.cohort.prepared_cohort import PrepareSummary
    from site_config.site_yaml import SiteConfig
    from site_config.study.plan_and_lock import Study

StudyFile = Annotated[Path | None, typer.Option("--study", help="study.yaml or a signed lock; left out, the study's defaults are assumed.")]
Key = Annotated[str, typer.Argument(help="The patient's id (32 hex digits, or its first 6 or more), or the key of cohort.csv.")]

data = typer.Typer(
    name="data",
    help="Prepare the hospital's scans: look, review, prepare, check the pictures, withdraw a patient.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


def _site(home: Path) -> SiteConfig:
    from site_config.documents.read_yaml_documents import load_site

    return load_site(home / "site.yaml")


def _study(path: Path | None) -> Study:
    from client.study_file import read_study

    return read_study(path)


MOST_NAMED = 20
COHORT_COLUMNS = ("patient", "id", "images", "scanner", "findings", "flags")


@data.command()
def prepare(home: Home = Path(), study: StudyFile = None, json: Json = False) -> None:
    """Segment every patient's scans, choose the slices and write the prepared cohort; go on where an earlier run stopped.

    Exit status 0: all patients have images and nothing was remarked; 1: findings to read; 12: something could not be opened.
    """
    from client.cohort.prepared_cohort import prepare as run
    from site_config.console import json_wanted

    site = _site(home)

    def progress(done: int, everybody: int) -> None:
        if not json_wanted():
            note(f"  {done} of {everybody} patients")

    summary = run(site, _study(study), progress=progress)
    own = _own_keys(site)
    show(summary, _summary_text(summary, own))
    if summary.to_retry:
        raise typer.Exit(int(Exit.ACCESS))
    if summary.findings:
        raise typer.Exit(int(Exit.FINDINGS))


def _own_keys(site: SiteConfig) -> dict[str, str]:
    """The hospital's own key of every patient id; shown at the terminal and on the quality page, never stored elsewhere."""
    from client.cohort.pseudonyms import patient_key, site_secret
    from site_config.tables.cohort_csv import load_cohort

    secret = site_secret(site.state)
    return {patient_key(secret, patient.key): patient.key for patient in load_cohort(site.path(site.paths.cohort)).patients}


def _summary_text(summary: PrepareSummary, own: dict[str, str]) -> str:
    from client.cohort.slice_provenance import counted

    lines = [
        f"{summary.patients} patients: {summary.made} prepared now, {summary.kept} kept, {summary.with_images} with complete images",
        *([f"{summary.carried_forward} with the follow-up chest carried forward"] if summary.carried_forward else []),
        *([f"{summary.to_retry} with a file that could not be opened; the next run tries again"] if summary.to_retry else []),
    ]
    for code, number in counted(finding for _, finding in summary.findings).items():
        mine = [(key, finding) for key, finding in summary.findings if finding.code == code]
        first = mine[0][1].problem()
        lines.append(f"{number:4d} × {code} {first.kind.title}\n       fix: {first.fix}")
        lines += [f"       {own.get(key, key[:12])}: {finding.what}" for key, finding in mine[:MOST_NAMED]]
        lines += [f"       and {len(mine) - MOST_NAMED} more: `fedhcc-site data show`"] if len(mine) > MOST_NAMED else []
    lines.append("next: `fedhcc-site data show`")
    return "\n".join(lines)


@data.command("show")
def show_command(
    key: Annotated[str | None, typer.Argument(help="A patient's id or key of cohort.csv; left out, the whole cohort.")] = None,
    home: Home = Path(),
    page: Annotated[
        Path | None, typer.Option("--page", help="Write the quality page (HTML) here; default state/quality/index.html.")
    ] = None,
    picture: Annotated[Path | None, typer.Option("--picture", help="Write the patient's contact sheet (PNG) here.")] = None,
    json: Json = False,
) -> None:
    """Show a patient's provenance and findings, or the cohort with its quality page. Pictures stay on this machine."""
    from client.cohort import contact_sheets
    from client.cohort.preparation_job import prepared_folder
    from client.cohort.slice_provenance import read_record
    from site_config.problems import scans as problems

    site = _site(home)
    folder = prepared_folder(site)
    if key is None:
        own = _own_keys(site)
        out = contact_sheets.write_page(folder, page or site.state / "quality" / "index.html", own)
        _show_cohort(folder, out, own)
        return
    full = _find(site, key)
    record = read_record(folder, full)
    if record is None:
        raise problems.KEY_UNKNOWN.problem("this patient has no prepared record")
    if picture is not None:
        contact_sheets.write_sheet(folder, full, picture)
    called = _own_keys(site).get(full, "")
    show({"key": full, **record.model_dump(mode="json")}, lambda console: console.print(f"{called}  {_record_text(full, record)}".lstrip()))


def _show_cohort(folder: Path, out: Path, own: dict[str, str]) -> None:
    from client.cohort.slice_provenance import read_index, read_record

    index = read_index(folder)
    records = {key: read_record(folder, key) for key in (index.patients if index else ())}
    rows = [
        (own.get(key, "–"), key[:12], "yes" if record.usable else "no", record.manufacturer, len(record.findings), ", ".join(record.flags))
        for key, record in records.items()
        if record is not None
    ]
    content = {"page": str(out), "patients": {key: record for key, record in records.items() if record is not None}}
    show(
        content,
        table(
            "Prepared cohort",
            ("patient", "id", "images", "scanner", "findings", "flags"),
            rows,
            f"pictures: {out.name} in {out.parent.name}/",
        ),
    )


def _record_text(key: str, record: Any) -> str:
    lines = [f"{key}  {'complete images' if record.usable else 'no complete images'}  flags: {', '.join(record.flags) or 'none'}"]
    for visit, organs in record.organs.items():
        for organ, one in organs.items():
            lines.append(
                f"  {visit} {organ}: {one.source}, by {one.reason or '-'}, at {', '.join(map(str, one.z_mm))} mm; {one.organ_ml:.0f} mL"
            )
    for finding in record.findings:
        lines += problem_lines(finding.problem())
    return "\n".join(lines)


def _find(site: SiteConfig, wanted: str) -> str:
    """A patient's id from an id, the start of one, or a key of cohort.csv. Raises FH-352."""
    from client.cohort.preparation_job import prepared_folder
    from client.cohort.pseudonyms import patient_key, site_secret
    from client.cohort.slice_provenance import read_index
    from site_config.problems import scans as problems

    index = read_index(prepared_folder(site))
    known = tuple(index.patients) if index else _rows(site)
    matches = [key for key in known if len(wanted) >= 6 and key.startswith(wanted.lower())]
    own = patient_key(site_secret(site.state), wanted)
    if own in known:
        return own
    if len(matches) != 1:
        number = f"{len(matches)} prepared patients have" if matches else "no patient has"
        raise problems.KEY_UNKNOWN.problem(f"{number} this id; one patient is named at a time")
    return matches[0]


def _rows(site: SiteConfig) -> tuple[str, ...]:
    """The ids of the patients in cohort.csv: a hospital without scans prepares nothing."""
    from client.cohort.pseudonyms import patient_key, site_secret
    from site_config.tables.cohort_csv import load_cohort

    secret = site_secret(site.state)
    return tuple(patient_key(secret, patient.key) for patient in load_cohort(site.path(site.paths.cohort)).patients)


@data.command()
def withdraw(
    key: Key, home: Home = Path(), yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, json: Json = False
) -> None:
    """Remove a patient's slices and pictures, and leave the patient out of every later statistic of this site.

    What was released before stays released: sums cannot be taken back. The row of cohort.csv is yours to remove.
    """
    from client import keys_kit_and_decisions as enrol
    from client.cohort.preparation_job import prepared_folder
    from client.cohort.withdrawal import withdraw as remove

    site = _site(home)
    full = _find(site, key)
    if not yes:
        typer.confirm(f"Remove patient {full[:12]}… from the prepared cohort and from every later statistic?", abort=True, err=True)
    under_way = tuple(one.lock.study_id for one in enrol.offers(site.state) if one.decision == "approved")
    record = remove(site.state, prepared_folder(site), full, under_way)
    content = {"key": full, **record.model_dump(mode="json")}
    show(
        content,
        f"withdrawn at {record.at}; studies under way then: {len(record.studies)}. Remove the row from cohort.csv and scans.csv too.",
    )
    for study in record.studies:
        note(f"A study that waits for this hospital now goes on when the coordinator says: `fedhcc-coordinator leave {study[:12]}`")


@data.command("try")
def try_command(
    image: Annotated[Path, typer.Option("--image", help="A NIfTI file or a folder with one DICOM series.")],
    masks: Annotated[list[str], typer.Option("--masks", help="TARGET=FILE or TARGET=FILE:5,6 (labels); may be repeated.")],
    study: StudyFile = None,
    region: Annotated[str, typer.Option("--region", help="abdomen, chest or whole: the organs to look for.")] = "whole",
    model: Annotated[str | None, typer.Option("--model", help="A network; left out, the one that reads the baseline alone.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the network's random weights.")] = 7,
    picture: Annotated[Path, typer.Option("--picture", help="Where the picture of the chosen slices goes (PNG).")] = Path("slices.png"),
    json: Json = False,
) -> None:
    """Take one CT with its masks through selection to slices and through a network with random weights to a score.

    The score says that the chain works and nothing else: the weights are random.
    """
    from client.commands.data_try import run_trial

    result = run_trial(image, tuple(masks), _study(study), _region(region), model, seed, picture)
    show(result, lambda console: console.print(result.text()))


def _region(name: str) -> Literal["abdomen", "chest", "whole"]:
    if name not in ("abdomen", "chest", "whole"):
        raise typer.BadParameter("abdomen, chest or whole", param_hint="--region")
    return name  # type: ignore[return-value]


def register(app: typer.Typer) -> None:
    """Add `data` to the hospital's command line."""
    from client.commands import data_archive, data_review

    data_review.register(data)
    data_archive.register(data)
    app.add_typer(data)
