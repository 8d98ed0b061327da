"""The list of statistics. Nothing else ever leaves a hospital.

Symbols as in DESIGN section 3: patient i, covariates x_i, score f_i, event δ_i, day t_i; e_im days of patient i in interval m.
Every count is of patients of one *analysis set*: the patients of a split who are complete for all models of the study.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared_model.statistics import private_statistics as private_statistics
from shared_model.statistics.statistic_declaration import REGISTRY, Resolution, Split, Statistic, no_covariates
from shared_model.statistics.statistic_parameters import (
    Contributions,
    CoxExact,
    Histogram,
    Moments,
    Pair,
    PreCounts,
    ScoreCounts,
    SplitOnly,
    Table,
    TrainingHazard,
    TrainingStart,
    TrainingUpdate,
    ValidationLoss,
)
from shared_model.statistics.vector_segments import (
    amount,
    count,
    of_characteristics,
    of_exact,
    of_hazard,
    of_moments,
    of_precounts,
    of_table,
    of_update,
    of_validation_loss,
)
from site_config.study.plan_and_lock import Role, Study

ALL_ROLES: frozenset[Role] = frozenset({"development", "evaluation"})
DEVELOPMENT: frozenset[Role] = frozenset({"development"})


def _fixed(level: Resolution | Split) -> Any:
    return lambda _parameters: level


def _one(**bounds: float) -> Any:
    def sensitivity(_parameters: Any) -> Mapping[str, float]:
        return bounds

    return sensitivity


UNBOUNDED = _one()
"""No bound of one patient's part is declared: under differential privacy it could not be released."""


def _own_split(p: Any) -> Split:
    split: Split = p.split
    return split


def _covariates(p: Any) -> int:
    size: int = p.covariates.size
    return size


def _always(_study: Study) -> bool:
    return True


def _trains(study: Study) -> bool:
    return study.reads_scans


def opens_sums(study: Study) -> bool:
    """Whether results are computed from opened sums: where every hospital chose `exact`, and nowhere else."""
    return study.resolution == "exact"


_ANY = ("admission", "clinical", "training", "fusion", "evaluation")
_COX = ("clinical", "fusion")


