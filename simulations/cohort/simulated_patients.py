"""Who the simulated patients are, and when they die: a stated proportional-hazards model.

The marginals are those of Xia et al. 2024 (207 patients, 52 centres; Table 1). The published coefficients are not
reproduced here: the log hazard ratios of `COEFFICIENTS` are this project's own, of plausible sign and size, and say so.

A patient's linear predictor is

    lp = clinical_effect · Σ b_j x_j + image_effect · (1.0 · z_burden + growth_weight · z_growth),

with z_burden the standardised log tumour volume at baseline and z_growth the standardised log ratio of the two visits'
volumes. Death follows h(t) = h0(t) e^lp with h0 a Weibull hazard (shape 1.2) that starts on day `ENTRY_DAY`: a patient
enters by having a follow-up scan, so nobody dies before it and a Cox model counted from treatment is correctly specified.
The Weibull scale and the length of uniform censoring are solved on a large reference population, so that the median
survival and the share of events are the declared ones. Hospitals differ in case mix (`skew`), not by a hidden frailty:
the pooled model stays true while risk sets inside one hospital lose what tells hospitals apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from site_config.study.plan_and_lock import Role, SiteName

Array = NDArray[np.float64]
Manufacturer = Literal["SIEMENS", "GE MEDICAL SYSTEMS", "Philips", "TOSHIBA"]

ENTRY_DAY: Final = 90
SHAPE: Final = 1.2
BURDEN_WEIGHT: Final = 1.0
PAPER_PATIENTS: Final = 207

COEFFICIENTS: Final[dict[str, float]] = {
    "differentiation": 0.45,
    "nash": -0.40,
    "pvtt": 0.70,
    "surgery": -0.50,
    "ebrt": 0.60,
    "tace": 0.35,
    "rfa": -0.35,
}
"""Log hazard ratios a unit, this project's own choice."""

BINARY_COUNTS: Final[dict[str, int]] = {"nash": 35, "pvtt": 36, "surgery": 109, "ebrt": 10, "tace": 121, "rfa": 58}
GRADE_COUNTS: Final = (29, 154, 23, 1)
MALE_COUNT: Final = 180
MANUFACTURERS: Final[dict[Manufacturer, float]] = {"SIEMENS": 37 / 78, "GE MEDICAL SYSTEMS": 33 / 78, "Philips": 5 / 78, "TOSHIBA": 3 / 78}

# Lesions: log millilitres at baseline, log ratio of diameters between the visits (ours, typical of advanced disease).
BURDEN_MEAN: Final = float(np.log(40.0))
BURDEN_SD: Final = 0.9
GROWTH_SD: Final = 0.25
GROWTH_MEAN: Final = 0.03


@dataclass(frozen=True)
class SurvivalOptions:
    """What may be turned. `sizes` beats `sites` and `patients` where given; pairs are (development, evaluation)."""

    patients: tuple[int, int] = (161, 46)
    sites: tuple[int, int] = (37, 15)
    sizes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    lone_sites: int = 3
    largest_site: int | None = None
    skew: float = 0.3
    event_fraction: float = 138 / 207
    median_days: float = 475.0
    clinical_effect: float = 1.0
    image_effect: float = 0.6
    growth_weight: float = 0.6
    followup_chest_missing: float = 0.08
    not_evaluable: float = 0.05


@dataclass(frozen=True)
class SimulatedPatient:
    """One made-up patient. Days count from the start of treatment; volumes are millilitres; `growth` is a volume ratio."""

    key: str
    site: SiteName
    role: Role
    age: float
    male: bool
    clinical: dict[str, int]
    baseline_day: int
    followup_day: int
    event_day: int
    event: bool
    response: Literal["CR", "PR", "SD", "PD", "NE"]
    manufacturer: Manufacturer
    tumour_ml: float
    growth: float
    nodules_ml: float
    followup_chest: bool
    linear_predictor: float
    image_predictor: float
    seed: int


