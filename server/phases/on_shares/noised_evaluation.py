"""The evaluation phase under differential privacy: the noised counts that the holders opened, and curves computed from them."""

from __future__ import annotations

from typing import cast

import numpy as np

from server.phases.on_shares.curve_documents import count, median_of
from server.phases.on_shares.evaluation_documents import absent_sets
from server.phases.on_shares.fit_phases import analyses, compute
from server.phases.phase_context import Event, Running
from server.study.opened_analyses import (
    Analysis,
    ClosedResult,
    OpenedCharacteristics,
    OpenedCount,
    OpenedCurve,
    OpenedGroupCurves,
    OpenedNoise,
    OpenedSet,
    OpenedVariable,
    Population,
)
from shared_model.analyses.groups.survival_medians import median
from shared_model.analyses.noised.noised_cells import edges_of
from shared_model.analyses.phases.noised_plan import NoisedEstimate, results_noise
from shared_model.analyses.phases.table1_slots import TableVariable, counted, sets_of
from shared_model.statistics.statistic_parameters import FLAGS
from shared_model.survival.noised_table import NoisedSurvival
from site_config.problems import privacy

CLOSED: tuple[Analysis, ...] = ("cox", "cutoff", "concordance", "roc", "calibration", "follow_up", "distribution")


def evaluate_with_noise(running: Running) -> None:
    """Counts and curves of every set into the result's document; everything else closed, by number."""
    running.tell(Event("evaluation", 0, 1, "counts with the noise of every holder"))
    found: NoisedEstimate = compute(running, "evaluation")
    kept, noise = analyses(running), results_noise(running.study)
    dp = running.study.privacy.dp
    kept.noise = OpenedNoise(
        part=dp.results if dp else 0.0, survival_deviation=noise.survival_deviation, table_deviation=noise.table_deviation
    )
    absent, days = absent_sets(running.lock), edges_of(running.study)
    curves = []
    for at, name in enumerate(sets_of(running.study)):
        if name in absent:
            continue
        set_, curve = cast("Population", name), found.survival[at]
        kept.sets.append(OpenedSet(set=set_, n=_whole(curve.patients), events=_whole(curve.events)))
        curves.append(_curve(name, curve, days))
        variables = [_variable(one, found.counts[one.part.name][at]) for one in counted(running.study) if one.name not in FLAGS]
        flags = [
            OpenedCount(value=one.name, n=_whole(found.counts[one.part.name][at, 1])) for one in counted(running.study) if one.name in FLAGS
        ]
        variables += [OpenedVariable(variable="flags", counts=flags)] if flags else []
        kept.characteristics.append(OpenedCharacteristics(set=set_, n=_whole(curve.patients), variables=variables))
    kept.kaplan_meier.append(OpenedGroupCurves(grouping="set", set="all", groups=curves))
    text = f"{privacy.ONLY_WITH_NOISE.label}: refused under differential privacy, not approximated"
    kept.closed += [ClosedResult(analysis=analysis, reason="noise", text=text) for analysis in CLOSED]
    running.tell(Event("evaluation", 1, 1, "noised counts opened"))


def _whole(value: float) -> int:
    """A noised count as a table shows it: not below nobody."""
    return max(round(value), 0)


def _curve(name: str, found: NoisedSurvival, days: tuple[int, ...]) -> OpenedCurve:
    """One set's curve as far as it stands out of the noise."""
    shown = np.flatnonzero(np.isfinite(found.survival))
    n = _whole(found.patients)
    low, middle, high = (median(days, one) for one in (found.low, found.survival, found.high))
    return OpenedCurve(
        value=name,
        n=n,
        events=_whole(found.events),
        day=[days[k] for k in shown],
        survival=[float(found.survival[k]) for k in shown],
        low=[float(found.low[k]) for k in shown],
        high=[float(found.high[k]) for k in shown],
        ticks=[0, *(days[k] for k in shown)],
        at_risk=[n, *(count(float(_whole(found.at_risk[k]))) for k in shown)],
        median=median_of((middle, low, high)),
    )


def _variable(one: TableVariable, counts: np.ndarray) -> OpenedVariable:
    """A variable's levels, and those of whom it is not known."""
    labels = one.labels if one.labels[-1].lower() == "unknown" else (*one.labels, "unknown")
    return OpenedVariable(
        variable=one.name, counts=[OpenedCount(value=label, n=_whole(n)) for label, n in zip(labels, counts, strict=False)]
    )
