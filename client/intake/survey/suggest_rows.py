"""From what was found to rows of scans.csv and questions: visits by the declared moments, volumes by the one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from client.intake.dicom.look_inside import LookInside, look_inside
from client.intake.phase_beside import doubted, phase_beside
from client.intake.survey.missing_visits import VISITS, gaps, partly, whole
from client.intake.survey.one_entry import Looked
from client.intake.survey.survey_values import DecidedRow, Found, Remark, SeenVolume, SurveyQuestion, row_of
from client.intake.too_short import too_short
from client.intake.volume_order import AHEAD, OrderDecision, OrderFacts, decide, passed_over
from site_config.problems import scans as problems
from site_config.problems import tables as kinds
from site_config.problems import which_scan
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Organ
from site_config.tables.patient_moments import NEAR_DAYS, Declared

DOUBTED = "the one that would be taken is called {phase}, and its vessels do not show that phase"
DISPUTED = "the images name different persons; nothing is suggested before one has looked"
NEEDED_MM = {"abdomen": 220.0, "chest": 250.0}
Row = dict[str, str]


class Suggestion:
    """Rows, questions and remarks of one patient as they come together."""

    def __init__(self, key: str, stated: Declared, mine: Sequence[SeenVolume], organs: Sequence[Organ], disputed: bool) -> None:
        self.key, self.stated, self.organs, self.disputed = key, stated, organs, disputed
        self.mine = _days_by_interval(mine, stated, self)
        self.rows: list[Row] = []
        self.questions: list[SurveyQuestion] = []
        self.remarks: list[Remark] = []
        self.decided: list[DecidedRow] = []
        self.reasons: dict[tuple[str, str], tuple[str, tuple[tuple[Found, str], ...]]] = {}
        self.prints: dict[str, tuple[str, ...]] = {}
        self.inside: dict[tuple[str, str], LookInside] = {}

    def make(self) -> None:
        """Fill rows, questions and remarks."""
        if self.disputed and self.mine:
            found = tuple(self._beside(one, None) for one in self.mine)
            self.questions.append(SurveyQuestion(self.key, None, DISPUTED, found, None, True))
            return
        self._without_day()
        regions = tuple(dict.fromkeys(organ.region for organ in self.organs))
        for visit in VISITS:
            self._undeclared(visit)
            chosen = {region: self._choose(visit, region) for region in regions}
            self._write(visit, {region: one for region, one in chosen.items() if one is not None})
        self._of_neither_visit()

    def say(self, problem: Problem, visit: str | None = None) -> None:
        """A remark about this patient."""
        self.remarks.append(Remark(self.key, problem, self.key, visit))

    def _said(self, visit: str) -> set[str]:
        """Codes of what was already said about a visit."""
        return {remark.problem.code for remark in self.remarks if remark.visit == visit}

    def _of_neither_visit(self) -> None:
        """Scans between or beyond the visits are named, so that none seems to have been overlooked."""
        other = [one.found for one in self.mine if one.found.day is not None and one.found.visit is None]
        other = [one for one in other if not any(self.stated.may_be(visit, one.day or 0.0) for visit in VISITS)]
        if other:
            listed = ", ".join(f"{one.folder}{f' of {one.taken}' if one.taken else ''}" for one in other[:3])
            more = f" and {len(other) - 3} more" if len(other) > 3 else ""
            what = "1 scan belongs" if len(other) == 1 else f"{len(other)} scans belong"
            self.say(which_scan.NEITHER_VISIT.problem(f"{what} to neither visit of cohort.csv and is not used: {listed}{more}"))

    def _without_day(self) -> None:
        undated = [one for one in self.mine if one.found.day is None and one.found.visit is None]
        if not undated:
            return
        reason = "no date tells the visit of these scans"
        if not self.stated.dated and any(one.found.taken for one in undated):
            reason += ": cohort.csv counts days, the scans have dates, and their interval fits no pair of visits"
        self.questions.append(SurveyQuestion(self.key, None, reason, tuple(one.found for one in undated)))

    def _undeclared(self, visit: str) -> None:
        """Scans of a visit of which cohort.csv states no day."""
        if self.stated.moment(visit) is not None or self.stated.treatment is None:
            return
        limit = self.stated.treatment
        mine = [one for one in self.mine if one.found.day is not None and (one.found.day <= limit) == (visit == "baseline")]
        if mine:
            side = "before" if visit == "baseline" else "after"
            text = f"cohort.csv states no {visit} CT, and {len(mine)} scans {side} the first dose lie here"
            self.say(which_scan.DAY_CONTRADICTS.problem(text), visit)

    def _of_visit(self, visit: str) -> list[SeenVolume]:
        found = []
        for one in self.mine:
            if one.found.visit is not None:
                if one.found.visit == visit:
                    found.append(one)
            elif one.found.day is not None and self.stated.may_be(visit, one.found.day):
                found.append(one)
        return found

    def _choose(self, visit: str, region: str) -> SeenVolume | None:
        """The volume for one region of a visit; None with a question or remark that says why."""
        here = self._of_visit(visit)
        unclear = [one for one in here if one.found.region is None]
        fitting = [one for one in here if one.found.region in (region, "whole")]
        facts = {id(one): self._facts(one, visit, region) for one in (*fitting, *unclear)}
        decision: OrderDecision[SeenVolume] = decide(fitting, lambda one: facts[id(one)], region)
        chosen = decision.chosen
        rival = chosen is None or facts[id(chosen)].phase != "portal"
        if unclear and (region == "abdomen" or not fitting) and rival:
            self._ask(visit, "neither names nor length tell which region these scans show", [*unclear, *decision.left], region)
            return None
        if chosen is not None and chosen.candidate is not None:
            inside = look_inside(chosen.candidate, f"the {visit} {region} scan")
            if inside.mixed:
                self._ask(visit, "two volumes alternate slice by slice in this series, and no header tells them apart", [chosen], region)
                return None
            if region != "chest" and doubted(chosen.found.phase, inside.contrast) and len(fitting) > 1:
                self._ask(visit, DOUBTED.format(phase=chosen.found.phase), [chosen, *(one for one in fitting if one is not chosen)], region)
                return None
            self.inside[visit, region] = inside
            for fault in (*_named(chosen.candidate.stacking.findings, f"the {visit} {region} scan"), *inside.copies, inside.fault):
                if fault is not None and fault.code not in self._said(visit):
                    self.say(fault, visit)
            self.prints[visit] = inside.prints
        if chosen is None and decision.left:
            self._ask(visit, decision.doubt or f"several {region} scans of this visit fit equally", list(decision.left), region)
        if chosen is not None:
            others = [one for one in fitting if one is not chosen]
            passed = tuple((one.found, passed_over(one, chosen, lambda each: facts[id(each)], region)) for one in others)
            self.reasons[visit, region] = AHEAD[decision.because], passed
        return chosen

    def _ask(self, visit: str, reason: str, seen: list[SeenVolume], region: str) -> None:
        question = SurveyQuestion(self.key, visit, reason, tuple(self._beside(one, visit) for one in seen), region)
        same = [k for k, one in enumerate(self.questions) if (one.visit, one.candidates) == (visit, question.candidates)]
        if not same:
            self.questions.append(question)

    def _beside(self, one: SeenVolume, visit: str | None) -> Found:
        """The volume with its day beside cohort.csv's, for the reader of a question."""
        day = one.found.day
        if day is None:
            return one.found
        near = [name for name in VISITS if self.stated.may_be(name, day)]
        visit = visit or (near[0] if len(near) == 1 else None)
        verdict = None if visit is None else self.stated.verdict(visit, day)
        return one.found if verdict is None else replace(one.found, beside=verdict.finding or verdict.fault or "")

    def _facts(self, one: SeenVolume, visit: str, region: str) -> OrderFacts:
        stated, day = self.stated.moment(visit), one.found.day
        gap = 0.0 if stated is None or day is None else abs(day - stated)
        return replace(one.facts, declared=1 if gap == 0 else 2, day_gap=gap, extent_mm=min(one.facts.extent_mm, NEEDED_MM[region]))

    def _write(self, visit: str, chosen: dict[str, SeenVolume]) -> None:
        """Rows of a visit: a trunk scan that is chosen for both regions is one row."""
        both = len(chosen) > 1 and len({id(one) for one in chosen.values()}) == 1
        for region, one in list(chosen.items())[: 1 if both else None]:
            name = "whole" if both else region
            self.rows.append(row_of(one.found, self.key, visit, name, "date" if self.stated.dated else "day", self._day(one, visit)))
            self.decided.append(DecidedRow(self.key, visit, name, one.found, *self.reasons[visit, region]))
            self._remark_on(one, visit, region)

    def _day(self, one: SeenVolume, visit: str) -> str:
        if self.stated.dated:
            return one.found.taken or ""
        day = one.found.day if one.found.day is not None else self.stated.moment(visit)
        return "" if day is None or self.stated.zero is None else f"{day + self.stated.zero:g}"

    def _remark_on(self, one: SeenVolume, visit: str, region: str) -> None:
        place = f"{visit} {region}"
        if one.found.day is not None:
            verdict = self.stated.verdict(visit, one.found.day)
            if verdict.finding:
                self.say(kinds.MOMENT_DIFFERS.problem(f"the {place} scan was taken {verdict.finding}"), visit)
        for short in too_short(region, one.found.extent_mm, _width_mm(one), f"the {place} scan that is suggested"):
            self.say(short, visit)
        if region == "chest":
            return
        contrast = self.inside[visit, region].contrast if (visit, region) in self.inside else None
        for doubt in phase_beside(one.found.phase, contrast, f"the {place} scan that is suggested"):
            self.say(doubt, visit)
        if one.candidate is not None:
            for doubt in one.candidate.against_phase(None, f"the {place} scan that is suggested"):
                self.say(doubt, visit)
        if one.found.phase is None:
            seen = "" if contrast is not False else ", and no contrast is seen in its vessels"
            self.say(which_scan.PHASE_UNKNOWN.problem(f"the {place} scan that is suggested states no phase{seen}"), visit)
        elif one.found.phase != "portal":
            self.say(problems.NOT_VENOUS.problem(f"the {place} scan that is suggested is {one.found.phase}"), visit)


