"""Fits and metrics of a person's own table as a terminal shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from site_config.console import table
from site_config.words_of_messages import plural

if TYPE_CHECKING:
    from rich.console import Console

    from shared_model.survival.cox.cox_result import CoxFit
    from simulations.compare.lung_comparison import Lung
    from simulations.tabular.complete_rows import FitRows
    from simulations.tabular.printed_metrics import ScoreFigures, TabularMetrics
    from simulations.tabular.score_rows import Applied


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _equals(p: float | None) -> str:
    """`= 0.042` or `< 0.001`."""
    return f"{'< ' if _p(p).startswith('<') else '= '}{_p(p).lstrip('<')}"


def _digits(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _ratio(value: float | None) -> str:
    """A hazard ratio as papers print it; `as_dict` has None where it overflows."""
    if value is None:
        return "∞"
    return f"{value:.3f}" if 0.0995 <= value < 100 or value == 0 else f"{value:.3g}"


MOST_ALIKE = 5
"""More findings than these that differ in their column alone are one line."""


def say_read(console: Console, read: Mapping[str, Any]) -> None:
    """How events and times were read."""
    console.print(f"Events read: {read['events_text']}\nTimes read: {read['time_text']}", soft_wrap=True)


def warn(console: Console, warnings: Sequence[Mapping[str, str]]) -> None:
    """Alike findings once, with their number; those that differ in the column they begin with together, where they are many."""
    counted: dict[tuple[str, str], int] = {}
    for warning in warnings:
        key = (warning["code"], warning["what"])
        counted[key] = counted.get(key, 0) + 1
    alike: dict[tuple[str, str], list[str]] = {}
    for code, what in counted:
        alike.setdefault((code, what.partition(" ")[2]), []).append(what)
    for (code, rest), held in alike.items():
        if rest and len(held) > MOST_ALIKE:
            named = ", ".join(what.partition(" ")[0].rstrip(":") for what in held[1:MOST_ALIKE])
            console.print(f"{code}: {held[0]}; so for {len(held) - 1} others ({named}, …; --json lists them all)", soft_wrap=True)
            continue
        for what in held:
            often = f" ({plural(counted[(code, what)], 'time')})" if counted[(code, what)] > 1 else ""
            console.print(f"{code}: {what}{often}", soft_wrap=True)


def show_fit(console: Console, fit: CoxFit, used: FitRows, second: Applied | None) -> None:
    """The model's table, its tests, and what was read."""
    shown = fit.as_dict()
    rows = []
    for i, name in enumerate(fit.covariates):
        if not fit.kept[i]:
            rows.append((name, "dropped", "", "", "", "", ""))
            continue
        low, high = shown["hr_ci"][i]
        cells = (_digits(shown["coef"][i]), _ratio(shown["hr"][i]), f"{_ratio(low)}–{_ratio(high)}", _digits(shown["se"][i]))
        z = shown["z"][i]  # None where more columns than deaths leave no finite standard error
        rows.append((name, *cells, "" if z is None else f"{z:.2f}", _p(shown["p"][i])))
    title = f"Cox model, {fit.ties} ties, {fit.resolution}: n = {fit.n}, events = {fit.events}, sites = {fit.sites}"
    console.print(table(title, ("covariate", "coef", "HR", "95 % CI", "se(coef)", "z", "p"), rows))
    if fit.concordance:
        console.print(f"Concordance = {fit.concordance.c:.4f} (se {fit.concordance.se:.4f})")
    likelihood = f"log-likelihood = {fit.loglik:.4f} (null {fit.loglik_null:.4f}), " if shown["loglik"] is not None else ""
    console.print(f"{likelihood}{plural(fit.iterations, 'iteration')}")
    for name, test in (("Likelihood ratio", fit.lr_test), ("Wald", fit.wald_test), ("Score (log-rank)", fit.score_test)):
        if not test.df:
            console.print(f"{name} test: nothing to test, no coefficient was estimated")
        elif test.chi2 == test.chi2:
            console.print(f"{name} test = {test.chi2:.2f} on {test.df} df, p {_equals(test.p)}")
    if fit.proportional_hazards:
        together = fit.proportional_hazards.together
        console.print(f"Proportional hazards: χ² = {together.chi2:.2f} on {together.df} df, p {_equals(together.p)}")
    if second is not None:
        console.print(second.text())
    say_read(console, used.read)
    warn(console, shown["warnings"])


