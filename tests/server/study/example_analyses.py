"""A filled `OpenedAnalyses` of a study of 207 patients: plausible numbers of every kind, closed ones with their reasons.

The numbers are made up and only hang together as far as a page needs it (intervals hold their estimate, curves fall).
"""

from __future__ import annotations

import math
from itertools import combinations

from server.study.opened_analyses import (
    ClosedResult,
    OpenedAnalyses,
    OpenedAuc,
    OpenedBaseline,
    OpenedCalibration,
    OpenedCalibrationGroup,
    OpenedCharacteristics,
    OpenedConcordance,
    OpenedCount,
    OpenedCurve,
    OpenedCutoff,
    OpenedDifference,
    OpenedDistribution,
    OpenedFollowUp,
    OpenedGroupCurves,
    OpenedHazardRatio,
    OpenedLogRank,
    OpenedMean,
    OpenedMedian,
    OpenedSet,
    OpenedVariable,
    Population,
    SharesCost,
)

MODELS = ("CLN", "Rad-S", "Rad-D", "RadCLN-S", "RadCLN-D")
SIZES: dict[Population, tuple[int, int]] = {
    "train": (128, 77),
    "validation": (33, 21),
    "test": (46, 26),
    "combined": (79, 47),
    "all": (207, 124),
}
SETS: tuple[Population, ...] = ("train", "validation", "test")
HORIZONS = (365, 730)


def curve(value: str, n: int, events: int, rate: float) -> OpenedCurve:
    """A curve that falls with a constant monthly rate until fewer than five are left."""
    days = [round(30.4375 * month) for month in range(3, 37, 3)]
    shown = [day for day in days if n * math.exp(-1.6 * rate * day / 30.4375) >= 5]
    survival = [math.exp(-rate * day / 30.4375) for day in shown]
    half = [1.5 * math.sqrt(s * (1 - s) / n) for s in survival]
    at_risk = [round(n * math.exp(-1.6 * rate * day / 30.4375)) for day in days]
    month = round(math.log(2) / rate)
    return OpenedCurve(
        value=value,
        n=n,
        events=events,
        day=shown,
        survival=survival,
        low=[s - h for s, h in zip(survival, half, strict=True)],
        high=[min(s + h, 1.0) for s, h in zip(survival, half, strict=True)],
        ticks=[0, *days[1::2]],
        at_risk=[n, *(count if not 1 <= count <= 4 else None for count in at_risk[1::2])],
        median=OpenedMedian(months=month, low=month - 2, high=month + 4) if survival and survival[-1] <= 0.5 else OpenedMedian(),
        means=[OpenedMean(day=day, months=(1 - math.exp(-rate * day / 30.4375)) / rate, se=9 / n) for day in (365, 730) if day in shown],
    )


