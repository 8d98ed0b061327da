"""Public constants that are bit for bit the same at every holder, whatever its processor and mathematics library.

Holders multiply their shares by public numbers; were one of these off by its last bit at one holder, the result would be noise.
IEEE arithmetic gives the same +, −, ×, ÷ and √ everywhere, and so do NumPy's elementwise ones; exponentials, logarithms, matrix
products and sums in an order of their own do not. What a circuit makes of opened values goes through here.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, localcontext
from math import frexp, fsum, ldexp

_CONTEXT = Context(prec=60)


def exp(x: float) -> float:
    """e^x, correctly rounded."""
    with localcontext(_CONTEXT):
        return float(Decimal(x).exp())


def total(numbers: Iterable[float]) -> float:
    """The correctly rounded sum, whatever the order."""
    return fsum(float(number) for number in numbers)


def exponential_series(x: float, top: float, degree: int) -> list[float]:
    """Coefficients c_0 … c_d of e^{xz − top} = Σ c_k T_k(z) on [−1, 1]: e^{−top} I_0(x) and 2 e^{−top} I_k(x), correctly rounded.

    I_k(x) = Σ_m (x/2)^{2m+k} / (m! (m+k)!) (Abramowitz and Stegun 9.6.10, 9.6.34).
    """
    with localcontext(_CONTEXT):
        half, scale = Decimal(x) / 2, Decimal(-top).exp()
        found, lead = [], Decimal(1)
        for k in range(degree + 1):
            lead = lead * half / k if k else lead
            term, value, m = lead, lead, 0
            while term and abs(term) > abs(value) * Decimal("1e-50"):
                m += 1
                term = term * half * half / (m * (m + k))
                value += term
            found.append(float(scale * value * (2 if k else 1)))
        return found


def shorten(x: float, bits: int) -> float:
    """A positive x rounded down to so many significant bits."""
    mantissa, exponent = frexp(x)
    return ldexp(float(int(ldexp(mantissa, bits))), exponent - bits)


def bits_of(x: float) -> int:
    """Fractional bits that write a dyadic number exactly."""
    bits = 0
    while ldexp(x, bits) != int(ldexp(x, bits)):
        bits += 1
    return bits


def magnitude(x: float) -> int:
    """The smallest k with x ≤ 2^k."""
    mantissa, exponent = frexp(x)
    return exponent - 1 if mantissa == 0.5 else exponent
