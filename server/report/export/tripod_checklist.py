"""A TRIPOD+AI checklist (Collins et al., BMJ 2024;385:e078378), with the places filled that the report and the lock know.

The items are named in short; their full wording is in the statement. What only people can say is left to them, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from server.report import number_text
from server.report.page_blocks import TableBlock
from server.report.parts.conduct.limitations import LIMITATIONS
from server.report.parts.part import ReportedStudy
from server.report.parts.patients.set_sizes import SIZES
from site_config.study.time_points import zero_words

AUTHORS = "to be written by the authors"


@dataclass(frozen=True)
class ChecklistItem:
    """One item: its number, topic, what it asks for, and what the software can say to it."""

    number: str
    topic: str
    asks: str
    says: Callable[[ReportedStudy], str] | None = None


def _title(report: ReportedStudy) -> str:
    kind = "evaluation" if report.study.kind == "validate" else "development and evaluation"
    return f"{kind} of a prognostic model; outcome: {report.study.endpoint.label.lower()}. Title: {report.result.title}"


def _objectives(report: ReportedStudy) -> str:
    return (
        "validation of a frozen model" if report.study.kind == "validate" else "development and validation (train, validation, test sets)"
    )


def _centres(report: ReportedStudy) -> str:
    roles = [entry["role"] for entry in report.result.lock.get("roster", [])]
    return (
        f"{number_text.plural(len(roles), 'hospital')}: {roles.count('development')} development, {roles.count('evaluation')} evaluation "
        f"(Participation). Kind and location of the hospitals: {AUTHORS}"
    )


def _outcome(report: ReportedStudy) -> str:
    horizons = number_text.listed([str(h) for h in report.study.evaluation.horizons])
    return f"{report.study.endpoint.label}, days from {zero_words(report.study)}; horizons {horizons} days. How it was assessed: {AUTHORS}"


def _predictors(report: ReportedStudy) -> str:
    names = number_text.listed([variable.titled for variable in report.study.clinical])
    return f"declared before any data were read: {names}" + ("; CT slices by rule" if report.study.reads_scans else "")


def _sizes(report: ReportedStudy) -> str:
    return "; ".join(
        f"{size.set} {number_text.size(size.n, size.events)}, {number_text.plural(size.sites, 'hospital')}" for size in report.of(SIZES)
    )


def _missing(report: ReportedStudy) -> str:
    chest = report.study.imaging.missing_followup_chest if report.study.reads_scans else ""
    carried = "; a missing follow-up chest is replaced by the baseline's slices" if chest == "carry_forward" else ""
    return f"complete cases; who was left out and why: Figure 1{carried}"


def _partition(report: ReportedStudy) -> str:
    return (
        f"train and validation by a keyed hash inside development hospitals (validation share {report.study.validation_fraction:g}); test: "
        "hospitals that never trained"
    )


def _specification(report: ReportedStudy) -> str:
    weights = "; ".join(f"{model} {digest[:12]}" for model, digest in report.result.weights.items())
    return "Figure S3, nomogram (Figure 4 a), frozen model in the folder `model`" + (f"; weights (SHA-256): {weights}" if weights else "")


def _limitations(report: ReportedStudy) -> str:
    return (
        f"{number_text.plural(len(report.of(LIMITATIONS)), 'limitation')} generated from facts (Limitations); their discussion: {AUTHORS}"
    )


def place(words: str) -> Callable[[ReportedStudy], str]:
    """A place of the report that answers the item, whatever the study."""
    return lambda _report: words


ITEMS: tuple[ChecklistItem, ...] = (
    ChecklistItem("1", "Title", "development or evaluation, target population, outcome", _title),
    ChecklistItem("2", "Abstract", "TRIPOD+AI for Abstracts"),
    ChecklistItem("3a", "Background", "healthcare context, rationale, existing models"),
    ChecklistItem("3b", "Background", "target population, intended purpose and users"),
    ChecklistItem("3c", "Background", "known health inequalities"),
    ChecklistItem("4", "Objectives", "development, validation or both", _objectives),
    ChecklistItem("5a", "Data", "sources of data, rationale, representativeness"),
    ChecklistItem("5b", "Data", "dates of accrual and of the end of follow-up"),
    ChecklistItem("6a", "Participants", "setting, number and location of centres", _centres),
    ChecklistItem("6b", "Participants", "eligibility criteria"),
    ChecklistItem("6c", "Participants", "treatments received and how they were handled"),
    ChecklistItem("7", "Data preparation", "pre-processing and quality checks", place("Methods paragraph (images); Reproducibility")),
    ChecklistItem("8a", "Outcome", "definition, time horizon, assessment", _outcome),
    ChecklistItem("8b", "Outcome", "assessors, where assessment is subjective"),
    ChecklistItem("8c", "Outcome", "blinding of the assessment"),
    ChecklistItem("9a", "Predictors", "choice and pre-selection", _predictors),
    ChecklistItem("9b", "Predictors", "definition and measurement of all predictors", place("Table 1; study.yaml in the lock")),
    ChecklistItem("9c", "Predictors", "assessors, where measurement is subjective"),
    ChecklistItem("10", "Sample size", "how it was arrived at; sufficiency", _sizes),
    ChecklistItem("11", "Missing data", "how they were handled, reasons for omission", _missing),
    ChecklistItem("12a", "Analysis", "how data were partitioned and used", _partition),
    ChecklistItem("12b", "Analysis", "functional form of predictors", place("Figure S3; methods paragraph")),
    ChecklistItem("12c", "Analysis", "type of model, building steps, tuning, internal validation", place("methods paragraph; Figure S7")),
    ChecklistItem("12d", "Analysis", "heterogeneity across clusters", place("standard errors clustered by hospital (metrics.json)")),
    ChecklistItem("12e", "Analysis", "measures and plots of performance, comparisons", place("methods; Tables 2, 3 and S2")),
    ChecklistItem("12f", "Analysis", "model updating", place("none")),
    ChecklistItem("12g", "Analysis", "how predictions were calculated for evaluation", place("frozen bundle, the same code everywhere")),
    ChecklistItem("13", "Class imbalance", "methods, recalibration", place("none used")),
    ChecklistItem("14", "Fairness", "approaches and rationale"),
    ChecklistItem("15", "Model output", "output, thresholds and how identified", place("linear predictor; cut-off: training median")),
    ChecklistItem("16", "Training against evaluation", "differences between the data", place("Table 1 (differences); Figure S2")),
    ChecklistItem("17", "Ethical approval", "committee, consent or waiver"),
    ChecklistItem("18a", "Open science", "funding"),
    ChecklistItem("18b", "Open science", "conflicts of interest"),
    ChecklistItem("18c", "Open science", "protocol", lambda report: f"the signed lock, study {report.result.study_id[:12]}"),
    ChecklistItem("18d", "Open science", "registration"),
    ChecklistItem("18e", "Open science", "availability of data", place("records stay in the hospitals; numbers in metrics.json")),
    ChecklistItem("18f", "Open science", "availability of code", lambda report: report.result.software),
    ChecklistItem("19", "Involvement", "patients and public"),
    ChecklistItem("20a", "Participants", "flow, numbers with and without the outcome, follow-up", place("Figure 1, Table S1")),
    ChecklistItem("20b", "Participants", "characteristics overall and by source", place("Table 1")),
    ChecklistItem("20c", "Participants", "comparison with the development data", place("Table 1, standardised differences")),
    ChecklistItem("21", "Model development", "participants and events in each analysis", place("n and events stand beside every estimate")),
    ChecklistItem("22", "Model specification", "the full model, restrictions of access", _specification),
    ChecklistItem("23a", "Performance", "estimates with intervals, key subgroups", place("Tables 2, 3, S3; Figures 3, 4 c, 6, S4")),
    ChecklistItem("23b", "Performance", "heterogeneity across clusters", place("clustered intervals in metrics.json; never per hospital")),
    ChecklistItem("24", "Model updating", "results of updating", place("none")),
    ChecklistItem("25", "Interpretation", "main results, fairness, previous studies"),
    ChecklistItem("26", "Limitations", "and their effects", _limitations),
    ChecklistItem("27a", "Usability", "poor or unavailable input data", place("a prediction without an input is refused by number")),
    ChecklistItem("27b", "Usability", "interaction and expertise required of users"),
    ChecklistItem("27c", "Usability", "next steps"),
)


def checklist(report: ReportedStudy) -> TableBlock:
    """Every item with its place in the report, or with the words that it is the authors'."""
    rows = [[item.number, item.topic, item.asks, item.says(report) if item.says else AUTHORS] for item in ITEMS]
    note = "Items in short; full wording: Collins et al., TRIPOD+AI statement, BMJ 2024;385:e078378."
    return TableBlock("TRIPOD+AI checklist", ["Item", "Topic", "Asks for", "Where, or what this study says"], rows, align="llll", note=note)
