"""Sine and cosine of every number, the same formulas in both precisions."""

from fastloa_kernels.formulas.compensated import fast_two_sum, product
from fastloa_kernels.formulas.elementary import sin_reduced, turns
from fastloa_kernels.primitives import copysign, fma, round_even

LINEAR = 2.0**-27  # below, sin(x) is x


def sin_turned(high, low, rest, least):
    """The sine of the sum of four, in turns, for high up to a quarter; any of the others can be most of the sum."""
    high, low = fast_two_sum(high, low)
    high, rest = fast_two_sum(high, rest)
    high, low = sin_reduced(high, low + (rest + least))
    return high + low


def sin(x):
    high, low, rest, least = turns(abs(x))
    half = round_even(high + high)
    value = sin_turned(fma(-0.5, half, high), low, rest, least) * copysign(1.0, x)
    value = value * fma(-2.0, abs(half), 1.0)
    return x if abs(x) < LINEAR else value


def cos(x):
    high, low, rest, least = turns(abs(x))
    sign = copysign(1.0, high)
    high, part = fast_two_sum(0.25, -abs(high))  # a quarter turn on, it is the sine
    return sin_turned(high, part - sign * low, -sign * rest, -sign * least)


def sin_squared(high, low):
    """The square of the sine of high + low turns as a pair, for a low that is lost in high + low."""
    # From the nearest quarter turn on, so that no sine's square is above a half; an odd one makes it the cosine's.
    quarters = round_even(4.0 * high)
    sine, part = sin_reduced(fma(-0.25, quarters, high), low)
    square, rest = product(sine, part, sine, part)
    other, lost = fast_two_sum(1.0, -square)
    even = 2.0 * round_even(0.5 * quarters) == quarters
    return (square if even else other), (rest if even else lost - rest)
