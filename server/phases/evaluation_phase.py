"""Evaluation: on secret shares, or where every hospital chose `exact` from one table a model and set.

A table N[score bin, time cell, event] of single ranks and days: occupied fine cells are opened first, then the table whose
bins and cells hold single values, and every metric is computed from it. Paired comparisons open sums of products of influences
(infinitesimal jackknife), never two scores of a patient.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from server.phases.on_shares.evaluation_documents import evaluate_on_shares
from server.phases.phase_context import Event, Running, scalar
from server.phases.score_sums import SCORE_BINS, ScoreOpener, Spread, role_of
from server.study.study_results import Characteristics, ScorePair, ScoreTable
from shared_model.analyses.groups.means_and_medians_on_shares import least_known
from shared_model.disclosure.limits import SUBGROUP_PATIENTS
from shared_model.statistics.statistic_parameters import (
    FLAGS,
    MANUFACTURERS,
    RESPONSES,
    Contributions,
    Histogram,
    Pair,
    ScoreSpec,
    Split,
    SplitOnly,
    Table,
    TableData,
)
from shared_model.survival.cutoff import quantile_edges
from site_config.problems import federation
from site_config.study.plan_and_lock import ClinicalVariable, Study
from site_config.study.prognostic_models import MODELS

Floats = NDArray[np.float64]
COARSE_BINS, FINE_BINS = 1 << 12, 1 << 16
"""Cells of a score: over twelve standard deviations either side to find its range, then over that range alone."""
MOST_CUTS = 4_900
"""Cells of a score that a table has room for; of more, neighbours are joined."""


def evaluate(running: Running) -> None:
    """All tables, characteristics, pairs and subgroups into the result; on shares, what the holders opened in their place."""
    if running.study.resolution == "shares":
        evaluate_on_shares(running)
        return
    splits: list[Split] = ["train", "validation", "test"] if running.lock.blocks.get("development") else ["test"]
    splits = [split for split in splits if running.result.flow.get(f"{split}.analysed", 0) > 0]
    for done, split in enumerate(splits):
        running.result.characteristics.append(characteristics(running, split))
        opened: dict[str, tuple[ScoreSpec, TableData]] = {}
        for model, spec in running.specs.items():
            running.tell(Event("evaluation", done, len(splits), f"{model} on {split}"))
            found = model_table(running, spec, split)
            if found is not None:
                opened[model] = (spec, found)
        pairs(running, split, opened)
    if running.study.reads_scans:
        subgroups(running, [split for split in splits if split != "train"])
    running.tell(Event("evaluation", len(splits), len(splits), "tables opened"))


def characteristics(running: Running, split: Split) -> Characteristics:
    """Table 1 of a split from counts and sums."""
    values = running.total("characteristics", SplitOnly(split=split), "evaluation", role_of(split))
    n = round(scalar(values, "patients"))
    found = Characteristics(set=split, n=n, events=round(scalar(values, "events")), sites=round(scalar(values, "sites")))
    least = least_known(running.study.privacy.minimum_patients)
    add_spread(found, "age", (scalar(values, "age_known"), *values["age"]), least)
    add_spread(found, "interval_days", (scalar(values, "interval_known"), *values["interval"]), least)
    male, sex = round(scalar(values, "male")), round(scalar(values, "sex_known"))
    if sex:
        found.counts["sex"] = {"male": male, "female": sex - male, "unknown": n - sex}
    for j, variable in enumerate(clinical_variables(running.study)[:16]):
        if variable.coded:
            counts = zip(variable.codes[:8], values["clinical"][j], strict=False)
            found.counts[variable.name] = {variable.values[code]: round(float(count)) for code, count in counts}
        else:
            add_spread(found, variable.name, values["continuous"][j], least, variable.span)
    of_scans = (("manufacturer", MANUFACTURERS), ("response", RESPONSES), ("flags", FLAGS)) if running.study.reads_scans else ()
    for name, labels in of_scans:
        found.counts[name] = {label: round(float(count)) for label, count in zip(labels, values[name], strict=True)}
    return found


def clinical_variables(study: Study) -> tuple[ClinicalVariable, ...]:
    """The clinical variables that a model of the study reads."""
    return study.clinical if MODELS.read_variables(study.models) else ()


def add_spread(found: Characteristics, name: str, sums: Iterable[float], least: int, span: tuple[float, float] = (0.0, 1.0)) -> None:
    """Mean and SD of a number as it enters the model, from Σ1, Σu and Σu² of u = (x − low)/(high − low).

    How many are known stays with the result: neither is kept for fewer than the least.
    """
    known, total, square = (float(value) for value in sums)
    found.known[name] = round(known)
    if known >= least:
        low, high = span
        found.mean[name] = low + (high - low) * total / known
        found.sd[name] = (high - low) * float(np.sqrt(max((square - total**2 / known) / (known - 1), 0.0)))


def model_table(running: Running, spec: ScoreSpec, split: Split) -> TableData | None:
    """The table of one model on one set; a finding instead where there are too few patients for two bins."""
    opener = ScoreOpener(running, spec, split, "evaluation")
    spread = opener.spread()
    cuts = exact_cuts(running, opener, spread)
    if len(cuts[0]) == 0:
        running.find(
            federation.NOT_ESTIMABLE.problem(f"{spec.model} on {split}: {spread.n} patients do not fill two score bins"),
            f"{spec.model} {split}",
        )
        return None
    parameters = Table(split=split, score=spec, score_cuts=cuts[0], time_edges=cuts[1])
    values = running.total("evaluation.table", parameters, "evaluation", role_of(split), spec)
    events, censored = counts(values["events"]), counts(values["censored"])
    table = ScoreTable(
        model=spec.model,
        set=split,
        score_edges=[None, *cuts[0], None],
        time_edges=list(cuts[1]),
        events=events,
        censored=censored,
        exact=True,
    )
    means(running, table, spec, split, score_cuts(running, opener, spread))
    running.result.tables.append(table)
    return TableData(score_cuts=cuts[0], time_edges=cuts[1], events=tuple(map(tuple, events)), censored=tuple(map(tuple, censored)))


def counts(values: Floats) -> list[list[int]]:
    """A counted matrix as integers."""
    return [[round(float(value)) for value in row] for row in values]


def score_cuts(running: Running, opener: ScoreOpener, spread: Spread) -> tuple[float, ...]:
    """Inner edges of the score bins: quantiles, with the frozen cut-off in place of its nearest neighbour."""
    minimum = running.study.privacy.minimum_patients
    if spread.n < 2 * minimum or spread.sd <= 0:
        return ()
    edges = quantile_edges(opener, spread.n, spread.mean, spread.sd, bins=SCORE_BINS, minimum=minimum)
    inner = [float(edge) for edge in edges[1:-1]]
    cutoff = next((c.value for c in running.result.cutoffs if c.model == opener.spec.model), None)
    if cutoff is not None:
        if inner:
            inner.remove(min(inner, key=lambda edge: abs(edge - cutoff)))
        inner = merge(opener, sorted({*inner, cutoff}), cutoff, spread.n, minimum)
    return tuple(inner)


def merge(opener: ScoreOpener, cuts: list[float], keep: float, n: int, minimum: int) -> list[float]:
    """Drop cuts, the kept one last, until every bin holds the minimum."""
    while cuts:
        above = [n, *(int(count) for count in opener.counts_above(np.asarray(cuts))), 0]
        sizes = [above[i] - above[i + 1] for i in range(len(above) - 1)]
        small = [i for i, size in enumerate(sizes) if size < minimum]
        if not small:
            return cuts
        beside = [cuts[j] for j in (small[0] - 1, small[0]) if 0 <= j < len(cuts)]
        others = [cut for cut in beside if cut != keep]
        cuts.remove(others[0] if others else keep)
    return cuts


def exact_cuts(running: Running, opener: ScoreOpener, spread: Spread) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Cuts between occupied fine score cells, and the occupied days: what comes before the table.

    A first histogram finds the range that scores lie in and a second divides it into 65,536 cells, so that two scores count as equal
    only where they differ by less than about a ten-thousandth of their standard deviation.
    """
    if spread.sd <= 0 or spread.n < 2:
        return (), ()
    low, high = spread.mean - 12 * spread.sd, spread.mean + 12 * spread.sd
    occupied, _, days = _occupied(running, opener, (low, high), COARSE_BINS)
    step = (high - low) / COARSE_BINS
    ends = (low + (int(occupied[0]) - 1) * step, low + (int(occupied[-1]) + 2) * step)
    occupied, grid, _ = _occupied(running, opener, ends, FINE_BINS)
    while len(occupied) > MOST_CUTS:
        occupied, grid = np.unique(occupied // 2), grid[::2]
    cutoff = [c.value for c in running.result.cutoffs if c.model == opener.spec.model]
    cuts = sorted({*(float(grid[cell + 1]) for cell in occupied[:-1]), *cutoff})
    return tuple(cuts), tuple(float(day) for day in (days[0] - 1, *days))


def _occupied(
    running: Running, opener: ScoreOpener, ends: tuple[float, float], bins: int
) -> tuple[NDArray[np.intp], Floats, NDArray[np.intp]]:
    """Occupied cells of a score between two ends, their edges (bins + 1,), and the occupied days."""
    n_days = running.study.shares.longest_days
    parameters = Histogram(split=opener.split, score=opener.spec, low=ends[0], high=ends[1], bins=bins, n_days=n_days)
    values = running.total("evaluation.histogram", parameters, "evaluation", role_of(opener.split), opener.spec)
    found = (np.flatnonzero(np.rint(values[name])) for name in ("scores", "days"))
    return next(found), np.linspace(*ends, bins + 1), next(found)


def means(running: Running, table: ScoreTable, spec: ScoreSpec, split: Split, cuts: tuple[float, ...]) -> None:
    """Mean score and modality contributions per bin; bins under five patients stay None."""
    table.bin_edges = [None, *cuts, None]
    parameters = Contributions(split=split, score=spec, score_cuts=cuts)
    values = running.total("evaluation.contributions", parameters, "evaluation", role_of(split), spec)
    held = values["patients"]

    def mean(name: str) -> list[float | None]:
        return [float(total / n) if round(n) >= 5 else None for total, n in zip(values[name], held, strict=True)]

    table.bin_patients = [round(float(n)) for n in held]
    table.bin_mean = mean("score")
    table.contributions = {"radiology": mean("radiology"), "clinical": mean("clinical")}


def pairs(running: Running, split: Split, opened: dict[str, tuple[ScoreSpec, TableData]]) -> None:
    """Paired sums of every two models on one set."""
    for first, second in combinations(opened, 2):
        (one, table_one), (two, table_two) = opened[first], opened[second]
        parameters = Pair(split=split, scores=(one, two), tables=(table_one, table_two))
        values = running.total("evaluation.pair", parameters, "evaluation", role_of(split), one, two)
        running.result.pairs.append(
            ScorePair(
                first=one.model,
                second=two.model,
                set=split,
                covariance=values["covariance"].tolist(),
                cluster=values["cluster"].tolist(),
                rank_products=values["rank_products"].tolist(),
                patients=round(scalar(values, "patients")),
            )
        )


def subgroups(running: Running, splits: list[Split]) -> None:
    """RECIST response and manufacturer on validation and test, of the best model that was fitted, split at its cut-off.

    Values with fewer than ten patients are not asked; where only one would be hidden, the smallest other is hidden too, or
    it could be worked out as the difference to all.
    """
    model = next((one.name for one in MODELS.preferred(running.specs)), None)
    cutoff = next((c for c in running.result.cutoffs if c.model == model), None)
    if model is None or cutoff is None:
        return
    spec = running.specs[model]
    for variable in ("response", "manufacturer"):
        for value in large_values(running, variable, splits):
            for split in splits:
                edges = days_of(running, spec.model, split)
                if edges is None:
                    continue
                parameters = Table(split=split, score=spec, score_cuts=(cutoff.value,), time_edges=edges, variable=variable, value=value)
                values = running.total("evaluation.table", parameters, "evaluation", role_of(split), spec)
                running.result.tables.append(
                    ScoreTable(
                        model=model,
                        set=split,
                        variable=variable,
                        value=value,
                        score_edges=[None, cutoff.value, None],
                        time_edges=list(edges),
                        exact=True,
                        events=counts(values["events"]),
                        censored=counts(values["censored"]),
                    )
                )


def days_of(running: Running, model: str, split: Split) -> tuple[float, ...] | None:
    """The occupied days of a model's table on a set; None where it was not opened."""
    found = (table for table in running.result.tables if (table.model, table.set, table.variable) == (model, split, "all"))
    table = next(found, None)
    return tuple(table.time_edges) if table else None


def large_values(running: Running, variable: str, splits: list[Split]) -> list[str]:
    """Values held by at least ten patients of the sets together, after complementary suppression."""
    tally: dict[str, int] = {}
    for found in running.result.characteristics:
        if found.set in splits:
            for value, count in found.counts[variable].items():
                tally[value] = tally.get(value, 0) + (count or 0)
    large = sorted((value for value, count in tally.items() if count >= SUBGROUP_PATIENTS.value), key=lambda value: -tally[value])
    hidden = [value for value, count in tally.items() if 0 < count < SUBGROUP_PATIENTS.value]
    return large[:-1] if len(hidden) == 1 and len(large) > 1 else large
