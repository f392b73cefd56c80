"""Skeletons for rows: a row is read for its maximum, read again for its sum, and written while it is in the cache.

A row's bits depend on nothing but the row: it is summed in the blocks and trees of `fastloa_kernels.sums`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange
from numba.extending import register_jitable

from fastloa_kernels.engines.numba_cpu import summation
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.maps import SMALL, apart
from fastloa_kernels.engines.numba_cpu.summation import corrected
from fastloa_kernels.formulas import rowwise
from fastloa_kernels.records import Rowwise
from fastloa_kernels.sums import BLOCK

GRAIN = 1 << 14  # elements a thread takes at a time, as whole rows
CLOSE = 2.0**-20  # below this a sum minus 1 is taken again without the 1, or float64 would leave too few digits

_INTEGERS: dict[str, tuple[Any, int]] = {"float32": (np.int32, 31), "float64": (np.int64, 63)}


def _maximum(dtype: str) -> Any:
    """``greatest(x)``: the greatest element, or NaN.

    Floats are compared as the integers that order like them: LLVM vectorises a maximum of integers only.
    """
    integer, shift = _INTEGERS[dtype]
    scalar = np.dtype(dtype).type
    least, places, magnitude = integer(np.iinfo(integer).min), integer(shift), integer(np.iinfo(integer).max)

    def greatest(x):
        bits = x.view(integer)
        m = least
        for i in range(bits.size):
            key = bits[i]
            key = key ^ ((key >> places) & magnitude)
            m = key if key > m else m
        return integer(m ^ ((m >> places) & magnitude)).view(scalar)

    return jitable(greatest)


@register_jitable
def _added(total, error, high, low):
    s = total + high
    t = s - total
    return s, error + (low + ((total - (s - t)) + (high - t)))


def row_sum(dtype: str, term: Any) -> Any:
    """``whole(a, b, extra, values, upper, lower) -> (sum, error)`` of term(a[i], b[i], extra) over a row."""
    leaf = summation.leaf(dtype)

    def fill(a, b, extra, values):
        for i in range(a.size):
            values[i] = term(a[i], b[i], extra)

    fill = jitable(fill)

    def whole(a, b, extra, values, upper, lower):
        total, error = 0.0, 0.0
        for start in range(0, a.size, BLOCK):
            stop = min(a.size, start + BLOCK)
            fill(a[start:stop], b[start:stop], extra, values[: stop - start])
            high, low = leaf(values, stop - start, upper, lower)
            total, error = _added(total, error, high, low)
        return total, error

    return jitable(whole)


def _stored_sum(dtype: str) -> Any:
    """``whole(a, values, upper, lower) -> (sum, error)`` of the row `a` itself."""
    leaf, read_only = summation.leaf(dtype), dtype == "float32"

    def whole(a, values, upper, lower):
        total, error = 0.0, 0.0
        for start in range(0, a.size, BLOCK):
            part = a[start : min(a.size, start + BLOCK)]
            if read_only:
                high, low = leaf(part, part.size, upper, lower)
            else:
                for i in range(part.size):
                    values[i] = part[i]
                high, low = leaf(values, part.size, upper, lower)
            total, error = _added(total, error, high, low)
        return total, error

    return jitable(whole)


def statistics(dtype: str, *, stored: bool) -> Any:
    """``read(x, e, values, upper, lower) -> (m, rest)``: a row's maximum m and sum(exp(x - m)) - 1.

    With `stored`, exp(x - m) is left in `e`, which may be `x` itself.
    """
    greatest, exponential = _maximum(dtype), bind(rowwise.exponential, dtype)
    other, rest = bind(rowwise.other, dtype), bind(rowwise.rest, "float64")
    narrow = dtype == "float32"

    def term(x, e, extra):
        m, without_largest = extra
        v = e if stored else exponential(x, m)
        return other(v) if without_largest else v

    total_of, stored_total = row_sum(dtype, jitable(term)), _stored_sum(dtype)

    def fill(x, m, e):
        for i in range(x.size):
            e[i] = exponential(x[i], m)

    fill = jitable(fill)

    def read(x, e, values, upper, lower):
        m = greatest(x)
        if stored:
            fill(x, m, e)
        excess, without_largest = 0.0, False
        for _ in range(2):
            if stored and not without_largest:
                total, error = stored_total(e, values, upper, lower)
            else:
                total, error = total_of(x, e, (m, without_largest), values, upper, lower)
            excess = total + error if without_largest else (total - 1.0) + error
            if not narrow or without_largest or not excess < CLOSE:
                break
            without_largest = True
        return m, rest(excess, np.float64(m))

    return jitable(read)


def rowwise_value(record: Rowwise, dtype: str) -> Any:
    """``run(x, x, out, first, last)`` over the rows of 2-d arrays."""
    value, distance = bind(record.value, dtype), bind(rowwise.distance, dtype)
    stored, scalar = record.of_exponential, np.dtype(dtype).type
    read, scratch = statistics(dtype, stored=stored), summation.scratch

    def write(x, m, rest, out):
        for i in range(out.size):
            out[i] = value(out[i] if stored else distance(x[i], m), rest)

    write = jitable(write)

    def run(x, same, out, first, last):
        values, upper, lower = scratch(out, x.shape[1])
        for row in range(first, last):
            m, rest = read(x[row], out[row], values, upper, lower)
            write(x[row], m, scalar(rest), out[row])

    return jitable(run)


def rowwise_backward_from_output(record: Rowwise, dtype: str) -> Any:
    """``run(g, y, out, first, last)`` over the rows of 2-d arrays."""
    summand, backward = bind(record.summand, dtype), bind(record.backward, dtype)
    scalar, scratch = np.dtype(dtype).type, summation.scratch

    def term(g, y, extra):
        return summand(g, y)

    whole = row_sum(dtype, jitable(term))

    def write(g, y, total, out):
        for i in range(out.size):
            out[i] = backward(g[i], y[i], total)

    write = jitable(write)

    def run(g, y, out, first, last):
        values, upper, lower = scratch(out, out.shape[1])
        for row in range(first, last):
            total, error = whole(g[row], y[row], scalar(0.0), values, upper, lower)
            write(g[row], y[row], scalar(corrected(total, error)), out[row])

    return jitable(run)


def over_rows(run: Any) -> tuple[Callable[..., None], Callable[..., None]]:
    """A serial and a parallel ``kernel(a, b, out)``."""

    def serial(a, b, out):
        run(a, b, out, 0, out.shape[0])

    def parallel(a, b, out):
        rows, step = out.shape[0], max(1, GRAIN // out.shape[1])
        for part in prange((rows + step - 1) // step):
            run(a, b, out, part * step, min(rows, part * step + step))

    return serial, parallel


def small_rows(run: Any, inputs: int) -> Callable[..., bool]:
    """``kernel(*inputs, out)`` for small arrays: whether it did the work.

    Like that of `maps`, it refuses arrays that are not small, differ in shape, or overlap other than in place.
    """

    def one(x, out):
        if out.size > SMALL or out.size == 0 or x.shape != out.shape or not apart(x, out):
            return False
        run(x, x, out, 0, out.shape[0])
        return True

    def two(g, y, out):
        if out.size > SMALL or out.size == 0 or g.shape != out.shape or y.shape != out.shape:
            return False
        if not apart(g, out) or not apart(y, out):
            return False
        run(g, y, out, 0, out.shape[0])
        return True

    return (one, two)[inputs - 1]
