"""`fedhcc-site data scan`, `review` and `choose`: from the images folder to a reviewed scans.csv, a person deciding what is open."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.commands.init_and_join import Home
from site_config.console import Json, json_wanted, next_command, note, plain, show, table
from site_config.problems import which_scan
from site_config.problems.base import Exit

if TYPE_CHECKING:
    from client.intake.survey.survey_values import Survey
    from site_config.tables.cohort_csv import Patient

StudyFile = Annotated[Path | None, typer.Option("--study", help="study.yaml or a signed lock; left out, the study's defaults are assumed.")]
REVIEW = "review"
UNFINISHED = "unfinished"
"""A file that is there while a scan runs: if the scan fails, the older suggestion is not taken for the new one."""


def scan(home: Home = Path(), study: StudyFile = None, json: Json = False) -> None:
    """Look through the images folder: which series it holds, what is wrong with others, and a suggested scans.csv.

    Images and tables are only read. The suggestion is written to state/review/scans.csv; `data review` shows what needs a choice.
    Answers of an earlier `data choose` stand where the same scans are asked about; those that do not are named.
    """
    from client.intake.survey.images_since import STAMPS, stamps
    from client.intake.survey.review_page import write_review
    from client.intake.survey.survey_folder import survey
    from client.intake.survey.survey_values import as_csv
    from client.study_file import read_study
    from site_config.atomic_files import make_folder, write_atomic, write_json
    from site_config.documents.read_yaml_documents import load_site
    from site_config.tables.cohort_csv import load_cohort

    site, wanted = load_site(home / "site.yaml"), read_study(study)
    cohort = load_cohort(site.path(site.paths.cohort), wanted)

    def progress(done: int, everybody: int) -> None:
        if not json_wanted() and done % 10 == 0:
            note(f"  {done} of {everybody} folders")

    folder = make_folder(site.state / REVIEW)
    write_atomic(folder / UNFINISHED, b"")
    looked_at = stamps(site.path(site.paths.images))
    found = survey(site.path(site.paths.images), cohort.patients, wanted.organs, progress)
    content = survey_data(found) | {STAMPS: looked_at}
    answers = _keep_answers(folder, content, cohort.patients)
    text = as_csv(tuple(content["rows"]), found.moments, wanted.organs)
    _still_accepted(folder, content, text)
    write_atomic(folder / "scans.csv", text)
    write_json(folder / "review.json", content)
    page = write_review(found, folder / "index.html", _given(content))
    (folder / UNFINISHED).unlink(missing_ok=True)
    show(content, lambda console: console.print("\n".join([_survey_text(found, content, page), *answers])))
    if found.questions or found.problems:
        raise typer.Exit(int(Exit.FINDINGS))


def _keep_answers(folder: Path, content: dict[str, Any], patients: tuple[Patient, ...]) -> list[str]:
    """Carry an earlier review's answers over; the sentences say which stand and which are dropped, and why."""
    from client.intake.survey.kept_answers import KeptAnswers, keep_answers
    from site_config.problems.base import Problem

    if not (folder / "review.json").exists():
        return []
    try:
        result = keep_answers(_content(folder, ended=False), content, patients)
    except Problem as problem:
        result = KeptAnswers(dropped=[f"the answers of the earlier scan could not be read: {problem.what}"])
    content["answers"] = {"kept": result.kept, "dropped": result.dropped}
    kept = [f"answers kept: {', '.join(result.kept)}"] if result.kept else []
    return [*kept, *(f"answer {one}" if one[:1].isdigit() else one for one in result.dropped)]


def _given(content: dict[str, Any]) -> dict[int, str]:
    """The answers that stand, by the question's number."""
    return {number: " ".join(one["answer"]) for number, one in enumerate(content["questions"], start=1) if one.get("answer")}


def _still_accepted(folder: Path, content: dict[str, Any], text: bytes) -> None:
    """Whether the table that was accepted is the one suggested now; noted only where one was accepted or answered before."""
    from site_config.atomic_files import read_limited
    from site_config.problems.base import Problem

    try:
        before = _content(folder, ended=False).get("accepted")
        same = sorted(read_limited(folder / "scans.csv", 64 * 2**20).splitlines()) == sorted(text.splitlines())
    except Problem:
        return
    if before is not None:
        content["accepted"] = bool(before and same)


def survey_data(found: Survey) -> dict[str, Any]:
    """The survey as `--json` gives it and as `data review` reads it again."""
    data = plain({"found": found.found, "rows": found.rows, "questions": found.questions, "left_out": found.left_out})
    data["moment"] = found.moments
    data |= plain({"visits": found.visits, "regions": found.regions})
    data["problems"] = [
        {"folder": one.folder, "patient": one.patient, "visit": one.visit, **one.problem.as_dict()} for one in found.problems
    ]
    return dict(data)


