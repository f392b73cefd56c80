"""Functions of everyday use, as Python and NumPy have them: NaN in any operand reaches the result."""

from fastloa_kernels.formulas.elementary import power
from fastloa_kernels.primitives import copysign, inf, nan, round_even


def greater(a, b):
    return a if a > b else (b if a < b else (a if a == b else a + b))


def lesser(a, b):
    return a if a < b else (b if a > b else (a if a == b else a + b))


def clipped(x, low, high):
    return low if x < low else (high if x > high else x)


def among(x, value):
    """The value, or x where that is NaN."""
    return value if x == x else x


def sign(x):
    """1, -1, or x itself where it is 0 or NaN."""
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else x)


def floor(x):
    nearest = round_even(x)
    return nearest - 1.0 if nearest > x else nearest


def ceil(x):
    return -floor(-x)


def trunc(x):
    return copysign(floor(abs(x)), x)


def signed_power(x, y):
    """x**y for any x: for x < 0 that of a whole y, else NaN, unless x is infinite."""
    value = power(abs(x), y)
    half = 0.5 * y
    other = (nan if x > -inf else value) if x < 0.0 else value
    return value if round_even(half) == half else (copysign(value, x) if round_even(y) == y else other)
