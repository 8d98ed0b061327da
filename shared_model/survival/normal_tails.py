"""Tails of the normal and chi-squared distributions without importing scipy.

scipy.special costs a second to import; the command lines need four functions of it. The normal tail is the standard
library's; the chi-squared tail is a finite sum for whole degrees of freedom (Abramowitz and Stegun 26.4.4–5).
"""

from __future__ import annotations

from math import erfc, exp, lgamma, log, sqrt
from statistics import NormalDist

Z95 = NormalDist().inv_cdf(0.975)


def two_sided(z: float) -> float:
    """P(|Z| > |z|)."""
    return erfc(abs(z) / sqrt(2))


def upper_tail(z: float) -> float:
    """P(Z > z)."""
    return erfc(z / sqrt(2)) / 2


def chi2_tail(x: float, df: int) -> float:
    """P(χ²_df > x) for whole df ≥ 0; 1 where df or x is 0, as R prints for a model without terms."""
    if x != x:
        return x
    if df <= 0 or x <= 0:
        return 1.0
    half = x / 2
    if df % 2:
        total, term = erfc(sqrt(half)), 0.5
    else:
        total, term = exp(-half), 1.0
    while term <= df / 2 - 1 + 1e-9:
        total += exp(term * log(half) - half - lgamma(term + 1))
        term += 1.0
    return min(total, 1.0)
