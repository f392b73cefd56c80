"""The fixed-order sum of `fastloa_kernels.sums` on the CPU: leaf blocks, then their partial sums.

A leaf is read from a block of values in their own dtype, since a loop that stores float64 beside float32 work is not
vectorised.
"""

from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels.engines.numba_cpu.compilation import jitable, uncounted
from fastloa_kernels.engines.numba_cpu.kinds import NUMBER, array
from fastloa_kernels.engines.numba_cpu.outlining import outlined
from fastloa_kernels.sums import BLOCK, LANES


@uncounted
def _width(count):
    width = 1
    while width < count:
        width *= 2
    return width


@uncounted
def _leaf32(values, count, high, low):
    """float64 has room enough for the rounding errors of a sum of float32 values, which are only read."""
    width = _width(count)
    if width < 4:
        return np.float64(values[0]) + (np.float64(values[1]) if width == 2 else 0.0), 0.0
    width //= 4  # two levels of the tree at a time: half the traffic
    a, b, c, d = values[:width], values[width : 2 * width], values[2 * width : 3 * width], values[3 * width : count]
    third = min(count - 2 * width, width)
    for i in range(d.size):
        high[i] = (np.float64(a[i]) + np.float64(c[i])) + (np.float64(b[i]) + np.float64(d[i]))
    a, b, c, rest = a[d.size :], b[d.size :], c[d.size : third], high[d.size : width]
    for i in range(c.size):  # beyond the last value the tree adds zeros
        rest[i] = (np.float64(a[i]) + np.float64(c[i])) + (np.float64(b[i]) + 0.0)
    a, b, rest = a[c.size :], b[c.size :], rest[c.size :]
    for i in range(a.size):
        rest[i] = (np.float64(a[i]) + 0.0) + (np.float64(b[i]) + 0.0)
    while width >= 4:
        width //= 4
        e, f, g, h = high[:width], high[width : 2 * width], high[2 * width : 3 * width], high[3 * width : 4 * width]
        for i in range(e.size):
            p, q, r, s = e[i], f[i], g[i], h[i]
            e[i] = (p + r) + (q + s)
    return high[0] + (high[1] if width == 2 else 0.0), 0.0


@uncounted
def compensated_tree(high, low, width, least):
    """Add the upper half to the lower until `least` sums, and their errors, are left."""
    while width > least:
        width //= 2
        a, b = high[:width], high[width : 2 * width]
        c, d = low[:width], low[width : 2 * width]
        for i in range(a.size):
            x, y = a[i], b[i]
            s = x + y
            t = s - x
            a[i] = s
            c[i] += d[i] + ((x - (s - t)) + (y - t))


@uncounted
def _leaf64(values, count, high, low):
    """The sum and its error."""
    width = _width(count)
    for i in range(count, width):
        values[i] = 0.0
    for i in range(width):
        low[i] = 0.0
    compensated_tree(values, low, width, 1)
    return values[0], low[0]


def _corrected(total, error):
    """A sum and its error as one number; an infinite sum's error is NaN (inf - inf) and must not reach it."""
    both = total + error
    return both if both == both else total


corrected = uncounted(_corrected)


@uncounted
def added(total, error, high, low):
    """A sum and its error, and another, as one."""
    s = total + high
    t = s - total
    return s, error + (low + ((total - (s - t)) + (high - t)))


def leaf(dtype: str) -> Any:
    """``leaf(values, count, high, low) -> (sum, error)`` of the first `count` values.

    `high` and `low` are overwritten, and so are float64 `values`, which must have room up to the next power of two.
    """
    return _leaf32 if dtype == "float32" else _leaf64


def outlined_leaf(dtype: str, held: str | None = None) -> Any:
    """The same, which kernels do not hold; the values are `held` in another dtype where that is given."""
    inlined = leaf(dtype)

    def run(values, count, high, low):
        return inlined(values, count, high, low)

    number, wide = (array(NUMBER[name], written=True) for name in (held or dtype, "float64"))
    return outlined(run, (number, types.int64, wide, wide))


def split(dtype: str) -> Any:
    """``values, upper, lower = cut(room)``: scratch for a `leaf`, of an array of 3 * BLOCK float64 numbers."""
    scalar = np.dtype(dtype).type

    def cut(room):
        return room[:BLOCK].view(scalar), room[BLOCK : 2 * BLOCK], room[2 * BLOCK : 3 * BLOCK]

    return jitable(cut, inline="always")  # a function that numba calls could not return views


@uncounted
def _finish(high, low, room):
    total, error = room[:BLOCK], room[BLOCK : 2 * BLOCK]
    count = high.size
    width = _width(min(count, LANES))
    for lane in range(width):
        total[lane] = 0.0
        error[lane] = 0.0
    for start in range(0, count, LANES):
        added, carried = high[start : start + LANES], low[start : start + LANES]
        for i in range(added.size):
            x, y = total[i], added[i]
            s = x + y
            t = s - x
            total[i] = s
            error[i] += carried[i] + ((x - (s - t)) + (y - t))
    compensated_tree(total, error, width, 1)
    return corrected(total[0], error[0])


def finish(high, low, room):
    """One number from the blocks' partial sums. A kernel of its own: compiled once, not into every sum."""
    return _finish(high, low, room)


def finish_each(firsts, high, low, totals, room):
    """The same for several arrays, whose blocks begin at `firsts`."""
    for j in range(totals.size):
        totals[j] = _finish(high[firsts[j] : firsts[j + 1]], low[firsts[j] : firsts[j + 1]], room)