def risk_groups(model: str, set_: Population) -> OpenedGroupCurves:
    """Low and high risk by the cut-off."""
    n, events = SIZES[set_]
    low, high = curve("low", n - n // 2, events // 3, 0.03), curve("high", n // 2, events - events // 3, 0.09)
    ratio = OpenedHazardRatio(hr=2.7, low=1.5, high=4.9, p=0.001, coef=math.log(2.7), se=0.3)
    logrank = OpenedLogRank(chi2=10.9, df=1, p=0.001)
    return OpenedGroupCurves(grouping="risk", set=set_, model=model, cutoff=0.12, groups=[low, high], logrank=logrank, hazard_ratio=ratio)


def calibration(model: str, set_: Population, horizon: int) -> OpenedCalibration:
    """Groups by predicted risk."""
    predicted = (0.45, 0.66, 0.83) if horizon == HORIZONS[0] else (0.22, 0.41, 0.66)
    groups = [OpenedCalibrationGroup(n=26, predicted=p, observed=p - 0.04, low=p - 0.2, high=p + 0.14) for p in predicted]
    return OpenedCalibration(model=model, set=set_, horizon=horizon, groups=groups)


def column(set_: Population) -> OpenedCharacteristics:
    """A column of Table 1."""
    n, _ = SIZES[set_]
    small = OpenedCount(value="yes", n=None, hidden="small")
    rest = OpenedCount(value="no", n=None, hidden="complement")
    return OpenedCharacteristics(
        set=set_,
        n=n,
        variables=[
            OpenedVariable(variable="age", mean=62.4, sd=10.8),
            OpenedVariable(variable="sex", counts=[OpenedCount(value="male", n=n - n // 5), OpenedCount(value="female", n=n // 5)]),
            OpenedVariable(variable="pvtt", counts=[OpenedCount(value="no", n=n - n // 4), OpenedCount(value="yes", n=n // 4)]),
            OpenedVariable(variable="ebrt", counts=[rest, small] if n < 50 else [OpenedCount(value="no", n=n - 9)]),
            OpenedVariable(variable="interval_days", median=61.0),
        ],
    )


def closed() -> list[ClosedResult]:
    """What does not open in a set of 33 patients."""
    why = "group high: fewer than 20 patients in it or in the rest of its set"
    return [
        *(
            ClosedResult(
                analysis="kaplan_meier", reason="small_group", text=why, model=model, set="validation", variable="risk", value="high"
            )
            for model in MODELS
        ),
        ClosedResult(
            analysis="cox", reason="rare_column", text="ebrt: fewer than 5 patients or 3 hospitals have it", model="CLN", value="ebrt"
        ),
        ClosedResult(
            analysis="concordance",
            reason="small_group",
            text="manufacturer philips: fewer than 20 patients in it or in the rest",
            model="RadCLN-D",
            set="combined",
            variable="manufacturer",
            value="philips",
        ),
    ]


def example() -> OpenedAnalyses:
    """Everything a study of the paper's size shows."""
    c = {"CLN": 0.61, "Rad-S": 0.63, "Rad-D": 0.65, "RadCLN-S": 0.66, "RadCLN-D": 0.69}
    shown: tuple[Population, ...] = (*SETS, "combined")
    sized = {set_: {"n": n, "events": events} for set_, (n, events) in SIZES.items()}
    sets = OpenedGroupCurves(
        grouping="set",
        set="all",
        groups=[curve(set_, *SIZES[set_], 0.05) for set_ in SETS],
        logrank=OpenedLogRank(chi2=0.8, df=2, p=0.67),
    )
    response = OpenedGroupCurves(
        grouping="response",
        set="combined",
        groups=[curve("no progression", 52, 24, 0.03), curve("progression", 27, 23, 0.1)],
        logrank=OpenedLogRank(chi2=14.1, df=1, p=0.0002),
        hazard_ratio=OpenedHazardRatio(hr=3.1, low=1.7, high=5.6, p=0.0002, coef=math.log(3.1), se=0.3),
    )
    return OpenedAnalyses(
        sets=[OpenedSet(set=set_, **size) for set_, size in sized.items()],
        cutoffs=[OpenedCutoff(model=model, value=0.12) for model in MODELS],
        baseline=[OpenedBaseline(model="RadCLN-D", day=list(HORIZONS), cumulative_hazard=[0.55, 1.1])],
        concordance=[
            *(
                OpenedConcordance(model=m, set=s, c=c[m], se=0.03 if s == "train" else 0.05, score_p=0.01, **sized[s])
                for m in MODELS
                for s in shown
            ),
            OpenedConcordance(model="RadCLN-D", set="combined", variable="manufacturer", value="siemens", c=0.68, se=0.06, n=41, events=24),
        ],
        differences=[
            OpenedDifference(first=b, second=a, set=s, difference=c[b] - c[a], se=0.04, **sized[s])
            for a, b in combinations(MODELS, 2)
            for s in shown
        ],
        roc=[OpenedAuc(model=m, set=s, horizon=h, auc=c[m] + 0.03, se=0.06, **sized[s]) for m in MODELS for s in shown for h in HORIZONS],
        kaplan_meier=[sets, *(risk_groups(m, s) for m in MODELS for s in ("train", "test", "combined")), response],  # type: ignore[arg-type]
        follow_up=[OpenedFollowUp(set=s, median=OpenedMedian(months=21, low=18, high=25)) for s in ("train", "validation", "test", "all")],  # type: ignore[arg-type]
        calibration=[calibration(m, s, h) for m in ("CLN", "RadCLN-D") for s in ("train", "combined") for h in HORIZONS],  # type: ignore[arg-type]
        characteristics=[column(s) for s in ("train", "validation", "test", "all")],  # type: ignore[arg-type]
        distributions=[
            OpenedDistribution(
                model="RadCLN-D",
                set=s,
                edges=[None, -0.6, -0.1, 0.4, None],
                counts=[OpenedCount(value=str(k), n=n // 4 + (k == 0) * (n % 4)) for k in range(4)],
            )
            for s, (n, _) in SIZES.items()
            if s in SETS
        ],
        closed=closed(),
        cost=[SharesCost(phase="evaluation", openings=210, megabytes=180.0)],
    )