@dataclass(frozen=True)
class Oracle:
    """C-indices the true predictors reach, of everything and of the images alone, on a set of n patients."""

    n: int
    events: int
    c_index: float
    image_c_index: float


@dataclass(frozen=True)
class SimulatedPopulation:
    """All patients by hospital, in the study's order of sites, and what the truth can reach on them."""

    sites: dict[SiteName, tuple[SimulatedPatient, ...]]
    roles: dict[SiteName, Role]
    options: SurvivalOptions
    seed: int
    coefficients: dict[str, float] = field(default_factory=dict)

    @property
    def patients(self) -> tuple[SimulatedPatient, ...]:
        """Everybody, site after site."""
        return tuple(patient for site in self.sites.values() for patient in site)

    def oracle(self, role: Role | None = None) -> Oracle:
        """The C-index of the true predictors on all patients or on one role's."""
        chosen = [patient for patient in self.patients if role is None or patient.role == role]
        day = np.array([patient.event_day for patient in chosen], float)
        event = np.array([patient.event for patient in chosen], bool)
        full = concordance(np.array([patient.linear_predictor for patient in chosen]), day, event)
        image = concordance(np.array([patient.image_predictor for patient in chosen]), day, event)
        return Oracle(len(chosen), int(event.sum()), full, image)


def concordance(score: Array, event_day: Array, event: NDArray[np.bool_]) -> float:
    """Harrell's C of a risk score; pairs tied in event time are dropped, an event against a censoring of the same day counts.

    Shapes (n,); NaN when no pair is comparable. Written out here so that the oracle does not lean on the code it judges.
    """
    earlier = (event_day[:, None] < event_day[None, :]) & event[:, None]
    same_day = (event_day[:, None] == event_day[None, :]) & event[:, None] & ~event[None, :]
    comparable = earlier | same_day
    difference = score[:, None] - score[None, :]
    total = comparable.sum()
    if total == 0:
        return float("nan")
    return float(((difference > 0) & comparable).sum() + 0.5 * ((difference == 0) & comparable).sum()) / float(total)


@dataclass(frozen=True)
class _Traits:
    """What is drawn before anybody is placed in a hospital; arrays of shape (n,)."""

    age: Array
    male: NDArray[np.bool_]
    clinical: dict[str, NDArray[np.int64]]
    burden: Array
    growth: Array
    image: Array
    predictor: Array


def _quota(rng: np.random.Generator, counts: tuple[int, ...], n: int) -> NDArray[np.int64]:
    """n values 0, 1, … in the proportions of `counts`, exact up to rounding (largest remainder), in random order."""
    ideal = np.asarray(counts, float) * n / sum(counts)
    whole = np.floor(ideal).astype(int)
    for index in np.argsort(whole - ideal, kind="stable")[: n - int(whole.sum())]:
        whole[index] += 1
    return rng.permutation(np.repeat(np.arange(len(counts)), whole))


def _traits(rng: np.random.Generator, n: int, options: SurvivalOptions) -> _Traits:
    clinical = {"differentiation": _quota(rng, GRADE_COUNTS, n)}
    for name, count in BINARY_COUNTS.items():
        clinical[name] = _quota(rng, (PAPER_PATIENTS - count, count), n)
    male = _quota(rng, (PAPER_PATIENTS - MALE_COUNT, MALE_COUNT), n).astype(bool)
    age = np.clip(np.round(rng.normal(61, 12, n)), 18, 92)
    burden, growth = rng.standard_normal(n), rng.standard_normal(n)
    image = options.image_effect * (BURDEN_WEIGHT * burden + options.growth_weight * growth)
    tabular = sum((COEFFICIENTS[name] * value for name, value in clinical.items()), start=np.zeros(n))
    return _Traits(age, male, clinical, burden, growth, image, options.clinical_effect * tabular + image)


