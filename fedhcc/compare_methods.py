"""`compare`: does federation cost accuracy? One model trained in ten ways on the same patients, judged on hospitals nobody saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from fedhcc import arguments, figures
from fedhcc.arguments import Frame, one_of
from fedhcc.cox_and_metrics import HOLDERS, RESOLUTIONS, named_columns, read_rows
from fedhcc.fit_results import page, remarks, warn_of
from simulations.compare.compared_cohorts import SCENARIOS
from simulations.compare.compared_methods import default_plan
from simulations.compare.comparison import MethodComparison, compare_rows, compare_simulated
from simulations.compare.comparison_page import write_comparison
from simulations.tabular.complete_rows import TimeUnit
from simulations.tabular.decimal_marks import DecimalMark
from site_config.problems import host

MOST_EPSILON = 64.0
Scenario = Literal["skewed", "mild", "iid", "six-centres"]


def _silent(_line: str) -> None:
    """Progress that nobody reads."""


@dataclass(frozen=True, repr=False)
class MethodsCompared:
    """A comparison of methods; `found` is what stands behind the table."""

    found: MethodComparison

    def summary(self) -> Frame:
        """One row a method (and scenario, where there are several): C, difference to pooled rows with its interval, bytes, CPU s."""
        columns = {
            "title": "scenario",
            "method_title": "method",
            "c": "C",
            "difference": "difference",
            "low": "lower 95%",
            "high": "upper 95%",
            "bytes_up": "bytes sent",
            "seconds": "CPU s",
        }
        frame = pd.DataFrame([asdict(one) for one in self.found.summaries])[list(columns)].rename(columns=columns)
        frame = frame.astype({"lower 95%": float, "upper 95%": float})
        if frame["scenario"].nunique() == 1:
            return frame.drop(columns="scenario").set_index("method")
        return frame.set_index(["scenario", "method"])

    @property
    def findings(self) -> list[str]:
        """What a reader has to know of the table, each with its number."""
        return remarks([one.as_dict() for one in self.found.findings])

    def outcomes(self) -> Frame:
        """Every method on every cohort and seed, one row each."""
        return pd.DataFrame([asdict(one) for one in self.found.outcomes])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values: the JSON of `fedhcc-sim compare tabular`."""
        return self.found.as_dict()

    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """Write `compare.html` and `compare.csv`; their paths."""
        return write_comparison(self.found, Path(folder))

    def plot(self, ax: Any = None) -> Any:
        """Mean difference in C-index to pooled rows by method; of several scenarios the first. Returns the axis."""
        frame = self.summary()
        return figures.differences(frame if frame.index.nlevels == 1 else frame.xs(frame.index[0][0]), ax)

    def __repr__(self) -> str:
        seeds, model = len(self.found.seeds), self.found.model
        return f"<Comparison: {len(self.found.summaries)} methods and scenarios, {seeds} paired seeds, {model} model>"

    def _repr_html_(self) -> str:
        return page(repr(self)[1:-1], self.summary(), self.findings)


def compare(
    data: Frame | str | Path | None = None,
    *,
    site: str = "site",
    time: str = "time",
    event: str = "event",
    covariates: str | Sequence[str] = (),
    split: str | None = None,
    held_out: float = 0.3,
    scenarios: Sequence[Scenario] = tuple(SCENARIOS),
    seeds: int = 5,
    model: Literal["linear", "mlp"] = "linear",
    rounds: int | None = None,
    resolution: Literal["exact", "shares"] = "exact",
    holders: Literal[0, 3, 5] = 0,
    missing: Sequence[str] = (),
    decimal: DecimalMark | None = None,
    time_unit: TimeUnit | None = None,
    event_values: Sequence[str] = (),
    epsilons: Sequence[float] = (),
    progress: Callable[[str], None] = _silent,
) -> MethodsCompared:
    """Train one model in ten ways on the same patients and compare the C-index on hospitals that no method saw.

    Args:
        data: your own table, as for `cox`; left out, made-up cohorts of `scenarios`.
        site, time, event, covariates: columns of your table.
        split: column of train and test rows; left out, seeds draw which hospitals are held out.
        held_out: share of patients whose hospitals are held out.
        scenarios: of made-up cohorts: skewed, mild, iid, six-centres.
        seeds: paired seeds; the interval is over them.
        model: linear, or mlp (eight hidden units).
        rounds: updates of every method; 150 linear, 60 mlp, where left out.
        resolution: how C is measured on the held-out hospitals: `exact` from rows, `shares` computed on secret shares.
        holders: of shares: three or five; 0 computes plain numbers at the same fixed point, for speed.
        missing, decimal, time_unit, event_values: as for `cox`.
        epsilons: differential privacy at δ = 1e-5 beside the ten ways, each with noise in shares and with each hospital's own.
        progress: called with a line after every cohort.

    Returns:
        The comparison: `summary()`, `plot()`, `outcomes()`.

    Raises:
        fedhcc.Problem: as `cox`; FH-902 where too few hospitals are left to train or to test.

    >>> import fedhcc
    >>> found = fedhcc.compare(scenarios=["iid"], seeds=1, rounds=2)
    >>> found
    <Comparison: 10 methods and scenarios, 1 paired seeds, linear model>
    >>> float(found.summary().loc["Pooled rows, full batch", "difference"])
    0.0
    """
    one_of(model, ("linear", "mlp"), "model")
    chosen: Any = arguments.texts(scenarios, "scenarios")
    for scenario in chosen:
        one_of(scenario, tuple(SCENARIOS), "scenarios")
    one_of(resolution, RESOLUTIONS, "resolution")
    one_of(holders, HOLDERS, "holders")
    arguments.whole(seeds, "seeds", least=1)
    arguments.share(held_out, "held_out", 0.05, 0.8)
    if rounds is not None:
        arguments.whole(rounds, "rounds", least=1)
    budgets = arguments.positive(epsilons, "epsilons", "For example epsilons=[1, 4].")
    if any(one > MOST_EPSILON for one in budgets):
        raise host.USAGE.problem(f"an epsilon lies above 0 and up to {MOST_EPSILON:g}", fix="For example epsilons=[1, 4].")
    plan = replace(default_plan(model, rounds), epsilons=budgets, holders=holders if resolution == "shares" else None)
    if data is None:
        return MethodsCompared(compare_simulated(chosen, range(seeds), model, plan, progress))
    names = arguments.columns(covariates, "covariates")
    how = {"missing": missing, "decimal": decimal, "time_unit": time_unit, "event_values": event_values}
    named = named_columns(site, time, event, names, split=split, **how)  # type: ignore[arg-type]
    found = MethodsCompared(compare_rows(read_rows(data, named), held_out, range(seeds), model, plan, progress))
    warn_of(found.findings)
    return found
