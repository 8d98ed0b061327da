"""Figure 6: progression by RECIST at the first follow-up as a stratifier, beside the fused model on the same patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from server.report import number_text
from server.report.common import from_shares, score_tables
from server.report.common.estimate_kinds import Estimate, Numbers, Test, chi_test
from server.report.common.kaplan_meier_drawing import ComparedGroups, compared_panels
from server.report.common.restricted_means import restricted_table
from server.report.common.survival_curves import SurvivalCurve, curve, curve_note, curve_table, drawable
from server.report.common.two_groups import hazard_ratio, ratio_words, size_words, split
from server.report.page_blocks import Block, Figure, TableBlock
from server.report.parts.part import ReportedStudy, ReportPart, reads_scans
from server.report.parts.risk.risk_groups import LABELS
from server.report.parts.risk.subgroup_table import SUBGROUPS_HEADING
from server.study.opened_analyses import OpenedAnalyses, OpenedGroupCurves, Population
from server.study.study_results import ScoreTable
from shared_model.survival.evaluation_table import Cells
from shared_model.survival.kaplan_meier import logrank
from site_config.study.prognostic_models import ModelName

PROGRESSED, JUDGED = "PD", ("CR", "PR", "SD", "PD")
RECIST = ("No progression", "Progression")
HELD_OUT: tuple[Population, ...] = ("combined", "test", "validation")


class Stratified(Numbers):
    """One way to part the same patients in two."""

    by: str
    curves: list[SurvivalCurve] = Field(default_factory=list)
    hazard_ratio: Estimate
    logrank: Test | None = None


class ResponseCompared(Numbers):
    """RECIST and one model's frozen cut-off on the same patients of validation + test; classes `left_out` were not opened."""

    model: ModelName
    n: int | None
    events: int | None
    same_patients: bool = True
    strata: list[Stratified]
    left_out: list[str] = Field(default_factory=list)
    by_set: bool = Field(default=False, description="risk groups are those of each set, not of both together")


def numbers(report: ReportedStudy) -> ResponseCompared | None:
    """Both ways over the patients whose RECIST class was opened; None without progression on one side and its absence on the other."""
    if report.analyses is not None:
        return _from_shares(report.analyses, report)
    tables = [t for t in report.result.tables if t.variable == "response" and t.value in JUDGED and score_tables.size(t)[0]]
    parts = [[t for t in tables if (t.value == PROGRESSED) is progressed] for progressed in (False, True)]
    cutoffs = report.cutoffs
    if not all(parts) or tables[0].model not in cutoffs:
        return None
    model = tables[0].model
    by_cutoff = [found for table in tables if (found := split(table, cutoffs[model])[0]) is not None]
    edges = tables[0].time_edges
    recist = [score_tables.joined(score_tables.evaluation_table(t).cells() for t in side) for side in parts]
    fused = [score_tables.joined(pair[side] for pair in by_cutoff) for side in (0, 1)]
    return ResponseCompared(
        model=model,
        n=sum(cells.n for cells in recist),
        events=sum(cells.n_events for cells in recist),
        strata=[
            _stratified("RECIST at the first follow-up", RECIST, recist, edges, report.minimum),
            _stratified(f"{model}, frozen cut-off", LABELS, fused, edges, report.minimum),
        ],
        left_out=_left_out(report, tables),
    )


def _from_shares(analyses: OpenedAnalyses, report: ReportedStudy) -> ResponseCompared | None:
    """RECIST on the held-out patients, and beside it the risk groups of the model declared first, set by set as they are opened.

    Those of validation and test together are never opened: less the larger set's they would be the smaller one's.
    """
    response = next((one for where in HELD_OUT for one in from_shares.curves_of(analyses, "response", None, where)), None)
    if response is None:
        return None
    model = report.primary.name
    together, *apart = (from_shares.curves_of(analyses, "risk", model, where) for where in HELD_OUT)
    risk = together or [family for families in apart for family in families]
    n, events = from_shares.total(response.groups)
    return ResponseCompared(
        model=model,
        n=n,
        events=events,
        same_patients=bool(risk) and all(family.set == response.set for family in risk),
        strata=[
            _opened("RECIST at the first follow-up", RECIST, response, report.minimum),
            *(_opened(f"{model}, {from_shares.NAMES[family.set].lower()}", LABELS, family, report.minimum) for family in risk),
        ],
        by_set=True,
    )


def _opened(by: str, labels: Sequence[str], family: OpenedGroupCurves, minimum: int) -> Stratified:
    return Stratified(
        by=by,
        curves=[from_shares.survival_curve(one, label, minimum) for one, label in zip(family.groups, labels, strict=True)],
        hazard_ratio=from_shares.hazard_estimate(family.hazard_ratio, family.groups),
        logrank=from_shares.logrank_test(family.logrank),
    )