@dataclass(frozen=True)
class Clock:
    """The solved baseline: Weibull `scale` in days after `ENTRY_DAY`, and the last day of uniform censoring."""

    scale: float
    last_day: float

    def death_day(self, predictor: Array, uniform: Array) -> Array:
        """Days of death, fractional, by inverting S(t) = exp(−((t − entry)/scale)^shape · e^lp)."""
        return np.asarray(ENTRY_DAY + self.scale * (-np.log(uniform) * np.exp(-predictor)) ** (1 / SHAPE))


def solve_clock(options: SurvivalOptions) -> Clock:
    """The clock that gives the declared median and share of events on a reference population of 20,000 (fixed seed)."""
    rng = np.random.default_rng(20_240_229)
    predictor = _traits(rng, 20_000, options).predictor
    scale = _bisect(lambda s: _mean_survival(predictor, s, options.median_days) - 0.5, 1.0, 1e6)
    death = Clock(scale, 0.0).death_day(predictor, rng.uniform(size=predictor.size))
    uniform = rng.uniform(size=predictor.size)
    excess = _bisect(lambda last: float((death <= ENTRY_DAY + uniform * (last - ENTRY_DAY)).mean()) - options.event_fraction, 91.0, 1e6)
    return Clock(scale, excess)


def _mean_survival(predictor: Array, scale: float, day: float) -> float:
    return float(np.exp(-(((day - ENTRY_DAY) / scale) ** SHAPE) * np.exp(predictor)).mean())


