"""The two large numbers on the held-out set belong to one model, and to the one that was declared for it."""

from __future__ import annotations

from server.report.numbers import Metrics
from server.report.sections_results import glance


def headline(metrics: Metrics) -> list[tuple[str, str, str]]:
    block = glance(metrics).blocks[0]
    return [item for item in block.items if item[1].startswith(("C-index", "hazard ratio"))]  # type: ignore[union-attr]


def named(metrics: Metrics) -> list[str]:
    return [name for _, title, _ in headline(metrics) for name in ("RadCLN-D", "RadCLN-S", "Rad-D", "Rad-S", "CLN") if f" {name}," in title]


def without(metrics: Metrics, *models: str, ratio_of: str | None = None) -> Metrics:
    """No C-index of these models, and no hazard ratio of `ratio_of` either."""
    rows = [row for row in metrics.concordance if row.model not in models]
    groups = [one for one in metrics.risk_groups if one.model != ratio_of]
    return metrics.model_copy(update={"concordance": rows, "risk_groups": groups})


def test_both_numbers_are_of_the_model_declared_first(study_metrics: Metrics) -> None:
    assert study_metrics.primary == "RadCLN-D"
    assert named(study_metrics) == ["RadCLN-D", "RadCLN-D"]


def test_a_hazard_ratio_never_stands_beside_another_models_c_index(study_metrics: Metrics) -> None:
    assert named(without(study_metrics, "RadCLN-D")) == ["RadCLN-D"]
    assert len(set(named(without(study_metrics, "Rad-S", ratio_of="RadCLN-D")))) == 1


def test_a_model_that_stands_in_says_so(study_metrics: Metrics) -> None:
    found = headline(without(study_metrics, "RadCLN-D", ratio_of="RadCLN-D"))
    assert "RadCLN-D was declared first and is not opened" in found[0][2]
    assert len({title.split(", ")[0].split()[-1] for _, title, _ in found if "C-index" in title}) == 1
