"""What a study would do with a table: the settings that decide it, from study.yaml or the defaults of every study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_model.statistics.precounts import ColumnMinima, Counts, decide
from shared_model.survival.cox.api import CLINICAL_CUTS, FitFinding
from simulations.tabular.columns import Design
from simulations.tabular.rows import FitRows
from site_config.problems import federation
from site_config.problems import survival as problems
from site_config.study.model import Evaluation, Privacy, Training

if TYPE_CHECKING:
    from site_config.study.model import Study

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """Cut points (M−1,) in days, minima of patients, sites and events, and how finely an evaluation table is opened."""

    cut_days: tuple[float, ...]
    minimum_cox_patients: int
    minimum_events_per_variable: int
    minimum_sites: int
    minimum_patients: int
    evaluation: Evaluation


def settings_of(study: Study) -> Settings:
    """The settings of a study; a demonstration on made-up patients lifts the minima, as it does in the study."""
    return _settings(study.training, study.privacy, study.evaluation, lifted=study.privacy.demonstration and study.simulated)


def default_settings() -> Settings:
    """Those of a study that declares nothing."""
    return _settings(Training(), Privacy(), Evaluation(), lifted=False)


def _settings(training: Training, privacy: Privacy, evaluation: Evaluation, *, lifted: bool) -> Settings:
    return Settings(
        cut_days=training.cut_days or CLINICAL_CUTS,
        minimum_cox_patients=1 if lifted else privacy.minimum_cox_patients,
        minimum_events_per_variable=0 if lifted else privacy.minimum_events_per_variable,
        minimum_sites=1 if lifted else privacy.minimum_sites,
        minimum_patients=1 if lifted else privacy.minimum_patients,
        evaluation=evaluation,
    )


def permitted(rows: FitRows, settings: Settings) -> tuple[FitRows, tuple[FitFinding, ...]]:
    """The rows with the columns that a study's counts let stay, and a finding a column left out. Raises FH-803 where none may."""
    decision = decide(rows.names, _counts(rows), ColumnMinima(settings.minimum_sites, settings.minimum_patients))
    if decision.refused:
        raise problems.TOO_FEW_FOR_COX.problem(decision.refused[0])
    kept = [j for j, name in enumerate(rows.names) if name in decision.kept]
    found = tuple(FitFinding.of(federation.NOT_ESTIMABLE, f"{one.column} was left out: {one.reason}") for one in decision.dropped)
    if len(kept) == len(rows.names):
        return rows, found
    sites = tuple(replace(site, x=site.x[:, kept]) for site in rows.sites)
    return replace(rows, sites=sites, names=tuple(rows.names[j] for j in kept), design=_part(rows.design, kept)), found


def _part(design: Design | None, kept: Sequence[int]) -> Design | None:
    """Recipes make all of their columns, so a design that lost one makes none of another table."""
    return design if design is not None and len(kept) == len(design.names) else None


def _counts(rows: FitRows) -> Counts:
    """The sums of `precounts` over the sites of a table."""
    nonzero = [(site.x != 0).astype(float) for site in rows.sites]
    pairs = [held.T @ held for held in nonzero]
    return Counts.of(
        {
            "sites": np.array([float(len(rows.sites))]),
            "patients": np.array([float(len(rows.time))]),
            "events": np.array([float(rows.event.sum())]),
            "nonzero": sum((held.sum(axis=0) for held in nonzero), np.zeros(len(rows.names))),
            "nonzero_sites": sum(((held.sum(axis=0) > 0).astype(float) for held in nonzero), np.zeros(len(rows.names))),
            "pair_nonzero": sum(pairs, np.zeros((len(rows.names),) * 2)),
            "pair_nonzero_sites": sum(((pair > 0).astype(float) for pair in pairs), np.zeros((len(rows.names),) * 2)),
        }
    )
