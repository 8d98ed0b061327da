"""Cox models and C-indices on secret shares against pooled rows, and what they cost a holder.

Oracles: statsmodels' PHReg on pooled rows for the Cox model, the pooled concordance of this project for C. Everything a holder
spends is measured in one process that runs all holders and the relay: openings, exchanges with the checks, bytes both ways.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from lifelines import datasets
from numpy.typing import NDArray
from statsmodels.duration.hazard_regression import PHReg

from evidence.record import record
from shared_model.analyses.concordance import ConcordanceModel, concordance
from shared_model.analyses.covariates import Continuous, Levels, SlotCovariates
from shared_model.analyses.cox import CoxEstimate, CoxModel, cox
from shared_model.analyses.locally import Computed, compute_locally
from shared_model.analyses.pairs import make_pairs
from shared_model.analyses.rows import PaddedPatients, Rows
from shared_model.shares.arithmetic import Arithmetic
from shared_model.shares.declaration import Declaration
from shared_model.survival.concordance import concordance as pooled_concordance
from shared_model.survival.table import patient_cells
from simulations.cohort.presets import PRESETS
from simulations.cohort.survival import simulate
from site_config.study.model import seven_variables

Floats = NDArray[np.float64]
TIES = ("efron", "breslow")
SEEDS = tuple(range(4001, 4021))
PUBLIC: dict[str, tuple[Any, str, str, tuple[str, ...]]] = {
    "lung": (datasets.load_lung, "time", "status", ("age", "sex", "ph.ecog", "wt.loss")),
    "rossi": (datasets.load_rossi, "week", "arrest", ("fin", "age", "race", "prio")),
    "gbsg2": (datasets.load_gbsg2, "time", "cens", ("age", "pnodes", "progrec", "tsize")),
    "larynx": (datasets.load_larynx, "time", "death", ("age", "Stage_II", "Stage_III", "Stage_IV")),
    "leukemia": (datasets.load_leukemia, "t", "status", ("sex", "logWBC", "Rx")),
}
"""Data sets with heavy ties (rossi: 52 weeks) and without, of 42 to 686 patients."""


class SharedCohort:
    """Rows by site: x (n, p), time (n,), event (n,), site (n,); levels and bounds are the rows' own."""

    def __init__(self, x: Floats, time: Floats, event: NDArray[np.bool_], site: NDArray[np.int64], names: tuple[str, ...]) -> None:
        self.x, self.event, self.site = x, event, site
        self.day = np.searchsorted(np.unique(time), time).astype(np.int64)
        self.columns = tuple(_column(name, x[:, j]) for j, name in enumerate(names))

    @property
    def n_days(self) -> int:
        """Days of the grid."""
        return int(self.day.max()) + 1

    def sites(self, **more: Floats) -> list[PaddedPatients]:
        """Every site's patients as the analyses read them."""
        values = {
            c.name: np.searchsorted(c.values, self.x[:, j]) if isinstance(c, Levels) else self.x[:, j] for j, c in enumerate(self.columns)
        }
        values |= more
        found = []
        for name in np.unique(self.site):
            at = self.site == name
            found.append(
                PaddedPatients(self.day[at], self.event[at], {key: np.asarray(v[at], dtype=np.float64) for key, v in values.items()})
            )
        return found


def _column(name: str, values: Floats) -> Levels | Continuous:
    distinct = np.unique(values)
    if len(distinct) <= 12:
        return Levels(name, tuple(float(value) for value in distinct))
    return Continuous(name, float(distinct[0]), float(distinct[-1]))


def simulated(seed: int) -> SharedCohort:
    """207 patients in 52 hospitals with the seven variables."""
    population = simulate(PRESETS["clinical-only"].survival, seed)
    names = tuple(variable.name for variable in seven_variables())
    rows = [(i, p) for i, patients in enumerate(population.sites.values()) for p in patients]
    x = np.array([[p.clinical[name] for name in names] for _, p in rows], dtype=np.float64)
    time, event = np.array([p.event_day for _, p in rows], dtype=np.float64), np.array([p.event for _, p in rows])
    return SharedCohort(x, time, event, np.array([i for i, _ in rows]), names)


def public(name: str) -> SharedCohort:
    """A public data set over seven made-up hospitals of unequal size."""
    load, time, event, names = PUBLIC[name]
    frame = load().dropna(subset=[time, event, *names])
    site = np.minimum(np.random.default_rng(5).geometric(0.35, len(frame)), 7)
    return SharedCohort(frame[list(names)].to_numpy(float), frame[time].to_numpy(float), frame[event].to_numpy() > 0, site, names)


