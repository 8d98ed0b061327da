"""Table 1: who the patients are, overall and by set, with standardised differences to the training patients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from server.report import number_text
from server.report.common import small_cells
from server.report.common.estimate_kinds import SETS, Numbers
from server.report.common.figure_style import SET_NAME
from server.report.common.standardised_differences import difference_of_means, difference_of_shares
from server.report.display_names import LABELS, VALUE_LABELS
from server.report.page_blocks import Block, TableBlock
from server.report.parts.part import ReportedStudy, ReportPart
from server.report.parts.patients.set_sizes import PATIENTS, SIZES
from server.study.opened_analyses import OpenedAnalyses
from server.study.study_results import Characteristics, SetName
from shared_model.analyses.groups.means_and_medians_on_shares import least_known
from site_config.study.prognostic_models import MODELS

VARIABLES, VALUES = 16, 8
"""Clinical variables, and values of one, that the sums of Table 1 hold (`characteristics` of `shared_model.statistics`)."""
Column = SetName | Literal["overall"]


class Cell(Numbers):
    """One count of Table 1; a suppressed one is None and says why: it is small, or it would give a small one back."""

    value: str
    count: int | None
    hidden: Literal["small", "complement"] | None = None


class Characteristic(Numbers):
    """One variable of Table 1 on one set or overall: mean and standard deviation, or counts.

    `difference` is the standardised difference to the training patients, from what the table shows alone: None beside a hidden count.
    """

    variable: str
    label: str
    set: Column
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    counts: list[Cell] = Field(default_factory=list)
    difference: float | None = None


def numbers(report: ReportedStudy) -> list[Characteristic]:
    """Every variable of every set, and overall."""
    if report.analyses is not None:
        return _from_shares(report.analyses, report)
    by_set = {one.set: one for one in report.result.characteristics}
    rows = {s: _rows(by_set[s], report) for s in SETS if s in by_set}
    train = {row.variable: row for row in rows.get("train", [])}
    found = [_with_difference(row, train.get(row.variable)) for mine in rows.values() for row in mine]
    return found + (_overall(rows, {s: by_set[s] for s in rows}) if len(rows) > 1 else [])


def _from_shares(analyses: OpenedAnalyses, report: ReportedStudy) -> list[Characteristic]:
    labels = LABELS | {variable.name: variable.titled for variable in report.study.clinical}
    columns: dict[str, Column] = {**{s: s for s in SETS}, "all": "overall"}
    unknown = _known_of_nobody(analyses)
    rows = [
        Characteristic(
            variable=one.variable,
            label=labels.get(one.variable, one.variable),
            set=columns[column.set],
            mean=one.mean,
            sd=one.sd,
            median=one.median,
            counts=[Cell(value=VALUE_LABELS.get(cell.value, cell.value), count=cell.n, hidden=cell.hidden) for cell in one.counts],
        )
        for column in analyses.characteristics
        if column.set in columns
        for one in column.variables
        if one.variable not in unknown
    ]
    train = {row.variable: row for row in rows if row.set == "train"}
    return [row if row.set == "overall" else _with_difference(row, train.get(row.variable)) for row in rows]


def _known_of_nobody(analyses: OpenedAnalyses) -> set[str]:
    """Variables that no hospital told of anybody: a study need not ask for them."""
    cells: dict[str, list[int | None]] = {}
    for column in analyses.characteristics:
        for one in column.variables:
            if one.counts:
                cells.setdefault(one.variable, []).extend(cell.n for cell in one.counts if cell.value != "unknown")
    return {variable for variable, counts in cells.items() if all(count == 0 for count in counts)}


def _rows(one: Characteristics, report: ReportedStudy) -> list[Characteristic]:
    labels = LABELS | {variable.name: variable.titled for variable in report.study.clinical}
    rows = [
        Characteristic(variable=name, label=labels.get(name, name), set=one.set, mean=mean, sd=one.sd.get(name))
        for name, mean in one.mean.items()
        if one.known.get(name, one.n) >= least_known(report.minimum)
    ]
    for name, counts in one.counts.items():
        # Flags overlap and need not add up to n, so one hidden flag cannot be worked out from the others.
        shown = small_cells.group(counts, report.minimum, total_known=name != "flags")
        cells = [_cell(value, shown[value], counts[value], report.minimum) for value in counts if counts[value] != 0 or name not in LABELS]
        rows.append(Characteristic(variable=name, label=labels.get(name, name), set=one.set, counts=cells))
    return rows


def _cell(value: str, shown: int | None, opened: int | None, minimum: int) -> Cell:
    hidden: Literal["small", "complement"] | None = None
    if shown is None:
        hidden = "complement" if opened is not None and opened >= minimum else "small"
    return Cell(value=VALUE_LABELS.get(value, value), count=shown, hidden=hidden)


def _with_difference(row: Characteristic, train: Characteristic | None) -> Characteristic:
    if train is None or row.set == "train":
        return row
    if row.mean is not None and row.sd is not None and train.mean is not None and train.sd is not None:
        found = difference_of_means(row.mean, row.sd, train.mean, train.sd)
    else:
        mine, theirs = ({cell.value: cell.count for cell in one.counts if cell.value != "unknown"} for one in (row, train))
        found = None if row.variable == "flags" else difference_of_shares(mine, theirs)
    return row.model_copy(update={"difference": found})


def _overall(rows: Mapping[SetName, Sequence[Characteristic]], sets: Mapping[SetName, Characteristics]) -> list[Characteristic]:
    """All sets together, from what their columns show: a count or a mean with one hidden part is hidden, or that part would follow."""
    found = []
    for name in dict.fromkeys(row.variable for mine in rows.values() for row in mine):
        mine = [row for one in rows.values() for row in one if row.variable == name]
        if any(row.mean is not None for row in mine):
            parts = {s: (sets[s].known.get(name, sets[s].n), row) for s in rows for row in rows[s] if row.variable == name}
            closed = any(sets[s].known.get(name, sets[s].n) for s in rows if s not in parts)  # what is left of a total would be its mean
            mean, sd = (None, None) if closed else _pooled([(n, one.mean or 0.0, one.sd or 0.0) for n, one in parts.values()])
            found.append(Characteristic(variable=name, label=mine[0].label, set="overall", mean=mean, sd=sd))
        else:
            values = list(dict.fromkeys(cell.value for row in mine for cell in row.counts))
            cells = [_sum(value, [cell for row in mine for cell in row.counts if cell.value == value]) for value in values]
            found.append(Characteristic(variable=name, label=mine[0].label, set="overall", counts=cells))
    return found


def _sum(value: str, cells: Sequence[Cell]) -> Cell:
    if any(cell.count is None for cell in cells):
        return Cell(value=value, count=None, hidden="complement")
    return Cell(value=value, count=sum(cell.count or 0 for cell in cells))


def _pooled(parts: Sequence[tuple[int, float, float]]) -> tuple[float | None, float | None]:
    """Mean and standard deviation of all patients from those of parts (n, mean, sd)."""
    total = sum(n for n, _, _ in parts)
    if total < 2:
        return None, None
    mean = sum(n * m for n, m, _ in parts) / total
    squares = sum((n - 1) * sd**2 + n * (m - mean) ** 2 for n, m, sd in parts)
    return mean, math.sqrt(squares / (total - 1))


def blocks(found: list[Characteristic], report: ReportedStudy) -> Iterator[Block]:
    """A row a value, a column a set; a yes/no variable takes one row."""
    sizes = {size.set: size for size in report.of(SIZES)}
    if not found or not sizes:
        return
    columns: list[Column] = [*(["overall"] if any(row.set == "overall" for row in found) else []), *sizes]  # type: ignore[list-item]
    held: dict[Column, int] = {"overall": sum(size.n for size in sizes.values()), **{s: size.n for s, size in sizes.items()}}
    differ = [s for s in sizes if any(row.set == s and row.difference is not None for row in found)]
    rows: list[list[str]] = []
    heads: set[int] = set()
    for variable in dict.fromkeys(row.variable for row in found):
        mine = {row.set: row for row in found if row.variable == variable}
        head, lines = _lines(variable, mine, columns, held, report)
        differences = [number_text.number(mine[s].difference) if s in mine else number_text.MISSING for s in differ]
        if head is not None:
            heads.add(len(rows))
            rows.append([head, *([""] * (len(columns) + len(differ)))])
        # A row that heads a group has one cell: the difference of all its levels stands beside the first.
        rows += [[*line, *([""] * len(differ) if number else differences)] for number, line in enumerate(lines)]
    header = ["", *(_head(column, report) for column in columns), *(f"Difference\n{SET_NAME[s].lower()}" for s in differ)]
    few = "A count of 1 reads" if report.minimum == 2 else f"Counts from 1 to {report.minimum - 1} read"
    note = (
        f"Patients (share of the set). {few} <{report.minimum}; a count that would let one be "
        f"worked out reads {number_text.HIDDEN}. "
        + (
            "On secret shares the coordinator does not learn them either. "
            if report.analyses is not None
            else "This hides small groups from readers of this page, not from the coordinator, who opened the sums. "
        )
        + f"No mean of fewer than {least_known(report.minimum)} known values is printed, nor a total that would give it away. "
        + "Difference: to the training patients, standardised, of means or of shares (all levels together); beyond 0.1 is often "
        "called an imbalance; none is printed beside a hidden count. A value whose counts are hidden in every set has no row."
    )
    yield TableBlock("Characteristics of the patients by set", header, rows, label="Table 1", note=note, group_rows=frozenset(heads))


def _head(column: Column, report: ReportedStudy) -> str:
    sizes = report.of(SIZES)
    if column == "overall":
        return f"Overall\n{number_text.size(sum(s.n for s in sizes), number_text.total(s.events for s in sizes))}"
    one = next(size for size in sizes if size.set == column)
    return f"{SET_NAME[column]}\n{number_text.size(one.n, one.events)}\n{number_text.plural(one.sites, 'hospital')}"


def _lines(
    variable: str, mine: Mapping[Column, Characteristic], columns: Sequence[Column], held: Mapping[Column, int], report: ReportedStudy
) -> tuple[str | None, list[list[str]]]:
    """The row that heads a variable's values, None where one row says all, and the rows."""
    label, minimum = next(iter(mine.values())).label, report.minimum
    every = list(dict.fromkeys(cell.value for row in mine.values() for cell in row.counts))
    values = [value for value in every if any(_shows(row, value) for row in mine.values())]
    cells = [mine.get(column) for column in columns]
    sizes = [held[column] for column in columns]
    logarithm = next((one for one in report.study.clinical if one.name == variable and one.log), None)
    if logarithm is not None and any(row.mean is not None for row in mine.values()):
        name = f"{logarithm.label}{f', {logarithm.unit}' if logarithm.unit else ''}, geometric mean ×/÷ SD"
        return None, [[name, *(_geometric(cell) for cell in cells)]]
    if any(row.mean is not None for row in mine.values()):
        return None, [[f"{label}, mean ± SD", *(_mean(cell) for cell in cells)]]
    if any(row.median is not None for row in mine.values()):
        medians = [number_text.MISSING if cell is None else number_text.number(cell.median, 0) for cell in cells]
        return None, [[f"{label}, median", *medians]]
    if values and set(values) <= {"no", "yes"}:
        return None, [[label, *_counts(cells, "yes", sizes, minimum)]]
    if len(values) == 1:
        name = values[0][:1].upper() + values[0][1:] if variable == "flags" else f"{label}: {values[0]}"
        return None, [[name, *_counts(cells, values[0], sizes, minimum)]]
    if not values:
        return None, [[label, *([number_text.HIDDEN] * len(columns))]] if every else []
    return label, [[f"{number_text.INDENT}{value}", *_counts(cells, value, sizes, minimum)] for value in values]