def show_metrics(console: Console, found: TabularMetrics, used: FitRows) -> None:
    """The metrics' table and its groups, and what was read."""
    shown = found.as_dict()
    rows: list[tuple[str, str, str]] = []
    for name, score in found.scores.items():
        clustered = found.clustered_se if score is found.first else None
        rows += _score_rows(f" of {name}" if len(found.scores) > 1 else "", score, clustered)
    for name, gap in found.differences.items():
        rows.append((f"C, {name}", f"{gap.difference:+.4f}", f"se {gap.se:.4f}, p {_p(gap.p_two_sided)}"))
    rows.append(("median survival", _digits(shown["median_survival"]) or "not reached", ""))
    if found.logrank:
        rows.append(("log-rank", f"{found.logrank.chi2:.3f}", f"{found.logrank.df} df, p {_p(found.logrank.p)}"))
    ratio: dict[str, Any] | None = found.hazard_ratio
    if ratio and ratio["hr"] is not None:
        low, high = ratio["ci"]
        names = list(found.groups)
        rows.append((f"HR {names[1]} / {names[0]}", _ratio(ratio["hr"]), f"95 % CI {_ratio(low)}–{_ratio(high)}, p {_p(ratio['p'])}"))
    title = f"n = {found.n}, events = {found.events}, sites = {found.sites}, {found.resolution}"
    console.print(table(title, ("metric", "value", ""), rows))
    groups = [(name, *_sizes(curve.as_dict()), _digits(curve.median) or "not reached") for name, curve in found.groups.items()]
    if groups:
        console.print(table("Groups", ("group", "n", "events", "median"), groups))
    if found.calibration:
        _show_calibration(console, shown["calibration"])
    say_read(console, used.read)
    warn(console, shown["warnings"])


def _score_rows(of: str, score: ScoreFigures, clustered: float | None) -> list[tuple[str, str, str]]:
    """C-index and areas of one score."""
    rows: list[tuple[str, str, str]] = []
    if score.c:
        low, high = score.c.plain_ci
        rows.append((f"Harrell's C{of}", f"{score.c.c:.4f}", f"se {score.c.se:.4f}, 95 % CI {low:.3f}–{high:.3f}"))
        low, high = score.c.logit_ci
        rows.append(("", "", f"logit CI {low:.3f}–{high:.3f}"))
    if clustered is not None:
        rows.append(("", "", f"se clustered by site {clustered:.4f}"))
    for horizon, one in score.auc.items():
        rows.append((f"AUC{of} at {horizon}", f"{one.auc:.4f}" if one else "not estimable", f"se {one.se:.4f}" if one else ""))
    return rows


def _sizes(curve: Mapping[str, Any]) -> tuple[str, str]:
    """Patients and deaths of a curve as JSON has it; blank where they are closed."""
    if "n" in curve:
        return tuple("closed" if value is None else str(value) for value in (curve["n"], curve["deaths"]))  # type: ignore[return-value]
    return str(curve["at_risk"][0]), str(sum(curve["events"]))


def _show_calibration(console: Console, found: Mapping[str, Any]) -> None:
    """Predicted against observed survival of groups of rising score."""
    console.print(f"Calibration: slope of the score {found['slope']:.4f} (se {found['slope_se']:.4f})")
    for day, lines in found["groups"].items():
        rows = []
        for one in lines:
            known = one["observed"] is not None
            seen = (f"{one['observed']:.3f}", f"{one['low']:.3f}–{one['high']:.3f}") if known else ("closed", "")
            rows.append((str(one["group"]), str(one["n"]), f"{one['predicted']:.3f}" if one["predicted"] is not None else "closed", *seen))
        console.print(table(f"Survival at day {day} by rising score", ("group", "n", "predicted", "observed", "95 % CI"), rows))


def show_lung(console: Console, found: Lung) -> None:
    """The three ways side by side, and every institution alone."""
    import numpy as np

    rows = []
    for i, name in enumerate(found.exact.covariates):
        cells = []
        for coef, se in ((found.exact.coef, found.exact.se), (found.shares.coef, found.shares.se), (found.pooled_coef, found.pooled_se)):
            low, high = np.exp(coef[i] - 1.96 * se[i]), np.exp(coef[i] + 1.96 * se[i])
            cells.append(f"{np.exp(coef[i]):.3f} ({low:.3f}–{high:.3f})")
        rows.append((name, *cells))
    c_exact, c_shares = (fit.concordance.c if fit.concordance else float("nan") for fit in (found.exact, found.shares))
    rows.append(("C-index", f"{c_exact:.3f}", f"{c_shares:.3f}", f"{found.pooled_c:.3f}"))
    fit = found.exact
    console.print(f"NCCTG lung cancer: {fit.n} complete patients, {fit.events} deaths, {fit.sites} of 18 institutions.")
    title = "Hazard ratios (95 % CI)"
    columns = ("covariate", "federated, exact", "federated, on secret shares", "pooled rows (lifelines)")
    console.print(table(title, columns, rows))
    console.print(f"Federated exact and pooled differ by at most {found.largest_difference:.1e}; no row left its institution.")
    alone = [
        (
            one.site,
            one.n,
            one.events,
            "estimated" if one.estimable else one.reason,
            "" if one.c_elsewhere is None else f"{one.c_elsewhere:.3f}",
        )
        for one in found.alone
    ]
    console.print(table("Each institution alone", ("institution", "n", "deaths", "its own model", "C on all others"), alone))
