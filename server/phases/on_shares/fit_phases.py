"""Phases on secret shares: each computes its plan over the roster's rows and reads the few numbers that were opened.

`shared_model.analyses.phases` says what is computed; nothing here sees a sum. What was opened in earlier phases travels with the
holders' signatures, so that a hospital believes a coefficient only where more holders than may collude signed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.asking.ask_on_shares import Shared, SharedComputation
from server.phases.phase_context import Running, column_labels, left_out_column
from server.study.opened_analyses import ClosedResult, OpenedAnalyses, OpenedBaseline, OpenedCutoff, SharesCost
from server.study.study_results import Cutoff
from shared_model.analyses.analysis_plan import request_plan
from shared_model.analyses.cox_on_shares import CoxEstimate
from shared_model.analyses.fit_on_shares import fitted
from shared_model.analyses.groups.hazard_on_shares import BaselineEstimate
from shared_model.analyses.phases.clinical_plan import ClinicalEstimate
from shared_model.analyses.phases.frozen_models import Frozen
from shared_model.analyses.phases.fusion_plan import FusionEstimate
from shared_model.analyses.phases.score_formation import centred, clinical_spec, fused_spec, single_specs
from shared_model.analyses.scores.cutoff_on_shares import CutoffEstimate
from shared_model.shares.messages.share_messages import believe
from shared_model.survival.cox.cox_result import FitFinding
from site_config.problems import federation
from site_config.study.plan_and_lock import Phase
from site_config.study.prognostic_models import CLN, MODELS


def compute(running: Running, phase: Phase) -> Any:
    """What a phase's circuit returned; its results are asked once, and answered from the study's folder after that."""
    earlier = tuple(running.shared.values())
    plan = request_plan(running.lock, phase, earlier, running.frozen)
    sites = tuple(site for site in plan.sites(running.lock) if site in running.sites)
    what = Shared(plan, sites, running.state(*plan.scores.values()), earlier, running.frozen)
    computation = SharedComputation(running.asker, running.folder, what)
    found = computation.results()
    openings, sent = computation.cost()
    analyses(running).cost.append(SharesCost(phase=phase, openings=openings, megabytes=round(sent / 1e6, 3)))
    running.shared[phase] = found
    return plan.read(found.numbers())


def analyses(running: Running) -> OpenedAnalyses:
    """The result's document of what was opened on shares, made at the first use."""
    if running.result.analyses is None:
        running.result.analyses = OpenedAnalyses()
    return running.result.analyses


def clinical_on_shares(running: Running) -> None:
    """CLN fitted by the holders: every declared column stays but those that almost nobody has, and nothing but the fit is opened."""
    keep_clinical(running, compute(running, "clinical"))


def keep_clinical(running: Running, found: ClinicalEstimate) -> None:
    """What was opened of the clinical phase, into the result."""
    for bit, held in found.columns.held.items():
        if not held:
            _leave_out(running, *bit.split(".", 1))
    if found.fit is None:
        running.find(federation.NOT_ESTIMABLE.problem(f"{CLN.name}: no clinical column is held by enough hospitals and patients"), CLN.name)
        return
    running.result.clinical = _shown(running, found.fit, found.kept, CLN.name)
    spec = clinical_spec(found)
    if spec is not None:
        running.specs[CLN.name] = spec
        _keep_baseline(running, CLN.name, found.baseline)


def _leave_out(running: Running, side: str, name: str) -> None:
    """A column that too few patients or hospitals have, or are without."""
    text = left_out_column(running, name, f"fewer than 5 patients or 3 hospitals {'have it' if side == 'others' else 'are without it'}")
    analyses(running).closed.append(ClosedResult(analysis="cox", reason="rare_column", text=text, model=CLN.name, value=name))
    running.find(federation.NOT_ESTIMABLE.problem(f"{CLN.name} leaves out {text}"), CLN.name)


def fuse_on_shares(running: Running) -> None:
    """Medians, Cox models of single scores and of fused ones, and baselines, as the holders opened them."""
    if not single_specs(running.lock, believe(running.lock, tuple(running.shared.values()))):
        return
    found: FusionEstimate = compute(running, "fusion")
    keep_fusion(running, found, believe(running.lock, tuple(running.shared.values())))