def _shows(row: Characteristic, value: str) -> bool:
    """Whether a set has a number for a value, be it 0."""
    return any(cell.value == value and cell.count is not None for cell in row.counts)


def _mean(cell: Characteristic | None) -> str:
    return (
        number_text.MISSING
        if cell is None or cell.mean is None
        else f"{number_text.number(cell.mean, 1)} ± {number_text.number(cell.sd, 1)}"
    )


def _geometric(cell: Characteristic | None) -> str:
    """The mean and spread of a logarithm as the number itself: what multiplies and divides it."""
    if cell is None or cell.mean is None or cell.sd is None:
        return number_text.MISSING
    return f"{math.exp(cell.mean):.3g} ×/÷ {math.exp(cell.sd):.2g}"


def _counts(cells: Sequence[Characteristic | None], value: str, sizes: Sequence[int], minimum: int) -> list[str]:
    return [_count(cell, value, n, minimum) for cell, n in zip(cells, sizes, strict=True)]


def _count(cell: Characteristic | None, value: str, n: int, minimum: int) -> str:
    found = next((c for c in cell.counts if c.value == value), None) if cell else None
    if found is None:
        return "0" if cell and cell.counts else number_text.MISSING
    if found.count is None:
        return number_text.HIDDEN if found.hidden == "complement" else number_text.count(None, minimum)
    return f"{found.count} ({number_text.percent(found.count, n)})"


def missing(_found: list[Characteristic], report: ReportedStudy) -> dict[str, str]:
    """Which variables the sums have no room for."""
    if report.analyses is not None or not MODELS.read_variables(report.study.models):
        return {}
    rest = [variable.titled for variable in report.study.clinical[VARIABLES:]]
    long = [variable.titled for variable in report.study.clinical[:VARIABLES] if len(variable.codes) > VALUES]
    words = [f"Not in Table 1, which holds {VARIABLES} clinical variables: {number_text.listed(rest)}."] if rest else []
    words += [f"Only the first {VALUES} values of {number_text.listed(long)} are in Table 1."] if long else []
    return {"characteristics": " ".join(words)} if words else {}


CHARACTERISTICS = ReportPart(
    name="characteristics", heading=PATIENTS, numbers=numbers, blocks=blocks, missing=missing, shape=list[Characteristic]
)
