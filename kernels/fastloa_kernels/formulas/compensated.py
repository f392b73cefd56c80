"""Arithmetic with a rounding error carried along: a pair (high, low) stands for the unevaluated sum high + low.

Algorithms 4.3 (Fast2Sum), 4.4 (2Sum) and section 5 of Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed.
"""

from fastloa_kernels.primitives import fma, reciprocal


def fast_two_sum(a, b):
    """a + b exactly, where |a| >= |b| or the sum a + b is exact."""
    high = a + b
    return high, (a - high) + b


def two_sum(a, b):
    """a + b exactly."""
    high = a + b
    moved = high - a
    return high, (a - (high - moved)) + (b - moved)


def times(high, low, factor):
    """(high + low) * factor as a pair."""
    value = high * factor
    return value, fma(low, factor, fma(high, factor, -value))


def product(a_high, a_low, b_high, b_low):
    """(a_high + a_low) * (b_high + b_low) as a pair, without the least of its four products; b_low may come late."""
    high = a_high * b_high
    return high, fma(a_high, b_low, fma(a_low, b_high, fma(a_high, b_high, -high)))


def complement(whole, high, low, factor):
    """whole - (high + low) * factor as a pair, for a power of two as the factor and a product of at most the whole."""
    upper = fma(-high, factor, whole)
    return upper, fma(-low, factor, fma(-high, factor, whole - upper))


def quotient(high, low, whole, part):
    """(high + low) / (whole + part), rounded nearly once, at the price of one division.

    For |part| <= |whole| / 2, or part = whole * e with 0 <= e <= 1: there high - whole * estimate is exact.
    """
    return by_inverse(high, low, whole, part, 1.0 / (whole + part))


def fraction(high, low, whole, part):
    """The same quotient, where the divisor is from 2**-120 to 2**120, or NaN: cheaper on a GPU."""
    return by_inverse(high, low, whole, part, reciprocal(whole + part))


def by_inverse(high, low, whole, part, inverse):
    """The quotient by the divisor's reciprocal, and what that leaves."""
    estimate = high * inverse
    rest = fma(-estimate, part, fma(-estimate, whole, high)) + low
    return fma(rest, inverse, estimate)


def divided(x, divisor, inverse):
    """x / divisor, rounded nearly once, where the divisor's reciprocal serves many quotients."""
    estimate = x * inverse
    return fma(fma(-estimate, divisor, x), inverse, estimate)
