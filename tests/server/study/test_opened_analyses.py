"""What the analyses on shares opened travels as a document and comes back the same."""

from __future__ import annotations

from server.study.opened_analyses import OpenedAnalyses
from tests.server.study.example_analyses import example


def test_a_filled_document_comes_back_the_same() -> None:
    filled = example()
    assert OpenedAnalyses.model_validate_json(filled.model_dump_json()) == filled
    assert all(len(curve.day) == len(curve.survival) == len(curve.low) for one in filled.kaplan_meier for curve in one.groups)
