"""The comparison as one self-contained page: a picture a scenario, the table, and how it was done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from server.report import number_text
from server.report.common import figure_style
from server.report.common.figure_style import Picture
from server.report.page_blocks import Facts, Figure, Panel, Paragraph, Section, TableBlock
from server.report.report_page import Document, document
from simulations.compare.compared_methods import REFERENCE
from simulations.compare.comparison import MethodComparison, Summary, as_csv
from site_config.atomic_files import write_atomic

COLOURS = {"pooled": "#6b7280", "alone": "#CC79A7", "local": "#E69F00", "ours": "#0072B2", "private": "#009E73"}
BAND = 0.001


def write_comparison(comparison: MethodComparison, folder: Path) -> tuple[Path, Path]:
    """Write `compare.html` and `compare.csv` into the folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, rows = folder / "compare.html", folder / "compare.csv"
    write_atomic(rows, as_csv(comparison).encode(), mode=0o644)
    write_atomic(page, document(comparison_page(comparison)).encode(), mode=0o644)
    return page, rows


def comparison_page(comparison: MethodComparison) -> Document:
    """What the page says."""
    scenarios = list(dict.fromkeys(one.scenario for one in comparison.summaries))
    sections = [_scenario(comparison, [one for one in comparison.summaries if one.scenario == name]) for name in scenarios]
    made = "made-up " if comparison.simulated else ""
    ways = number_text.plural(len({one.method for one in comparison.summaries}), "way")
    lede = (
        f"A {'linear' if comparison.model == 'linear' else 'small network'} model of tabular covariates, trained in {ways} on the same "
        f"{made}patients with the same first weights, optimiser and number of updates, "
        f"{number_text.plural(len(comparison.seeds), 'paired seed')}. "
        "The C-index is taken on hospitals that no method saw; differences are taken seed by seed."
    )
    chips = [(f"{len(comparison.seeds)} seeds", ""), (comparison.model, "")]
    if comparison.simulated:
        chips.insert(0, ("SIMULATED", "warn"))
    return Document(
        heading="Does federation cost accuracy?",
        eyebrow="fedhcc-sim compare tabular",
        lede=lede,
        chips=chips,
        sections=[*sections, _how(comparison)],
        footer="Every outcome, a row a seed and method: compare.csv beside this page.",
        simulated=comparison.simulated,
    )


def _scenario(comparison: MethodComparison, rows: Sequence[Summary]) -> Section:
    first = rows[0]
    dots = {row.method: [o.difference for o in comparison.outcomes if (o.scenario, o.method) == (row.scenario, row.method)] for row in rows}
    wide = _picture(rows, dots, f"cmp-{first.scenario}", 760, simulated=comparison.simulated)
    narrow = _picture(rows, dots, f"cmp-{first.scenario}-n", 350, simulated=comparison.simulated)
    caption = (
        "Dots: seeds; bar: mean and 95 % interval of the paired difference (Student's t). An arrow points to a mean beyond the axis. "
        "The table below has the numbers."
    )
    words = (
        f"On average {first.n:.0f} development patients with {first.events:.0f} events, and {first.held_out:.0f} held-out patients with "
        f"{first.held_out_events:.0f} events."
    )
    figure = Figure(first.scenario, "", "Difference in C-index to pooled full-batch training", [Panel(wide, narrow)], (), caption)
    return Section(f"section-{first.scenario}", first.title[:1].upper() + first.title[1:], [Paragraph(words), figure, _table(rows)])


