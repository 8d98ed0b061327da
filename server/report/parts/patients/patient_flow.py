"""Figure 1: how patients came into every set, and why others did not."""

from __future__ import annotations

from collections.abc import Iterator

from server.report import number_text
from server.report.common import small_cells
from server.report.common.estimate_kinds import SETS
from server.report.common.figure_style import SET_NAME
from server.report.common.two_groups import size_words
from server.report.page_blocks import Block, Flow, FlowStep, TableBlock
from server.report.parts.part import ReportedStudy, ReportPart
from server.report.parts.patients.set_sizes import PATIENTS, SIZES

LABEL = {
    "no_images": "scans missing or unusable",
    "clinical_missing": "clinical variables missing",
    "left": "left in the course of the study, companions included",
}
Counts = dict[str, int | None]
HIDDEN = "(hidden)"
"""A count that is not shown; the dot of the tables would look like the start of a list here."""


def numbers(report: ReportedStudy) -> Counts:
    """`SET.NAME` → patients; where enrolled − analysed would give a small exclusion back, `enrolled` is hidden too."""
    shown: Counts = {}
    for set_ in SETS:
        mine = {key: count for key, count in report.result.flow.items() if key.startswith(f"{set_}.")}
        reasons = {key: count for key, count in mine.items() if key.split(".")[1] not in ("enrolled", "analysed")}
        hidden = small_cells.group(reasons, report.minimum, total_known=True)
        lone = sum(count is None for count in hidden.values()) == 1
        ends = {key: None if lone and key.endswith(".enrolled") else count for key, count in mine.items() if key not in reasons}
        shown |= {key: ({**ends, **hidden})[key] for key in mine}
    return shown


def blocks(found: Counts, report: ReportedStudy) -> Iterator[Block]:
    """The boxes, and their numbers as a table."""
    columns, told, rows = [], [], []
    shown = {
        "clinical_missing",
        *(["no_images"] if report.study.reads_scans else []),
        *(["left"] if "leaving" in report.result.lock else []),
    }
    labels = {key: label for key, label in LABEL.items() if key in shown}
    for size in report.of(SIZES):
        counts = {key: found.get(f"{size.set}.{key}", 0) for key in labels}
        left = [(LABEL[key], _hidden(count)) for key, count in counts.items() if count != 0]
        key = f"{size.set}.enrolled"
        enrolled = _hidden(found[key]) if key in found else number_text.MISSING
        first = FlowStep("Enrolled", enrolled, left_out=left)
        last = FlowStep("Analysed", str(size.n), f"{number_text.events(size.events)}, {number_text.plural(size.sites, 'hospital')}")
        columns.append([FlowStep(SET_NAME[size.set], ""), first, last])
        out = ", ".join(f"{n} {why}" for why, n in left) or "nobody left out"
        told.append(f"{SET_NAME[size.set]}: {enrolled} enrolled, {out}, {size.n} analysed")
        rows.append([SET_NAME[size.set], enrolled, *(_hidden(count) for count in counts.values()), str(size.n), size_words(size.events)])
    table = TableBlock("Patients by set", ["Set", "Enrolled", *labels.values(), "Analysed", "Events"], rows)
    caption = (
        "A patient may be left out for more than one reason. Training and validation patients share hospitals; test hospitals are "
        f"held out. {HIDDEN}: a count below {report.minimum}, or one that would let it be worked out."
    )
    yield Flow("flow", "Figure 1", "Flow of patients", ". ".join(told) + ".", columns, [table], caption)


def _hidden(count: int | None) -> str:
    return HIDDEN if count is None else f"{count:,d}"


FLOW = ReportPart(name="flow", heading=PATIENTS, numbers=numbers, blocks=blocks, shape=Counts)
