"""The list of statistics. Nothing else ever leaves a hospital.

Symbols as in DESIGN section 3: patient i, covariates x_i, score f_i, event δ_i, day t_i; e_im days of patient i in interval m.
Every count is of patients of one *analysis set*: the patients of a split who are complete for all models of the study.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from shared_model.statistics.base import REGISTRY, Parameters, Resolution, Segment, Statistic
from shared_model.statistics.parameters import (
    EXCLUSIONS,
    FAR,
    FLAGS,
    MANUFACTURERS,
    RESPONSES,
    Contributions,
    CoxEnd,
    CoxExact,
    CoxRound,
    CoxStart,
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

GRID = 2.0**-8
DAY_GRID = 0.5
MOMENT_GRID = 2.0**-20
MOMENT_BOUND = 2.0**34
"""Fused scores of patients unlike those they were fitted on lie far out, and their squares are summed."""
SQUARE_GRID = 0.25
LARGE = 2.0**44
CLINICAL_BINS = 5
CLINICAL_CELL_DAYS = 45.0
SMALL_CELL_DAYS = 90.0
ALL_ROLES = frozenset({"development", "evaluation"})
DEVELOPMENT = frozenset({"development"})


def _count(name: str, *shape: int) -> Segment:
    return Segment(name, tuple(shape) or (1,), bound=1e6, resolution=1.0)


def _sum(name: str, *shape: int, bound: float = 2.0**30, resolution: float = GRID) -> Segment:
    return Segment(name, tuple(shape) or (1,), bound=bound, resolution=resolution)


def _precounts(p: PreCounts) -> tuple[Segment, ...]:
    k = len(p.columns)
    names = ("nonzero", "nonzero_sites")
    return (
        *(_count(name) for name in ("sites", "patients", "events")),
        *(_count(name, k) for name in names),
        *(_count(f"pair_{name}", k, k) for name in names),
        _count("flow", len(EXCLUSIONS)),
    )


def _characteristics(_: SplitOnly) -> tuple[Segment, ...]:
    return (
        *(_count(name) for name in ("sites", "patients", "events", "male", "sex_known", "age_known")),
        _sum("age", 2, resolution=1.0),
        _count("clinical", 16, 8),
        _sum("continuous", 16, 3, bound=1e6, resolution=2.0**-16),
        _count("manufacturer", len(MANUFACTURERS)),
        _count("response", len(RESPONSES)),
        _count("flags", len(FLAGS)),
    )


def _update(p: TrainingUpdate) -> tuple[Segment, ...]:
    update = Segment("update", (p.dimension,), bound=1.0, ring=p.ring, resolution=0.0, clip=True)
    m = len(p.cut_days) + 1
    return (
        update,
        _count("clipped"),
        _sum("largest", len(p.scale.lengths), bound=FAR, resolution=2.0**-20 if p.ring == 32 else 2.0**-36),
        *(_count(name) for name in ("patients", "events")),
        _sum("mass", m, resolution=2.0**-16),
        *(_sum(name, resolution=2.0**-16) for name in ("event_score", "loss")),
    )


def _hazard(p: TrainingHazard) -> tuple[Segment, ...]:
    fine = 2.0**-30
    if p.n_days:
        names = ("mass", "death_mass", "deaths")
        cells = tuple(_sum(name, p.n_days, bound=2.0**20, resolution=fine) for name in names)
    else:
        m = len(p.cut_days) + 1
        cells = (_sum("mass", m, resolution=2.0**-16), _count("deaths", m))
    return (*cells, _sum("event_score", resolution=2.0**-16), _count("patients"))


def _moments(p: Moments) -> tuple[Segment, ...]:
    k = p.covariates.size
    fine = {"bound": MOMENT_BOUND, "resolution": MOMENT_GRID}
    return (_sum("total", k, **fine), _sum("products", k, k, **fine), _count("patients"), _count("events"))


def _cox_start(p: CoxStart) -> tuple[Segment, ...]:
    m = len(p.cut_days) + 1
    return (_count("deaths", m), _sum("exposure", m, resolution=DAY_GRID), _sum("death_covariates", p.covariates.size))


def _exact(p: CoxExact) -> tuple[Segment, ...]:
    k = p.covariates.size
    shapes: dict[str, tuple[int, ...]] = {"mass": (), "mass_x": (k,), "mass_xx": (k, k)}
    shapes |= {f"death_{name}": shape for name, shape in list(shapes.items())}
    fine = {"bound": 2.0**20, "resolution": 2.0**-30}
    cells = tuple(_sum(name, p.n_days, *shape, **fine) for name, shape in shapes.items())
    return (*cells, _count("deaths", p.n_days), _sum("death_covariates", p.n_days, k, **fine))


def _table(p: Table) -> tuple[Segment, ...]:
    bins, cells = len(p.score_cuts) + 1, len(p.time_edges) - 1
    return (_count("events", bins, cells), _count("censored", bins, cells))


def _fixed(level: Resolution) -> Any:
    return lambda _parameters: level


def _one(**bounds: float) -> Any:
    def sensitivity(_parameters: Any) -> Mapping[str, float]:
        return bounds

    return sensitivity


def _add(name: str, title: str, parameters: type[Parameters], segments: Any, resolution: Any, phases: tuple[str, ...], **more: Any) -> None:
    roles = more.get("roles", ALL_ROLES)
    sensitivity = more.get("sensitivity", _one())
    cox = name.startswith("cox.")
    REGISTRY.add(Statistic(name, title, parameters, segments, resolution, sensitivity, frozenset(roles), frozenset(phases), cox=cox))


def has_short_cells(p: Table, days: float = CLINICAL_CELL_DAYS) -> bool:
    """Whether cells are shorter than those of a clinical score, or of a small set (`SMALL_CELL_DAYS`)."""
    return min(b - a for a, b in pairwise(p.time_edges)) < days


def _evaluation_level(p: Table) -> Resolution:
    """Of a score that gives covariate patterns away, finer than a few broad bins and long cells is exact."""
    fine = len(p.score_cuts) >= CLINICAL_BINS or has_short_cells(p)
    return "exact" if p.exact or (p.score.clinical_only and fine) else "coarse"


_ANY = ("admission", "clinical", "training", "fusion", "evaluation")
_COX = ("clinical", "fusion")

_add(
    "precounts",
    "Patients, events and non-zero patients per column and pair",
    PreCounts,
    _precounts,
    _fixed("counts"),
    _ANY,
    sensitivity=_one(sites=1, patients=1, events=1, nonzero=8, nonzero_sites=8, pair_nonzero=64, pair_nonzero_sites=64, flow=2),
)
_add(
    "characteristics",
    "Table 1 as counts and sums",
    SplitOnly,
    _characteristics,
    _fixed("counts"),
    ("evaluation",),
    sensitivity=_one(
        sites=1,
        patients=1,
        events=1,
        male=1,
        sex_known=1,
        age_known=1,
        age=2e4,
        clinical=4,
        continuous=7,
        manufacturer=1,
        response=1,
        flags=2,
    ),
)
_add(
    "moments",
    "Sums and squared sums of covariates",
    Moments,
    _moments,
    _fixed("totals"),
    (*_COX, "evaluation"),
)
_add(
    "cox.start",
    "Deaths per interval and covariate sum of the deaths",
    CoxStart,
    _cox_start,
    _fixed("totals"),
    _COX,
    roles=DEVELOPMENT,
)
_add(
    "cox.round",
    "Weighted exposure per interval and weighted covariate sum",
    CoxRound,
    lambda p: (_sum("mass", len(p.cut_days) + 1, bound=LARGE, resolution=DAY_GRID), _sum("gradient", p.covariates.size, bound=LARGE)),
    _fixed("totals"),
    _COX,
    roles=DEVELOPMENT,
)
_add(
    "cox.end",
    "Second moments for the standard errors",
    CoxEnd,
    lambda p: (
        _sum("square", p.covariates.size, p.covariates.size, bound=LARGE, resolution=SQUARE_GRID),
        _sum("gradient", p.covariates.size, bound=LARGE),
    ),
    _fixed("totals"),
    _COX,
    roles=DEVELOPMENT,
)
_add("cox.exact", "Risk-set sums on day cells", CoxExact, _exact, _fixed("exact"), _COX, roles=DEVELOPMENT)
_add(
    "training.start",
    "Deaths and exposure per interval",
    TrainingStart,
    lambda p: (
        _count("deaths", len(p.cut_days) + 1),
        _sum("exposure", len(p.cut_days) + 1, resolution=1.0),
        _count("patients"),
        _count("events"),
    ),
    _fixed("totals"),
    ("training",),
    roles=DEVELOPMENT,
)
_add(
    "training.hazard",
    "Hazard sums at the broadcast weights",
    TrainingHazard,
    _hazard,
    lambda p: "exact" if p.n_days else "totals",
    ("training",),
    roles=DEVELOPMENT,
)
_add("training.update", "Summed model update with hazard sums", TrainingUpdate, _update, _fixed("update"), ("training",), roles=DEVELOPMENT)
_add(
    "validation.loss",
    "Loss of the validation patients",
    ValidationLoss,
    lambda _p: (_sum("loss"), _count("patients"), _count("events")),
    _fixed("totals"),
    ("training",),
    roles=DEVELOPMENT,
)
_add(
    "score.counts",
    "Patients at or below score thresholds",
    ScoreCounts,
    lambda p: (_count("at_most", len(p.thresholds)), _count("patients")),
    _fixed("counts"),
    ("fusion", "evaluation"),
)
_add(
    "evaluation.histogram",
    "Occupied fine cells of score and day",
    Histogram,
    lambda p: (_count("scores", p.bins), _count("days", p.n_days)),
    _fixed("exact"),
    ("evaluation",),
)
_add(
    "evaluation.table",
    "Patients by score bin, time cell and event",
    Table,
    _table,
    _evaluation_level,
    ("evaluation",),
    sensitivity=_one(events=1, censored=1),
)
_add(
    "evaluation.contributions",
    "Mean score and modality parts per bin",
    Contributions,
    lambda p: (
        _sum("score", len(p.score_cuts) + 1),
        _sum("radiology", len(p.score_cuts) + 1),
        _sum("clinical", len(p.score_cuts) + 1),
        _count("patients", len(p.score_cuts) + 1),
    ),
    lambda p: "exact" if p.score.clinical_only else "coarse",
    ("evaluation",),
)
_add(
    "evaluation.pair",
    "Products of two scores' influences and ranks",
    Pair,
    lambda _p: (
        _sum("covariance", 2, 2, resolution=2.0**-36, bound=2.0**8),
        _sum("cluster", 2, 2, resolution=2.0**-36, bound=2.0**8),
        _sum("rank_products", 3, resolution=2.0**-8),
        _count("patients"),
    ),
    _fixed("coarse"),
    ("evaluation",),
)
