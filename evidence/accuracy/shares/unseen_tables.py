"""Data sets that no test has used, and made-up tables of every shape, for `evidence.accuracy.unseen`.

The real ones come with lifelines and scikit-survival. Hospitals are made up; of sets above 1,200 rows a random 800 are taken, because
the twin compares all pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from lifelines import datasets
from sksurv import datasets as more

from evidence.accuracy.shares.accuracy_cohorts import Tried

MOST: Final = 1200
TAKEN: Final = 800


def _prepared(
    frame: pd.DataFrame, time: str, event: str, covariates: tuple[str, ...], group: str, hospitals: int = 7, **named: Any
) -> Tried:
    """A table with complete rows, made-up hospitals, horizons at two fifths and seven tenths of the times, two covariates as scores."""
    columns = [time, event, *dict.fromkeys([*covariates, group]), *([named["strata"]] if "strata" in named else [])]
    found = frame[list(dict.fromkeys(columns))].dropna().reset_index(drop=True)
    if len(found) > MOST:
        found = found.sample(TAKEN, random_state=1).reset_index(drop=True)
    rng = np.random.default_rng(7)
    found["hospital"] = np.minimum(rng.geometric(min(1.0, 2.5 / hospitals), len(found)), hospitals)
    found[event] = found[event].astype(int)
    horizons = tuple(float(np.quantile(found[time], share)) for share in (0.4, 0.7))
    return Tried(found, time, event, covariates, covariates[:2], group, horizons, **named)


def _of_sksurv(loaded: tuple[pd.DataFrame, Any]) -> pd.DataFrame:
    x, y = loaded
    event, time = y.dtype.names
    frame = x.copy()
    for name in frame.select_dtypes(exclude="number"):
        frame[name] = pd.Categorical(frame[name]).codes
    return frame.assign(event_=y[event].astype(int), time_=y[time])


def _senators() -> Tried:
    frame = datasets.load_canadian_senators().rename(columns={"Political Affiliation at Appointment": "party"})
    frame = frame.assign(
        liberal=frame["party"].str.contains("Liberal").astype(int),
        quebec=(frame["Province / Territory"] == "Quebec").astype(int),
        decade=pd.to_datetime(frame["start_date"]).dt.year // 10,
    )
    return _prepared(frame, "diff_days", "observed", ("decade", "liberal", "quebec"), "liberal")


def _transplants() -> Tried:
    frame = datasets.load_stanford_heart_transplants().groupby("id").last().reset_index()
    return _prepared(frame, "stop", "event", ("age", "year", "surgery", "transplant"), "surgery")


def _dictators() -> Tried:
    frame = datasets.load_dd()
    return _prepared(
        frame.assign(democratic=(frame["democracy"] == "Democracy").astype(int), year=frame["start_year"] - 1946),
        "duration",
        "observed",
        ("year", "democratic"),
        "democratic",
    )


def _recurrences() -> Tried:
    frame = datasets.load_recur()
    frame = frame.assign(
        event=1 - frame["CENSOR"], gap=frame["TIME1"] - frame["TIME0"], older=(frame["AGE"] > frame["AGE"].median()).astype(int)
    )
    return _prepared(frame[frame["gap"] >= 0], "gap", "event", ("AGE", "TREAT"), "TREAT", strata="older")


def real() -> dict[str, Callable[[], Tried]]:
    """By name, each read when it is asked for."""
    return {
        "kidney_transplant": lambda: _prepared(
            datasets.load_kidney_transplant(), "time", "death", ("age", "black_male", "white_male", "black_female"), "white_male"
        ),
        "larynx": lambda: _prepared(datasets.load_larynx(), "time", "death", ("age", "Stage_II", "Stage_III", "Stage_IV"), "Stage_III"),
        "leukemia": lambda: _prepared(datasets.load_leukemia(), "t", "status", ("logWBC", "sex", "Rx"), "Rx"),
        "leukemia, strata of sex": lambda: _prepared(datasets.load_leukemia(), "t", "status", ("logWBC", "Rx"), "Rx", strata="sex"),
        "stanford_heart_transplants": _transplants,
        "gbsg2": lambda: _prepared(
            datasets.load_gbsg2().assign(
                hormones=lambda t: (t["horTh"] == "yes").astype(int), grade=lambda t: t["tgrade"].map({"I": 1, "II": 2, "III": 3})
            ),
            "time",
            "cens",
            ("age", "pnodes", "progrec", "estrec", "tsize", "hormones", "grade"),
            "hormones",
        ),
        "dd (years, heavy ties)": _dictators,
        "regression_dataset": lambda: _prepared(
            datasets.load_regression_dataset().assign(high=lambda t: (t["var2"] > 0.5).astype(int)),
            "T",
            "E",
            ("var1", "var2", "var3"),
            "high",
        ),
        "recur (gaps, strata)": _recurrences,
        "waltons": lambda: _prepared(
            datasets.load_waltons().assign(mutant=lambda t: (t["group"] != "control").astype(int)), "T", "E", ("mutant",), "mutant"
        ),
        "canadian_senators": _senators,
        "lupus": lambda: _prepared(
            datasets.load_lupus(),
            "time_elapsed_between_estimated_onset_and_diagnosis_(months)",
            "dead",
            ("age_at_diagnosis", "is_male", "is_white"),
            "is_male",
        ),
        "psychiatric_patients": lambda: _prepared(datasets.load_psychiatric_patients(), "T", "C", ("Age", "sex"), "sex", hospitals=3),
        "lymphoma": lambda: _prepared(datasets.load_lymphoma(), "Time", "Censor", ("Stage_group",), "Stage_group"),
        "g3": lambda: _prepared(
            datasets.load_g3().assign(rit=lambda t: (t["group"] == "RIT").astype(int)), "time", "event", ("age", "rit"), "rit", hospitals=3
        ),
        "whas500": lambda: _prepared(
            _of_sksurv(more.load_whas500()), "time_", "event_", ("age", "bmi", "diasbp", "hr", "los", "sysbp", "chf", "sho", "afb"), "chf"
        ),
        "lcd": lambda: _prepared(
            datasets.load_lcd().assign(fan=lambda t: (t["group"] == "alluvial_fan").astype(int)), "T", "E", ("fan",), "fan"
        ),
        "breast_cancer, 12 columns": lambda: _genes(),
        "flchain, a random 800": lambda: _prepared(
            _of_sksurv(more.load_flchain()), "time_", "event_", ("age", "kappa", "lambda", "sex", "flc.grp"), "sex"
        ),
        "aids (actg320)": lambda: _prepared(
            _of_sksurv(more.load_aids()), "time_", "event_", ("age", "cd4", "karnof", "priorzdv", "tx"), "tx"
        ),
    }


def _genes() -> Tried:
    frame = _of_sksurv(more.load_breast_cancer())
    names = [name for name in frame.columns if name not in ("event_", "time_")]
    genes = tuple(name for name in names if frame[name].nunique() > 20)[:11]
    frame = frame.assign(large=(frame["size"] > frame["size"].median()).astype(int))
    return _prepared(frame, "time_", "event_", (*genes, "large"), "large")


@dataclass(frozen=True)
class Shape:
    """A made-up table: patients, hospitals, columns, share of deaths, days in a unit of time, and what is odd about its columns."""

    n: int
    hospitals: int
    p: int
    deaths: float = 0.6
    unit: float = 1.0
    scale: float = 1.0
    effect: float = 0.5
    odd: str = ""


SHAPES: Final[dict[str, Shape]] = {
    "20 patients in one hospital": Shape(20, 1, 1, 0.8),
    "40 hospitals of 1 to 4": Shape(100, 40, 3),
    "half-years": Shape(300, 9, 3, unit=182.0),
    "8 deaths": Shape(240, 12, 2, 0.034),
    "all died, five times": Shape(150, 6, 2, 1.0, unit=400.0),
    "columns of 1e6": Shape(180, 7, 3, scale=1e6),
    "columns of 1e-3": Shape(180, 7, 3, scale=1e-3),
    "far from zero": Shape(180, 7, 3, odd="far"),
    "twelve columns": Shape(400, 10, 12, effect=0.2),
    "one column constant": Shape(160, 7, 3, odd="constant"),
    "heavy tails": Shape(250, 7, 3, odd="tails", effect=0.2),
    "strong effects": Shape(250, 7, 2, effect=1.8),
    "strata of ragged size": Shape(260, 7, 3, odd="strata"),
    "few months as fractions of a year": Shape(200, 7, 2, odd="years"),
    "rare levels": Shape(220, 7, 5, odd="rare"),
    "1,100 patients": Shape(1100, 20, 4),
}


def made(shape: Shape, seed: int) -> Tried:
    """A table of a shape; the last column has two values and makes the groups."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(shape.n, shape.p))
    if shape.odd == "tails":
        x = np.sinh(1.2 * x)
    if shape.odd == "rare":
        x[:, :-1] = rng.random((shape.n, shape.p - 1)) < 0.06
    x[:, -1] = rng.random(shape.n) < 0.45
    risk = x @ np.full(shape.p, shape.effect) if shape.odd != "tails" else 0.1 * x.sum(1)
    day = np.ceil(rng.exponential(700 * np.exp(-risk)) / shape.unit) * shape.unit
    event = rng.random(shape.n) < shape.deaths
    scaled = x.copy()
    scaled[:, :-1] = x[:, :-1] * shape.scale + (5000.0 if shape.odd == "far" else 0.0)
    if shape.p == 1:
        scaled = x
    if shape.odd == "constant":
        scaled[:, 0] = 3.5
    names = tuple(f"x{j + 1}" for j in range(shape.p))
    frame = pd.DataFrame(scaled, columns=list(names))
    frame = frame.assign(day=day / 365.25 if shape.odd == "years" else day, event=event.astype(int))
    frame["hospital"] = rng.integers(1, shape.hospitals + 1, shape.n)
    frame["stratum"] = np.minimum(rng.geometric(0.5, shape.n), 5)
    frame["score"] = np.round(risk + rng.normal(0, 1, shape.n), 5)
    horizons = tuple(float(np.quantile(frame["day"], share)) for share in (0.4, 0.7))
    scores = ("score",) if shape.p == 1 else ("score", names[1])
    strata = "stratum" if shape.odd == "strata" else None
    return Tried(frame, "day", "event", names, scores, names[-1], horizons, strata=strata)