def keep_fusion(running: Running, found: FusionEstimate, opened: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
    """What was opened of the fusion phase, into the result; `opened` are the believed numbers of the phases so far."""
    for model in MODELS.fitted(running.study.models):
        fit = found.fits.get(model.name)
        if fit is not None:
            running.result.fusion[model.name] = _shown(running, fit, model.needs or (model.name,), model.name)
        elif not model.variables:
            closed = [part for part in model.needs or (model.name,) if part in found.cutoffs and part not in found.ranges]
            why = [f"{part} has no median ({finding.what})" for part in closed for finding in found.cutoffs[part].findings]
            running.find(
                federation.NOT_ESTIMABLE.problem(f"{model.name}: {' and '.join(why) or 'a part of it was not fitted'}"), model.name
            )
    centres = found.centres
    running.specs |= centred(single_specs(running.lock, opened), centres)
    ranges = {name: [end - centres.get(name, 0.0) for end in ends] for name, ends in found.ranges.items()}
    running.result.score_ranges |= ranges
    for model in MODELS.fitted(running.study.models):
        spec = fused_spec(model, running.specs, found.fits.get(model.name)) if model.is_fused else None
        if spec is not None and spec.mix is not None:
            running.specs[model.name] = spec
            ends = [sorted(b * end for end in ranges[part]) for b, part in zip(spec.mix, model.needs, strict=True)]
            running.result.score_ranges[model.name] = [sum(pair[k] for pair in ends) for k in (0, 1)]
    for name, baseline in found.baselines.items():
        _keep_baseline(running, name, baseline)
    for name, cutoff in found.cutoffs.items():
        centre = centres.get(name)
        keep_cutoff(running, name, cutoff if centre is None else replace(cutoff, value=0.0))


def keep_cutoff(running: Running, model: str, found: CutoffEstimate) -> None:
    """A frozen cut-off, or the finding that says why there is none."""
    if found.value is None:
        close(running, "cutoff", model, found.findings)
        return
    if all(one.model != model for one in running.result.cutoffs):
        running.result.cutoffs.append(Cutoff(model=model, value=found.value))
        analyses(running).cutoffs.append(OpenedCutoff(model=model, value=found.value))


def keep_frozen(running: Running, frozen: Frozen) -> None:
    """Cut-offs and baseline hazards of a bundle's models, beside what the study opens itself."""
    kept = analyses(running)
    for model, formula in frozen.items():
        if formula.cutoff is not None:
            kept.cutoffs.append(OpenedCutoff(model=model, value=formula.cutoff))
        horizons = [(day, formula.hazard_at(day)) for day in running.study.evaluation.horizons]
        shown = {day: hazard for day, hazard in horizons if hazard is not None}
        if shown:
            kept.baseline.append(OpenedBaseline(model=model, day=list(shown), cumulative_hazard=list(shown.values())))


def close(running: Running, analysis: Any, model: str, findings: Iterable[FitFinding]) -> None:
    """Findings of an analysis as results that stay closed."""
    kept = analyses(running).closed
    kept += [ClosedResult(analysis=analysis, reason="small_group", text=finding.what, model=model) for finding in findings]


def _shown(running: Running, found: CoxEstimate, names: tuple[str, ...], model: str) -> dict[str, Any]:
    """A fit as the report shows it; without coefficients its findings become the study's."""
    told = replace(found, findings=tuple(one.labelled(column_labels(running)) for one in found.findings))
    if found.coefficient is None:
        for finding in told.findings:
            running.find(federation.NOT_ESTIMABLE.problem(f"{model}: {finding.what}"), model)
            few = ClosedResult(analysis="cox", reason="few_events", text=finding.what, model=model)
            analyses(running).closed.append(few)
    shown = fitted(told, names, sites=len(running.lock.names("development")), ties=running.study.training.ties)
    return shown.as_dict()


def _keep_baseline(running: Running, model: str, found: BaselineEstimate | None) -> None:
    """Cumulative hazards at the horizons where they were opened."""
    horizons = running.study.evaluation.horizons
    hazard = np.full(len(horizons), np.nan) if found is None else found.hazard
    shown = [(day, float(value)) for day, value in zip(horizons, hazard, strict=True) if np.isfinite(value)]
    if found is not None and len(shown) < len(horizons):
        text = "; ".join(finding.what for finding in found.findings)
        analyses(running).closed.append(ClosedResult(analysis="baseline", reason="few_at_risk", text=text, model=model))
    if shown:
        running.result.baseline[model] = {"time": [float(day) for day, _ in shown], "cumulative_hazard": [value for _, value in shown]}
        kept = OpenedBaseline(model=model, day=[day for day, _ in shown], cumulative_hazard=[value for _, value in shown])
        analyses(running).baseline.append(kept)