def _left_out(report: ReportedStudy, tables: Sequence[ScoreTable]) -> list[str]:
    """Classes of RECIST with patients whose table is not open."""
    shown = {table.value for table in tables}
    counted = {
        value
        for one in report.result.characteristics
        if one.set != "train"
        for value, count in one.counts.get("response", {}).items()
        if count is None or count > 0
    }
    return [value for value in JUDGED if value in counted and value not in shown]


def _stratified(by: str, labels: Sequence[str], parts: Sequence[Cells], edges: Sequence[float], minimum: int) -> Stratified:
    n, events = sum(part.n for part in parts), sum(part.n_events for part in parts)
    if min(part.n for part in parts) < minimum:
        return Stratified(by=by, hazard_ratio=Estimate(n=n, events=events, reason=f"one group has fewer than {minimum} patients"))
    return Stratified(
        by=by,
        curves=[curve(label, part, edges, minimum) for label, part in zip(labels, parts, strict=True)],
        hazard_ratio=hazard_ratio(parts[0], parts[1]),
        logrank=chi_test(logrank(parts)),
    )


def blocks(found: ResponseCompared | None, report: ReportedStudy) -> Iterator[Block]:
    """Two panels side by side, and their numbers."""
    if found is None:
        return
    drawn = [one for one in found.strata if drawable(one.curves)]
    panels = compared_panels(
        (
            ComparedGroups(side.by, f"f6-{index}", f"{side.by}, validation + test", side.curves, side.hazard_ratio, side.logrank, found.n)
            for index, side in enumerate(drawn)
        ),
        report.study.endpoint.label,
        simulated=report.simulated,
    )
    out = f" Not among them: patients in class {number_text.listed(found.left_out)}, whose tables are not open." if found.left_out else ""
    n, events = size_words(found.n), number_text.events(found.events)
    who = (
        _who_on_shares(found, n, events)
        if found.by_set
        else (
            f"The same {n} patients ({events}) of validation + test, parted by progression at the first follow-up and by the frozen "
            f"cut-off of {found.model}. Patients who could not be evaluated are in neither."
            if found.same_patients
            else f"{n} patients ({events}) of validation + test with a RECIST class, parted by progression at the first follow-up; "
            f"beside them all patients of both sets by the frozen cut-off of {found.model}."
        )
    )
    caption = f"{who}{out} {curve_note(report.minimum, points=report.analyses is not None)}"
    means = restricted_table("Restricted mean survival", [(side.by, side.curves) for side in found.strata], compared=True)
    tables = [table(found), *([means] if means else []), *(curve_table(side.curves, side.by) for side in drawn)]
    where = "held-out patients" if found.by_set else "validation + test"
    title = f"Progression by RECIST and risk by {found.model}, {where}"
    if panels:
        yield Figure("f6", "Figure 6", title, panels, tables, caption)
    else:
        yield table(found)


def _who_on_shares(found: ResponseCompared, n: str, events: str) -> str:
    """Whom the panels are of, where results were opened on shares."""
    beside = (
        f" Beside them the same patients by the frozen cut-off of {found.model}."
        if found.same_patients
        else f" Beside them risk groups by the frozen cut-off of {found.model} in each set: both together would give the smaller away."
        if len(found.strata) > 1
        else f" The risk groups of {found.model} on these patients are not opened: a group or its complement is too small."
    )
    return f"{n} held-out patients ({events}) by progression at the first follow-up; who has no class is without known progression.{beside}"


def table(found: ResponseCompared) -> TableBlock:
    """Both stratifiers beside each other."""
    body = []
    for side in found.strata:
        sizes = (
            ", ".join(f"{one.label.lower()} {size_words(one.n)} / {size_words(one.events)}" for one in side.curves) or number_text.MISSING
        )
        test = (
            f"{number_text.number(side.logrank.chi2, 1)}, {number_text.p_equals(side.logrank.p)}" if side.logrank else number_text.MISSING
        )
        body.append([side.by, sizes, ratio_words(side.hazard_ratio), number_text.p_value(side.hazard_ratio.p), test])
    header = ["Parted by", "n / events", "HR (95 % CI)", "p (Wald)", "Log-rank χ², p"]
    return TableBlock("Two ways to part the same patients", header, body, align="llrrr")


def missing(found: ResponseCompared | None, report: ReportedStudy) -> dict[str, str]:
    """Why the comparison cannot be made."""
    plain = "No Figure 6: RECIST classes with progression and without must both be open, and a cut-off frozen."
    why = {} if found is not None else {"response": report.why("response", plain)}
    return from_shares.with_closed(report, "response", why, "kaplan_meier", variable="response")


RESPONSE = ReportPart(
    name="response",
    heading=SUBGROUPS_HEADING,
    numbers=numbers,
    blocks=blocks,
    missing=missing,
    shape=ResponseCompared | None,
    belongs=reads_scans,
)
