"""Whether a derivative is that of its formula: held against differences, where these can be trusted.

At each point the formula's central differences are taken over ever smaller steps. Where three in a row agree, and both
sides of the point have one slope, their middle is the derivative; where none do (at kinks and jumps, where terms
cancel, where the formula oscillates faster than steps go) nothing is said. One wrong point may be an accident, two are
an error.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

Function = Callable[[Numbers], tuple[Numbers, Numbers]]  # the value, and a bound of its rounding error

STEPS = 2.0**-4 * 0.19 ** np.arange(9.0)  # of the point itself; the ratio is no whole number, lest a period be one
AGREED = 1e-4  # how far three differences may be apart, as a share of them,
SIDES = 1e-2  # and the slopes of the two sides,
WRONG = 1e-3  # and the derivative from them, for all of which rounding errors come on top
ACCIDENTS = 1


def points(arrays: int) -> tuple[Numbers, ...]:
    """Numbers of both signs and of sizes from 1/1000 to 100, for each array in an order of its own."""
    golden = (np.arange(1.0, 33.0) * 0.6180339887498949) % 1.0
    sizes = np.exp2(np.linspace(-10.0, 6.5, 32) + 0.5 * (golden - 0.5))
    x = np.concatenate([sizes, -sizes])
    if arrays == 1:
        return (x,)
    others = [np.zeros_like(x), np.ones_like(x), -np.ones_like(x), x[::-1], np.roll(x, 27), (x * 7.0) % 1.0]
    return np.tile(x, len(others)), np.concatenate(others)


def disagreement(value: Function, slope: Function, x: Numbers) -> tuple[int, float, float] | None:
    """Where the slope is most wrong, the slope by differences there and the one given; None if it is right.

    Both functions work on arrays whose last axis is that of `x`, element by element.
    """
    with np.errstate(all="ignore"):
        given, unsure = slope(x)
        found, uncertain, trusted = _differences(value, x)
        allowed = WRONG * np.maximum(np.abs(found), np.abs(given)) + 16.0 * (uncertain + unsure)
        error = np.abs(given - found) / allowed
        wrong = trusted & np.isfinite(given) & (error > 1.0)
    if np.count_nonzero(wrong) <= ACCIDENTS:
        return None
    worst = int(np.argmax(np.where(wrong, error, 0.0)))
    return worst, float(found[worst]), float(given[worst])


def _differences(value: Function, x: Numbers) -> tuple[Numbers, Numbers, Any]:
    """The derivative by differences, its uncertainty, and where it can be trusted."""
    above, below = (x + side * np.abs(x) * STEPS[:, None] for side in (1.0, -1.0))
    count = len(STEPS)
    all_values, all_errors = value(np.concatenate([above, below, x[None]]))
    (high, low), middle = np.split(all_values[:-1], 2), all_values[-1]
    noise = (all_errors[:count] + all_errors[count:-1] + all_errors[-1]) / (above - below)
    slopes = (high - low) / (above - below)
    sides = np.abs((high - middle) / (above - x) - (middle - low) / (x - below))
    three = np.stack([slopes[:-2], slopes[1:-1], slopes[2:]])
    spread = np.max(three, axis=0) - np.min(three, axis=0)
    uncertain = spread + noise[2:]
    best = np.argmin(np.where(np.isfinite(uncertain), uncertain, np.inf), axis=0)

    def at_best(rows: Any) -> Any:
        return np.take_along_axis(rows, best[None], axis=0)[0]

    found, rounding = at_best(slopes[1:-1]), 4.0 * at_best(noise[2:])
    near = (at_best(spread) <= AGREED * np.abs(found) + rounding) & (
        at_best(sides[2:]) <= SIDES * np.abs(found) + rounding
    )
    return found, at_best(uncertain), np.isfinite(at_best(uncertain)) & near
