"""Numbers of files that leave the office, as a paper would print them.

What was opened has seven digits, so that equality with pooled rows can be shown; a published file needs four, and more digits of a mean
beside its n are a statement on the patients behind it. Whole numbers stay.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

DIGITS = 4


def printed(value: Any) -> Any:
    """The same data with every number that is not whole on four significant digits."""
    if isinstance(value, dict):
        return {key: printed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [printed(inner) for inner in value]
    if isinstance(value, float) and isfinite(value):
        return float(f"{value:.{DIGITS}g}") if abs(value) < 10**DIGITS else float(round(value))
    return value
