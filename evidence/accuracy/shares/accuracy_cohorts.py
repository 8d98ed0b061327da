"""The tables of the accuracy bar: cohorts of 207 patients in 52 hospitals, and public data sets cut into made-up hospitals.

`../public` holds R's `survival` data sets colon (deaths), ovarian, gbsg, veteran and rotterdam (Therneau and Grambsch 2000; Schumacher
et al. 1994; Foekens et al. 2000) as far as their columns are used; lung and rossi come with lifelines.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from lifelines import datasets

from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.simulated_patients import simulate
from site_config.study.plan_and_lock import seven_variables

PUBLIC = Path(__file__).parents[1] / "public"
SEEDS = tuple(range(4001, 4021))
HORIZONS = (365.0, 730.0)


@dataclass(frozen=True)
class Tried:
    """A table: its columns' names, what the Cox model has, the score, the groups (two values), horizons and points in days."""

    frame: pd.DataFrame
    time: str
    event: str
    covariates: tuple[str, ...]
    score: tuple[str, ...]
    group: str
    horizons: tuple[float, ...] = HORIZONS
    points: tuple[float, ...] = ()
    strata: str | None = None


def cohort(seed: int) -> Tried:
    """207 patients in 52 hospitals with the seven variables; the score is their linear predictor with noise, and a second one."""
    population = simulate(PRESETS["clinical-only"].survival, seed)
    names = tuple(variable.name for variable in seven_variables())
    rows = [
        {"hospital": site, "time": p.event_day, "event": int(p.event), **{name: p.clinical[name] for name in names}}
        for site, patients in population.sites.items()
        for p in patients
    ]
    frame, rng = pd.DataFrame(rows), np.random.default_rng(seed)
    frame["score"] = np.round(frame[list(names)].to_numpy(float) @ rng.normal(0, 0.4, len(names)) + rng.normal(0, 0.6, len(frame)), 6)
    frame["other"] = np.round(frame["score"] + rng.normal(0, 0.5, len(frame)), 6)
    return Tried(frame, "time", "event", names, ("score", "other"), "pvtt")


def _with_hospitals(frame: pd.DataFrame) -> pd.DataFrame:
    """Seven made-up hospitals of unequal size."""
    found = frame.reset_index(drop=True)
    found["hospital"] = np.minimum(np.random.default_rng(5).geometric(0.35, len(found)), 7)
    return found


def rotterdam(n: int, seed: int = 1) -> pd.DataFrame:
    """A random sample of the 2,982 patients with made-up hospitals; sizes as 0, 1, 2."""
    frame = pd.read_csv(PUBLIC / "rotterdam.csv").sample(n, random_state=seed)
    return _with_hospitals(frame.assign(size=frame["size"].map({"<=20": 0, "20-50": 1, ">50": 2})))


def public() -> dict[str, Tried]:
    """Every public set by name; of rotterdam a random 800."""
    read = {name: pd.read_csv(PUBLIC / f"{name}.csv") for name in ("colon", "ovarian", "gbsg", "veteran")}
    lung = datasets.load_lung()
    colon = read["colon"].assign(lev5fu=lambda t: (t["rx"] == "Lev+5FU").astype(int))
    veteran = read["veteran"].assign(squamous=lambda t: (t["celltype"] == "squamous").astype(int))
    return {
        "lung": Tried(_with_hospitals(lung), "time", "status", ("age", "sex", "ph.ecog", "wt.loss"), ("age", "ph.ecog"), "sex"),
        "veteran": Tried(
            _with_hospitals(veteran),
            "time",
            "status",
            ("trt", "squamous", "karno", "age", "prior"),
            ("age", "diagtime"),
            "trt",
            (90.0, 365.0),
        ),
        "gbsg": Tried(
            _with_hospitals(read["gbsg"]), "rfstime", "status", ("age", "size", "grade", "nodes", "hormon"), ("nodes", "size"), "hormon"
        ),
        "ovarian": Tried(_with_hospitals(read["ovarian"]), "futime", "fustat", ("age", "ecog.ps"), ("age", "resid.ds"), "rx"),
        "colon": Tried(
            _with_hospitals(colon), "time", "status", ("lev5fu", "sex", "age", "obstruct", "nodes", "extent"), ("nodes", "age"), "lev5fu"
        ),
        "heavy ties (rossi, 52 weeks)": Tried(
            _with_hospitals(datasets.load_rossi()), "week", "arrest", ("fin", "age", "race", "prio"), ("prio", "age"), "fin", (26.0, 45.0)
        ),
        "rotterdam, a random 800": Tried(
            rotterdam(800), "dtime", "death", ("age", "size", "grade", "nodes", "hormon", "chemo"), ("nodes", "age"), "hormon"
        ),
    }
