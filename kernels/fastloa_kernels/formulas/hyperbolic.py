"""Hyperbolic sine and cosine, within 2 ulp."""

from fastloa_kernels.formulas.elementary import exp_pair, expm1
from fastloa_kernels.primitives import copysign


def half_exp(x):
    """exp(x) / 2, which is finite a little longer than exp(x)."""
    high, low, factor = exp_pair(x)
    return (high + low) * (0.5 * factor)


def cosh(x):
    half = half_exp(abs(x))
    return half + 0.25 / half


def sinh(x):
    a = abs(x)
    half = half_exp(a)
    m = expm1(1.0 if a > 1.0 else a)
    near = 0.5 * (m + m / (1.0 + m))  # where the two halves would cancel
    return copysign(half - 0.25 / half if a > 1.0 else near, x)