REGISTRY.add(
    Statistic(
        name="precounts",
        title="Patients, events and non-zero patients per column and pair",
        reads="events, clinical columns, whether scans are usable",
        parameters=PreCounts,
        segments=of_precounts,
        resolution=_fixed("counts"),
        split=_own_split,
        sensitivity=_one(sites=1, patients=1, events=1, nonzero=8, nonzero_sites=8, pair_nonzero=64, pair_nonzero_sites=64, flow=2),
        covariates=no_covariates,
        roles=ALL_ROLES,
        phases=frozenset(_ANY),
        asked_in=_always,
    )
)
REGISTRY.add(
    Statistic(
        name="characteristics",
        title="Table 1 as counts and sums",
        reads="age, sex, events, clinical columns (continuous ones too), days between scans, scanner, RECIST response, flags",
        parameters=SplitOnly,
        segments=of_characteristics,
        resolution=_fixed("exact"),
        split=_own_split,
        sensitivity=_one(
            sites=1,
            patients=1,
            events=1,
            male=1,
            sex_known=1,
            age_known=1,
            age=2e4,
            interval_known=1,
            interval=2e5,
            clinical=4,
            continuous=7,
            manufacturer=1,
            response=1,
            flags=2,
        ),
        covariates=no_covariates,
        roles=ALL_ROLES,
        phases=frozenset(("evaluation",)),
        asked_in=opens_sums,
    )
)
REGISTRY.add(
    Statistic(
        name="moments",
        title="Sums and squared sums of covariates",
        reads="clinical columns or scores, events",
        parameters=Moments,
        segments=of_moments,
        resolution=_fixed("exact"),
        split=_own_split,
        sensitivity=UNBOUNDED,
        covariates=no_covariates,
        roles=ALL_ROLES,
        phases=frozenset((*_COX, "evaluation")),
        asked_in=opens_sums,
    )
)
REGISTRY.add(
    Statistic(
        name="cox.exact",
        title="Risk-set sums on day cells",
        reads="clinical columns or scores, days, events",
        parameters=CoxExact,
        segments=of_exact,
        resolution=_fixed("exact"),
        split=_fixed("train"),
        sensitivity=UNBOUNDED,
        covariates=_covariates,
        roles=DEVELOPMENT,
        phases=frozenset(_COX),
        asked_in=opens_sums,
    )
)
REGISTRY.add(
    Statistic(
        name="training.start",
        title="Deaths and exposure per interval",
        reads="days, events",
        parameters=TrainingStart,
        segments=lambda p: (
            count("deaths", len(p.cut_days) + 1),
            amount("exposure", len(p.cut_days) + 1, resolution=1.0),
            count("patients"),
            count("events"),
        ),
        resolution=_fixed("update"),
        split=_fixed("train"),
        sensitivity=UNBOUNDED,
        covariates=no_covariates,
        roles=DEVELOPMENT,
        phases=frozenset(("training",)),
        asked_in=_trains,
    )
)
REGISTRY.add(
    Statistic(
        name="training.hazard",
        title="Hazard sums at the broadcast weights",
        reads="slices, days, events",
        parameters=TrainingHazard,
        segments=of_hazard,
        resolution=lambda p: "exact" if p.n_days else "update",
        split=_fixed("train"),
        sensitivity=UNBOUNDED,
        covariates=no_covariates,
        roles=DEVELOPMENT,
        phases=frozenset(("training",)),
        asked_in=_trains,
    )
)
REGISTRY.add(
    Statistic(
        name="training.update",
        title="Summed model update with hazard sums",
        reads="slices, days, events",
        parameters=TrainingUpdate,
        segments=of_update,
        resolution=_fixed("update"),
        split=_fixed("train"),
        sensitivity=UNBOUNDED,
        covariates=no_covariates,
        roles=DEVELOPMENT,
        phases=frozenset(("training",)),
        asked_in=_trains,
    )
)
REGISTRY.add(
    Statistic(
        name="validation.loss",
        title="Loss of the validation patients",
        reads="slices, days, events",
        parameters=ValidationLoss,
        segments=of_validation_loss,
        resolution=_fixed("update"),
        split=_fixed("validation"),
        sensitivity=UNBOUNDED,
        covariates=no_covariates,
        roles=DEVELOPMENT,
        phases=frozenset(("training",)),
        asked_in=_trains,
    )
)
REGISTRY.add(
    Statistic(
        name="score.counts",
        title="Patients at or below score thresholds",
        reads="scores",
        parameters=ScoreCounts,
        segments=lambda p: (count("at_most", len(p.thresholds)), count("patients")),
        resolution=_fixed("exact"),
        split=_own_split,
        sensitivity=UNBOUNDED,
        covariates=no_covariates,
        roles=ALL_ROLES,
        phases=frozenset(("fusion", "evaluation")),
        asked_in=opens_sums,
    )
)
REGISTRY.add(
    Statistic(
        name="evaluation.histogram",
        title="Occupied fine cells of score and day",
        reads="scores, days",
        parameters=Histogram,
        segments=lambda p: (count("scores", p.bins), count("days", p.n_days)),
        resolution=_fixed("exact"),
        split=_own_split,
        sensitivity=UNBOUNDED,
        covariates=no_covariates,
        roles=ALL_ROLES,
        phases=frozenset(("evaluation",)),
        asked_in=opens_sums,
    )
)
REGISTRY.add(
    Statistic(
        name="evaluation.table",
        title="Patients by score bin, time cell and event",
        reads="scores, days, events, scanner or RECIST response of a subgroup",
        parameters=Table,
        segments=of_table,
        resolution=_fixed("exact"),
        split=_own_split,
        sensitivity=_one(events=1, censored=1),
        covariates=no_covariates,
        roles=ALL_ROLES,
        phases=frozenset(("evaluation",)),
        asked_in=opens_sums,
    )
)
REGISTRY.add(
    Statistic(
        name="evaluation.contributions",
        title="Mean score and modality parts per bin",
        reads="scores and their parts",
        parameters=Contributions,
        segments=lambda p: (
            amount("score", len(p.score_cuts) + 1),
            amount("radiology", len(p.score_cuts) + 1),
            amount("clinical", len(p.score_cuts) + 1),
            count("patients", len(p.score_cuts) + 1),
        ),
        resolution=_fixed("exact"),
        split=_own_split,
        sensitivity=UNBOUNDED,
        covariates=no_covariates,
        roles=ALL_ROLES,
        phases=frozenset(("evaluation",)),
        asked_in=opens_sums,
    )
)
REGISTRY.add(
    Statistic(
        name="evaluation.pair",
        title="Products of two scores' influences and ranks",
        reads="two scores, days, events",
        parameters=Pair,
        segments=lambda _p: (
            amount("covariance", 2, 2, resolution=2.0**-36, bound=2.0**8),
            amount("cluster", 2, 2, resolution=2.0**-36, bound=2.0**8),
            amount("rank_products", 3, resolution=2.0**-8),
            count("patients"),
        ),
        resolution=_fixed("exact"),
        split=_own_split,
        sensitivity=UNBOUNDED,
        covariates=no_covariates,
        roles=ALL_ROLES,
        phases=frozenset(("evaluation",)),
        asked_in=opens_sums,
    )
)
