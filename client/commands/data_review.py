"""`fedhcc-site data scan`, `review` and `choose`: from the images folder to a reviewed scans.csv, a person deciding what is open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from site_config.console import Json, json_wanted, next_command, note, plain, show, table
from site_config.problems import which_scan
from site_config.problems.base import Exit

if TYPE_CHECKING:
    from client.intake.survey.found import Survey

Home = Annotated[Path, typer.Option("--home", envvar="FEDHCC_SITE_HOME", help="The folder that holds site.yaml.", file_okay=False)]
StudyFile = Annotated[Path | None, typer.Option("--study", help="study.yaml or a signed lock; left out, the study's defaults are assumed.")]
REVIEW = "review"


def scan(home: Home = Path(), study: StudyFile = None, json: Json = False) -> None:
    """Look through the images folder: which series it holds, what is wrong with others, and a suggested scans.csv.

    Nothing is changed. The suggestion is written to state/review/scans.csv; `data review` shows what needs a choice.
    """
    from client.intake.survey.found import as_csv
    from client.intake.survey.page import write_review
    from client.intake.survey.run import survey
    from client.study_file import read_study
    from site_config.documents.load import load_site
    from site_config.files import make_folder, write_atomic, write_json
    from site_config.tables.cohort import load_cohort

    site, wanted = load_site(home / "site.yaml"), read_study(study)
    cohort = load_cohort(site.path(site.paths.cohort), wanted)

    def progress(done: int, everybody: int) -> None:
        if not json_wanted() and done % 10 == 0:
            note(f"  {done} of {everybody} folders")

    found = survey(site.path(site.paths.images), cohort.patients, wanted.organs, progress)
    folder = make_folder(site.state / REVIEW)
    write_atomic(folder / "scans.csv", as_csv(found.rows, found.moments, wanted.organs))
    content = survey_data(found)
    write_json(folder / "review.json", content)
    page = write_review(found, folder / "index.html")
    show(content, lambda console: console.print(_survey_text(found, page)))
    if found.questions or found.problems:
        raise typer.Exit(int(Exit.FINDINGS))


def survey_data(found: Survey) -> dict[str, Any]:
    """The survey as `--json` gives it and as `data review` reads it again."""
    data = plain({"found": found.found, "rows": found.rows, "questions": found.questions, "left_out": found.left_out})
    data["moment"] = found.moments
    data["problems"] = [
        {"folder": one.folder, "patient": one.patient, "visit": one.visit, **one.problem.as_dict()} for one in found.problems
    ]
    return dict(data)


def _survey_text(found: Survey, page: Path) -> str:
    patients = {question.patient for question in found.questions} | {one.patient for one in found.problems}
    lines = [
        f"{len(found.found)} volumes found, {len(found.rows)} rows suggested, {len(found.questions)} questions,"
        f" {len(found.problems)} remarks about {len(patients)} patients"
    ]
    lines += [f"  left out: {number} {reason}" for reason, number in found.left_out.items()]
    lines += [f"  {what}: {whose}" for what, whose, _ in grouped(survey_data(found))]
    lines.append(f"suggested table: state/review/scans.csv; pictures: {page}; next: fedhcc-site data review")
    return "\n".join(lines)


def review(
    home: Home = Path(),
    accept: Annotated[bool, typer.Option("--accept", help="Make the suggestion the site's scans.csv (only where there is none).")] = False,
    json: Json = False,
) -> None:
    """Show what `data scan` could not decide, with the candidates and why; nothing is chosen silently.

    `fedhcc-site data choose 1b 2a` answers questions 1 and 2; pictures of the candidates are on state/review/index.html.
    """
    from site_config.documents.load import load_site
    from site_config.files import read_limited, write_atomic
    from site_config.problems import host

    site = load_site(home / "site.yaml")
    folder = site.state / REVIEW
    content = _content(folder)
    if accept:
        target = site.path(site.paths.scans or Path("scans.csv"))
        if target.exists():
            raise host.CANNOT_WRITE.problem(
                "scans.csv exists already", fix="Copy the rows you want from state/review/scans.csv by hand; nothing is overwritten."
            )
        write_atomic(target, read_limited(folder / "scans.csv", 64 * 2**20))
        note(f"scans.csv written; add masks and choices where needed. Next: {next_command('fedhcc-site', 'check')}")
    asked, known = to_decide(content), grouped(content)
    answers = "answer with: fedhcc-site data choose 1b (1b:portal with the phase you see, 1none for no scan)"
    caption = f"pictures: {folder / 'index.html'}; {answers}"
    questions = table("To decide", ("no.", "patient", "visit", "why", "candidate"), asked, caption)
    remarks = table("To know; nothing is chosen in its place", ("what", "patients", "next step"), known)
    accepted = site.path(site.paths.scans or Path("scans.csv")).exists()
    following = ("check",) if accepted else ("data", "review", "--accept")
    text = "" if asked else f"No question is open. Next: {next_command('fedhcc-site', *following)}"
    drawn = [one for one, given in ((questions, asked), (remarks, known), (text, text)) if given]
    show(content, lambda console: console.print(*drawn, sep="\n"))
    if asked or known:
        raise typer.Exit(int(Exit.FINDINGS))


def to_decide(content: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Every open question, a row for each candidate: number, patient, visit and region, why, and the candidate."""
    return [
        (
            f"{number}{letter(place)}",
            question["patient"] or "",
            " ".join(word for word in (question["visit"], question["region"]) if word),
            question["reason"] if place == 0 else "",
            _candidate(one),
        )
        for number, question in enumerate(content["questions"], start=1)
        if not question.get("answer")
        for place, one in enumerate(question["candidates"])
    ]


