"""`fedhcc-site data`: from the hospital's scans to the prepared cohort, every step on this machine only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from site_config.console import Json, next_command, note, problem_lines, show, table
from site_config.problems.base import Exit

if TYPE_CHECKING:
    from client.cohort.patients import PrepareSummary
    from client.intake.survey import Found, Survey
    from site_config.site import SiteConfig
    from site_config.study.model import Study

Home = Annotated[Path, typer.Option("--home", envvar="FEDHCC_SITE_HOME", help="The folder that holds site.yaml.", file_okay=False)]
StudyFile = Annotated[Path | None, typer.Option("--study", help="study.yaml or a signed lock; left out, the study's defaults are assumed.")]
Key = Annotated[str, typer.Argument(help="The patient's id (32 hex digits, or its first 6 or more), or the key of cohort.csv.")]

data = typer.Typer(
    name="data",
    help="Prepare the hospital's scans: look, review, prepare, check the pictures, withdraw a patient.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
REVIEW = "review"


def _site(home: Path) -> SiteConfig:
    from site_config.documents.load import load_site

    return load_site(home / "site.yaml")


def _study(path: Path | None) -> Study:
    from client.commands.study_file import read_study

    return read_study(path)


@data.command()
def scan(home: Home = Path(), study: StudyFile = None, json: Json = False) -> None:
    """Look through the images folder: which series it holds, what is wrong with others, and a suggested scans.csv.

    Nothing is changed. The suggestion is written to state/review/scans.csv; `data review` shows what needs a choice.
    """
    from client.intake.survey import as_csv, survey
    from site_config.files import make_folder, write_atomic, write_json
    from site_config.tables.cohort import load_cohort

    site = _site(home)
    cohort = load_cohort(site.path(site.paths.cohort), _study(study))
    found = survey(site.path(site.paths.images), cohort.patients)
    folder = make_folder(site.state / REVIEW)
    write_atomic(folder / "scans.csv", as_csv(found.rows))
    content = _survey_data(found)
    write_json(folder / "review.json", content)
    show(content, lambda console: console.print(_survey_text(found)))
    if found.questions or found.problems:
        raise typer.Exit(int(Exit.FINDINGS))


def _survey_data(found: Survey) -> dict[str, Any]:
    from site_config.console import plain

    data = plain({"found": found.found, "rows": found.rows, "questions": found.questions, "left_out": found.left_out})
    data["problems"] = [{"folder": folder, **problem.as_dict()} for folder, problem in found.problems]
    return dict(data)


def _survey_text(found: Survey) -> str:
    lines = [f"{len(found.found)} volumes found, {len(found.rows)} rows suggested, {len(found.questions)} questions"]
    lines += [f"  left out: {number} {reason}" for reason, number in found.left_out.items()]
    lines += [f"  {folder}: {problem}" for folder, problem in found.problems]
    lines.append("suggested table: state/review/scans.csv; next: fedhcc-site data review")
    return "\n".join(lines)


@data.command()
def review(
    home: Home = Path(),
    accept: Annotated[bool, typer.Option("--accept", help="Make the suggestion the site's scans.csv (only where there is none).")] = False,
    json: Json = False,
) -> None:
    """Show what `data scan` could not decide, with the candidates and why; nothing is chosen silently."""
    from site_config.files import read_json, read_limited, write_atomic
    from site_config.problems import host
    from site_config.problems import scans as problems

    site = _site(home)
    folder = site.state / REVIEW
    if not (folder / "review.json").exists():
        raise problems.NOT_PREPARED.problem("nothing was scanned yet", fix="Run `fedhcc-site data scan` first.")
    content = read_json(folder / "review.json", "state/review/review.json")
    if accept:
        target = site.path(site.paths.scans or Path("scans.csv"))
        if target.exists():
            raise host.CANNOT_WRITE.problem(
                "scans.csv exists already", fix="Copy the rows you want from state/review/scans.csv by hand; nothing is overwritten."
            )
        write_atomic(target, read_limited(folder / "scans.csv", 64 * 2**20))
        note(f"scans.csv written; add masks and choices where needed. Next: {next_command('fedhcc-site', 'check')}")
    rows = [
        (question["patient"] or "", question["visit"] or "", question["reason"], _candidate(one))
        for question in content["questions"]
        for one in question["candidates"]
    ]
    rows += [(problem["folder"], "", f"{problem['code']} {problem['what']}", problem["fix"]) for problem in content["problems"]]
    show(content, table("To decide", ("patient", "visit", "why", "candidate or next step"), rows, None if rows else "nothing is open"))
    if rows:
        raise typer.Exit(int(Exit.FINDINGS))


def _candidate(one: dict[str, Any] | Found) -> str:
    found = one if isinstance(one, dict) else vars(one)
    words = [found["folder"], found["phase"] or "phase unknown", f"{found['slices']} slices of {found['spacing_mm']} mm"]
    return " · ".join([*words, found["description"], found["series_uid"]])


@data.command()
def prepare(home: Home = Path(), study: StudyFile = None, json: Json = False) -> None:
    """Segment every patient's scans, choose the slices and write the prepared cohort; go on where an earlier run stopped.

    Exit status 0: all patients have images and nothing was remarked; 1: findings to read; 12: something could not be opened.
    """
    from client.cohort.patients import prepare as run
    from site_config.console import json_wanted

    site = _site(home)

    def progress(done: int, everybody: int) -> None:
        if not json_wanted():
            note(f"  {done} of {everybody} patients")

    summary = run(site, _study(study), progress=progress)
    show(summary, lambda console: console.print(_summary_text(summary)))
    if summary.to_retry:
        raise typer.Exit(int(Exit.ACCESS))
    if summary.findings:
        raise typer.Exit(int(Exit.FINDINGS))


def _summary_text(summary: PrepareSummary) -> str:
    from client.cohort.record import counted

    lines = [
        f"{summary.patients} patients: {summary.made} prepared now, {summary.kept} kept, {summary.with_images} with complete images",
        *([f"{summary.carried_forward} with the follow-up chest carried forward"] if summary.carried_forward else []),
        *([f"{summary.to_retry} with a file that could not be opened; the next run tries again"] if summary.to_retry else []),
    ]
    for code, number in counted(finding for _, finding in summary.findings).items():
        first = next(finding for _, finding in summary.findings if finding.code == code).problem()
        lines.append(f"{number:4d} × {code} {first.kind.title}\n       fix: {first.fix}")
    lines.append("next: fedhcc-site data show")
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
    from client.cohort import quality
    from client.cohort.jobs import prepared_folder
    from client.cohort.record import read_record
    from site_config.problems import scans as problems

    site = _site(home)
    folder = prepared_folder(site)
    if key is None:
        out = quality.write_page(folder, page or site.state / "quality" / "index.html")
        _show_cohort(folder, out)
        return
    full = _find(site, key)
    record = read_record(folder, full)
    if record is None:
        raise problems.KEY_UNKNOWN.problem("this patient has no prepared record")
    if picture is not None:
        quality.write_sheet(folder, full, picture)
    show({"key": full, **record.model_dump(mode="json")}, lambda console: console.print(_record_text(full, record)))


def _show_cohort(folder: Path, out: Path) -> None:
    from client.cohort.record import read_index, read_record

    index = read_index(folder)
    records = {key: read_record(folder, key) for key in (index.patients if index else ())}
    rows = [
        (key[:12], "yes" if record.usable else "no", record.manufacturer, len(record.findings), ", ".join(record.flags))
        for key, record in records.items()
        if record is not None
    ]
    content = {"page": str(out), "patients": {key: record for key, record in records.items() if record is not None}}
    show(
        content,
        table("Prepared cohort", ("id", "images", "scanner", "findings", "flags"), rows, f"pictures: {out.name} in {out.parent.name}/"),
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
    from client.cohort.jobs import prepared_folder
    from client.cohort.pseudonyms import patient_key, site_secret
    from client.cohort.record import read_index
    from site_config.problems import scans as problems

    index = read_index(prepared_folder(site))
    known = tuple(index.patients) if index else ()
    matches = [key for key in known if len(wanted) >= 6 and key.startswith(wanted.lower())]
    own = patient_key(site_secret(site.state), wanted)
    if own in known:
        return own
    if len(matches) != 1:
        raise problems.KEY_UNKNOWN.problem(f"{len(matches)} prepared patients have this id")
    return matches[0]


@data.command()
def withdraw(
    key: Key, home: Home = Path(), yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, json: Json = False
) -> None:
    """Remove a patient's slices and pictures, and leave the patient out of every later statistic of this site.

    What was released before stays released: sums cannot be taken back. The row of cohort.csv is yours to remove.
    """
    from client import enrolment as enrol
    from client.cohort.jobs import prepared_folder
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
    from client.commands.trial import run_trial

    result = run_trial(image, tuple(masks), _study(study), _region(region), model, seed, picture)
    show(result, lambda console: console.print(result.text()))


def _region(name: str) -> Literal["abdomen", "chest", "whole"]:
    if name not in ("abdomen", "chest", "whole"):
        raise typer.BadParameter("abdomen, chest or whole", param_hint="--region")
    return name  # type: ignore[return-value]


def register(app: typer.Typer) -> None:
    """Add `data` to the hospital's command line."""
    app.add_typer(data)
