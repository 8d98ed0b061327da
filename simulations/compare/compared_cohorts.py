"""Who is compared: development hospitals, held-out hospitals, and tables of both that every method sees alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import patient_cells
from simulations.cohort.simulated_patients import SimulatedPatient, SurvivalOptions, simulate
from simulations.tabular.fit_table import FitRows, SiteRows, default_cuts
from site_config.problems import host, survival
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Site = tuple[Floats, Floats, Bools]
ScenarioName = Literal["skewed", "mild", "iid", "six-centres"]
QUARTER: Final = 365.25 / 4
HELD_OUT: Final = (400, 80)
"""Simulated held-out patients and hospitals: many, so that differences between methods are not drowned."""


@dataclass(frozen=True)
class ComparedCohort:
    """Standardised covariates x, times and events by hospital; arrays of a site are (n, p), (n,), (n,) and n may be 1.

    `cut_days` divide time for the piecewise hazard. Held-out patients never influence anything but the C-index. `oracle` is
    the C-index of the truth on the held-out patients where it is known.
    """

    name: str
    sites: tuple[tuple[Floats, Floats, Bools], ...]
    held_x: Floats
    held_time: Floats
    held_event: Bools
    held_site: NDArray[np.int64]
    cut_days: tuple[float, ...]
    covariates: tuple[str, ...]
    oracle: float | None = None

    @property
    def n(self) -> int:
        """Development patients."""
        return sum(len(time) for _, time, _ in self.sites)

    @property
    def events(self) -> int:
        """Development events."""
        return sum(int(event.sum()) for _, _, event in self.sites)

    @property
    def size_range(self) -> tuple[int, int]:
        """Fewest and most patients of a development hospital."""
        sizes = [len(time) for _, time, _ in self.sites]
        return min(sizes), max(sizes)


SCENARIOS: Final[dict[ScenarioName, SurvivalOptions]] = {
    "skewed": SurvivalOptions(patients=(207, HELD_OUT[0]), sites=(52, HELD_OUT[1]), largest_site=8, lone_sites=8, skew=0.98),
    "mild": SurvivalOptions(patients=(207, HELD_OUT[0]), sites=(52, HELD_OUT[1]), largest_site=8, lone_sites=8, skew=0.8),
    "iid": SurvivalOptions(patients=(207, HELD_OUT[0]), sites=(52, HELD_OUT[1]), largest_site=8, lone_sites=8, skew=0.0),
    "six-centres": SurvivalOptions(patients=(207, HELD_OUT[0]), sites=(6, HELD_OUT[1]), lone_sites=0, skew=0.0),
}
SCENARIO_TITLE: Final[dict[str, str]] = {
    "skewed": "52 small hospitals that differ strongly in survival",
    "mild": "52 small hospitals that differ in survival",
    "iid": "52 small hospitals, patients spread at random",
    "six-centres": "six large hospitals, patients spread at random",
}


def simulated(name: ScenarioName, seed: int) -> ComparedCohort:
    """A made-up cohort: the seven clinical variables, age, log tumour volume and log growth."""
    people = simulate(SCENARIOS[name], seed)
    sites = [people.sites[s] for s, role in people.roles.items() if role == "development"]
    held = [people.sites[s] for s, role in people.roles.items() if role == "evaluation"]
    names = (*people.coefficients, "age", "log_tumour_ml", "log_growth")
    cuts = tuple(round(QUARTER * m, 2) for m in range(1, 8))
    return _standardised(
        name, [_arrays(site) for site in sites], [_arrays(site) for site in held], cuts, names, people.oracle("evaluation").c_index
    )


def _arrays(site: tuple[SimulatedPatient, ...]) -> tuple[Floats, Floats, Bools]:
    x = [[*p.clinical.values(), p.age, np.log(p.tumour_ml), np.log(p.growth)] for p in site]
    return (
        np.asarray(x, dtype=np.float64),
        np.asarray([p.event_day for p in site], dtype=np.float64),
        np.asarray([p.event for p in site], dtype=bool),
    )


def from_rows(rows: FitRows, seed: int, held_out: float) -> ComparedCohort:
    """A table's hospitals, drawn by the seed into development and, up to a share of all patients, held-out ones.

    Raises FH-901 when fewer than two hospitals would be left on either side.
    """
    order = np.random.default_rng([seed, 4]).permutation(len(rows.sites))
    wanted = held_out * sum(len(site.time) for site in rows.sites)
    held: list[SiteRows] = []
    for index in order[: len(order) - 2]:
        if sum(len(site.time) for site in held) < wanted:
            held.append(rows.sites[index])
    kept = [site for site in rows.sites if site not in held]
    if len(held) < 1 or len(kept) < 2:
        raise host.USAGE.problem(
            f"{plural(len(rows.sites), 'hospital')}: too few to hold some out", fix="Name a site column with more hospitals."
        )
    parts = [[(site.x, site.time, site.event) for site in group] for group in (kept, held)]
    _check_events(parts[0], parts[1])
    return _standardised("table", parts[0], parts[1], default_cuts(rows), rows.names, None)


def from_split(rows: FitRows) -> ComparedCohort:
    """A table's own split: rows marked as test are held out; a hospital may have both. Raises FH-902 where nobody is left to train."""
    parts: dict[bool, list[tuple[Floats, Floats, Bools]]] = {}
    for tested in (False, True):
        found = [(site, np.asarray(site.held_out, dtype=bool) == tested) for site in rows.sites]
        parts[tested] = [(site.x[mine], site.time[mine], site.event[mine]) for site, mine in found if mine.any()]
    if len(parts[False]) < 2 or not parts[True]:
        raise host.USAGE.problem(
            f"{plural(len(parts[False]), 'hospital')} with training rows: too few", fix="Mark rows of at least two hospitals as train."
        )
    _check_events(parts[False], parts[True])
    return _standardised("table", parts[False], parts[True], default_cuts(rows), rows.names, None)


def _check_events(kept: Sequence[Site], held: Sequence[Site]) -> None:
    """FH-801 without an event to train on, FH-810 where no two patients held out can be ordered: C would be 0.5 for every method."""
    if not any(event.any() for _, _, event in kept):
        raise survival.NO_EVENTS.problem("no events among the patients that are trained on")
    time, event = (np.concatenate([site[place] for site in held]) for place in (1, 2))
    if concordance(patient_cells(np.zeros(len(time)), time, event)) is None:
        raise survival.NOT_ESTIMABLE.problem(
            f"no two of the {plural(len(time), 'patient')} held out can be compared: one has to have an event before the other's time",
            fix="Hold out more patients, some with events (`--held-out`, `--split`).",
        )


def _standardised(
    name: str,
    sites: list[tuple[Floats, Floats, Bools]],
    held: list[tuple[Floats, Floats, Bools]],
    cuts: tuple[float, ...],
    names: tuple[str, ...],
    oracle: float | None,
) -> ComparedCohort:
    """Scale by the development patients' mean and standard deviation, which a federation opens as two sums."""
    x = np.concatenate([part for part, _, _ in sites])
    mean, sd = x.mean(axis=0), x.std(axis=0)
    sd[sd == 0] = 1.0
    return ComparedCohort(
        name=name,
        sites=tuple(((part - mean) / sd, time, event) for part, time, event in sites),
        held_x=(np.concatenate([part for part, _, _ in held]) - mean) / sd,
        held_time=np.concatenate([time for _, time, _ in held]),
        held_event=np.concatenate([event for _, _, event in held]),
        held_site=np.repeat(np.arange(len(held)), [len(time) for _, time, _ in held]),
        cut_days=cuts,
        covariates=names,
        oracle=oracle,
    )
