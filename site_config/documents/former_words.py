"""Fields and values that were taken away, or never were and are often written: what stands in their place is told, not guessed at."""

from __future__ import annotations

from typing import Final

CLOSED: Final = "how finely a result is opened is no setting any more (see `fedhcc-coordinator study check`)"
MINIMA: Final = "nothing of single scores is opened any more"

FIELDS: Final[dict[str, str]] = {
    "score_bins": CLOSED,
    "bin_patients": CLOSED,
    "cell_days": CLOSED,
    "clinical_bins": CLOSED,
    "clinical_cell_days": CLOSED,
    "small_set": CLOSED,
    "small_cell_days": CLOSED,
    "minimum_bin_patients": CLOSED,
    "minimum_clinical_score_patients": MINIMA,
}
"""Name of a field → why it is gone."""

VALUES: Final[dict[str, str]] = {
    "totals": "Write `shares` (results on secret shares, the default), or `exact` where every hospital permits sums by day.",
    "coarse": "Write `shares` (results on secret shares, the default), or `exact` where every hospital permits sums by day.",
    **dict.fromkeys(
        ("gpu", "nvidia"), "Write `cuda` for an NVIDIA GPU, or `auto`, which takes one where there is one and the CPU otherwise."
    ),
    **{f"cuda:{number}": f"Write `cuda`, and start the program with CUDA_VISIBLE_DEVICES={number}." for number in range(8)},
}
"""A former or usual word → what to write."""


def instead_of_field(name: str) -> str | None:
    """The remedy for a field that was taken away; None for one that never was."""
    why = FIELDS.get(name)
    return f"Remove the line: {why}." if why else None


def instead_of_value(value: object) -> str | None:
    """The remedy for a word that was taken away or never was; None for one that nobody writes."""
    return VALUES.get(str(value).lower())
