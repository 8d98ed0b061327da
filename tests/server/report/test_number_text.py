"""How numbers are written, and which are hidden."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.report import number_text
from server.report.common import small_cells


def test_numbers_are_written_as_a_journal_would() -> None:
    assert number_text.number(-0.051) == "−0.05"
    assert number_text.number(-0.001) == "0.00"
    assert number_text.number(None) == number_text.number(float("nan")) == "—"
    assert number_text.p_value(0.00004) == "<0.001"
    assert number_text.p_equals(0.00004) == "p < 0.001"
    assert number_text.p_value(0.0456) == "0.046"
    assert number_text.p_value(0.4567) == "0.46"
    assert number_text.with_interval(0.731, 0.65, 0.812) == "0.73 (0.65–0.81)"
    assert number_text.interval(-0.05, 0.11) == "−0.05 to 0.11"
    assert number_text.count(None) == "<5"
    assert number_text.bytes_size(33_000_000) == "33.0 MB"
    assert number_text.seconds(725) == "12 min 5 s"
    assert number_text.listed(["a", "b", "c"]) == "a, b and c"


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(2, 6))
def test_no_hidden_count_can_be_worked_out_from_the_total(counts: list[int], minimum: int) -> None:
    named = {str(index): count for index, count in enumerate(counts)}
    shown = small_cells.group(named, minimum)
    hidden = [name for name, count in shown.items() if count is None]
    assert all(shown[name] is None for name, count in named.items() if 0 < count < minimum)
    assert len(hidden) != 1 or sum(count > 0 for count in counts) == 1
