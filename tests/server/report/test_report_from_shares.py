"""A study on secret shares: every part shows what was opened, as it was opened, and says why the rest is closed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from server.report.common.restricted_means import restricted_table
from server.report.common.survival_curves import MONTH
from server.report.metrics_json import compute
from server.report.number_text import p_value, with_interval
from server.report.page_blocks import TableBlock
from server.report.parts.part import ReportedStudy
from server.report.parts.patients.table1_characteristics import CHARACTERISTICS
from server.report.report_page import build
from server.study.opened_analyses import OpenedCount, OpenedVariable
from server.study.study_results import StudyResult
from tests.server.study.example_analyses import SIZES, example


@pytest.fixture(scope="module")
def on_shares(study_result: StudyResult) -> StudyResult:
    return study_result.model_copy(
        update={"tables": [], "pairs": [], "cutoffs": [], "characteristics": [], "baseline": {}, "analyses": example()}
    )


@pytest.fixture(scope="module")
def found(on_shares: StudyResult) -> Any:
    return compute(on_shares)


def test_concordance_is_what_was_opened(found: Any) -> None:
    opened = {(one.model, one.set): one for one in example().concordance if one.variable == "all"}
    for row in found.concordance:
        if row.set != "combined":
            assert (row.c.value, row.c.se, row.exact) == (opened[row.model, row.set].c, opened[row.model, row.set].se, True)
    combined = next(row for row in found.concordance if (row.model, row.set) == ("CLN", "combined"))
    one, two = (opened["CLN", s] for s in ("validation", "test"))
    weights = [1 / one.se**2, 1 / two.se**2]
    assert combined.c.value == pytest.approx((one.c * weights[0] + two.c * weights[1]) / sum(weights))
    assert combined.c.se == pytest.approx(math.sqrt(1 / sum(weights)))
    assert combined.noether is None


def test_differences_are_read_from_the_better_informed_model(found: Any) -> None:
    row = next(r for r in found.comparisons if (r.first, r.second, r.set) == ("RadCLN-D", "CLN", "test"))
    assert row.paired.value == pytest.approx(0.69 - 0.61)
    assert row.paired.p == pytest.approx(math.erfc(0.08 / 0.04 / math.sqrt(2)))


def test_curves_are_points_with_medians_in_whole_months(found: Any) -> None:
    sets = {curve.label: curve for curve in found.set_survival.curves}
    assert {label: (c.n, c.events) for label, c in sets.items()} == {
        "Training": SIZES["train"], "Validation": SIZES["validation"], "Test": SIZES["test"],
    }  # fmt: skip
    assert all(curve.points and curve.median == pytest.approx(14 * MONTH) for curve in sets.values())
    groups = {(g.model, g.set): g for g in found.risk_groups}
    assert groups["RadCLN-D", "test"].hazard_ratio.value == 2.7
    assert ("RadCLN-D", "validation") not in groups


def test_restricted_means_are_those_opened_with_the_difference_of_two_groups(on_shares: StudyResult, found: Any) -> None:
    group = next(one for one in found.risk_groups if (one.model, one.set) == ("RadCLN-D", "train"))
    low, high = ({mean.day: mean for mean in one.means}[365] for one in group.curves)
    opened = next(f for f in example().kaplan_meier if (f.grouping, f.model, f.set) == ("risk", "RadCLN-D", "train"))
    assert [(one.months, one.se) for one in (low, high)] == [
        next((mean.months, mean.se) for mean in one.means if mean.day == 365) for one in opened.groups
    ]
    assert (low.low, low.high) == (low.months - 1.959963984540054 * low.se, min(low.months + 1.959963984540054 * low.se, 365 / MONTH))
    table = restricted_table("", [("Test", group.curves)], compared=True)
    assert table is not None
    lines = [row for row in table.rows if row[2] == "12"]
    assert [row[1] for row in lines] == ["Low risk", "High risk", "High risk less low risk"]
    se, apart = math.hypot(low.se, high.se), high.months - low.months
    assert lines[2][3:] == [
        with_interval(apart, apart - 1.959963984540054 * se, apart + 1.959963984540054 * se, 1),
        p_value(math.erfc(abs(apart) / se / math.sqrt(2))),
    ]


def test_what_is_closed_says_why(found: Any) -> None:
    assert "Validation · risk group high (group high: fewer than 20 patients" in found.absent["risk_groups"]
    assert "Scanner Philips (manufacturer philips: fewer than 20 patients" in found.absent["subgroups"]
    assert "ebrt: fewer than 5 patients or 3 hospitals have it" in found.absent["CLN"]
    assert "points of the curves need 10 cases and controls, or two groups" in found.absent["roc"]


def test_curves_have_a_point_between_every_two_groups_of_a_whole_set(study_result: StudyResult, on_shares: StudyResult) -> None:
    opened = example()
    area = next(one for one in opened.roc if one.set == "train")
    calibrated = next(one for one in opened.calibration if (one.model, one.set, one.horizon) == (area.model, "train", area.horizon))
    two = [
        calibrated.groups[k].model_copy(update={"n": n, "observed": s, "predicted": s})
        for k, n, s in ((0, 28, 0.25), (1, area.n - 28, 0.75))
    ]
    calibration = [one.model_copy(update={"groups": two}) if one is calibrated else one for one in opened.calibration]
    found = compute(on_shares.model_copy(update={"analyses": opened.model_copy(update={"calibration": calibration})}))
    row = next(one for one in found.roc if (one.model, one.set, one.horizon) == (area.model, "train", area.horizon))
    alive, died = 28 * 0.25 + (area.n - 28) * 0.75, 28 * 0.75 + (area.n - 28) * 0.25
    assert row.false_positive == pytest.approx([0, 28 * 0.25 / alive, 1])
    assert row.true_positive == pytest.approx([0, 28 * 0.75 / died, 1])
    assert "roc" not in found.absent or "two groups" not in found.absent["roc"]


def test_curves_have_a_point_at_every_declared_specificity(on_shares: StudyResult) -> None:
    opened = example()
    point = {"specificity": [0.1, 0.5, 0.9], "sensitivity": [0.95, 0.5, 0.504]}
    areas = [one.model_copy(update=point) if one.set == "test" else one for one in opened.roc]
    found = compute(on_shares.model_copy(update={"analyses": opened.model_copy(update={"roc": areas})}))
    drawn = [row for row in found.roc if row.set == "test"]
    assert drawn and all(row.false_positive == pytest.approx([0, 0.1, 0.5, 0.9, 1]) for row in drawn)
    assert all(row.true_positive == pytest.approx([0, 0.504, 0.504, 0.95, 1]) for row in drawn)
    assert "roc" not in found.absent or "points of the curves" not in found.absent["roc"]


def test_figure_6_calibration_areas_and_table_1_are_there(found: Any) -> None:
    assert [side.hazard_ratio.value for side in found.response.strata] == [3.1, 2.7]
    assert {(c.set, c.horizon) for c in found.calibration} == {(s, h) for s in ("train", "combined") for h in (365, 730)}
    assert {row.set for row in found.roc} == {"train", "validation", "test", "combined"}
    assert {row.set for row in found.characteristics} == {"overall", "train", "validation", "test"}
    siemens = next(row for row in found.subgroups if row.value == "siemens")
    assert (siemens.c.value, siemens.hazard_ratio.reason) == (0.68, "not opened")


def test_the_page_holds_every_part(on_shares: StudyResult, tmp_path: Path) -> None:
    page = build(on_shares, tmp_path).read_text()
    for words in (
        "Table 1",
        "Table 2",
        "Table 3",
        "Figure 6",
        "Figure S2",
        "Figure 4 c",
        "computed from secret shares",
        "Figure 3, right",
        "Restricted mean survival by set",
    ):
        assert words in page, words
    assert "no table of patients was opened" in page
    assert json.loads((tmp_path / "metrics.json").read_text())["schema_version"] == 2


def test_a_count_that_stays_closed_is_never_a_zero(on_shares: StudyResult, tmp_path: Path) -> None:
    """Sizes of sets and groups without events opened, and a family without points: words, no 0, no None, no empty picture."""
    opened = example()
    opened.sets = [one.model_copy(update={"events": None}) for one in opened.sets]
    opened.concordance = [one.model_copy(update={"events": None}) for one in opened.concordance]
    opened.differences = [one.model_copy(update={"events": None}) for one in opened.differences]
    nothing: dict[str, Any] = {"day": [], "survival": [], "low": [], "high": [], "events": None}
    opened.kaplan_meier = [
        family.model_copy(update={"groups": [group.model_copy(update=nothing) for group in family.groups]})
        for family in opened.kaplan_meier
    ]
    page = build(on_shares.model_copy(update={"analyses": opened}), tmp_path).read_text()
    assert "events not opened" in page and "deaths not opened" in page
    for wrong in (">0 deaths", " 0 deaths", " 0 events", "None events", "n None", "Figure S2", 'id="km-'):
        assert wrong not in page, wrong
    assert "Risk groups by the frozen cut-off" in page and "Median follow-up" in page


def test_a_value_hidden_in_every_set_has_no_row(on_shares: StudyResult) -> None:
    opened = example()
    hidden = OpenedCount(value="fujifilm", n=None, hidden="complement")
    makers = [OpenedCount(value="siemens", n=30), hidden]
    never = OpenedVariable(variable="response", counts=[OpenedCount(value="PD", n=None, hidden="small")])
    opened.characteristics = [
        one.model_copy(update={"variables": [OpenedVariable(variable="manufacturer", counts=makers), never]})
        for one in opened.characteristics
    ]
    report = ReportedStudy(on_shares.model_copy(update={"analyses": opened}))
    (table,) = CHARACTERISTICS.blocks(report.of(CHARACTERISTICS), report)
    assert isinstance(table, TableBlock)
    assert [row[0].strip() for row in table.rows] == ["Scanner manufacturer: Siemens", "RECIST response"]
    assert table.rows[1][1:5] == ["·"] * 4


def test_figure_6_has_risk_groups_by_set_where_no_others_are_opened(on_shares: StudyResult, tmp_path: Path) -> None:
    """A study opens risk groups set by set, never of validation and test together: the figure shows those that are open."""
    opened = example()
    opened.kaplan_meier = [one for one in opened.kaplan_meier if (one.grouping, one.set) != ("risk", "combined")]
    result = on_shares.model_copy(update={"analyses": opened})
    sides = compute(result).response.strata
    assert [side.by for side in sides] == ["RECIST at the first follow-up", "RadCLN-D, test"]
    assert "RadCLN-D in each set" in build(result, tmp_path).read_text()
    opened.kaplan_meier = [one for one in opened.kaplan_meier if one.grouping != "risk"]
    alone = on_shares.model_copy(update={"analyses": opened})
    assert len(compute(alone).response.strata) == 1 and "are not opened: a group" in build(alone, tmp_path).read_text()