def _width_mm(one: SeenVolume) -> float | None:
    """How wide a DICOM series' slices are; None where it is not known."""
    if one.candidate is None:
        return None
    first = one.candidate.stacking.slices[0]
    return min(first.shape[0] * first.spacing[0], first.shape[1] * first.spacing[1])


def _named(findings: Sequence[Problem], role: str) -> list[Problem]:
    """Findings of a folder's slices, in the name of the scan that was chosen."""
    return [Problem(one.kind, one.what.replace("a folder", role, 1), one.why, one.fix, role) for one in findings]


def _days_by_interval(mine: Sequence[SeenVolume], stated: Declared, to: Suggestion) -> list[SeenVolume]:
    """Where cohort.csv counts days and two examination dates lie as far apart as its visits, the dates get days."""
    dates = sorted({one.found.taken for one in mine if one.found.taken})
    known = [one for one in mine if one.found.taken is None]
    if stated.dated or len(dates) != 2 or known or stated.baseline is None or stated.followup is None:
        return list(mine)
    first, second = (date.fromisoformat(text) for text in dates)
    apart = (second - first).days
    if abs(apart - (stated.followup - stated.baseline)) > NEAR_DAYS / 4:
        return list(mine)
    days = {dates[0]: stated.baseline, dates[1]: stated.baseline + apart}
    return [replace(one, found=replace(one.found, day=days[str(one.found.taken)])) for one in mine]


