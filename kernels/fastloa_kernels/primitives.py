"""The few operations that the elementary functions stand on, beside ``+ - * /``.

Each is exact or correctly rounded, so every engine gives the same bits. The functions here are the definition, in
plain Python for ``float`` and NumPy scalars; each engine supplies its own machine instruction under the same name.
"""

import math
from fractions import Fraction
from typing import Any, TypeVar, cast

import numpy as np

Real = TypeVar("Real", float, np.float32, np.float64)

inf = math.inf
nan = math.nan


def _bits(x: Any) -> tuple[type, type, int, int]:
    """The scalar type of `x`, the unsigned integer type as wide, the mantissa's width and the exponent's bias."""
    if isinstance(x, np.float32):
        return np.float32, np.uint32, 23, 127
    return (np.float64 if isinstance(x, np.float64) else float), np.uint64, 52, 1023


def fma(x: Real, y: Real, z: Real) -> Real:
    """x * y + z, rounded once."""
    kind = type(x)
    if not (math.isfinite(x) and math.isfinite(y)):
        return kind(float(x) * float(y) + float(z))
    if not math.isfinite(z):
        return kind(z)  # whatever a finite product is, even where it would overflow alone
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
    if exact == 0:
        return kind(float(x) * float(y) + float(z))
    return kind(_rounded(exact, np.float32 if isinstance(x, np.float32) else np.float64))


def _rounded(exact: Fraction, dtype: type) -> float:
    """`exact` rounded once, to nearest and ties to even, to the given precision."""
    digits, lowest = (24, -149) if dtype is np.float32 else (53, -1074)
    magnitude = abs(exact)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if Fraction(2) ** exponent > magnitude:
        exponent -= 1
    unit = Fraction(2) ** max(exponent - digits + 1, lowest)
    rounded = round(magnitude / unit) * unit
    largest = Fraction(float(np.finfo(dtype).max))
    value = math.inf if rounded > largest else float(rounded)
    return -value if exact < 0 else value


def round_even(x: Real) -> Real:
    """The nearest integer, ties to even; keeps NaN, infinities and the sign of zero."""
    return type(x)(np.rint(x))


def sqrt(x: Real) -> Real:
    """The square root; NaN below zero."""
    with np.errstate(invalid="ignore"):
        return type(x)(np.sqrt(x))


def reciprocal(x: Real) -> Real:
    """1 / x for an |x| from 2**-120 to 2**120, and of NaN; meaningless beyond, which a GPU then need not look for."""
    kind, _, _, _ = _bits(x)
    return cast(Real, kind(1.0) / x if not abs(x) > 2.0**120 and not abs(x) < 2.0**-120 else kind(math.nan))


def copysign(x: Real, y: Real) -> Real:
    """|x| with the sign bit of y."""
    return type(x)(np.copysign(x, y))


def power_of_two(k: Real) -> Real:
    """2**k for an integer-valued k from the least to the greatest normal exponent; meaningless beyond."""
    kind, _, _, bias = _bits(k)
    return cast(Real, kind(2.0 ** int(k)) if 1 - bias <= k <= bias else kind(math.nan))


def exponent(x: Real) -> Real:
    """The exponent e of a normal x = ±m * 2**e with 1 <= m < 2."""
    kind, word, width, bias = _bits(x)
    field = int(np.asarray(x, kind).view(word)) >> width
    return cast(Real, kind((field & (2 * bias + 1)) - bias))


def significand(x: Real) -> Real:
    """The m of a normal x = ±m * 2**e with 1 <= m < 2."""
    kind, word, width, bias = _bits(x)
    fraction = int(np.asarray(x, kind).view(word)) & ((1 << width) - 1)
    return cast(
        Real,
        kind(np.asarray(fraction | (bias << width), word).view(np.float32 if word is np.uint32 else np.float64)[()]),
    )