def _bisect(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function of one positive number crosses zero, to 1e-9 relative, on a logarithmic scale."""
    for _ in range(80):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return float(np.sqrt(low * high))


def ragged_sizes(rng: np.random.Generator, sites: int, patients: int, lone: int, largest: int | None = None) -> tuple[int, ...]:
    """Patients a site: every site has one, `lone` sites have exactly one, the rest is dealt unevenly (log-normal weights)."""
    if sites < 1 or patients < sites or (largest is not None and patients > lone + (sites - lone) * largest):
        raise ValueError(f"{patients} patients cannot be dealt to {sites} sites")
    lone = min(lone, sites - 1) if patients > sites else sites
    sizes = np.ones(sites, int)
    weights = np.zeros(sites)
    weights[lone:] = rng.lognormal(0.0, 0.8, sites - lone)
    for _ in range(patients - sites):
        open_ = weights * (sizes < largest) if largest is not None else weights
        sizes[rng.choice(sites, p=open_ / open_.sum())] += 1
    # A site of the rest may have stayed at one; that only adds to the lone ones.
    return tuple(int(size) for size in rng.permutation(sizes))


def _recist(ratio: float, evaluable: bool) -> Literal["CR", "PR", "SD", "PD", "NE"]:
    """RECIST 1.1 from the ratio of summed diameters."""
    if not evaluable:
        return "NE"
    if ratio <= 0.45:
        return "CR"
    if ratio <= 0.7:
        return "PR"
    return "PD" if ratio >= 1.2 else "SD"


def _deal(rng: np.random.Generator, predictor: Array, sizes: tuple[int, ...], skew: float) -> list[NDArray[np.int64]]:
    """Indices of each site's patients; with `skew` 1 the hospitals are perfectly sorted by prognosis, with 0 not at all."""
    if not sizes:
        return []
    spread = predictor.std() or 1.0
    key = skew * (predictor - predictor.mean()) / spread + np.sqrt(1 - skew**2) * rng.standard_normal(predictor.size)
    order = np.argsort(key)
    starts = rng.permutation(len(sizes))
    members: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(sizes)
    at = 0
    for site in starts:
        members[site] = np.sort(order[at : at + sizes[site]])
        at += sizes[site]
    return members


def simulate(options: SurvivalOptions, seed: int) -> SimulatedPopulation:
    """Draw a whole population. The same options and seed give the same patients, whatever is done with them afterwards."""
    rng = np.random.default_rng([seed, 1])
    sizes = options.sizes or tuple(
        ragged_sizes(rng, s, p, options.lone_sites if role == 0 else 0, options.largest_site) if s else ()
        for role, (s, p) in enumerate(zip(options.sites, options.patients, strict=True))
    )
    n = sum(map(sum, sizes))
    traits = _traits(rng, n, options)
    clock = solve_clock(options)
    death = clock.death_day(traits.predictor, rng.uniform(size=n))
    censoring = ENTRY_DAY + rng.uniform(size=n) * (clock.last_day - ENTRY_DAY)
    baseline = -rng.integers(0, 22, n)
    draws = _Draws(
        event_day=np.ceil(np.minimum(death, censoring)).astype(int),
        event=death <= censoring,
        followup=baseline + np.clip(np.round(rng.normal(55, 11, n)), 28, ENTRY_DAY).astype(int),
        baseline=baseline,
        evaluable=rng.uniform(size=n) >= options.not_evaluable,
        chest=rng.uniform(size=n) >= options.followup_chest_missing,
        nodules=np.where(rng.uniform(size=n) < 0.5, np.exp(rng.normal(0.5, 0.7, n) + 0.4 * traits.burden), 0.0),
        seeds=rng.integers(0, 2**31, n),
    )
    return _placed(rng, options, seed, sizes, traits, draws)


@dataclass(frozen=True)
class _Draws:
    event_day: NDArray[np.int64]
    event: NDArray[np.bool_]
    followup: NDArray[np.int64]
    baseline: NDArray[np.int64]
    evaluable: NDArray[np.bool_]
    chest: NDArray[np.bool_]
    nodules: Array
    seeds: NDArray[np.int64]


def _placed(
    rng: np.random.Generator, options: SurvivalOptions, seed: int, sizes: tuple[tuple[int, ...], ...], traits: _Traits, draws: _Draws
) -> SimulatedPopulation:
    """Deal the patients to hospitals, role by role, and give each hospital its scanner."""
    roles: tuple[Role, Role] = ("development", "evaluation")
    split = np.split(rng.permutation(traits.age.size), [sum(sizes[0])])
    sites: dict[SiteName, tuple[SimulatedPatient, ...]] = {}
    site_roles: dict[SiteName, Role] = {}
    makers: list[Manufacturer] = list(MANUFACTURERS)
    for role, role_sizes, indices in zip(roles, sizes, split, strict=True):
        for members in _deal(rng, traits.predictor[indices], role_sizes, options.skew):
            name = f"hospital-{len(sites) + 1:02d}"
            main = makers[rng.choice(len(makers), p=list(MANUFACTURERS.values()))]
            site_roles[name] = role
            sites[name] = tuple(
                _patient(name, role, int(index), number, main if rng.uniform() < 0.85 else makers[rng.integers(len(makers))], traits, draws)
                for number, index in enumerate(indices[members], start=1)
            )
    return SimulatedPopulation(sites, site_roles, options, seed, {k: options.clinical_effect * v for k, v in COEFFICIENTS.items()})


def _patient(site: SiteName, role: Role, index: int, number: int, maker: Manufacturer, traits: _Traits, draws: _Draws) -> SimulatedPatient:
    diameter_ratio = float(np.exp(GROWTH_MEAN + GROWTH_SD * traits.growth[index]))
    return SimulatedPatient(
        key=f"{site[-2:]}-{number:03d}",
        site=site,
        role=role,
        age=float(traits.age[index]),
        male=bool(traits.male[index]),
        clinical={name: int(value[index]) for name, value in traits.clinical.items()},
        baseline_day=int(draws.baseline[index]),
        followup_day=int(draws.followup[index]),
        event_day=int(draws.event_day[index]),
        event=bool(draws.event[index]),
        response=_recist(diameter_ratio, bool(draws.evaluable[index])),
        manufacturer=maker,
        tumour_ml=float(np.exp(BURDEN_MEAN + BURDEN_SD * traits.burden[index])),
        growth=diameter_ratio**3,
        nodules_ml=float(draws.nodules[index]),
        followup_chest=bool(draws.chest[index]),
        linear_predictor=float(traits.predictor[index]),
        image_predictor=float(traits.image[index]),
        seed=int(draws.seeds[index]),
    )
