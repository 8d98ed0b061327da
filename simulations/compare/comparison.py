"""Does federation cost accuracy? The same cohorts and seeds for every method, differences taken pair by pair.

For each seed a cohort is drawn, every method is trained on its development hospitals, and the C-index is taken on hospitals
that no method saw. What is reported is the mean over seeds of C and of C − C(pooled full batch), the latter with a t interval.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.concordance import Concordance, concordance
from shared_model.survival.cox.cox_result import FitFinding
from shared_model.survival.evaluation_table import patient_cells
from simulations.compare.compared_cohorts import SCENARIO_TITLE, ComparedCohort, Floats, ScenarioName, from_rows, from_split, simulated
from simulations.compare.compared_methods import METHODS, REFERENCE, Method, Trained, TrainingPlan, methods_of, train
from simulations.compare.tabular_models import Architecture, ModelName
from simulations.tabular.complete_rows import FitRows, SiteRows
from simulations.tabular.shares.table_cox_on_shares import concordance_on_shares
from simulations.tabular.shares.table_in_slots import SharedTable
from site_config.problems import survival as problems

SPLIT = "table-split"
OWN_TITLE = {SPLIT: "own table, its own training and test rows", "table": "own table, hospitals held out by seed"}


@dataclass(frozen=True)
class Outcome:
    """One method on one cohort. `c` is the C-index on held-out hospitals (of hospitals alone: the mean over their models,
    weighted by patients, without an interval); `difference` is to pooled full-batch training on the same cohort."""

    scenario: str
    model: str
    seed: int
    method: str
    n: int
    events: int
    held_out: int
    held_out_events: int
    c: float
    low: float | None
    high: float | None
    difference: float
    bytes_up: int
    bytes_down: int
    seconds: float
    oracle: float | None


@dataclass(frozen=True)
class Summary:
    """One method over all seeds of a scenario; `low` and `high` bound the mean difference (95 %, Student's t)."""

    scenario: str
    title: str
    method: str
    method_title: str
    seeds: int
    n: float
    events: float
    held_out: float
    held_out_events: float
    c: float
    c_low: float | None
    c_high: float | None
    difference: float
    low: float | None
    high: float | None
    worst: float
    bytes_up: float
    bytes_down: float
    seconds: float


@dataclass(frozen=True)
class MethodComparison:
    """All outcomes, and their summary by scenario and method."""

    model: ModelName
    plan: TrainingPlan
    seeds: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    summaries: tuple[Summary, ...]
    covariates: tuple[str, ...]
    simulated: bool
    findings: tuple[FitFinding, ...] = ()
    read: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Plain values for `--json` and evidence."""
        return {
            "model": self.model,
            "plan": asdict(self.plan),
            "seeds": list(self.seeds),
            "covariates": list(self.covariates),
            "simulated": self.simulated,
            "summary": [asdict(summary) for summary in self.summaries],
            "warnings": [finding.as_dict() for finding in self.findings],
        }


Progress = Callable[[str], None]


def compare_simulated(
    scenarios: Sequence[ScenarioName],
    seeds: Sequence[int],
    model: ModelName,
    plan: TrainingPlan,
    tell: Progress,
    methods: Sequence[Method] | None = None,
) -> MethodComparison:
    """Made-up cohorts: every scenario, seed and method."""
    cohorts = ((scenario, seed, lambda scenario=scenario, seed=seed: simulated(scenario, seed)) for scenario in scenarios for seed in seeds)
    return _compare(cohorts, seeds, model, plan, tell, methods or methods_of(plan), made_up=True)


def compare_rows(
    rows: FitRows, held_out: float, seeds: Sequence[int], model: ModelName, plan: TrainingPlan, tell: Progress
) -> MethodComparison:
    """One's own table: its own split, or a seed draws which hospitals are held out."""
    cohorts: Iterable[tuple[str, int, Callable[[], ComparedCohort]]]
    if any(any(site.held_out) for site in rows.sites):
        cohorts = ((SPLIT, seed, partial(from_split, rows)) for seed in seeds)
    else:
        cohorts = (("table", seed, partial(from_rows, rows, seed, held_out)) for seed in seeds)
    found = _compare(cohorts, seeds, model, plan, tell, methods_of(plan), made_up=False)
    constant = [name for name, values in zip(rows.names, rows.x.T, strict=True) if len(np.unique(values)) == 1]
    said = [FitFinding.of(problems.CONSTANT, f"{name} has one value only and tells no method anything") for name in constant]
    return replace(found, findings=(*rows.findings, *said), read=rows.read)


def _compare(
    cohorts: Iterable[tuple[str, int, Callable[[], ComparedCohort]]],
    seeds: Sequence[int],
    model: ModelName,
    plan: TrainingPlan,
    tell: Progress,
    methods: Sequence[Method],
    *,
    made_up: bool,
) -> MethodComparison:
    import torch

    torch.set_num_threads(1)
    outcomes: list[Outcome] = []
    covariates: tuple[str, ...] = ()
    for scenario, seed, draw in cohorts:
        cohort = draw()
        covariates = cohort.covariates
        outcomes += one_cohort(cohort, scenario, seed, model, plan, methods)
        tell(f"{scenario}, seed {seed}")
    return MethodComparison(model, plan, tuple(seeds), tuple(outcomes), tuple(_summaries(outcomes, methods)), covariates, made_up)


def one_cohort(
    cohort: ComparedCohort, scenario: str, seed: int, model: ModelName, plan: TrainingPlan, methods: Sequence[Method] = METHODS
) -> list[Outcome]:
    """Every method on one cohort; the reference, pooled full batch, has to be among them."""
    architecture = Architecture(model, cohort.held_x.shape[1])
    trained = {method.name: train(cohort, method, architecture, plan, seed) for method in methods}
    scored = {name: _held_out(cohort, architecture, one, plan.holders) for name, one in trained.items()}
    reference = scored[REFERENCE][0]
    return [
        Outcome(
            scenario=scenario,
            model=model,
            seed=seed,
            method=name,
            n=cohort.n,
            events=cohort.events,
            held_out=len(cohort.held_time),
            held_out_events=int(cohort.held_event.sum()),
            c=c,
            low=low,
            high=high,
            difference=c - reference,
            bytes_up=trained[name].bytes_up,
            bytes_down=trained[name].bytes_down,
            seconds=trained[name].seconds,
            oracle=cohort.oracle,
        )
        for name, (c, low, high) in scored.items()
    ]


def _held_out(
    cohort: ComparedCohort, architecture: Architecture, trained: Trained, holders: int | None
) -> tuple[float, float | None, float | None]:
    """C with its interval on the held-out hospitals; of several models (hospitals alone) their mean weighted by patients."""
    scores = architecture.held_out(trained.weights, cohort.held_x)
    found = [_concordance(score, cohort.held_time, cohort.held_event, holders) for score in scores]
    c = np.asarray([0.5 if one is None else one.c for one in found])
    if len(c) > 1:
        return float(np.average(c, weights=[len(time) for _, time, _ in cohort.sites])), None, None
    low, high = found[0].logit_ci if found[0] is not None else (None, None)
    return float(c[0]), low, high


def _concordance(score: Floats, time: Floats, event: NDArray[np.bool_], holders: int | None) -> Concordance | None:
    """Harrell's C from rows, or on secret shares by so many holders (0: the plain twin)."""
    if holders is None:
        return concordance(patient_cells(score, time, event))
    n = len(time)
    rows = SiteRows("held out", score[:, None], time, event, np.zeros(n, dtype=np.int64), ("",) * n)
    found, _ = concordance_on_shares(SharedTable(FitRows((rows,), ("score",), ("",), (), 0), holders), score)
    return found


def mean_interval(values: Floats) -> tuple[float | None, float | None]:
    """95 % interval of a mean by Student's t; none from a single value."""
    from scipy.special import stdtrit

    if len(values) < 2:
        return None, None
    quantile = float(stdtrit(len(values) - 1, 0.975))
    half = quantile * float(values.std(ddof=1)) / float(np.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half


def _summaries(outcomes: Sequence[Outcome], methods: Sequence[Method]) -> list[Summary]:
    found = []
    for scenario in dict.fromkeys(one.scenario for one in outcomes):
        for method in methods:
            mine = [one for one in outcomes if one.scenario == scenario and one.method == method.name]
            found.append(_summary(scenario, method, mine))
    return found


def _summary(scenario: str, method: Method, mine: Sequence[Outcome]) -> Summary:
    def mean(name: str) -> float:
        return float(np.mean([getattr(one, name) for one in mine]))

    difference = np.asarray([one.difference for one in mine])
    low, high = mean_interval(difference)
    bounded = all(one.low is not None for one in mine)
    return Summary(
        scenario=scenario,
        title=(SCENARIO_TITLE | OWN_TITLE)[scenario],
        method=method.name,
        method_title=method.title,
        seeds=len(mine),
        n=mean("n"),
        events=mean("events"),
        held_out=mean("held_out"),
        held_out_events=mean("held_out_events"),
        c=mean("c"),
        c_low=mean("low") if bounded else None,
        c_high=mean("high") if bounded else None,
        difference=float(difference.mean()),
        low=low,
        high=high,
        worst=float(difference[np.argmax(np.abs(difference))]),
        bytes_up=mean("bytes_up"),
        bytes_down=mean("bytes_down"),
        seconds=mean("seconds"),
    )


def as_csv(comparison: MethodComparison) -> str:
    """Every outcome as a row."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(asdict(comparison.outcomes[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in comparison.outcomes)
    return out.getvalue()
