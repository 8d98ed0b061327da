"""The vectors of the statistics: their segments, with bounds and grids, from a statistic's parameters."""

from __future__ import annotations

from shared_model.statistics.statistic_declaration import Segment
from shared_model.statistics.statistic_parameters import (
    EXCLUSIONS,
    FAR,
    FLAGS,
    MANUFACTURERS,
    RESPONSES,
    CoxExact,
    Moments,
    PreCounts,
    SplitOnly,
    Table,
    TrainingHazard,
    TrainingUpdate,
    ValidationLoss,
)

GRID = 2.0**-8
MOMENT_GRID = 2.0**-20
MOMENT_BOUND = 2.0**34
"""Fused scores of patients unlike those they were fitted on lie far out, and their squares are summed."""


def count(name: str, *shape: int) -> Segment:
    """Counts of a shape, one by default: whole numbers."""
    return Segment(name, tuple(shape) or (1,), bound=1e6, resolution=1.0)


def amount(name: str, *shape: int, bound: float = 2.0**30, resolution: float = GRID) -> Segment:
    """Sums of a shape, one by default, rounded to a grid."""
    return Segment(name, tuple(shape) or (1,), bound=bound, resolution=resolution)


def at_weights(name: str, *shape: int, bound: float = 2.0**30, resolution: float = GRID) -> Segment:
    """Sums that depend on broadcast weights: cut at their bound, never refused. A refusal is seen hospital by hospital, and with chosen
    weights or a chosen centre it would tell on which side of a number one hospital's own sum lies.
    """
    return Segment(name, tuple(shape) or (1,), bound=bound, resolution=resolution, clip=True)


def of_precounts(p: PreCounts) -> tuple[Segment, ...]:
    """Counts by column and by pair of columns, and the flow."""
    k = len(p.columns)
    names = ("nonzero", "nonzero_sites")
    return (
        *(count(name) for name in ("sites", "patients", "events")),
        *(count(name, k) for name in names),
        *(count(f"pair_{name}", k, k) for name in names),
        count("flow", len(EXCLUSIONS)),
    )


def of_characteristics(_: SplitOnly) -> tuple[Segment, ...]:
    """Table 1."""
    return (
        *(count(name) for name in ("sites", "patients", "events", "male", "sex_known", "age_known", "interval_known")),
        amount("age", 2, resolution=1.0),
        amount("interval", 2, resolution=1.0),
        count("clinical", 16, 8),
        amount("continuous", 16, 3, bound=1e6, resolution=2.0**-16),
        count("manufacturer", len(MANUFACTURERS)),
        count("response", len(RESPONSES)),
        count("flags", len(FLAGS)),
    )


def of_update(p: TrainingUpdate) -> tuple[Segment, ...]:
    """The model update with the hazard sums that ride with it."""
    update = Segment("update", (p.dimension,), bound=1.0, ring=p.ring, resolution=0.0, clip=True)
    m = len(p.cut_days) + 1
    return (
        update,
        count("clipped"),
        at_weights("largest", len(p.scale.lengths), bound=FAR, resolution=2.0**-20 if p.ring == 32 else 2.0**-36),
        *(count(name) for name in ("patients", "events")),
        at_weights("mass", m, resolution=2.0**-16),
        *(at_weights(name, resolution=2.0**-16) for name in ("event_score", "loss")),
    )


def of_hazard(p: TrainingHazard) -> tuple[Segment, ...]:
    """Hazard sums on intervals or, opt-in, on days."""
    fine = 2.0**-30
    if p.n_days:
        names = ("mass", "death_mass", "deaths")
        cells = tuple(at_weights(name, p.n_days, bound=2.0**20, resolution=fine) for name in names)
    else:
        m = len(p.cut_days) + 1
        cells = (at_weights("mass", m, resolution=2.0**-16), count("deaths", m))
    return (*cells, count("clipped"), at_weights("event_score", resolution=2.0**-16), count("patients"))


def of_validation_loss(_: ValidationLoss) -> tuple[Segment, ...]:
    """One number, and of how many patients it is."""
    return (at_weights("loss"), count("clipped"), count("patients"), count("events"))


def of_moments(p: Moments) -> tuple[Segment, ...]:
    """First and second moments."""
    k = p.covariates.size
    fine = {"bound": MOMENT_BOUND, "resolution": MOMENT_GRID}
    return (amount("total", k, **fine), amount("products", k, k, **fine), count("patients"), count("events"))


def of_exact(p: CoxExact) -> tuple[Segment, ...]:
    """Risk-set sums by day."""
    k = p.covariates.size
    shapes: dict[str, tuple[int, ...]] = {"mass": (), "mass_x": (k,), "mass_xx": (k, k)}
    shapes |= {f"death_{name}": shape for name, shape in list(shapes.items())}
    fine = {"bound": 2.0**20, "resolution": 2.0**-30}
    cells = tuple(amount(name, p.n_days, *shape, **fine) for name, shape in shapes.items())
    return (*cells, count("deaths", p.n_days), amount("death_covariates", p.n_days, k, **fine))


def of_table(p: Table) -> tuple[Segment, ...]:
    """Patients by score bin, time cell and event."""
    bins, cells = len(p.score_cuts) + 1, len(p.time_edges) - 1
    return (count("events", bins, cells), count("censored", bins, cells))
