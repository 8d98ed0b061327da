"""The paper's table tells equal numbers, closed ones with a reason, and a wrong one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evidence.accuracy.paper_table import figures, page
from evidence.accuracy.shares.paper_cohort import PaperStudy, locked, paper_cohort
from evidence.accuracy.shares.paper_item_numbers import paper_rows
from evidence.accuracy.shares.paper_rows import UNEXPLAINED, PaperRow


def test_every_number_is_equal_or_closed_for_a_reason_and_a_wrong_one_is_seen() -> None:
    study = PaperStudy(locked(), paper_cohort(208)).run()
    rows = paper_rows(study)
    assert [row for row in rows if not row.right] == []
    items = {row.item for row in rows if row.value is not None}
    assert {"Table 1", "Table 2", "Clinical formula", "Figure 3", "Figure 6", "Figure S2", "Manufacturer C-index"} <= items
    table = page(figures(rows, study, 0))
    assert all(f"## {item}" in table for item in items)
    estimate = study.found["evaluation"]
    shifted = replace(estimate.concordance, c={name: value + 1e-5 for name, value in estimate.concordance.c.items()})
    study.found["evaluation"] = replace(estimate, concordance=shifted)
    assert sum(not row.right for row in paper_rows(study)) >= 15


def test_a_closed_number_without_a_reason_is_a_defect() -> None:
    assert not PaperRow("Table 2", "C", None, 0.7, 1e-6, UNEXPLAINED).right
    assert not PaperRow("Table 2", "C", None, 0.7, 1e-6).right
    assert PaperRow("Table 2", "C", float(np.float64(0.7)), 0.7, 1e-6).right
