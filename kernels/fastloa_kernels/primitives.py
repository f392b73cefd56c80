"""The few operations that the elementary functions stand on, beside ``+ - * /``.

Each is exact or correctly rounded, so every engine gives the same bits. The functions here are the definition, in
plain Python for ``float`` and NumPy scalars; each engine supplies its own machine instruction under the same name.
"""

import math
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


def _named(kind: type) -> type:
    """NumPy's name for a scalar type."""
    return np.float32 if kind is np.float32 else np.float64


def fma(x: Real, y: Real, z: Real) -> Real:
    """x * y + z, rounded once."""
    kind, plain = type(x), float(x) * float(y) + float(z)
    if not (math.isfinite(x) and math.isfinite(y)):
        return kind(plain)
    if not math.isfinite(z):
        return kind(z)  # whatever a finite product is, even where it would overflow alone
    (a, b), (c, d), (e, f) = (float(number).as_integer_ratio() for number in (x, y, z))
    above, below = a * c * f + e * b * d, b * d * f
    if not above:
        return kind(plain)
    try:
        quotient = above / below  # which Python rounds once, from integers of any size
    except OverflowError:
        quotient = math.inf if above > 0 else -math.inf
    return kind(_made_odd(quotient, above, below) if isinstance(x, np.float32) else quotient)


def _made_odd(quotient: float, above: int, below: int) -> float:
    """The rounded quotient, or its neighbour: what has an odd last digit, if it is not exact, may be rounded again."""
    a, b = quotient.as_integer_ratio()
    rest = above * b - a * below
    if not rest or int(math.ldexp(math.frexp(quotient)[0], 53)) % 2:
        return quotient
    return math.nextafter(quotient, math.inf if rest > 0 else -math.inf)


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


def further(x: Real, k: Real) -> Real:
    """The number k numbers further from 0 than x, of its sign, for an integer k; meaningless where there is none."""
    kind, word, _, _ = _bits(x)
    bits = int(np.asarray(x, kind).view(word)) + int(k)
    return cast(Real, kind(np.asarray(bits & np.iinfo(word).max, word).view(_named(kind))[()]))


def how_far(x: Real, y: Real) -> Real:
    """How many numbers x is further from 0 than y, rounded to a number; meaningless for a y of another sign."""
    kind, word, _, _ = _bits(x)
    apart = int(np.asarray(x, kind).view(word)) - int(np.asarray(y, kind).view(word))
    half = 1 << (np.iinfo(word).bits - 1)
    return cast(Real, kind((apart + half) % (2 * half) - half))


def shortened(x: Real, k: Real) -> Real:
    """The nearest number whose last k binary digits are 0, of two the one further from 0; meaningless for NaN."""
    kind, word, _, _ = _bits(x)
    bits = int(np.asarray(x, kind).view(word)) + (1 << int(k) >> 1)
    return cast(Real, kind(np.asarray((bits >> int(k) << int(k)) & np.iinfo(word).max, word).view(_named(kind))[()]))


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
    return cast(Real, kind(np.asarray(fraction | (bias << width), word).view(_named(kind))[()]))
