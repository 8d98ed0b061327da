"""Cox models of a study: on secret shares, or where every hospital chose `exact` from sums by day.

The clinical model (CLN), and fused or single scores calibrated to survival. `shared_model.survival.cox.cox_by_day` holds the
mathematics of sums; here its opener asks hospitals under masks.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from server.asking.ask_masked_sum import WHOLE
from server.phases.on_shares.fit_phases import clinical_on_shares, fuse_on_shares
from server.phases.phase_context import Running, column_labels, left_out_column, scalar
from server.phases.score_sums import ScoreOpener
from server.study.study_results import Cutoff
from shared_model.statistics.counts_before_asking import ColumnMinima, Counts, decide
from shared_model.statistics.statistic_parameters import Covariates, CoxExact, Moments, PreCounts, ScoreSpec
from shared_model.survival.cox import cox_by_day as cox
from shared_model.survival.cutoff import median_cutoff
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Phase
from site_config.study.prognostic_models import CLN, MODELS, ModelName, PrognosticModel
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
AXIS_SD = 3.0


class AskedSums:
    """Opens the sums of a Cox model over the development hospitals' training patients (`ExactOpener`)."""

    def __init__(self, running: Running, covariates: Covariates, phase: Phase) -> None:
        self._running, self._covariates, self._phase = running, covariates, phase

    def _open(self, name: str, parameters: Moments | CoxExact) -> dict[str, Floats]:
        return self._running.total(name, parameters, self._phase, "development", *self._covariates.scores)

    def moments(self, origin: Floats) -> cox.CovariateMoments:
        """Σ over hospitals of `site_moments`."""
        values = self._open("moments", Moments(split="train", covariates=self._covariates, origin=plain(origin)))
        return cox.CovariateMoments(round(scalar(values, "patients")), round(scalar(values, "events")), values["total"], values["products"])

    def exact(self, beta: Floats, mean: Floats, sd: Floats) -> cox.ExactSums:
        """Σ over hospitals of `exact_sums`."""
        n_days = self._running.study.shares.longest_days
        parameters = CoxExact(covariates=self._covariates, mean=plain(mean), sd=plain(sd), beta=plain(beta), n_days=n_days)
        return cox.ExactSums(**self._open("cox.exact", parameters))


def plain(values: Floats) -> tuple[float, ...]:
    """A vector as parameters carry it."""
    return tuple(float(value) for value in np.asarray(values).reshape(-1))


def fit(running: Running, covariates: Covariates, names: tuple[str, ...], phase: Phase) -> cox.CoxFit:
    """A Cox model from sums by day. Raises survival problems where it cannot be estimated."""
    _enough(running, len(names))
    opener = AskedSums(running, covariates, phase)
    ties, sites = running.study.training.ties, len(running.lock.names("development"))
    return cox.fit_exact(opener, names, cox.DayGrid.days(running.study.shares.longest_days), ties=ties, sites=sites)


def _enough(running: Running, variables: int) -> None:
    """A model that every hospital would refuse is not asked of them: the study would wait where it can say so. Raises `NOT_ESTIMABLE`."""
    privacy = running.study.privacy
    counts = running.asker.counts_of("development", WHOLE, "train")
    if counts is None or (privacy.demonstration and running.study.simulated):
        return
    least = privacy.minimum_cox_patients, privacy.minimum_events_per_variable * variables
    if counts.patients < least[0] or counts.events < least[1]:
        text = f"{plural(counts.patients, 'patient')} with {plural(counts.events, 'event')}; a Cox model of {plural(variables, 'variable')}"
        raise federation.NOT_ESTIMABLE.problem(f"{text} asks for {least[0]} and {least[1]}")


def clinical(running: Running) -> None:
    """CLN: the columns that masked counts allow, then the Cox model of them."""
    if running.study.resolution == "shares":
        clinical_on_shares(running)
        return
    columns = permitted(running)
    if not columns:
        running.find(federation.NOT_ESTIMABLE.problem(f"{CLN.name}: no clinical column is held by enough hospitals and patients"), CLN.name)
        return
    try:
        found = fit(running, Covariates(columns=columns), columns, "clinical")
    except Problem as problem:
        not_estimable(running, problem, CLN.name)
        return
    labels = column_labels(running)
    running.result.clinical = replace(found, findings=tuple(one.labelled(labels) for one in found.findings)).as_dict()
    kept = [j for j, keep in enumerate(found.kept) if keep]
    if not kept:
        running.find(federation.NOT_ESTIMABLE.problem(f"{CLN.name}: no covariate varies"), CLN.name)
        return
    running.specs[CLN.name] = ScoreSpec(model=CLN.name, columns=tuple(columns[j] for j in kept), coefficients=plain(found.coef[kept]))
    keep_baseline(running, CLN.name, found)