def fit(cohort: SharedCohort, ties: str, holders: int) -> tuple[CoxEstimate, Computed]:
    """The Cox model; `holders` 0 is the plain twin."""
    model = CoxModel("cox", SlotCovariates(cohort.columns), ties=ties, minimum_patients=1, events_a_column=0)

    async def circuit(a: Arithmetic, rows: Rows) -> CoxEstimate:
        return await cox(a, rows, await make_pairs(a, rows), model)

    done = compute_locally(model.parts(cohort.n_days), cohort.sites(), Declaration.of(model.results), circuit, holders=holders)
    return done.returned, done


def errors(cohort: SharedCohort, ties: str, found: CoxEstimate) -> tuple[float, float]:
    """Largest error of a coefficient and of a standard error against pooled rows."""
    exact = PHReg(cohort.day + 1, cohort.x, status=cohort.event.astype(int), ties=ties).fit(disp=0)
    if found.coefficient is None or found.se is None:
        return float("nan"), float("nan")
    return float(np.abs(found.coefficient - exact.params).max()), float(np.abs(found.se - exact.bse).max())


def concordance_errors(cohort: SharedCohort, seed: int, holders: int) -> tuple[float, float, Computed]:
    """Error of C and of its jackknife error, of a score with tied values."""
    score = np.random.default_rng(seed).integers(0, 150, len(cohort.day)).astype(np.float64)
    model = ConcordanceModel("c", (("score", 150),), minimum_patients=1)

    async def circuit(a: Arithmetic, rows: Rows) -> Any:
        return await concordance(a, rows, await make_pairs(a, rows), model)

    done = compute_locally(model.parts(cohort.n_days), cohort.sites(score=score), Declaration.of(model.results), circuit, holders=holders)
    exact = pooled_concordance(patient_cells(score, cohort.day.astype(np.float64), cohort.event))
    assert exact is not None
    return abs(float(done.returned.c["score"][0]) - exact.c), abs(float(done.returned.se["score"][0]) - exact.se), done


def figures(n_seeds: int) -> dict[str, Any]:
    """All of them."""
    twin: dict[str, Any] = {}
    for ties in TIES:
        found = [(*errors(c := simulated(seed), ties, (one := fit(c, ties, 0))[0]), one[1].openings) for seed in SEEDS[:n_seeds]]
        beta, se, openings = (np.array(column) for column in zip(*found, strict=True))
        twin[ties] = {"beta_error": float(np.nanmax(beta)), "se_error": float(np.nanmax(se)), "most_openings": int(openings.max())}
        twin[ties] |= {"estimated": int(np.isfinite(beta).sum()), "cohorts": len(found)}
        print(ties, twin[ties], flush=True)
    shares: dict[str, Any] = {}
    for holders in (3, 5):
        cohort = simulated(SEEDS[0])
        for ties in TIES:
            estimate, done = fit(cohort, ties, holders)
            beta_error, se_error = errors(cohort, ties, estimate)
            shares[f"cox {ties}, {holders} holders"] = _row(done, beta_error, se_error)
        c_error, c_se_error, done = concordance_errors(cohort, SEEDS[0], holders)
        shares[f"C-index, {holders} holders"] = _row(done, c_error, c_se_error)
        print(shares, flush=True)
    sets = {}
    for name in PUBLIC:
        cohort = public(name)
        for ties in TIES:
            estimate, done = fit(cohort, ties, 0)
            beta_error, se_error = errors(cohort, ties, estimate)
            sets[f"{name}, {ties}"] = {"n": len(cohort.day), "events": int(cohort.event.sum()), **_row(done, beta_error, se_error)}
        print(name, flush=True)
    return {
        "plain_twin_207_patients": twin,
        "on_shares_207_patients": shares,
        "public_sets_plain_twin": sets,
        "bars": {"beta": 1e-5, "se": 1e-4, "c": 1e-6, "c_se": 1e-5, "openings": 170, "cpu_s_a_holder": 4, "mb_a_holder": 40},
    }


def _row(done: Computed, error: float, se_error: float) -> dict[str, Any]:
    row: dict[str, Any] = {"error": error, "se_error": se_error, "openings": done.openings}
    return row | ({"cpu_s_a_holder": round(done.seconds, 2), "mb_a_holder": round(done.megabytes, 1)} if done.megabytes else {})


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=len(SEEDS))
    chosen = options.parse_args()
    found = figures(chosen.seeds)
    covers = [
        "shared_model/shares",
        "shared_model/analyses/cox.py",
        "shared_model/analyses/newton.py",
        "shared_model/analyses/risk_sums.py",
    ]
    covers += ["shared_model/analyses/pairs.py", "shared_model/analyses/covariates.py", "shared_model/analyses/concordance.py"]
    record("on_shares", covers=[*covers, "evidence/accuracy/on_shares.py"], figures=found, seeds=list(SEEDS[: chosen.seeds]))


if __name__ == "__main__":
    main()