@figure_style.styled
def _picture(rows: Sequence[Summary], dots: dict[str, list[float]], name: str, width: int, *, simulated: bool) -> Picture:
    """Paired differences by method, zero is pooled full batch."""
    wide = width > 500
    shown = [row for row in rows if row.method != REFERENCE]
    figure, axes = figure_style.panel(width, 60 + (26 if wide else 40) * len(shown))
    drawn = [value for row in shown if row.method != "alone" for value in dots[row.method]]
    low, high = min([-0.02, *drawn]), max([0.01, *drawn])
    axes.axvspan(-BAND, BAND, color=figure_style.FAINT, zorder=0)
    axes.axvline(0, color=figure_style.MUTED, linewidth=0.9)
    for index, row in enumerate(shown):
        colour = COLOURS[row.method.split("-")[0]]
        inside = [value for value in dots[row.method] if value >= low]
        axes.plot(inside, [index] * len(inside), linestyle="none", marker="o", markersize=3.5, color=colour, alpha=0.3, markeredgewidth=0)
        if row.difference < low:
            axes.annotate("", xy=(low, index), xytext=(low + 0.12 * (high - low), index), arrowprops={"arrowstyle": "->", "color": colour})
        else:
            if row.low is not None and row.high is not None:
                axes.plot([row.low, row.high], [index, index], color=colour, linewidth=2.2, solid_capstyle="butt")
            axes.plot([row.difference], [index], marker="D", markersize=6, color=colour, markeredgecolor="white")
        mean = number_text.number(row.difference, 4)
        if wide:
            axes.text(1.02, index, mean, transform=axes.get_yaxis_transform(), va="center", fontsize=9)
        else:
            axes.text(0, index - 0.38, f"{row.method_title}: {mean}", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    axes.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))
    axes.set_ylim(len(shown) - 0.5, -0.65)
    axes.set_yticks(range(len(shown)), [row.method_title for row in shown] if wide else [""] * len(shown))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("C-index minus that of pooled full batch")
    told = "; ".join(f"{row.method_title} {number_text.with_interval(row.difference, row.low, row.high, 4)}" for row in shown)
    return figure_style.finish(figure, name, f"Difference in C-index to pooled full batch, {rows[0].title}: {told}.", simulated=simulated)


def _table(rows: Sequence[Summary]) -> TableBlock:
    body = [
        [
            row.method_title,
            number_text.number(row.c, 4),
            number_text.interval(row.c_low, row.c_high, 2),
            number_text.with_interval(row.difference, row.low, row.high, 4),
            number_text.number(row.worst, 4),
            number_text.bytes_size(row.bytes_up),
            number_text.bytes_size(row.bytes_down),
            number_text.seconds(row.seconds),
        ]
        for row in rows
    ]
    note = (
        "C: mean over seeds, with the mean ends of the seeds' 95 % logit intervals. Hospitals alone: mean of their models, "
        "weighted by patients. "
        "Bytes: all hospitals and rounds together, vectors and handshakes without the messages' envelope; pooled rows: the table "
        "itself. Time: one CPU."
    )
    header = ["Method", "C", "95 % CI of one seed", "Difference (95 % CI)", "Largest", "Sent", "Received", "Time"]
    return TableBlock("Methods", header, body, note=note)


def _how(comparison: MethodComparison) -> Section:
    plan = comparison.plan
    items = [
        ("Model", f"{comparison.model} of {', '.join(comparison.covariates)}"),
        (
            "Updates",
            (f"{plan.rounds}, Adam at {plan.server_rate:g}, for every method; local steps are plain gradient steps at {plan.site_rate:g}"),
        ),
        ("Pooled full batch", "Efron's partial likelihood of all development rows, differentiated directly"),
        (
            "Broadcast hazard",
            (f"exact: Efron's step hazard on days; piecewise: {plan.intervals} intervals; carried: the last round's scores"),
        ),
        ("Masked", "updates as 32-bit fixed-point integers summed in a ring: what is left when masks cancel, bit for bit"),
        ("Local risk sets", "Breslow's partial likelihood inside each hospital; one patient contributes nothing"),
        ("Seeds", ", ".join(map(str, comparison.seeds))),
    ]
    if comparison.simulated:
        items[1:1] = [
            ("Small hospitals", "1 to 8 patients, 207 patients in 52 hospitals; large ones: 207 patients in six"),
            ("Differ in survival", "patients are dealt to hospitals by prognosis, with correlation 0.98 (strongly) or 0.8"),
        ]
    return Section("how", "How it was done", [Facts(items)])
