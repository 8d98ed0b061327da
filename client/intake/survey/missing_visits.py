"""Which visits and regions of a patient no row and no open question supplies, in words; before the answers and after them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

VISITS = ("baseline", "followup")
LACKING = {
    "baseline": "without it the patient takes no part in the imaging models",
    "followup": "the baseline's slices stand in where the study declares so, and the patient is flagged",
}
Row = Mapping[str, str]


def supplied(rows: Iterable[Row], visit: str, region: str) -> bool:
    """Whether a row shows the region at the visit."""
    return any(row["visit"] == visit and row["region"] in (region, "whole") for row in rows)


def gaps(stated: Iterable[str], regions: Sequence[str], rows: Sequence[Row], asked: Mapping[str, set[str | None]]) -> dict[str, list[str]]:
    """For each stated visit the regions that are neither in a row nor asked about; a question without region asks about all."""
    found = {}
    for visit in stated:
        open_here = asked.get(visit, set())
        if None in open_here:
            continue
        lacking = [region for region in regions if region not in open_here and not supplied(rows, visit, region)]
        if lacking:
            found[visit] = lacking
    return found


def whole(missing: Sequence[str], regions: Sequence[str]) -> bool:
    """Whether a visit is missing for every model: all regions, or the abdomen."""
    return len(missing) == len(regions) or "abdomen" in missing


def partly(found: Mapping[str, Sequence[str]], regions: Sequence[str]) -> list[tuple[str, str]]:
    """The first visit and the sentence for each region that is missing while the visit is there."""
    lacking: dict[str, list[str]] = {}
    for visit, missing in found.items():
        if not whole(missing, regions):
            lacking.setdefault(f"no {' and no '.join(missing)} scan", []).append(visit)
    return [
        (visits[0], f"{what} was found for {' and '.join(visits)}; {LACKING['baseline' if 'baseline' in found else visits[0]]}")
        for what, visits in lacking.items()
    ]


def consequence(visit: str | None, region: str | None) -> str:
    """What it means for the patient if no scan is taken for a visit and region; "" where the question names no visit."""
    if visit is None:
        return ""
    return LACKING["followup" if (visit, region) == ("followup", "chest") else "baseline"]
