"""Small cells: a count below the minimum is not printed, and neither is one that would let it be worked out.

This hides small groups from readers of the report, not from the coordinator, who opened the sums; the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping


def cell(count: int, minimum: int) -> int | None:
    """The count, or None when it is between 1 and minimum − 1 (a zero says nothing about anybody in particular)."""
    return None if 0 < count < minimum else count


def group(counts: Mapping[str, int | None], minimum: int, *, total_known: bool = True) -> dict[str, int | None]:
    """Hide small cells of one group of counts; with a known total one hidden cell takes the next smallest with it.

    The second cell is needed because total − the others would give the first one back (complementary suppression).
    """
    shown = {name: None if count is None else cell(count, minimum) for name, count in counts.items()}
    hidden = [name for name, count in shown.items() if count is None]
    others = sorted((count, name) for name, count in shown.items() if count)
    if total_known and len(hidden) == 1 and others:
        shown[others[0][1]] = None
    return shown
