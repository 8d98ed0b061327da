"""What each death adds to a curve, as short polynomials of one number a death: −log S, Greenwood's sum, the share of those at risk.

With m patients at risk, deaths of the same day in earlier slots taken off, and y = 1/(2m − 1), which is at most 1/3 where somebody is left:

    log(m/(m − 1)) = 2 artanh y      1/(m (m − 1)) = 4y²/(1 − y²)      1/m = 2y/(1 + y)
"""

from __future__ import annotations

from dataclasses import dataclass

from shared_model.shares.circuits.arithmetic import Arithmetic, Value
from shared_model.shares.circuits.reciprocals import reciprocal

HAZARD = (2 * 0.3333389569765212, 2 * 0.19910545328494592, 2 * 0.16355940409237255)
"""2 artanh y = 2y + Σ c_k y^(2k + 3) on [0, 1/3], to 4e-7 at its end; least squares over y²."""
GREENWOOD = (4 * 1.000052565179662, 4 * 0.9916722874595648, 4 * 1.1911755761195297)
"""4y²/(1 − y²) = 4y² + Σ c_k y^(2k + 4) on [0, 1/3], to 6e-6 of its value."""
_CONSTANT_BITS = 24


@dataclass(frozen=True)
class CurveSteps:
    """Main field. Of every patient's death, in the column of its group (N, G): its step of −log S and of Greenwood's sum, else 0.

    share: 1/m (N,), without meaning for who did not die; to 1e-8 where five more are at risk, wrong by 7e-5 for m = 2, by 1 for m = 1.
    """

    hazard: Value
    greenwood: Value
    share: Value


async def curve_steps(a: Arithmetic, m: Value, dead: Value) -> CurveSteps:
    """Of m at risk (N,) and, of who died, the one-hot group (N, G), main field."""
    n, died = len(m), dead.sum(1).assume(1.0, "one group a patient")
    x = (2 * (m - died) + 1).assume(2 * n, "m of those who died is at least 1")
    y = await reciprocal(a, x, 1.0, 2.0 * n, largest=1.0)

    def one(value: Value) -> Value:
        return value.assume(1.0 + 2.0**-20, "a power of a number up to 1")

    (z,) = await a.reduce(one(a.times(y, y)))
    y3, z2 = await a.reduce(one(a.times(y, z)), one(a.times(z, z)))
    y5, y7, z3, z4 = await a.reduce(*(one(a.times(*pair)) for pair in ((y3, z), (y3, z2), (z2, z), (z2, z2))))
    hazard, greenwood = 2 * y, 4 * z
    for c, odd, d, even in zip(HAZARD, (y3, y5, y7), GREENWOOD, (z2, z3, z4), strict=True):
        hazard, greenwood = hazard + odd.scaled(c, _CONSTANT_BITS), greenwood + even.scaled(d, _CONSTANT_BITS)
    hazard, greenwood = await a.reduce(*(a.times(value.reshape(n, 1), dead) for value in (hazard, greenwood)))
    share = 2 * ((y - z) + (y3 - z2) + (y5 - z3) + (y7 - z4))
    return CurveSteps(hazard, greenwood, share.assume(1.0 + 2.0**-20, "2y/(1 + y) less y^8 of itself, for y up to 1"))
