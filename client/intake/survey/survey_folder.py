"""The survey: look at every entry of the images folder, compare persons, suggest rows, and name every patient left without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from client.intake.slice_fingerprints import shared
from client.intake.survey.compare_persons import MOST_SHARED, aside, compare, with_heads
from client.intake.survey.missing_visits import VISITS
from client.intake.survey.one_entry import KnownKeys, Looked, look
from client.intake.survey.suggest_rows import Suggestion, unsupplied
from client.intake.survey.survey_values import DecidedRow, Remark, Survey, SurveyQuestion
from site_config.atomic_files import access_problem, readable_name
from site_config.problems import scans as problems
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Organ, two_organs
from site_config.tables.cohort_csv import Patient
from site_config.tables.patient_moments import Declared

Progress = Callable[[int, int], None]


def survey(root: Path, patients: tuple[Patient, ...], organs: Sequence[Organ] | None = None, progress: Progress | None = None) -> Survey:
    """Look through the images folder. Raises an access problem when the folder itself cannot be read."""
    known = KnownKeys({patient.key: Declared.of(patient) for patient in patients})
    looked = _look_at_all(root, known, progress)
    seen = tuple(one for entry in looked for one in entry.seen)
    remarks = [remark for entry in looked for remark in entry.remarks]
    persons = compare(seen, known)
    disputed = {remark.patient for remark in persons}
    rows: list[dict[str, str]] = []
    questions: list[SurveyQuestion] = []
    decided: list[DecidedRow] = []
    prints: dict[tuple[str, str], tuple[str, ...]] = {}
    nobody = tuple(one.found for one in seen if one.found.patient is None)
    if nobody:
        questions.append(SurveyQuestion(None, None, "no key of cohort.csv fits the folder's name or the PatientID", nobody))
    for key, stated in known.declared.items():
        mine = [one for one in seen if one.found.patient == key]
        mine = with_heads(key, mine, known) if key in disputed else mine
        made = Suggestion(key, stated, mine, organs or two_organs(), key in disputed)
        made.make()
        rows += made.rows
        questions += made.questions
        decided += made.decided
        prints |= {(key, visit): found for visit, found in made.prints.items()}
        entries = [entry for entry in looked if entry.patient == key or any(one.found.patient == key for one in entry.seen)]
        remarks += [*made.remarks, *unsupplied(key, stated, made, entries)]
    remarks += [*aside(looked), *_alike(prints)]
    left_out: Counter[str] = Counter()
    for entry in looked:
        left_out.update({reason: number for reason, number in entry.left_out.items() if number})
    moments = "date" if all(stated.dated for stated in known.declared.values()) else "day"
    found = tuple(one.found for one in seen)
    visits = {key: tuple(visit for visit in VISITS if stated.moment(visit) is not None) for key, stated in known.declared.items()}
    regions = tuple(dict.fromkeys(str(organ.region) for organ in organs or two_organs()))
    told, reasons = tuple(persons + remarks), dict(sorted(left_out.items()))
    return Survey(found, tuple(rows), tuple(questions), told, reasons, seen, moments, visits, regions, tuple(decided))


def _alike(prints: Mapping[tuple[str, str], tuple[str, ...]]) -> list[Remark]:
    """A remark for each pair of suggested scans that show the same slices, whatever their headers say.

    Where most patients' scans do, they are pictures of one phantom: that is said once.
    """
    pairs = shared(prints)
    everybody = {key for key, _ in prints}
    alike = {key for (first, _), (second, _), _ in pairs if first != second for key in (first, second)}
    if len(alike) > max(MOST_SHARED, len(everybody) / 2):
        text = f"the suggested scans of {len(alike)} of {len(everybody)} patients show the same slices, as pictures of one phantom do"
        return [Remark("images folder", problems.SCANS_OVERLAP.problem(text))]
    remarks = []
    for (first, one), (second, two), _ in pairs:
        whose = "the same patient" if first == second else "another patient"
        for key, mine, theirs in ((first, one, two), (second, two, one))[: 1 if first == second else 2]:
            text = f"the {mine} scan shows the same slices as the {theirs} scan of {whose}"
            remarks.append(Remark(key, problems.SCANS_OVERLAP.problem(text), key, mine))
    return remarks


def _look_at_all(root: Path, known: KnownKeys, progress: Progress | None) -> list[Looked]:
    try:
        entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise access_problem(error, "the images folder") from None
    looked = []
    for number, entry in enumerate(entries, start=1):
        try:
            looked.append(look(entry, root, known))
        except Problem as problem:
            name = readable_name(entry.name)
            looked.append(Looked(name, known.by_folder(entry.name), remarks=[Remark(name, problem, known.by_folder(entry.name))]))
        if progress is not None:
            progress(number, len(entries))
    return looked


def nothing_found() -> Problem:
    """The problem of an images folder without any CT."""
    return problems.NO_CT_SERIES.problem("the images folder holds no CT scan", where="site.yaml, paths.images")
