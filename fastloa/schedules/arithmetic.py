"""The arithmetic of schedules: ramps between two values, and powers beyond the range of float64."""

import math
from collections.abc import Callable
from sys import float_info


def ramp(shape: str, start: float, end: float, part: int, whole: int) -> float:
    """Give the value after `part` of `whole` steps from `start` to `end`, along one of the `SHAPES`."""
    # Quotients of integers are rounded once, however large the integers: the way left is not 1 minus the way done.
    return blend(start, end, *SHAPES[shape](part / whole, (whole - part) / whole))


def blend(start: float, end: float, done: float, left: float) -> float:
    """Give the value between two others; `done` and `left` add up to 1, and each has all of its digits."""
    span = end - start
    if math.isinf(span):
        return start * left + end * done  # of opposite signs: the sum is finite
    # measured from the end that is nearer, so that ends are exact, equal ends give a level line and nothing cancels
    return start + span * done if done <= left else end - span * left


def times_power(value: float, base: float, exponent: float) -> float:
    """Compute value * base**exponent, right to a few ulp wherever it is representable."""
    if isinstance(exponent, int) and exponent > 2**53:  # beyond, a float no longer holds the exponent
        exponent = min(exponent, 2**70)  # where all powers but those of 1 have left the range of float64
        rest = exponent - int(float(exponent))
        value = times_power(value, base, float(exponent))
        return value * math.pow(base, rest) if rest and value and math.isfinite(value) else value
    try:
        power = math.pow(base, exponent)
    except OverflowError:
        power = math.inf
    if float_info.min <= power < math.inf or base == 0.0 or value == 0.0:
        return value * power if value else value
    # The power alone leaves the range of float64, the product may not. Its fourth root lies far inside wherever the
    # product is finite, and each multiplication moves from value towards the result.
    try:
        root = math.pow(base, 0.25 * exponent)
    except OverflowError:
        return math.copysign(math.inf, value)
    return value * root * root * root * root


def _linear(done: float, left: float) -> tuple[float, float]:
    return done, left


def _cosine(done: float, left: float) -> tuple[float, float]:
    # 1 + cos cancels near the end: squared sines do not
    return math.sin(0.5 * math.pi * done) ** 2, math.sin(0.5 * math.pi * left) ** 2


def _sqrt(done: float, left: float) -> tuple[float, float]:
    root = math.sqrt(done)
    return root, left / (1.0 + root)


def _square(done: float, left: float) -> tuple[float, float]:
    return done * done, left * (1.0 + done)


# How much of the way up or down is done, and is left, when so much of the time is.
SHAPES: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "linear": _linear,
    "cosine": _cosine,
    "sqrt": _sqrt,
    "square": _square,
}
