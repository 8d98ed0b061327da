"""The numbers as tables a biostatistician recognises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from server.report import text
from server.report.blocks import Table
from server.report.numbers import (
    Calibration, Characteristic, Comparison, Concordance, CoxModel, Distribution, Metrics, Nomogram, Participation, RiskGroups, RocCurve,
    Statistic, Subgroup, SurvivalCurve,
)  # fmt: skip
from server.report.style import SET_LABEL
from server.results import RoundPoint


def characteristics(metrics: Metrics) -> Table:
    """Table 1: a row a value, a column a set."""
    sets = [size.set for size in metrics.sets]
    by_key = {(c.variable, c.set): c for c in metrics.characteristics}
    variables = list(dict.fromkeys((c.variable, c.label) for c in metrics.characteristics))
    rows: list[list[str]] = []
    heads: set[int] = set()
    for variable, label in variables:
        cells = [by_key.get((variable, set_)) for set_ in sets]
        if any(cell is not None and cell.mean is not None for cell in cells):
            rows.append([f"{label}, mean ± SD", *(_mean(cell) for cell in cells)])
            continue
        heads.add(len(rows))
        rows.append([label, *([""] * len(sets))])
        values = list(dict.fromkeys(c.value for cell in cells if cell for c in cell.counts))
        for value in values:
            rows.append([value, *(_count(cell, value, metrics.sets[i].n, metrics.minimum_cell) for i, cell in enumerate(cells))])
    header = ["", *(f"{SET_LABEL[s.set]}\nn {s.n}, {s.events} events, {text.plural(s.sites, 'hospital')}" for s in metrics.sets)]
    note = (
        f"Counts and shares of patients. A count below {metrics.minimum_cell}, and one more where it could be worked out from the "
        f"others, reads <{metrics.minimum_cell} or is hidden (·). This hides small groups from readers of this page, not from the coordinator."
    )
    return Table("Characteristics of the patients by set", header, rows, label="Table 1", note=note, group_rows=frozenset(heads))


def _mean(cell: Characteristic | None) -> str:
    return text.MISSING if cell is None or cell.mean is None else f"{text.number(cell.mean, 1)} ± {text.number(cell.sd, 1)}"


def _count(cell: Characteristic | None, value: str, n: int, minimum: int) -> str:
    found = next((c for c in cell.counts if c.value == value), None) if cell else None
    if found is None:
        return text.MISSING
    share = text.percent(found.count, n)
    return text.count(found.count, minimum) if found.count is None else f"{found.count} ({share})" if share else str(found.count)


def cox(model: CoxModel) -> Table:
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
    return Table(f"Cox model {model.model}", header, rows, note=note + ".")


def _hr(hr: float | None, low: float | None, high: float | None) -> str:
    return text.MISSING if hr is None else f"{text.ratio(hr)} ({text.ratio(low)}–{text.ratio(high)})"


def concordance(rows: Sequence[Concordance]) -> Table:
    """Table 2: C-index of the five models on validation, test and both."""
    body = [
        [
            f"{row.model}{' (apparent)' if row.apparent else ''}", SET_LABEL[row.set], _size(row.c.n), _size(row.c.events),
            text.with_interval(row.c.value, row.c.low, row.c.high, 3) if row.c.value is not None else (row.c.reason or text.MISSING),
            text.interval(row.logit.low, row.logit.high, 3), "0" if row.exact else f"±{text.number(row.error_bound, 3)}" if row.error_bound is not None else text.MISSING,
            text.p_value(row.p_score),
        ]
        for row in rows
    ]  # fmt: skip
    note = (
        "C: Harrell's concordance, SE by the infinitesimal jackknife, interval C ± 1.96 SE as printed in the study this follows; the logit interval "
        "stays inside 0 and 1. Error bound: how far C of the binned table can be from C of the unbinned scores. p: score test of the "
        "continuous score. Validation + test: inverse-variance fixed effect of the two."
    )
    header = ["Model", "Set", "n", "Events", "C-index (95 % CI)", "Logit interval", "Error bound", "p"]
    return Table("Discrimination of the five models", header, body, align="llrrrrrr", label="Table 2", note=note)


def _size(count: int | None) -> str:
    return text.MISSING if count is None else str(count)


def comparisons(rows: Sequence[Comparison]) -> Table:
    """Table 3: pairs of models compared, p one- and two-sided."""
    body = [
        [
            f"{row.first} against {row.second}", SET_LABEL[row.set], _size(row.paired.n), _size(row.paired.events),
            text.with_interval(row.paired.value, row.paired.low, row.paired.high, 3) if row.paired.low is not None
            else text.number(row.paired.value, 3),
            text.p_value(row.paired.p), text.p_value(row.p_one_sided), text.p_value(row.meta_p_two_sided), text.p_value(row.meta_p_one_sided),
        ]
        for row in rows
    ]  # fmt: skip
    note = (
        "Paired: difference of two C-indices on the same patients with the jackknife covariance of both, the test to read. As published: "
        "the study's own test (t with n − 1 degrees of freedom and the scores' rank correlation in the standard error), which its code "
        "computes one-sided although its text says two-sided; both are shown."
    )
    header = [
        "Models",
        "Set",
        "n",
        "Events",
        "Difference in C (95 % CI)",
        "p paired, two-sided",
        "one-sided",
        "p as published, two-sided",
        "one-sided",
    ]
    return Table("Models compared", header, body, align="llrrrrrrr", label="Table 3", note=note)


def roc(rows: Sequence[RocCurve]) -> Table:
    """Areas under the time-dependent ROC curves."""
    body = [
        [row.model, SET_LABEL[row.set], f"{row.horizon} d", _size(row.auc.n), _size(row.auc.events),
         text.with_interval(row.auc.value, row.auc.low, row.auc.high, 3) if row.auc.value is not None else (row.auc.reason or text.MISSING)]
        for row in rows
    ]  # fmt: skip
    return Table("Time-dependent areas under the curve", ["Model", "Set", "Horizon", "n", "Events", "AUC (95 % CI)"], body, align="llrrrr")


def curve(curves: Sequence[SurvivalCurve], caption: str) -> Table:
    """Kaplan–Meier at its at-risk days."""
    body = []
    for one in curves:
        for day, at_risk in zip(one.ticks, one.at_risk, strict=True):
            value, low, high = at_day(one, day)
            body.append([one.label, f"{day:.0f}", text.count(at_risk), text.with_interval(value, low, high)])
    note = "; ".join(
        f"{c.label}: n {c.n}, {c.events} events, median {f'{c.median:.0f} days' if c.median else 'not reached'}" for c in curves
    )
    return Table(caption, ["Group", "Day", "At risk", "Survival (95 % CI)"], body, note=note + ".")


def at_day(one: SurvivalCurve, day: float) -> tuple[float | None, float | None, float | None]:
    """Survival and interval of a step curve at a day; missing beyond the last day drawn."""
    at = sum(1 for d in one.day if d <= day) - 1
    if at < 0 or not one.day or day > one.day[-1]:
        return None, None, None
    return one.survival[at], one.low[at], one.high[at]


def risk_groups(rows: Sequence[RiskGroups]) -> Table:
    """Hazard ratios and log-rank tests of high against low risk."""
    body = []
    for row in rows:
        by = {c.label.split(" ")[0]: c for c in row.curves}
        sizes = [f"{by[k].n} / {by[k].events}" if k in by else text.MISSING for k in ("Low", "High")]
        test = f"{text.number(row.logrank.chi2, 1)}, {text.p_equals(row.logrank.p)}" if row.logrank else text.MISSING
        hr = row.hazard_ratio
        body.append([row.model, SET_LABEL[row.set], *sizes, _hr(hr.value, hr.low, hr.high) if hr.value is not None else hr.reason or text.MISSING,
                     text.p_value(hr.p), test])  # fmt: skip
    header = ["Model", "Set", "Low: n / events", "High: n / events", "HR high against low (95 % CI)", "p (Wald)", "Log-rank χ², p"]
    return Table("Risk groups by the frozen cut-off", header, body, align="llrrrrr")


def distribution(rows: Sequence[Distribution]) -> Table:
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
                    str(row.bin_events[index]),
                    *means,
                ]
            )
    return Table("Patients by score bin", ["Model and set", "Score", "n", "Events", *(f"mean {p} part" for p in parts)], body)


def _at(parts: Mapping[str, Sequence[float | None]], part: str, index: int) -> float | None:
    return parts[part][index] if part in parts else None


def _edge(low: float, high: float) -> str:
    if low < -1e8:
        return f"≤ {text.number(high)}"
    return f"> {text.number(low)}" if high > 1e8 else text.interval(low, high)


def calibration(rows: Sequence[Calibration]) -> Table:
    """Predicted against observed survival by group."""
    body = [
        [SET_LABEL[row.set], str(g.n), str(g.events), text.number(g.predicted), text.with_interval(g.observed, g.low, g.high)]
        for row in rows
        for g in row.groups
    ]
    return Table("Calibration by group", ["Set", "n", "Events", "Predicted", "Observed (95 % CI)"], body)


def nomogram(one: Nomogram) -> Table:
    """Every tick of every axis."""
    body = [[axis.label, value, text.number(points, 1)] for axis in one.axes for value, points in axis.ticks]
    for horizon, ticks in one.survival.items():
        body += [[f"Survival at {horizon} days", f"{chance:.0%}".replace("%", " %"), text.number(points, 1)] for chance, points in ticks]
    return Table(f"Nomogram of {one.model}", ["Axis", "Value", "Points"], body)


def subgroups(rows: Sequence[Subgroup], shown: Mapping[str, str]) -> Table:
    """C within subgroups; suppressed ones say why."""
    body = [
        [f"{shown.get(row.variable, row.variable)}: {row.value}", row.model, _size(row.c.n), _size(row.c.events),
         text.with_interval(row.c.value, row.c.low, row.c.high, 3) if row.c.value is not None else (row.c.reason or text.MISSING)]
        for row in rows
    ]  # fmt: skip
    return Table("C-index by subgroup, validation + test", ["Subgroup", "Model", "n", "Events", "C-index (95 % CI)"], body, align="llrrr")


def training(rounds: Iterable[RoundPoint]) -> Table:
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
    return Table("Training by round", ["Model", "Round", "Block", "n", "Training loss", "Validation loss", "Accepted"], body, note=note)


def participation(rows: Sequence[Participation]) -> Table:
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
    return Table("Participation by hospital", ["Hospital", "Role", "Asked", "Took part", "Missed", "Why"], body, align="llrrrl", note=note)


def statistics(rows: Sequence[Statistic], titles: Mapping[str, str]) -> Table:
    """Everything that left a hospital, by name."""
    body = [
        [titles.get(row.name, row.name), row.name, row.phase, str(row.opened), str(row.other),
         str(row.smallest_roster) if row.smallest_roster == row.largest_roster else f"{row.smallest_roster}–{row.largest_roster}",
         text.bytes_size(row.bytes_out), "yes" if row.masked else "no"]
        for row in rows
    ]  # fmt: skip
    header = ["What", "Statistic", "Phase", "Opened", "Not opened", "Hospitals a sum", "Sent by hospitals", "Masked"]
    return Table("What left the hospitals", header, body, align="lllrrrrr")