def unsupplied(key: str, stated: Declared, made: Suggestion, looked: Sequence[Looked]) -> list[Remark]:
    """A remark for every visit of cohort.csv that has neither a row nor a question, or lacks one of the study's regions."""
    asked: dict[str, set[str | None]] = {
        visit: {question.region for question in made.questions if question.visit in (visit, None)} for visit in VISITS
    }
    regions = tuple(dict.fromkeys(str(organ.region) for organ in made.organs))
    found = gaps([visit for visit in VISITS if stated.moment(visit) is not None], regions, made.rows, asked)
    texts = [(visit, f"{visit}: {_instead(visit, stated, made, looked)}") for visit, missing in found.items() if whole(missing, regions)]
    return [Remark(key, which_scan.VISIT_UNSUPPLIED.problem(text), key, visit) for visit, text in texts + partly(found, regions)]


def _instead(visit: str, stated: Declared, made: Suggestion, looked: Sequence[Looked]) -> str:
    if not looked:
        return "there is no folder of this patient, and no image names it"
    kinds_left = [f"{number} {reason}" for one in looked for reason, number in sorted(one.left_out.items()) if number]
    parts = "; ".join([*kinds_left, *sorted({remark.problem.what for one in looked for remark in one.remarks})][:6])
    if not made.mine:
        return "the folder holds no usable CT" + (f", but {parts}" if parts else "")
    days = []
    for one in made.mine:
        if one.found.day is not None:
            verdict = stated.verdict(visit, one.found.day)
            days.append(verdict.fault or "nearer to the other visit")
    if made.rows or not days:
        reasons = sorted(set(days))
        others = f" (others: {'; '.join(reasons[:3])})" if reasons else ""
        return f"no abdomen scan of this visit was found{others}" + (f"; not used: {parts}" if parts else "")
    return f"{len(made.mine)} scans were found, none for this visit: {'; '.join(sorted(set(days))[:3])}"
