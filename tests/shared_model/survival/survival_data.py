"""Public survival data by site, an opener that adds sites in a loop, and ragged federations for property tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, reduce
from operator import add

import numpy as np
from hypothesis import strategies as st

from shared_model.survival.broadcast_hazard import day_cells
from shared_model.survival.cox import cox_by_day as cox
from shared_model.survival.cox.covariate_moments import standardise
from shared_model.survival.cox.exact_sums import cell_sums


@dataclass(frozen=True)
class Data:
    names: tuple[str, ...]
    x: np.ndarray
    day: np.ndarray
    event: np.ndarray
    site: np.ndarray

    def sites(self):
        return [(self.x[self.site == s], self.day[self.site == s], self.event[self.site == s]) for s in np.unique(self.site)]

    @property
    def n_days(self):
        return int(self.day.max()) + 1


class Opener:
    """Sums of sites on day cells."""

    def __init__(self, sites, n_days=0):
        self.sites, self.n_days = sites, n_days

    def moments(self, origin):
        return reduce(add, [cox.site_moments(x, event, origin) for x, _, event in self.sites])

    def exact(self, beta, mean, sd):
        total = cox.ExactSums.zeros(self.n_days, len(beta))
        for x, day, event in self.sites:  # as `exact_sums`, without a full grid for every site
            cells, local = np.unique(day_cells(day, self.n_days), return_inverse=True)
            total.add_at(cells, cell_sums(standardise(x, mean, sd), local, event, beta, len(cells)))
        return total


def fit_days(data, ties="efron"):
    return cox.fit_exact(Opener(data.sites(), n_days=data.n_days), data.names, cox.DayGrid.days(data.n_days), ties=ties)


@cache
def lung():
    from lifelines.datasets import load_lung

    frame = load_lung().dropna()
    names = tuple(name for name in frame.columns if name not in ("inst", "time", "status"))
    event = frame["status"].to_numpy() == frame["status"].max()
    return Data(names, frame[list(names)].to_numpy(float), frame["time"].to_numpy(float), event, frame["inst"].to_numpy(int))


@cache
def rossi():
    from lifelines.datasets import load_rossi

    frame = load_rossi()
    names = tuple(name for name in frame.columns if name not in ("week", "arrest"))
    site = np.arange(len(frame)) % 23
    return Data(names, frame[list(names)].to_numpy(float), frame["week"].to_numpy(float), frame["arrest"].to_numpy(bool), site)


@cache
def gbsg2():
    from sksurv.datasets import load_gbsg2

    frame, y = load_gbsg2()
    wide = frame.assign(
        horTh=(frame["horTh"] == "yes"), menostat=(frame["menostat"] == "Post"), tgrade=frame["tgrade"].map({"I": 1, "II": 2, "III": 3})
    )
    names = tuple(wide.columns)
    site = np.arange(len(wide)) % 40
    return Data(names, wide.to_numpy(float), y["time"].astype(float), y["cens"].astype(bool), site)


@cache
def whas500():
    from sksurv.datasets import load_whas500

    frame, y = load_whas500()
    site = np.arange(len(frame)) % 31
    return Data(tuple(frame.columns), frame.to_numpy(float), y["lenfol"].astype(float), y["fstat"].astype(bool), site)


@cache
def veterans():
    """Small, one censoring in fourteen, heavy ties; karno, age and months since diagnosis."""
    from sksurv.datasets import load_veterans_lung_cancer

    frame, y = load_veterans_lung_cancer()
    names = ("Karnofsky_score", "Age_in_years", "Months_from_Diagnosis")
    site = np.arange(len(frame)) % 20
    return Data(names, frame[list(names)].to_numpy(float), y["Survival_in_days"].astype(float), y["Status"].astype(bool), site)


@cache
def flchain():
    from sksurv.datasets import load_flchain

    frame, y = load_flchain()
    wide = frame[["age", "kappa", "lambda", "creatinine", "sample.yr"]].astype(float).assign(sex=(frame["sex"] == "M").astype(float))
    whole = wide.notna().all(axis=1).to_numpy()
    used = wide[whole]
    site = np.arange(len(used)) % 50
    return Data(tuple(used.columns), used.to_numpy(float), y["futime"][whole].astype(float), y["death"][whole].astype(bool), site)


SETS = {"lung": lung, "rossi": rossi, "gbsg2": gbsg2, "whas500": whas500, "veterans": veterans}


@st.composite
def federations(draw, smallest=0, with_event=True):
    """Ragged sites with ties, sites without patients or events, few distinct days and scores: (score, day, event, site)."""
    sizes = draw(st.lists(st.sampled_from([0, 1, 1, 2, 4, 7]), min_size=2, max_size=8).filter(lambda found: sum(found) >= max(smallest, 2)))
    n = sum(sizes)
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    days = draw(st.sampled_from([3, 30, 1000]))
    day = rng.integers(0 if draw(st.booleans()) else 1, days + 1, n).astype(float)
    event = rng.random(n) < draw(st.sampled_from([0.1, 0.5, 1.0]))
    if with_event and not event.any():
        event[rng.integers(n)] = True
    score = rng.normal(0, 1, n) if draw(st.booleans()) else rng.integers(-2, 3, n).astype(float)
    return score, day, event, np.repeat(np.arange(len(sizes)), sizes)
