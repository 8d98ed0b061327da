"""The sections with results, in the order of the study this follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from server.report import tables, text
from server.report.blocks import Block, Figure, Flow, FlowStep, Headline, Panel, Paragraph, Section, TableBlock
from server.report.figures import model as figures_model
from server.report.figures import survival as figures_survival
from server.report.figures.style import SET_LABEL, SET_NAME
from server.report.metrics_labels import VALUE_LABELS
from server.report.numbers import Metrics, RiskGroups, Subgroup
from server.study.results import SetName
from site_config.study.prognostic_models import CLN, MODELS

SETS: tuple[SetName, ...] = ("train", "validation", "test")
FLOW_LABEL = {"no_images": "scans missing or unusable", "clinical_missing": "clinical variables missing"}
SUBGROUP_LABEL = {"response": "RECIST", "manufacturer": "Scanner"}


def absent(metrics: Metrics, *keys: str) -> list[Block]:
    """Why parts of a section are not there."""
    return [Paragraph(metrics.absent[key], tone="absent") for key in keys if key in metrics.absent]


def glance(metrics: Metrics) -> Section:
    """The large numbers and C of every model on the three sets."""
    by_set = {s: [row for row in metrics.concordance if row.set == s] for s in SETS}
    panels = [
        Panel(figures_model.concordance(rows, SET_LABEL[s], f"glance-{s}", simulated=metrics.simulated))
        for s, rows in by_set.items()
        if any(row.c.value is not None for row in rows)
    ]
    blocks: list[Block] = [Headline(_headline(metrics))]
    if panels:
        caption = (
            "Dots: C-index; lines: 95 % intervals; the vertical line is chance. Training figures are apparent. Table 2 has the numbers, "
            "with patients and events."
        )
        blocks.append(Figure("glance-figure", "", "C-index of the models by set", panels, caption=caption))
    return Section("glance", "At a glance", [*blocks, *absent(metrics, "concordance")])


def _headline(metrics: Metrics) -> list[tuple[str, str, str]]:
    """Value, what it is, and what it rests on."""
    events = sum(size.events for size in metrics.sets)
    items = [(f"{sum(size.n for size in metrics.sets):,d}", "patients analysed", text.plural(events, metrics.event))]
    test = next((size for size in metrics.sets if size.set == "test"), None)
    if test is not None:
        hospitals = text.plural(test.sites, "hospital")
        items.append((str(test.n), "patients held out", f"{text.plural(test.events, metrics.event)}, {hospitals} that never trained"))
    return items + _held_out(metrics)


def _held_out(metrics: Metrics) -> list[tuple[str, str, str]]:
    """C-index and hazard ratio on the test set, both of one model: the most preferred that has one, never the one that did best."""
    rows = {row.model: row.c for row in metrics.concordance if row.set == "test" and row.c.value is not None}
    ratios = {one.model: one.hazard_ratio for one in metrics.risk_groups if one.set == "test" and one.hazard_ratio.value is not None}
    model = next((one.name for one in MODELS.preferred([*rows, *ratios])), None)
    if model is None:
        return []
    items = []
    stands_in = "" if model == metrics.primary else f"; {metrics.primary} was declared first and is not opened"
    if model in rows:
        c = rows[model]
        under = f"95 % CI {text.interval(c.low, c.high)}, n {c.n}, {c.events} events{stands_in}"
        items.append((text.number(c.value), f"C-index of {model}, test", under))
    if model in ratios:
        hr = ratios[model]
        under = f"95 % CI {text.ratio(hr.low)}–{text.ratio(hr.high)}, n {hr.n}, {hr.events} events"
        items.append((text.ratio(hr.value), f"hazard ratio, high against low risk by {model}, test", under))
    return items


def patients(metrics: Metrics) -> Section:
    """Flow, Table 1 and survival by set."""
    blocks: list[Block] = [_flow(metrics), tables.characteristics(metrics)]
    sets = metrics.set_survival
    keys = [s for s in SETS if SET_NAME[s] in {c.label for c in sets.curves}]
    if sets.curves:
        wide = figures_survival.sets_compared(sets, keys, "s2", simulated=metrics.simulated, endpoint=metrics.endpoint)
        narrow = figures_survival.sets_compared(sets, keys, "s2n", simulated=metrics.simulated, endpoint=metrics.endpoint, width=335)
        blocks.append(
            Figure(
                "s2",
                "Figure S2",
                f"{metrics.endpoint} by set",
                [Panel(wide, narrow)],
                [tables.curve(sets.curves, f"{metrics.endpoint} by set")],
                _curve_note(metrics),
            )
        )
    return Section("patients", "Patients", [*blocks, *absent(metrics, "set_survival")])


def _curve_note(metrics: Metrics) -> str:
    return (
        f"Kaplan–Meier with 95 % bands (Greenwood, log-log). A curve ends where fewer than {metrics.minimum_cell} patients remain at risk; "
        f"such counts read <{metrics.minimum_cell}."
    )


def _flow(metrics: Metrics) -> Flow:
    columns, told, rows = [], [], []
    labels = {key: label for key, label in FLOW_LABEL.items() if key != "no_images" or metrics.reads_scans}
    for size in metrics.sets:
        counts = {key: metrics.flow.get(f"{size.set}.{key}", 0) for key in labels}
        left = [(FLOW_LABEL[key], _hidden(count)) for key, count in counts.items() if count != 0]
        key = f"{size.set}.enrolled"
        enrolled = _hidden(metrics.flow[key]) if key in metrics.flow else text.MISSING
        first = FlowStep("Enrolled", enrolled, left_out=left)
        last = FlowStep("Analysed", str(size.n), f"{text.plural(size.events, 'event')}, {text.plural(size.sites, 'hospital')}")
        columns.append([FlowStep(SET_NAME[size.set], ""), first, last])
        out = ", ".join(f"{n} {why}" for why, n in left) or "nobody left out"
        told.append(f"{SET_NAME[size.set]}: {enrolled} enrolled, {out}, {size.n} analysed")
        rows.append([SET_NAME[size.set], enrolled, *(_hidden(count) for count in counts.values()), str(size.n), str(size.events)])
    numbers = TableBlock("Patients by set", ["Set", "Enrolled", *labels.values(), "Analysed", "Events"], rows)
    caption = (
        "A patient may be left out for more than one reason. Training and validation patients share hospitals; test hospitals are "
        "held out. "
        f"{text.HIDDEN}: a count below {metrics.minimum_cell}, or one that would let it be worked out."
    )
    return Flow("flow", "Figure 1", "Flow of patients", ". ".join(told) + ".", columns, [numbers], caption)


def _hidden(count: int | None) -> str:
    return text.HIDDEN if count is None else f"{count:,d}"


def clinical(metrics: Metrics) -> Section:
    """The clinical Cox model as forest plot and table."""
    blocks: list[Block] = []
    if metrics.clinical is not None:
        wide = figures_model.forest(metrics.clinical, "s3", simulated=metrics.simulated)
        narrow = figures_model.forest(metrics.clinical, "s3n", simulated=metrics.simulated, width=350)
        blocks.append(
            Figure(
                "s3",
                "Figure S3",
                "Clinical model (CLN)",
                [Panel(wide, narrow)],
                [tables.cox(metrics.clinical)],
                (f"Multivariable Cox model on the training patients, n {metrics.clinical.n}, {metrics.clinical.events} events."),
            )
        )
    return Section("clinical", "Clinical model", [*blocks, *absent(metrics, CLN.name)])


def discrimination(metrics: Metrics) -> Section:
    """Tables 2 and 3, ROC curves, score distributions."""
    blocks: list[Block] = absent(metrics, "withheld")
    rows = [r for r in metrics.concordance if r.set != "train"]
    apparent = [r for r in metrics.concordance if r.set == "train"]
    if rows or apparent:
        blocks.append(tables.concordance([*rows, *apparent]))
    if metrics.comparisons:
        blocks.append(tables.comparisons(metrics.comparisons))
    blocks += absent(metrics, *(model.name for model in MODELS.fitted(metrics.absent) if model.network), "concordance", "comparisons")
    blocks += _rocs(metrics)
    blocks += absent(metrics, "roc")
    return Section("discrimination", "Discrimination", blocks)


def _rocs(metrics: Metrics) -> Iterable[Block]:
    panels = []
    for horizon in metrics.horizons:
        for set_ in SETS:
            rows = [r for r in metrics.roc if r.set == set_ and r.horizon == horizon and r.false_positive]
            if rows:
                title = f"{SET_LABEL[set_]} · {horizon} days"
                panels.append(Panel(figures_survival.roc(rows, title, f"roc-{horizon}-{set_}", simulated=metrics.simulated)))
    if panels:
        yield Figure(
            "s4",
            "Figure S4",
            "Time-dependent ROC curves",
            panels,
            [tables.roc(metrics.roc)],
            "Cases had their event before the horizon, controls none up to it; patients lost before it are accounted for by "
            "inverse probability of censoring. "
            "A patient whose time is the horizon itself is neither.",
        )


def risk(metrics: Metrics) -> Section:
    """Score distributions and Kaplan–Meier by risk group."""
    blocks: list[Block] = []
    shown = [d for d in metrics.distributions if d.model == metrics.primary] or metrics.distributions[:3]
    if shown:
        panels = [Panel(figures_survival.distribution(d, f"dist-{d.set}", simulated=metrics.simulated)) for d in shown]
        blocks.append(
            Figure(
                "f3l",
                "Figure 3, left",
                "Who has which score, and what it is made of",
                panels,
                [tables.distribution(shown)],
                (
                    f"Bins of at least {metrics.minimum_cell} patients. Lower panels: mean part of the score from "
                    + ("images and from clinical variables." if metrics.reads_scans else "clinical variables.")
                ),
            )
        )
    for model in dict.fromkeys(group.model for group in metrics.risk_groups):
        label = MODELS[model].risk_figure or ""
        groups = [g for g in metrics.risk_groups if g.model == model]
        blocks += _km(metrics, groups, model, label)
    return Section("risk", "Risk groups", [*blocks, *absent(metrics, "distribution", "risk_groups")])


def _km(metrics: Metrics, groups: Sequence[RiskGroups], model: str, label: str) -> list[Block]:
    if not groups:
        return []
    drawn = [g for g in groups if g.curves]
    panels = [
        Panel(figures_survival.kaplan_meier(g, f"km-{model}-{g.set}", simulated=metrics.simulated, endpoint=metrics.endpoint))
        for g in drawn
    ]
    numbers = [tables.risk_groups(groups), *(tables.curve(g.curves, f"{model}, {SET_LABEL[g.set]}") for g in drawn)]
    caption = (
        f"High risk is a score above {text.number(groups[0].cutoff)} (linear predictor), the training median, frozen before a "
        f"held-out hospital was opened. {_curve_note(metrics)}"
    )
    blocks: list[Block] = [Figure(f"km-{model}", label, f"Survival by risk group of {model}", panels, numbers, caption)] if panels else []
    why = [f"{SET_NAME[g.set]}: {g.reason}." for g in groups if g.reason] + [g.note for g in groups if g.note]
    return blocks + [Paragraph(words, tone="absent") for words in why]


def fused(metrics: Metrics) -> Section:
    """Importance, nomogram and calibration (Figure 4)."""
    blocks = [*_importance(metrics), *_nomogram(metrics), *_calibration(metrics)]
    return Section("fused", "The fused model", [*blocks, *absent(metrics, "fusion", "nomogram", "calibration")])


def _importance(metrics: Metrics) -> Iterable[Block]:
    models = [m for m in (metrics.clinical, *metrics.fusion) if m is not None and len(m.coefficients) > 1]
    drawn = [m for m in models if any(c.wald_chi2 is not None for c in m.coefficients)]
    if drawn:
        panels = [Panel(figures_model.importance(m, f"wald-{m.model}", simulated=metrics.simulated)) for m in drawn]
        caption = "Wald χ² minus its degrees of freedom, on the training patients (apparent)."
        yield Figure("wald", "Figure 4 a", "Importance of the parts", panels, [tables.cox(m) for m in drawn], caption)


def _nomogram(metrics: Metrics) -> Iterable[Block]:
    one = metrics.nomogram
    if one is not None:
        wide = figures_model.nomogram(one, "nomo", simulated=metrics.simulated)
        narrow = figures_model.nomogram(one, "nomon", simulated=metrics.simulated, width=350)
        caption = (
            "Add the points of each axis and read the survival under the total. The axes span a declared range, not the smallest and "
            "largest patient."
        )
        yield Figure("nomogram", "Figure 4 b", f"Nomogram of {one.model}", [Panel(wide, narrow)], [tables.nomogram(one)], caption)


def _calibration(metrics: Metrics) -> Iterable[Block]:
    shown = [c for c in metrics.calibration if c.groups]
    if shown:
        panels = [Panel(figures_survival.calibration(c, f"cal-{c.set}", simulated=metrics.simulated)) for c in shown]
        title = f"Calibration of {shown[0].model} at {shown[0].horizon} days"
        caption = (
            "Dots: groups of patients by predicted survival; lines: 95 % intervals of the observed. Slope: coefficient of the linear "
            "predictor in the set (1 is perfect; below 1, predictions too extreme)."
        )
        yield Figure("calibration", "Figure 4 c", title, panels, [tables.calibration(shown)], caption)


def subgroups(metrics: Metrics) -> Section:
    """RECIST and manufacturer subgroups (Figure 6)."""
    blocks: list[Block] = []
    rows = metrics.subgroups
    estimated = [row for row in rows if row.hazard_ratio.value is not None]
    numbers = [tables.subgroups(rows, SUBGROUP_LABEL, VALUE_LABELS)] if rows else []
    if estimated:
        title = f"Risk groups of {estimated[0].model} within subgroups, validation + test"
        wide = figures_model.subgroups(estimated, VALUE_LABELS, "f6", simulated=metrics.simulated)
        narrow = figures_model.subgroups(estimated, VALUE_LABELS, "f6n", simulated=metrics.simulated, width=350)
        caption = (
            "Hazard of high against low risk within each subgroup. Subgroups of fewer than 10 patients are not opened, nor one "
            "that would let "
            "such a group be worked out. Intervals of small subgroups are wide; differences between subgroups are not tested."
        )
        blocks.append(Figure("f6", "Figure 6", title, [Panel(wide, narrow)], numbers, caption))
    else:
        blocks += numbers
    drawn = [row for row in rows if row.curves]
    if drawn:
        panels = [
            Panel(figures_survival.subgroup(row, _named(row), f"km-sub-{i}", simulated=metrics.simulated, endpoint=metrics.endpoint))
            for i, row in enumerate(drawn)
        ]
        curves = [tables.curve(row.curves, _named(row)) for row in drawn]
        blocks.append(Figure("f6-km", "Figure 6, curves", "Survival by risk group within subgroups", panels, curves, _curve_note(metrics)))
    return Section("subgroups", "Subgroups", [*blocks, *absent(metrics, "subgroups")])


def _named(row: Subgroup) -> str:
    return f"{SUBGROUP_LABEL.get(row.variable, row.variable)}: {VALUE_LABELS.get(row.value, row.value)}"