def permitted(running: Running) -> tuple[str, ...]:
    """Columns whose masked counts reach the study's minima; what is dropped becomes a finding."""
    columns = tuple(column.name for column in running.study.design)
    values = running.total("precounts", PreCounts(split="train", columns=columns), "admission", "development")
    privacy = running.study.privacy
    lifted = privacy.demonstration and running.study.simulated
    minima = ColumnMinima(1, 1) if lifted else ColumnMinima(privacy.minimum_sites, privacy.minimum_patients)
    decision = decide(columns, Counts.of(values), minima)
    for dropped in decision.dropped:
        text = left_out_column(running, dropped.column, dropped.reason)
        running.find(federation.NOT_ESTIMABLE.problem(f"{CLN.name} leaves out {text}"), CLN.name)
    return tuple(decision.kept)


def keep_baseline(running: Running, model: str, found: cox.CoxFit) -> None:
    """Cumulative hazard at score 0, for predicted survival."""
    baseline = found.baseline.as_dict()
    running.result.baseline[model] = {"time": baseline["time"], "cumulative_hazard": baseline["cumulative_hazard"]}


def not_estimable(running: Running, problem: Problem, model: str) -> None:
    """A survival problem becomes a finding; any other problem goes on up."""
    if not 800 <= problem.kind.code < 900 and problem.kind != federation.NOT_ESTIMABLE:
        raise problem
    running.find(problem.kind.problem(f"{model}: {problem.what}", why=problem.why, fix=problem.fix), model)


def fuse(running: Running) -> None:
    """Calibrate every score to survival, fuse radiology with the clinical score, and freeze the cut-offs."""
    if running.study.resolution == "shares":
        fuse_on_shares(running)
        return
    for spec in list(running.specs.values()):
        keep_axis(running, spec)
    for model in MODELS.fitted(running.study.models):
        try:
            if model.name in running.weights:
                single(running, model.name)
            elif model.is_fused:
                fused(running, model)
        except Problem as problem:
            not_estimable(running, problem, model.name)
    for spec in list(running.specs.values()):
        freeze_cutoff(running, spec)


def single(running: Running, model: ModelName) -> None:
    """One network's score, calibrated by a Cox model of that score alone."""
    spec = ScoreSpec(model=model, radiology=model)
    running.specs[model] = spec
    keep_axis(running, spec)
    found = fit(running, Covariates(scores=(spec,)), (model,), "fusion")
    running.result.fusion[model] = found.as_dict()
    keep_baseline(running, model, found)


def fused(running: Running, model: PrognosticModel) -> None:
    """A Cox model of two covariates, the radiological and the clinical score."""
    missing = [part for part in model.needs if part not in running.specs]
    if missing:
        raise federation.NOT_ESTIMABLE.problem(f"{' and '.join(missing)} was not fitted")
    image, rows = (running.specs[part] for part in model.needs)
    found = fit(running, Covariates(scores=(image, rows)), model.needs, "fusion")
    running.result.fusion[model.name] = found.as_dict()
    running.specs[model.name] = ScoreSpec(
        model=model.name,
        radiology=image.radiology,
        columns=rows.columns,
        coefficients=rows.coefficients,
        mix=(float(found.coef[0]), float(found.coef[1])),
    )
    keep_axis(running, running.specs[model.name])
    keep_baseline(running, model.name, found)


def keep_axis(running: Running, spec: ScoreSpec) -> None:
    """The declared axis range of a score: its mean ± 3 SD over the training patients."""
    spread = ScoreOpener(running, spec, "train", "fusion").spread()
    running.result.score_ranges[spec.model] = [spread.mean - AXIS_SD * spread.sd, spread.mean + AXIS_SD * spread.sd]


def freeze_cutoff(running: Running, spec: ScoreSpec) -> None:
    """The median training score by bisection on counts."""
    opener = ScoreOpener(running, spec, "train", "fusion")
    spread = opener.spread()
    try:
        found = median_cutoff(opener, spread.n, spread.mean, spread.sd, minimum=running.study.privacy.minimum_patients)
    except Problem as problem:
        not_estimable(running, problem, spec.model)
        return
    running.result.cutoffs.append(Cutoff(model=spec.model, value=found.value, patients_above=found.above, patients_below=found.below))
