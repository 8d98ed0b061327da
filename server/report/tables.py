"""The numbers as tables a biostatistician recognises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from server.report import text
from server.report.blocks import TableBlock
from server.report.figures.style import SET_LABEL, SET_NAME
from server.report.numbers import (
    Calibration,
    Characteristic,
    Comparison,
    ConcordanceRow,
    Distribution,
    DrawnNomogram,
    Estimate,
    Metrics,
    OpenedStatistic,
    Participation,
    RiskGroups,
    RocCurve,
    ShownCoxModel,
    Subgroup,
    SurvivalCurve,
)
from server.study.results import RoundPoint


def characteristics(metrics: Metrics) -> TableBlock:
    """Table 1: a row a value, a column a set; a yes/no variable takes one row."""
    sets = [size.set for size in metrics.sets]
    by_key = {(c.variable, c.set): c for c in metrics.characteristics}
    variables = list(dict.fromkeys((c.variable, c.label) for c in metrics.characteristics))
    rows: list[list[str]] = []
    heads: set[int] = set()
    for variable, label in variables:
        cells = [by_key.get((variable, set_)) for set_ in sets]
        values = list(dict.fromkeys(c.value for cell in cells if cell for c in cell.counts))
        if any(cell is not None and cell.mean is not None for cell in cells):
            rows.append([f"{label}, mean ± SD", *(_mean(cell) for cell in cells)])
        elif values and set(values) <= {"no", "yes"}:
            rows.append([label, *_counts(cells, "yes", metrics)])
        elif len(values) == 1:
            name = _capital(values[0]) if variable == "flags" else f"{label}: {values[0]}"
            rows.append([name, *_counts(cells, values[0], metrics)])
        elif not values:
            continue
        else:
            heads.add(len(rows))
            rows.append([label, *([""] * len(sets))])
            rows += [[f"\u2003{value}", *_counts(cells, value, metrics)] for value in values]
    header = ["", *(f"{SET_NAME[s.set]}\nn {s.n}, {s.events} events\n{text.plural(s.sites, 'hospital')}" for s in metrics.sets)]
    note = (
        f"Patients (share of the set). Counts from 1 to {metrics.minimum_cell - 1} read <{metrics.minimum_cell}; a count that "
        "would let one be "
        f"worked out reads {text.HIDDEN}. This hides small groups from readers of this page, not from the coordinator, who opened the sums."
    )
    return TableBlock("Characteristics of the patients by set", header, rows, label="Table 1", note=note, group_rows=frozenset(heads))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _mean(cell: Characteristic | None) -> str:
    return text.MISSING if cell is None or cell.mean is None else f"{text.number(cell.mean, 1)} ± {text.number(cell.sd, 1)}"


def _counts(cells: Sequence[Characteristic | None], value: str, metrics: Metrics) -> list[str]:
    return [_count(cell, value, metrics.sets[index].n, metrics.minimum_cell) for index, cell in enumerate(cells)]


def _count(cell: Characteristic | None, value: str, n: int, minimum: int) -> str:
    found = next((c for c in cell.counts if c.value == value), None) if cell else None
    if found is None:
        return "0" if cell and cell.counts else text.MISSING
    if found.count is None:
        return text.HIDDEN if found.hidden == "complement" else text.count(None, minimum)
    return f"{found.count} ({text.percent(found.count, n)})"


def cox(model: ShownCoxModel) -> TableBlock:
    """Coefficients of one Cox model."""
    rows = [
        [c.label, text.number(c.coef, 3), text.number(c.se, 3), _hr(c.hr, c.low, c.high), text.number(c.wald_chi2, 1), text.p_value(c.p)]
        if c.reason is None
        else [c.label, text.MISSING, text.MISSING, c.reason, text.MISSING, text.MISSING]
        for c in model.coefficients
    ]
    note = f"n {model.n}, {model.events} events"
    if model.likelihood_ratio:
        test = model.likelihood_ratio
        note += f"; likelihood ratio χ² {text.number(test.chi2, 1)} on {test.df} df, {text.p_equals(test.p)}"
    header = ["", "Coefficient", "SE", "Hazard ratio (95 % CI)", "Wald χ²", "p"]
    return TableBlock(f"Cox model {model.model}", header, rows, note=note + ".")


def _hr(hr: float | None, low: float | None, high: float | None) -> str:
    return text.MISSING if hr is None else f"{text.ratio(hr)} ({text.ratio(low)}–{text.ratio(high)})"


def concordance(rows: Sequence[ConcordanceRow]) -> TableBlock:
    """Table 2: C-index of the models on validation, test and both; training, which is apparent, last."""
    body: list[list[str]] = []
    heads: set[int] = set()
    for set_ in ("validation", "test", "combined", "train"):
        mine = [row for row in rows if row.set == set_]
        if mine:
            heads.add(len(body))
            body.append([SET_LABEL[set_], *([""] * 6)])
            body += [_concordance(row) for row in mine]
            body += [_noether(row) for row in mine if row.noether is not None]
    note = (
        "C: Harrell's concordance with the infinitesimal-jackknife SE; interval C ± 1.96 SE as printed in the study this follows. "
        "The logit "
        "interval stays inside 0 and 1. Error bound: how far C of the opened bins can at most be from C of the single scores. p: "
        "score test of "
        "the score. Validation + test: inverse-variance fixed effect of the two, with the jackknife SE and with Noether's (pairs strict in "
        "time, tied scores dropped), which the published study most likely used."
    )
    header = ["Model", "n", "Events", "C-index (95 % CI)", "Logit interval", "Error bound", "p"]
    return TableBlock("Discrimination of the models", header, body, label="Table 2", note=note, group_rows=frozenset(heads))


def _concordance(row: ConcordanceRow) -> list[str]:
    bound = "exact" if row.exact else text.MISSING if row.error_bound is None else f"±{text.number(row.error_bound, 3)}"
    return [
        row.model,
        _size(row.c.n),
        _size(row.c.events),
        _estimate(row.c, 3),
        text.interval(row.logit.low, row.logit.high, 3),
        bound,
        text.p_value(row.p_score),
    ]


def _noether(row: ConcordanceRow) -> list[str]:
    one = row.noether or row.c
    return [f"{row.model}, Noether SE", _size(one.n), _size(one.events), _estimate(one, 3), text.MISSING, text.MISSING, text.MISSING]


def _estimate(one: Estimate, decimals: int = 2) -> str:
    return one.reason or text.MISSING if one.value is None else text.with_interval(one.value, one.low, one.high, decimals)


def _size(count: int | None) -> str:
    return text.MISSING if count is None else str(count)


def comparisons(rows: Sequence[Comparison]) -> TableBlock:
    """Table 3: pairs of models compared, p one- and two-sided."""
    body: list[list[str]] = []
    heads: set[int] = set()
    for set_ in ("validation", "test", "combined"):
        mine = [row for row in rows if row.set == set_]
        if mine:
            heads.add(len(body))
            body.append([f"{SET_LABEL[set_]} · n {mine[0].paired.n}, {mine[0].paired.events} events", *([""] * 5)])
            body += [_comparison(row) for row in mine]
    note = (
        "Paired: difference of two C-indices on the same patients with the jackknife covariance of both; the test to read. As "
        "published: the "
        "study's own test (t with n − 1 degrees of freedom, the scores' rank correlation in the standard error), which its code computes "
        "one-sided although its text says two-sided; both are shown. No correction for multiple comparisons."
    )
    header = ["Models", "Difference in C (95 % CI)", "p paired\ntwo-sided", "\none-sided", "p as published\ntwo-sided", "\none-sided"]
    return TableBlock("Models compared", header, body, label="Table 3", note=note, group_rows=frozenset(heads))


def _comparison(row: Comparison) -> list[str]:
    shown = [row.paired.p, row.p_one_sided, row.meta_p_two_sided, row.meta_p_one_sided]
    return [f"{row.first} against {row.second}", _estimate(row.paired, 3), *(text.p_value(p) for p in shown)]


def roc(rows: Sequence[RocCurve]) -> TableBlock:
    """Areas under the time-dependent ROC curves."""
    body = [
        [
            row.model,
            SET_LABEL[row.set],
            f"{row.horizon} d",
            _size(row.auc.n),
            _size(row.auc.events),
            text.with_interval(row.auc.value, row.auc.low, row.auc.high, 3)
            if row.auc.value is not None
            else (row.auc.reason or text.MISSING),
        ]
        for row in rows
    ]
    return TableBlock(
        "Time-dependent areas under the curve", ["Model", "Set", "Horizon", "n", "Events", "AUC (95 % CI)"], body, align="llrrrr"
    )


def curve(curves: Sequence[SurvivalCurve], caption: str) -> TableBlock:
    """Kaplan–Meier at its at-risk days."""
    body = []
    for one in curves:
        for day, at_risk in zip(one.ticks, one.at_risk, strict=True):
            value, low, high = at_day(one, day)
            body.append([one.label, f"{day:.0f}", text.count(at_risk, one.hidden_below), text.with_interval(value, low, high)])
    note = "; ".join(
        f"{c.label}: n {c.n}, {c.events} events, median {f'{c.median:.0f} days' if c.median else 'not reached'}" for c in curves
    )
    return TableBlock(caption, ["Group", "Day", "At risk", "Survival (95 % CI)"], body, note=note + ".")


def at_day(one: SurvivalCurve, day: float) -> tuple[float | None, float | None, float | None]:
    """Survival and interval of a step curve at a day; missing beyond the last day drawn."""
    at = sum(1 for d in one.day if d <= day) - 1
    if at < 0 or not one.day or day > one.day[-1]:
        return None, None, None
    return one.survival[at], one.low[at], one.high[at]


def risk_groups(rows: Sequence[RiskGroups]) -> TableBlock:
    """Hazard ratios and log-rank tests of high against low risk."""
    body = []
    for row in rows:
        by = {c.label.split(" ")[0]: c for c in row.curves}
        sizes = [f"{by[k].n} / {by[k].events}" if k in by else text.MISSING for k in ("Low", "High")]
        test = f"{text.number(row.logrank.chi2, 1)}, {text.p_equals(row.logrank.p)}" if row.logrank else text.MISSING
        hr = row.hazard_ratio
        body.append(
            [
                row.model,
                SET_LABEL[row.set],
                *sizes,
                _hr(hr.value, hr.low, hr.high) if hr.value is not None else hr.reason or text.MISSING,
                text.p_value(hr.p),
                test,
            ]
        )
    header = ["Model", "Set", "Low: n / events", "High: n / events", "HR high against low (95 % CI)", "p (Wald)", "Log-rank χ², p"]
    return TableBlock("Risk groups by the frozen cut-off", header, body, align="llrrrrr")


def distribution(rows: Sequence[Distribution]) -> TableBlock:
    """Bins of the score with what the parts contributed."""
    parts = list(dict.fromkeys(part for row in rows for part in row.contributions))
    body = []
    for row in rows:
        for index, patients in enumerate(row.patients):
            means = [text.number(_at(row.contributions, part, index), 2) for part in parts]
            body.append(
                [
                    f"{row.model}, {SET_LABEL[row.set]}",
                    _edge(row.low[index], row.high[index]),
                    str(patients),
                    str(row.bin_events[index]) if row.bin_events else text.MISSING,
                    *means,
                ]
            )
    return TableBlock("Patients by score bin", ["Model and set", "Score", "n", "Events", *(f"mean {p} part" for p in parts)], body)


def _at(parts: Mapping[str, Sequence[float | None]], part: str, index: int) -> float | None:
    return parts[part][index] if part in parts else None


def _edge(low: float | None, high: float | None) -> str:
    if low is None:
        return f"≤ {text.number(high)}"
    return f"> {text.number(low)}" if high is None else f"{text.number(low)} to {text.number(high)}"


def calibration(rows: Sequence[Calibration]) -> TableBlock:
    """Predicted against observed survival by group."""
    body = [
        [SET_LABEL[row.set], str(g.n), str(g.events), text.number(g.predicted), text.with_interval(g.observed, g.low, g.high)]
        for row in rows
        for g in row.groups
    ]
    return TableBlock("Calibration by group", ["Set", "n", "Events", "Predicted", "Observed (95 % CI)"], body)


def nomogram(one: DrawnNomogram) -> TableBlock:
    """Every tick of every axis."""
    body = [[axis.label, value, text.number(points, 1)] for axis in one.axes for value, points in axis.ticks]
    for horizon, ticks in one.survival.items():
        body += [[f"Survival at {horizon} days", f"{chance:.0%}".replace("%", " %"), text.number(points, 1)] for chance, points in ticks]
    return TableBlock(f"Nomogram of {one.model}", ["Axis", "Value", "Points"], body)


def subgroups(rows: Sequence[Subgroup], variables: Mapping[str, str], words: Mapping[str, str]) -> TableBlock:
    """Risk groups within subgroups; hidden ones say why."""
    body = []
    for row in rows:
        by = {c.label.split(" ")[0]: c for c in row.curves}
        sizes = [f"{by[k].n} / {by[k].events}" if k in by else text.MISSING for k in ("Low", "High")]
        hr = row.hazard_ratio
        test = text.p_value(row.logrank.p) if row.logrank else text.MISSING
        name = f"{variables.get(row.variable, row.variable)}: {words.get(row.value, row.value)}"
        shown = _hr(hr.value, hr.low, hr.high) if hr.value is not None else hr.reason or text.MISSING
        body.append([name, row.model, _size(row.n), _size(row.events), *sizes, shown, test])
    header = ["Subgroup", "Model", "n", "Events", "Low: n / events", "High: n / events", "HR (95 % CI)", "p (log-rank)"]
    return TableBlock("Risk groups within subgroups, validation + test", header, body, align="llrrrrrr")


def training(rounds: Iterable[RoundPoint]) -> TableBlock:
    """Every tenth round and those that were taken back."""
    kept = [p for p in rounds if p.round % 10 == 0 or not p.accepted]
    body = [
        [
            p.model,
            str(p.round),
            str(p.block),
            str(p.patients),
            text.number(p.loss, 4),
            text.number(p.validation_loss, 4),
            "yes" if p.accepted else "taken back",
        ]
        for p in kept
    ]
    note = "Every tenth round, and those that were taken back. Training losses are apparent."
    return TableBlock(
        "Training by round", ["Model", "Round", "Block", "n", "Training loss", "Validation loss", "Accepted"], body, note=note
    )


def participation(rows: Sequence[Participation], caption: str) -> TableBlock:
    """Who took part; never how many patients they have."""
    body = [
        [
            row.site,
            row.role,
            str(row.asked),
            str(row.took_part),
            str(row.missed),
            ", ".join(f"{code} × {n}" for code, n in row.reasons.items()) or text.MISSING,
        ]
        for row in rows
    ]
    note = "Counts of asks, not of patients: numbers of patients are shown for the whole study only."
    return TableBlock(caption, ["Hospital", "Role", "Asked", "Took part", "Missed", "Why"], body, align="llrrrl", note=note)


def statistics(rows: Sequence[OpenedStatistic], titles: Mapping[str, str]) -> TableBlock:
    """Everything that left a hospital, by name."""
    body = [
        [
            titles.get(row.name, row.name),
            row.name,
            row.phase,
            str(row.opened),
            str(row.other),
            str(row.smallest_roster) if row.smallest_roster == row.largest_roster else f"{row.smallest_roster}–{row.largest_roster}",
            text.bytes_size(row.bytes_out),
            "yes" if row.masked else "no",
        ]
        for row in rows
    ]
    header = ["What", "Statistic", "Phase", "Opened", "Not opened", "Hospitals a sum", "Sent by hospitals", "Masked"]
    return TableBlock("What left the hospitals", header, body, align="lllrrrrr")
