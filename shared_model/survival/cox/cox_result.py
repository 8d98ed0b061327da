"""A fitted Cox model as a statistician reads it, and the tests that follow from sums.

Estimates are on the covariates' own scales, the baseline is that of a patient whose covariates are all 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_model.survival.concordance import Concordance
from shared_model.survival.normal_tails import Z95, chi2_tail, two_sided
from site_config.problems.base import Kind

Floats = NDArray[np.float64]
PIVOT_TOLERANCE = float(np.finfo(np.float64).eps) ** 0.75
"""Relative size of a pivot below which a covariate is a combination of earlier ones; R's `coxph.control`."""


@dataclass(frozen=True)
class FitFinding:
    """Something a reader must know: the problem's code and one sentence, and the columns whose names stand in it."""

    code: str
    what: str
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, kind: Kind, what: str, columns: Iterable[str] = ()) -> FitFinding:
        """A finding of a numbered kind."""
        return cls(kind.label, what, tuple(columns))

    def labelled(self, labels: Mapping[str, str]) -> FitFinding:
        """The same sentence with labels in place of its columns' names."""
        known = [name for name in self.columns if name in labels]
        if not known:
            return self
        pattern = "|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(known, key=len, reverse=True))
        return replace(self, what=re.sub(pattern, lambda found: labels[found.group()], self.what), columns=())

    def as_dict(self) -> dict[str, str]:
        """`{"code": …, "what": …}`."""
        return {"code": self.code, "what": self.what}


@dataclass(frozen=True)
class ChiTest:
    """A χ² statistic on `df` degrees of freedom."""

    chi2: float
    df: int

    @property
    def p(self) -> float:
        """P(χ²_df > chi2)."""
        return chi2_tail(self.chi2, self.df)

    def as_dict(self) -> dict[str, float | int | None]:
        """`{"chi2", "df", "p"}`."""
        return {"chi2": number(self.chi2), "df": self.df, "p": number(self.p)}


@dataclass(frozen=True)
class Baseline:
    """Cumulative hazard at covariates 0, (K,) by time (and stratum where there are any)."""

    time: Floats
    cumulative_hazard: Floats
    stratum: tuple[str, ...] | None = None

    def as_dict(self) -> dict[str, list[Any]]:
        """Lists; a value beyond floating point is None."""
        shown: dict[str, list[Any]] = {"time": self.time.tolist(), "cumulative_hazard": [number(value) for value in self.cumulative_hazard]}
        return shown if self.stratum is None else {**shown, "stratum": list(self.stratum)}


@dataclass(frozen=True)
class ProportionalHazards:
    """Score test of a covariate's effect changing with time: χ² with 1 df a covariate and one for all together."""

    each: tuple[ChiTest | None, ...]
    together: ChiTest
    transform: str

    def as_dict(self, covariates: tuple[str, ...]) -> dict[str, Any]:
        """By covariate, and `global`."""
        shown = {name: test.as_dict() if test else None for name, test in zip(covariates, self.each, strict=True)}
        return {"transform": self.transform, "covariates": shown, "global": self.together.as_dict()}


