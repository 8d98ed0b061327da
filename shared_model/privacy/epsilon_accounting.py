"""What a schedule of noised releases costs: Gaussian differential privacy in closed form.

A patient who takes part in releases with noise σ_j and sensitivity Δ_j is known to at most one Gaussian draw of shift
μ = √Σ (Δ_j/σ_j)² (Dong, Roth and Su, "Gaussian differential privacy", JRSS-B 2022, corollary 3.3), hence

    δ(ε) = Φ(−ε/μ + μ/2) − e^ε Φ(−ε/μ − μ/2)          (Balle and Wang, ICML 2018, theorem 8),

exactly, since everybody takes part in every release of a schedule: there is no sampling to amplify anything. Neighbours are
two cohorts of which one has one patient more. An outcome that is replaced moves a sum by twice as much (`outcome_auc`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import exp, inf, isfinite, sqrt

LARGEST_MU = 1e3
LARGEST_EPSILON = 1e7


def brentq(f: Callable[[float], float], low: float, high: float, xtol: float) -> float:
    """SciPy's, loaded when it is used: every program of a study imports this module, and few calculate a budget."""
    from scipy import optimize

    return float(optimize.brentq(f, low, high, xtol=xtol))


def delta_of(epsilon: float, mu: float) -> float:
    """The δ that goes with an ε after releases of the shift μ.

    Example:
        >>> round(delta_of(1.0, 0.5), 5)
        0.00683
    """
    from scipy.special import log_ndtr, ndtr

    if mu <= 0:
        return 0.0
    first, second = -epsilon / mu + mu / 2, -epsilon / mu - mu / 2
    return max(float(ndtr(first)) - exp(min(epsilon + float(log_ndtr(second)), 0.0)), 0.0)


def epsilon_of(mu: float, delta: float) -> float:
    """The ε of releases of the shift μ at a δ; infinite where no noise was added.

    Example:
        >>> round(epsilon_of(sqrt(30) / 5.92, 1e-5), 2)
        4.0
    """
    if mu <= 0 or delta_of(0.0, mu) <= delta:
        return 0.0
    if not isfinite(mu) or mu > LARGEST_MU:
        return inf
    return float(brentq(lambda epsilon: delta_of(epsilon, mu) - delta, 0.0, LARGEST_EPSILON, xtol=1e-10))


def mu_of(epsilon: float, delta: float) -> float:
    """The largest shift μ that an (ε, δ) allows."""
    return float(brentq(lambda mu: delta_of(epsilon, mu) - delta, 1e-9, LARGEST_MU, xtol=1e-12))


def composed(shifts: Iterable[float]) -> float:
    """The shift of several releases together."""
    return sqrt(sum(shift * shift for shift in shifts))


def outcome_auc(mu: float) -> float:
    """Largest AUC with which anybody tells one patient's outcome after releases of the shift μ: Φ(√2 μ).

    Another outcome replaces one bounded part by another, a shift of 2μ, and two normal draws 2μ apart are told apart so often.

    Example:
        >>> [round(outcome_auc(mu_of(epsilon, 1e-5)), 2) for epsilon in (0.5, 1, 2, 4)]
        [0.58, 0.65, 0.76, 0.9]
    """
    from scipy.special import ndtr

    return float(ndtr(sqrt(2.0) * mu))
