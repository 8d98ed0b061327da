"""How numbers are written: the statistician's conventions in one place.

Two decimals for a concordance or a ratio, three for a p-value down to 0.001, a true minus sign, an en dash in an interval.
A missing number is an em dash; a suppressed count reads `<5`, never a blank.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from site_config.words_of_messages import many_of
from site_config.words_of_messages import plural as plural

MISSING = "—"
MINUS = "−"
HIDDEN = "·"
INDENT = "\u00a0" * 3
"""Before a level under its variable: spaces that no narrow column breaks after."""


def number(value: float | None, decimals: int = 2) -> str:
    """A number with fixed decimals and a true minus sign; an em dash when it is missing or not finite."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = f"{0:.{decimals}f}"
    return text.replace("-", MINUS)


def ratio(value: float | None) -> str:
    """A hazard ratio: two decimals, three significant digits when it is large or tiny."""
    if value is None or not math.isfinite(value):
        return MISSING
    return number(value, 2) if 0.1 <= value < 100 else f"{value:.3g}".replace("-", MINUS)


def count(value: int | None, hidden_below: int = 5) -> str:
    """A count; None is a suppressed cell and reads as `<5`."""
    return f"<{hidden_below}" if value is None else f"{value:,d}"


def percent(part: int | None, whole: int | None) -> str:
    """A share of a whole without decimals; empty when either is suppressed or the whole is zero."""
    return "" if part is None or not whole else f"{100 * part / whole:.0f} %"


def interval(low: float | None, high: float | None, decimals: int = 2) -> str:
    """`0.65–0.81`; with negative ends `−0.05 to 0.11`."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    between = "–" if low >= 0 else " to "
    return f"{number(low, decimals)}{between}{number(high, decimals)}"


def with_interval(value: float | None, low: float | None, high: float | None, decimals: int = 2) -> str:
    """`0.73 (0.65–0.81)`, or the bare number when there is no interval."""
    if low is None or high is None or value is None:
        return number(value, decimals)
    return f"{number(value, decimals)} ({interval(low, high, decimals)})"


def p_value(p: float | None) -> str:
    """Three decimals, two above 0.1, `<0.001` below that."""
    if p is None or not math.isfinite(p):
        return MISSING
    if p < 0.001:
        return "<0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_equals(p: float | None) -> str:
    """`p = 0.034` or `p < 0.001`."""
    shown = p_value(p)
    return f"p < {shown[1:]}" if shown.startswith("<") else f"p = {shown}"


def events(count: int | None, word: str = "event") -> str:
    """`28 events`, `1 death`; `events not opened` where the count stayed closed."""
    return f"{many_of(word)} not opened" if count is None else plural(count, word)


def size(n: int | None, count: int | None) -> str:
    """What a number rests on: `n 46, 28 events`."""
    return f"n {'not opened' if n is None else n}, {events(count)}"


def total(counts: Iterable[int | None]) -> int | None:
    """The sum; None where one of the counts stayed closed."""
    known = list(counts)
    return None if None in known else sum(one for one in known if one is not None)


def bytes_size(size: float) -> str:
    """Bytes in the nearest decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def seconds(span: float) -> str:
    """A duration as `42 s`, `3 min 10 s` or `5 h 12 min`."""
    if span < 60:
        return f"{span:.0f} s" if span >= 10 else f"{span:.1f} s"
    if span < 3600:
        return f"{int(span // 60)} min {int(span % 60)} s"
    return f"{int(span // 3600)} h {int(span % 3600 // 60)} min"


def listed(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def share(value: float) -> str:
    """A share between 0 and 1 as a whole percentage: `70 %`."""
    return f"{100 * value:.0f} %"