def _survey_text(found: Survey, content: dict[str, Any], page: Path) -> str:
    patients = ({question.patient for question in found.questions} | {one.patient for one in found.problems}) - {None}
    given = len(_given(content))
    lines = [
        f"{len(found.found)} volumes found, {len(content['rows'])} rows suggested, {len(found.questions)} questions"
        f"{f' ({given} answered)' if given else ''},"
        f" {len(found.problems)} remarks about {len(patients)} patients"
    ]
    lines += [f"  left out: {number} {reason}" for reason, number in found.left_out.items()]
    lines += [f"  {what}: {whose}" for what, whose, _ in grouped(content)]
    lines.append(f"suggested table: state/review/scans.csv; pictures: {page}; next: `fedhcc-site data review`")
    return "\n".join(lines)


def review(
    home: Home = Path(),
    accept: Annotated[bool, typer.Option("--accept", help="Make the suggestion the site's scans.csv.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="With --accept: keep an existing scans.csv as scans.csv.1.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --accept: do not ask about open questions.")] = False,
    json: Json = False,
) -> None:
    """Show what `data scan` could not decide, with the candidates and why; nothing is chosen silently.

    `fedhcc-site data choose 1b 2a` answers questions 1 and 2; pictures of the candidates are on state/review/index.html.
    """
    from client.intake.survey.images_since import changed_since
    from site_config.atomic_files import write_json
    from site_config.documents.read_yaml_documents import load_site

    site = load_site(home / "site.yaml")
    folder = site.state / REVIEW
    content = _content(folder)
    target = site.path(site.paths.scans or Path("scans.csv"))
    since = changed_since(content, site.path(site.paths.images))
    if accept:
        _accept(content, folder / "scans.csv", target, since, replace=replace, yes=yes)
        content["accepted"] = True
        write_json(folder / "review.json", content)
    content["problems"] += since
    asked, known = to_decide(content), grouped(content)
    answers = "answer with: `fedhcc-site data choose 1b` (1b:portal with the phase you see, 1none for no scan)"
    caption = f"pictures: {folder / 'index.html'}; {answers}"
    questions = table("To decide", ("no.", "patient", "visit", "why", "candidate"), asked, caption)
    remarks = table("To know; nothing is chosen in its place", ("what", "patients", "next step"), known)
    text = "" if asked else f"No question is open. Next: {_following(content, target)}"
    drawn = [one for one, given in ((questions, asked), (remarks, known), (text, text)) if given]
    show(content, lambda console: console.print(*drawn, sep="\n"))
    if asked or known:
        raise typer.Exit(int(Exit.FINDINGS))


def _accept(content: dict[str, Any], suggestion: Path, target: Path, since: list[dict[str, Any]], *, replace: bool, yes: bool) -> None:
    """Write scans.csv; open questions and images changed since are named and asked about.

    An old table is refused (FH-238) or kept under a number.
    """
    from site_config.atomic_files import read_limited, write_atomic
    from site_config.problems import tables as kinds

    if target.exists() and not replace:
        raise kinds.SCANS_THERE.problem("scans.csv is there; nothing was written", where="data review --accept")
    unanswered = [(number, one["patient"]) for number, one in enumerate(content["questions"], 1) if not one.get("answer")]
    if unanswered:
        listed = ", ".join(f"{number} ({patient or 'scans of no patient'})" for number, patient in unanswered)
        note(f"Questions still open: {listed}. The patients' scans they ask about stay out of scans.csv; `--yes` accepts without asking.")
    if since:
        note(f"{_older(since)}. Next: {next_command('fedhcc-site', 'data', 'scan')}; `--yes` accepts without asking.")
    if (unanswered or since) and not yes:
        typer.confirm("Accept all the same?", abort=True, err=True)
    if target.exists():
        number = next(number for number in range(1, 10_000) if not _kept(target, number).exists())
        write_atomic(_kept(target, number), read_limited(target, 64 * 2**20))
        note(f"the scans.csv that was there is kept as {_kept(target, number).name}")
    write_atomic(target, read_limited(suggestion, 64 * 2**20))
    note(f"scans.csv written; add masks and choices where needed. Next: {next_command('fedhcc-site', 'check')}")


def _older(since: list[dict[str, Any]]) -> str:
    """One sentence about every folder whose images are not those that the suggestion was made from."""
    return f"{since[0]['code']} the suggestion is older than images that came, went or changed: {', '.join(one['folder'] for one in since)}"


def _kept(target: Path, number: int) -> Path:
    return target.with_name(f"{target.name}.{number}")


def _following(content: dict[str, Any], target: Path) -> str:
    """The command after the last answer: accept; where scans.csv is older than the answers with --replace; else check."""
    if not target.exists():
        return next_command("fedhcc-site", "data", "review", "--accept")
    if content.get("accepted") is False:
        return next_command("fedhcc-site", "data", "review", "--accept", "--replace")
    return next_command("fedhcc-site", "check")


def to_decide(content: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Every open question, a row for each candidate: number, patient, visit and region, why, and the candidate."""
    from client.intake.survey.question_words import letter, reason

    return [
        (
            f"{number}{letter(place)}",
            question["patient"] or "",
            " ".join(word for word in (question["visit"], question["region"]) if word),
            reason(number, question) if place == 0 else "",
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
    from client.intake.survey.remarks_after_answers import remarks_now

    settled = {question["patient"] for question in content["questions"] if question.get("settled") and question["persons"]}
    found: dict[tuple[str, str], list[str]] = {}
    for problem in sorted(remarks_now(content), key=lambda problem: (problem["code"], problem["fix"])):
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
    answers: Annotated[list[str], typer.Argument(help="Answers such as 1b, 1b:portal, 1none, 1same.")],
    home: Home = Path(),
    json: Json = False,
) -> None:
    """Answer questions of `data review`: the chosen volumes become rows of the suggested scans.csv.

    1b is candidate b of question 1; 1b:portal adds the phase you see: native, arterial, portal, delayed or other;
    1b:baseline:abdomen:portal also the visit (baseline, followup) and the region (abdomen, chest, whole).

    1none takes no scan. Another person's scan is taken only with 1same, as in 1a 1same.

    1same states in your name that scans which name different persons are all this patient's.

    The last answer to a question replaces an earlier one. Several scans of one question stand in one command: 1a 1b.
    """
    from client.intake.survey.images_since import changed_since
    from client.intake.survey.question_words import taken
    from client.intake.survey.rows_from_answers import answer
    from site_config.atomic_files import write_atomic, write_json
    from site_config.documents.read_yaml_documents import load_site
    from site_config.tables.cohort_csv import load_cohort

    site = load_site(home / "site.yaml")
    folder = site.state / REVIEW
    content = _content(folder)
    cohort = load_cohort(site.path(site.paths.cohort))
    text, changed = answer(content, answers, cohort.patients)
    took = taken(content, [int(match.group()) for text_ in answers if (match := re.match(r"\s*(\d+)", text_))])
    content["accepted"] = False
    write_atomic(folder / "scans.csv", text)
    write_json(folder / "review.json", content)
    left = sum(not question.get("answer") for question in content["questions"])
    target = site.path(site.paths.scans or Path("scans.csv"))
    following = next_command("fedhcc-site", "data", "review") if left else _following(content, target)
    since = changed_since(content, site.path(site.paths.images))
    older = [_older(since)] if since else []
    show(
        {"rows": content["rows"], "open": left, "changed": changed, "taken": took, "older_than": [one["folder"] for one in since]},
        "\n".join([*changed, *took, *older, f"{len(content['rows'])} rows suggested, {left} questions open. Next: {following}"]),
    )


def _content(folder: Path, ended: bool = True) -> dict[str, Any]:
    """The review as it was written. Raises FH-350 without one, and where the last scan did not end and `ended` is asked for."""
    from site_config.atomic_files import read_json
    from site_config.problems import scans as scan_problems

    if not (folder / "review.json").exists():
        raise scan_problems.NOT_PREPARED.problem("nothing was scanned yet", fix="Run `fedhcc-site data scan` first.")
    if ended and (folder / UNFINISHED).exists():
        text = "the last `data scan` did not end: the suggestion that is here is older"
        raise scan_problems.NOT_PREPARED.problem(text, fix="Run `fedhcc-site data scan` again; answers that were given are kept.")
    return dict(read_json(folder / "review.json", "state/review/review.json"))


def _candidate(one: dict[str, Any]) -> str:
    words = [
        one["description"] or one["folder"],
        " ".join(part for part in (one["taken"] or "day unknown", one["time"]) if part),
        one.get("beside") or "",
        one["phase"] or "phase unknown",
        one["kernel"] or "kernel unknown",
        f"{one['slices']} images every {one['spacing_mm']} mm",
        *(["derived: " + one["derived"]] if one["derived"] else []),
        *(["low dose or cone beam"] if one["low_dose"] else []),
        *([f"volume {one['acquisition']} of the series"] if one["acquisition"] else []),
        *([f"headed {one['headed']}"] if one.get("headed") else []),
        one["folder"] if one["description"] else one["series_uid"],
    ]
    return " · ".join(word for word in words if word)


def register(data: typer.Typer) -> None:
    """Add the commands to `data`."""
    for command in (scan, review, choose):
        data.command()(command)
