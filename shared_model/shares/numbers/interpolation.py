"""Weights at 0 … n from their power sums: Lagrange's interpolation modulo every prime of a ring.

With P_k = Σ_j w_j u_j^k for k = 0 … n and every u_j one of 0 … n, the weight at d is Σ_j w_j [u_j = d] = Σ_k l_dk P_k, where l_dk are the
coefficients of the polynomial that is 1 at d and 0 at the others. It exists modulo each prime above n.

    >>> basis(1, (7,)).tolist()  # 1 − x and x
    [[[1, 6], [0, 1]]]
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate

import numpy as np

from shared_model.shares.numbers.residues import Residues


@lru_cache(maxsize=4)
def basis(n: int, primes: tuple[int, ...]) -> Residues:
    """The coefficients l_dk (primes, n + 1, n + 1)."""
    return np.stack([_basis(n, p) for p in primes])


def _basis(n: int, p: int) -> Residues:
    if n >= p:
        raise ValueError(f"{n + 1} points do not differ modulo {p}")
    q = np.uint64(p)
    whole = np.zeros(n + 2, np.uint64)  # the product of x − e over all points
    whole[0] = 1
    for e in range(n + 1):
        down = np.concatenate([np.zeros(1, np.uint64), whole[:-1]])
        whole = (down + (q - np.uint64(e)) * whole % q) % q
    points = np.arange(n + 1, dtype=np.uint64)
    out = np.empty((n + 1, n + 1), np.uint32)
    left = np.zeros(n + 1, np.uint64)
    for k in range(n, -1, -1):  # without the factor of d: division by x − d
        left = (whole[k + 1] + points * left) % q
        out[:, k] = left
    factorials = list(accumulate(range(1, n + 1), lambda product, e: product * e % p, initial=1))
    for d in range(n + 1):
        scale = pow(factorials[d] * factorials[n - d] * (-1) ** (n - d), -1, p)
        out[d] = out[d].astype(np.uint64) * np.uint64(scale) % q
    return out