@dataclass(frozen=True)
class CoxFit:
    """A fitted model of p covariates: `coef` (p,), `covariance` (p, p); where `kept` is False both are 0."""

    n: int
    events: int
    sites: int
    covariates: tuple[str, ...]
    coef: Floats
    covariance: Floats
    kept: NDArray[np.bool_]
    loglik: float
    loglik_null: float
    score_test: ChiTest
    baseline: Baseline
    iterations: int
    resolution: str
    ties: str
    dropped_rows: int = 0
    concordance: Concordance | None = None
    proportional_hazards: ProportionalHazards | None = None
    findings: tuple[FitFinding, ...] = field(default=())
    mean: Floats | None = None

    @property
    def se(self) -> Floats:
        """Standard errors (p,); 0 for a dropped covariate."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def df(self) -> int:
        """Covariates in the model."""
        return int(self.kept.sum())

    @property
    def lr_test(self) -> ChiTest:
        """Likelihood-ratio test against no covariates."""
        gain = 2 * (self.loglik - self.loglik_null)
        return ChiTest(max(0.0, gain) if np.isfinite(gain) else gain, self.df)

    @property
    def wald_test(self) -> ChiTest:
        """β' V⁻¹ β."""
        opened = self.resolution != "shares"  # on shares variances are opened, covariances are not
        return ChiTest(quadratic(self.covariance, self.coef) if opened else float("nan"), self.df)

    def linear_predictor(self, x: ArrayLike) -> Floats:
        """β'x (n,) of covariates x (n, p); column by column, so that equal rows have bit-equal scores."""
        values = np.asarray(x, dtype=np.float64)
        total = np.zeros(len(values))
        for column in np.flatnonzero(self.kept):
            total = total + values[:, column] * self.coef[column]
        return total

    def with_concordance(self, concordance: Concordance | None) -> CoxFit:
        """The same fit, with the C-index of its linear predictor."""
        return replace(self, concordance=concordance)

    def with_findings(self, *findings: FitFinding) -> CoxFit:
        """The same fit with more to say."""
        return replace(self, findings=(*self.findings, *findings))

    def as_dict(self) -> dict[str, Any]:
        """The JSON of `fedhcc-sim cox`: lists in the order of the covariates, None for a dropped one, never a NaN."""
        se = self.se
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            z = self.coef / se
            bounds = np.exp(np.stack([self.coef - Z95 * se, self.coef + Z95 * se], axis=1))
            hr = np.exp(self.coef)
        return {
            "n": self.n,
            "events": self.events,
            "sites": self.sites,
            "covariates": list(self.covariates),
            "coef": self._shown(self.coef),
            "se": self._shown(se),
            "hr": self._shown(hr),
            "hr_ci": [[number(low), number(high)] if keep else None for (low, high), keep in zip(bounds, self.kept, strict=True)],
            "z": self._shown(z),
            "p": [two_sided(float(value)) if keep else None for value, keep in zip(z, self.kept, strict=True)],
            "loglik": number(self.loglik),
            "loglik_null": number(self.loglik_null),
            "lr_test": self.lr_test.as_dict(),
            "wald_test": self.wald_test.as_dict(),
            "score_test": self.score_test.as_dict(),
            "concordance": number(self.concordance.c) if self.concordance else None,
            "concordance_se": number(self.concordance.se) if self.concordance else None,
            "baseline": self.baseline.as_dict(),
            "iterations": self.iterations,
            "dropped_rows": self.dropped_rows,
            "resolution": self.resolution,
            "ties": self.ties,
            "proportional_hazards": self.proportional_hazards.as_dict(self.covariates) if self.proportional_hazards else None,
            "warnings": [finding.as_dict() for finding in self.findings],
        }

    def _shown(self, values: Floats) -> list[float | None]:
        return [number(value) if keep else None for value, keep in zip(values, self.kept, strict=True)]


def number(value: float | np.float64) -> float | None:
    """A finite float for JSON, None for anything else."""
    return float(value) if np.isfinite(value) else None


def independent(matrix: Floats, tolerance: float = PIVOT_TOLERANCE) -> NDArray[np.bool_]:
    """Which rows (p,) of a symmetric non-negative matrix do not depend on earlier ones.

    Pivots of the LDL' decomposition in the given order; one below `tolerance` times the largest diagonal is 0, so of a
    collinear pair the later is dropped, as in R.
    """
    work = np.array(matrix, dtype=np.float64)
    p = len(work)
    keep = np.zeros(p, dtype=bool)
    smallest = tolerance * max(float(np.max(np.diag(work), initial=0.0)), 0.0)
    for j in range(p):
        pivot = work[j, j]
        if not np.isfinite(pivot) or pivot <= smallest or pivot <= 0:
            continue
        keep[j] = True
        rest = slice(j + 1, p)
        work[rest, rest] -= np.outer(work[rest, j], work[j, rest]) / pivot
    return keep


def solve_kept(matrix: Floats, vector: Floats, keep: NDArray[np.bool_]) -> Floats:
    """Solution of the kept part of matrix · s = vector; 0 elsewhere."""
    found = np.zeros_like(vector)
    if keep.any():
        found[keep] = np.linalg.solve(matrix[np.ix_(keep, keep)], vector[keep])
    return found


def invert_kept(matrix: Floats, keep: NDArray[np.bool_]) -> Floats:
    """Inverse of the kept part; 0 elsewhere."""
    found = np.zeros_like(matrix)
    if keep.any():
        found[np.ix_(keep, keep)] = np.linalg.inv(matrix[np.ix_(keep, keep)])
    return found


def quadratic(covariance: Floats, vector: Floats) -> float:
    """vector' covariance⁻¹ vector over the rows where the covariance is not 0."""
    keep = np.diag(covariance) > 0
    return float(vector @ solve_kept(covariance, vector, keep))
