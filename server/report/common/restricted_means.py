"""Restricted mean survival as a table: groups, and the second against the first where there are two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from server.report import number_text
from server.report.common.survival_curves import MONTH, RestrictedMean, SurvivalCurve
from server.report.page_blocks import TableBlock
from shared_model.survival.normal_tails import Z95, two_sided

NOTE = (
    "The area under the Kaplan–Meier curve until a declared day: the mean months lived of these first months, to a tenth of a month. "
    "It is given where at least five patients are followed that long."
)


def restricted_table(caption: str, sides: Sequence[tuple[str, Sequence[SurvivalCurve]]], *, compared: bool) -> TableBlock | None:
    """A row a group and day; with `compared` the difference of the second group from the first. None where nothing is open."""
    rows = [row for name, curves in sides for row in _rows(name, curves, compared=compared)]
    header = ["Patients", "Group", "Of the first months", "Mean (95 % CI), months", "p"]
    if not compared:
        rows, header = [row[:-1] for row in rows], header[:-1]
    return TableBlock(caption, header, rows, note=NOTE, align="ll" + "r" * (len(header) - 2)) if rows else None


def _rows(name: str, curves: Sequence[SurvivalCurve], *, compared: bool) -> Iterator[list[str]]:
    for day in sorted({mean.day for one in curves for mean in one.means}):
        known = {one.label: mean for one in curves for mean in one.means if mean.day == day}
        months = number_text.number(day / MONTH, 0)
        for label, mean in known.items():
            yield [name, label, months, number_text.with_interval(mean.months, mean.low, mean.high, 1), ""]
        if compared and len(known) == len(curves) == 2:
            first, second = known.values()
            yield [name, f"{curves[1].label} less {curves[0].label.lower()}", months, *_difference(first, second)]


def _difference(first: RestrictedMean, second: RestrictedMean) -> tuple[str, str]:
    """With its interval, and p; groups of different patients, so variances add."""
    difference, se = second.months - first.months, float((first.se**2 + second.se**2) ** 0.5)
    if not se > 0:
        return number_text.number(difference, 1), number_text.MISSING
    words = number_text.with_interval(difference, difference - Z95 * se, difference + Z95 * se, 1)
    return words, number_text.p_value(two_sided(difference / se))
