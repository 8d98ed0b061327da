"""`fedhcc-sim cox`, `metrics` and `compare lung`: federated survival analysis of anybody's table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from site_config.console import Json, show, table

if TYPE_CHECKING:
    from rich.console import Console

    from shared_model.survival.cox.result import CoxFit
    from simulations.tabular.lung import Lung
    from simulations.tabular.metrics import Metrics

compare_app = typer.Typer(help="The federation beside pooled data and beside each hospital alone.", no_args_is_help=True)

Csv = Annotated[Path, typer.Option("--csv", help="Table with a header; comma, semicolon or tab.")]
Site = Annotated[str, typer.Option(help="Column that names the hospital of a row.")]
Time = Annotated[str, typer.Option(help="Column of follow-up times from 0.")]
Event = Annotated[str, typer.Option(help="Column of events: 0/1, 1/2 (2 = event), true/false or yes/no.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("cox")(cox)
    app.command("metrics")(metrics)
    app.add_typer(compare_app, name="compare")


def _one_of(value: str, allowed: tuple[str, ...], option: str) -> None:
    from site_config.problems import host

    if value not in allowed:
        raise host.USAGE.problem(f"{option} cannot be {value!r}", fix=f"Choose {' or '.join(allowed)}.")


def _numbers(text: str, option: str) -> list[float]:
    from site_config.problems import host

    try:
        found = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        found = []
    if not found or any(not 0 < value < float("inf") for value in found) or sorted(set(found)) != found:
        raise host.USAGE.problem(f"{option} takes rising positive numbers", fix=f"For example {option} 365,730.")
    return found


def cox(
    csv: Csv,
    site: Site,
    time: Time,
    event: Event,
    covariates: Annotated[str, typer.Option(help="Columns of the model, separated by commas.")],
    strata: Annotated[str | None, typer.Option(help="Column of strata, each with its own baseline hazard.")] = None,
    ties: Annotated[str, typer.Option(help="efron or breslow.")] = "efron",
    resolution: Annotated[str, typer.Option(help="exact (equals R's coxph) or totals (what a study opens).")] = "exact",
    cut_points: Annotated[str | None, typer.Option(help="Cut points of the piecewise hazard for totals; default: equal deaths.")] = None,
    as_json: Json = False,
) -> None:
    """Fit a Cox model site by site; only sums over the sites are pooled."""
    from site_config.problems import host

    _one_of(ties, ("efron", "breslow"), "--ties")
    _one_of(resolution, ("exact", "totals"), "--resolution")
    names = [name.strip() for name in covariates.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise host.USAGE.problem("--covariates takes distinct column names", fix="For example --covariates age,sex.")
    cuts = _numbers(cut_points, "--cut-points") if cut_points else None
    from simulations.tabular.fit import fit_cox, load_rows

    rows = load_rows(csv, site, time, event, names, strata=strata)
    fit = fit_cox(rows, ties=ties, resolution=resolution, cut_points=cuts)  # type: ignore[arg-type]
    show(fit.as_dict(), lambda console: _print_cox(console, fit))


def metrics(
    csv: Csv,
    site: Site,
    time: Time,
    event: Event,
    score: Annotated[str, typer.Option(help="Column of the risk score: higher means earlier death.")],
    group: Annotated[str | None, typer.Option(help="Column of groups for curves, log-rank test and hazard ratio.")] = None,
    horizons: Annotated[str, typer.Option(help="Times for the AUC, separated by commas.")] = "365,730",
    auc: Annotated[str, typer.Option(help="timeroc (R) or sksurv (scikit-survival).")] = "timeroc",
    resolution: Annotated[str, typer.Option(help="exact, or coarse (what a study opens by default).")] = "exact",
    as_json: Json = False,
) -> None:
    """Discrimination and survival curves of a risk score, from tables summed over the sites."""
    _one_of(auc, ("timeroc", "sksurv"), "--auc")
    _one_of(resolution, ("exact", "coarse"), "--resolution")
    days = _numbers(horizons, "--horizons")
    from simulations.tabular.fit import load_rows
    from simulations.tabular.metrics import fit_metrics

    rows = load_rows(csv, site, time, event, [score], group=group)
    found = fit_metrics(rows, days, auc, resolution)  # type: ignore[arg-type]
    show(found.as_dict(), lambda console: _print_metrics(console, found))


@compare_app.callback()
def compare() -> None:
    """The federation beside pooled data and beside each hospital alone."""


@compare_app.command("lung")
def lung(as_json: Json = False) -> None:
    """A Cox model of 18 real institutions: by sums only, on pooled rows, and in each institution alone."""
    from simulations.tabular.lung import compare_lung

    found = compare_lung()
    show(found.as_dict(), lambda console: _print_lung(console, found))


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _digits(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _ratio(value: float | None) -> str:
    """A hazard ratio as papers print it; `as_dict` has None where it overflows."""
    if value is None:
        return "∞"
    return f"{value:.3f}" if 0.0995 <= value < 100 or value == 0 else f"{value:.3g}"


def _warn(console: Console, warnings: list[dict[str, str]]) -> None:
    for warning in warnings:
        console.print(f"{warning['code']}: {warning['what']}")


def _print_cox(console: Console, fit: CoxFit) -> None:
    shown = fit.as_dict()
    rows = []
    for i, name in enumerate(fit.covariates):
        if not fit.kept[i]:
            rows.append((name, "dropped", "", "", "", "", ""))
            continue
        low, high = shown["hr_ci"][i]
        cells = (_digits(shown["coef"][i]), _ratio(shown["hr"][i]), f"{_ratio(low)}–{_ratio(high)}", _digits(shown["se"][i]))
        rows.append((name, *cells, f"{shown['z'][i]:.2f}", _p(shown["p"][i])))
    title = f"Cox model, {fit.ties} ties, {fit.resolution}: n = {fit.n}, events = {fit.events}, sites = {fit.sites}"
    console.print(table(title, ("covariate", "coef", "HR", "95 % CI", "se(coef)", "z", "p"), rows))
    if fit.concordance:
        console.print(f"Concordance = {fit.concordance.c:.4f} (se {fit.concordance.se:.4f})")
    console.print(f"log-likelihood = {fit.loglik:.4f} (null {fit.loglik_null:.4f}), {fit.iterations} iterations")
    for name, test in (("Likelihood ratio", fit.lr_test), ("Wald", fit.wald_test), ("Score (log-rank)", fit.score_test)):
        console.print(f"{name} test = {test.chi2:.2f} on {test.df} df, p = {_p(test.p)}")
    if fit.proportional_hazards:
        together = fit.proportional_hazards.together
        console.print(f"Proportional hazards: χ² = {together.chi2:.2f} on {together.df} df, p = {_p(together.p)}")
    _warn(console, shown["warnings"])


def _print_metrics(console: Console, found: Metrics) -> None:
    shown = found.as_dict()
    rows: list[tuple[str, str, str]] = []
    if found.c:
        low, high = found.c.plain_ci
        rows.append(("Harrell's C", f"{found.c.c:.4f}", f"se {found.c.se:.4f}, 95 % CI {low:.3f}–{high:.3f}"))
        low, high = found.c.logit_ci
        rows.append(("", "", f"logit CI {low:.3f}–{high:.3f}"))
        if found.clustered_se is not None:
            rows.append(("", "", f"se clustered by site {found.clustered_se:.4f}"))
        if found.c_bound:
            rows.append(("", "", f"exact C lies within {found.c_bound[0]:.3f}–{found.c_bound[1]:.3f}"))
    for horizon, one in found.auc.items():
        rows.append((f"AUC at {horizon}", f"{one.auc:.4f}" if one else "not estimable", f"se {one.se:.4f}" if one else ""))
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
    groups = [
        (name, round(float(curve.at_risk[0])), round(float(curve.events.sum())), _digits(curve.median) or "not reached")
        for name, curve in found.groups.items()
    ]
    if groups:
        console.print(table("Groups", ("group", "n", "events", "median"), groups))
    _warn(console, shown["warnings"])


def _print_lung(console: Console, found: Lung) -> None:
    import numpy as np

    rows = []
    for i, name in enumerate(found.exact.covariates):
        cells = []
        for coef, se in ((found.exact.coef, found.exact.se), (found.totals.coef, found.totals.se), (found.pooled_coef, found.pooled_se)):
            low, high = np.exp(coef[i] - 1.96 * se[i]), np.exp(coef[i] + 1.96 * se[i])
            cells.append(f"{np.exp(coef[i]):.3f} ({low:.3f}–{high:.3f})")
        rows.append((name, *cells))
    c_exact, c_totals = (fit.concordance.c if fit.concordance else float("nan") for fit in (found.exact, found.totals))
    rows.append(("C-index", f"{c_exact:.3f}", f"{c_totals:.3f}", f"{found.pooled_c:.3f}"))
    fit = found.exact
    console.print(f"NCCTG lung cancer: {fit.n} complete patients, {fit.events} deaths, {fit.sites} of 18 institutions.")
    title = "Hazard ratios (95 % CI)"
    columns = ("covariate", "federated, exact", f"federated, totals ({found.totals.iterations} rounds)", "pooled rows (lifelines)")
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
