"""The kinds of numbers every part uses: an estimate with its interval, a χ² test, sets of patients.

Every estimate carries the patients and events it rests on. What could not be estimated is an `Estimate` without a value and
with the sentence that says why, so that nothing on the page is silently missing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from server.study.study_results import SetName
from shared_model.survival import compare_cindex
from shared_model.survival.cox.cox_result import ChiTest

Where = SetName | Literal["combined"]
SETS: tuple[SetName, ...] = ("train", "validation", "test")
HELD: tuple[SetName, ...] = ("validation", "test")


class Numbers(BaseModel):
    """Base: unknown fields are refused, values do not change, NaN never reaches JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Estimate(Numbers):
    """One number with its 95 % interval, the patients and events behind it, or the reason why there is none."""

    n: int | None
    events: int | None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    se: float | None = None
    p: float | None = None
    reason: str | None = None


class Test(Numbers):
    """A χ² test."""

    chi2: float
    df: int
    p: float


def chi_test(found: ChiTest) -> Test | None:
    """A χ² test, None without degrees of freedom."""
    return Test(chi2=found.chi2, df=found.df, p=found.p) if found.df > 0 else None


def share_estimate(n: int | None, events: int | None, value: float, se: float, p: float | None = None) -> Estimate:
    """A number between 0 and 1 with its interval value ± 1.96 se, cut at 0 and 1."""
    low, high = compare_cindex.normal_interval(value, se)
    return Estimate(n=n, events=events, value=value, low=max(low, 0.0), high=min(high, 1.0), se=se, p=p)