def grouped(content: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The remarks, each once with everybody it concerns; a next step stands once, at the first remark that needs it.

    What an answer has settled is not said again.
    """
    settled = {question["patient"] for question in content["questions"] if question.get("answer") and question["persons"]}
    found: dict[tuple[str, str], list[str]] = {}
    for problem in sorted(content["problems"], key=lambda problem: (problem["code"], problem["fix"])):
        whose = problem["patient"] or problem["folder"]
        if problem["code"] == which_scan.PERSONS_DIFFER.label and whose in settled:
            continue
        known = found.setdefault((problem["fix"], f"{problem['code']} {problem['what']}"), [])
        known += [whose] if whose not in known else []
    rows, before = [], ""
    for (fix, what), patients in found.items():
        rows.append((what, ", ".join(patients), "" if fix == before else fix))
        before = fix
    return rows


def choose(
    answers: Annotated[
        list[str], typer.Argument(help="Number and letter of `data review`: 1b, or 1b:portal with the phase you see; 1none for no scan.")
    ],
    home: Home = Path(),
    json: Json = False,
) -> None:
    """Answer questions of `data review`: the chosen volumes become rows of the suggested scans.csv."""
    from client.intake.survey.answers import answer
    from site_config.documents.load import load_site
    from site_config.files import write_atomic, write_json
    from site_config.tables.cohort import load_cohort

    site = load_site(home / "site.yaml")
    folder = site.state / REVIEW
    content = _content(folder)
    cohort = load_cohort(site.path(site.paths.cohort))
    text = answer(content, answers, cohort.patients)
    write_atomic(folder / "scans.csv", text)
    write_json(folder / "review.json", content)
    left = sum(not question.get("answer") for question in content["questions"])
    show(
        {"rows": content["rows"], "open": left},
        f"{len(content['rows'])} rows suggested, {left} questions open. Next: fedhcc-site data review",
    )


def _content(folder: Path) -> dict[str, Any]:
    from site_config.files import read_json
    from site_config.problems import scans as scan_problems

    if not (folder / "review.json").exists():
        raise scan_problems.NOT_PREPARED.problem("nothing was scanned yet", fix="Run `fedhcc-site data scan` first.")
    return dict(read_json(folder / "review.json", "state/review/review.json"))


def letter(place: int) -> str:
    """a, b, … z, aa, ab for a candidate's place."""
    first, second = divmod(place, 26)
    return (chr(96 + first) if first else "") + chr(97 + second)


def _candidate(one: dict[str, Any]) -> str:
    words = [
        one["description"] or one["folder"],
        " ".join(part for part in (one["taken"] or "day unknown", one["time"]) if part),
        one["phase"] or "phase unknown",
        one["kernel"] or "kernel unknown",
        f"{one['slices']} images every {one['spacing_mm']} mm",
        *(["derived: " + one["derived"]] if one["derived"] else []),
        *(["low dose"] if one["low_dose"] else []),
        *([f"volume {one['acquisition']} of the series"] if one["acquisition"] else []),
        one["folder"] if one["description"] else one["series_uid"],
    ]
    return " · ".join(word for word in words if word)


def register(data: typer.Typer) -> None:
    """Add the commands to `data`."""
    for command in (scan, review, choose):
        data.command()(command)
