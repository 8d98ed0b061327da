"""The two large numbers on the held-out set belong to one model, and to the one that was declared for it."""

from __future__ import annotations

from server.report.parts.at_a_glance import held_out
from server.report.parts.discrimination.cindex_table import CONCORDANCE
from server.report.parts.part import ReportedStudy
from server.report.parts.risk.risk_groups import RISK_GROUPS


def headline(report: ReportedStudy, *without: str, ratio_without: str | None = None) -> list[tuple[str, str, str]]:
    """No C-index of these models, and no hazard ratio of `ratio_without` either."""
    rows = [row for row in report.of(CONCORDANCE) if row.model not in without]
    groups = [one for one in report.of(RISK_GROUPS) if one.model != ratio_without]
    return held_out(rows, groups, report.primary.name)


def named(found: list[tuple[str, str, str]]) -> list[str]:
    return [name for _, title, _ in found for name in ("RadCLN-D", "RadCLN-S", "Rad-D", "Rad-S", "CLN") if f" {name}," in title]


def test_both_numbers_are_of_the_model_declared_first(study_report: ReportedStudy) -> None:
    assert study_report.primary.name == "RadCLN-D"
    assert named(headline(study_report)) == ["RadCLN-D", "RadCLN-D"]


def test_a_hazard_ratio_never_stands_beside_another_models_c_index(study_report: ReportedStudy) -> None:
    assert named(headline(study_report, "RadCLN-D")) == ["RadCLN-D"]
    assert len(set(named(headline(study_report, "Rad-S", ratio_without="RadCLN-D")))) == 1


def test_a_model_that_stands_in_says_so(study_report: ReportedStudy) -> None:
    found = headline(study_report, "RadCLN-D", ratio_without="RadCLN-D")
    assert "RadCLN-D was declared first and is not opened" in found[0][2]
    assert len({title.split(", ")[0].split()[-1] for _, title, _ in found if "C-index" in title}) == 1
