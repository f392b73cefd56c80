"""Skeletons of projections: a row is read for its maximum, then for the sum of what is above a threshold, until that
stands, and written.

All is float64: a float32 row's elements are widened where they are read, and a result is rounded where it is written.
"""

import functools
from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cpu import summation
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.kinds import NUMBER, array
from fastloa_kernels.engines.numba_cpu.outlining import outlined
from fastloa_kernels.engines.numba_cpu.rows import maximum, views_of
from fastloa_kernels.engines.numba_cpu.summation import added, corrected
from fastloa_kernels.records import Projection, ProjectionLoss
from fastloa_kernels.sums import BLOCK


@functools.cache
def level(record: Projection, dtype: str) -> Any:
    """``read(x, values, upper, lower) -> ((origin, high, low), count)`` of a row."""
    greatest, leaf = maximum(dtype), summation.leaf("float64")
    origin_of, least, member, threshold = (
        bind(formula, "float64") for formula in (record.origin, record.least, record.member, record.threshold)
    )

    def fill(x, origin, high, low, values):
        count = 0
        for i in range(x.size):
            values[i], counted = member(np.float64(x[i]), origin, high, low)
            count += 1 if counted != 0.0 else 0
        return count

    fill = jitable(fill)

    def read(x, values, upper, lower):
        m = np.float64(greatest(x))
        origin = origin_of(m)
        high, low = least(m, origin)
        before = x.size + 1
        while True:
            total, error, count = 0.0, 0.0, 0
            for start in range(0, x.size, BLOCK):
                part = x[start : min(x.size, start + BLOCK)]
                some = fill(part, origin, high, low, values)
                if some > 0:  # zeros change no sum
                    s, e = leaf(values, part.size, upper, lower)
                    total, error = added(total, error, s, e)
                    count += some
            if not 0 < count < before:
                return (origin, high, low), np.float64(before)
            high, low = threshold(total, error, np.float64(count), m)
            before = count

    wide = array(NUMBER["float64"], written=True)
    return outlined(read, (array(NUMBER[dtype]), wide, wide, wide))


def rowwise_value(record: Projection, dtype: str, place: int) -> Any:
    """``run(arrays, first, last, room)`` over the rows of 2-d arrays: from the first to the one at `place`."""
    value, read, scalar = bind(record.value, "float64"), level(record, dtype), np.dtype(dtype).type
    rows, split = views_of(1, place), summation.split("float64")

    def write(rows, numbers):
        origin, high, low = numbers
        for i in range(rows[0].size):
            rows[place][i] = scalar(value(np.float64(rows[0][i]), origin, high, low))

    write = jitable(write)

    def run(arrays, first, last, room):
        values, upper, lower = split(room)
        for row in range(first, last):
            both = rows(arrays, row)
            numbers, _ = read(both[0], values, upper, lower)
            write(both, numbers)

    return run


def rowwise_backward_from_output(record: Projection, dtype: str, place: int) -> Any:
    """``run(arrays, first, last, room)`` over the rows of 2-d arrays: from the first two to the one at `place`."""
    summand, mean_of, backward = (bind(f, "float64") for f in (record.summand, record.mean, record.backward))
    rows, split, scalar = views_of(2, place), summation.split("float64"), np.dtype(dtype).type
    leaf = summation.outlined_leaf("float64")

    def fill(g, y, values):
        count = 0
        for i in range(g.size):
            values[i], counted = summand(np.float64(g[i]), np.float64(y[i]))
            count += 1 if counted != 0.0 else 0
        return count

    def write(rows, mean):
        for i in range(rows[0].size):
            rows[place][i] = scalar(backward(np.float64(rows[0][i]), np.float64(rows[1][i]), mean))

    fill, write = jitable(fill), jitable(write)

    def run(arrays, first, last, room):
        values, upper, lower = split(room)
        for row in range(first, last):
            all_three = rows(arrays, row)
            g, y = all_three[0], all_three[1]
            total, error, count = 0.0, 0.0, 0
            for start in range(0, g.size, BLOCK):
                stop = min(g.size, start + BLOCK)
                count += fill(g[start:stop], y[start:stop], values)
                s, e = leaf(values, stop - start, upper, lower)
                total, error = added(total, error, s, e)
            write(all_three, mean_of(corrected(total, error), np.float64(count)))

    return run


def loss_rows(record: ProjectionLoss, dtype: str, *, labels: bool) -> Any:
    """``run`` over the same arguments as `row_losses.rows_of`; there are no class weights and no smoothed labels."""
    loss_of, derivative, second = (bind(f, "float64") for f in (record.value, record.derivative, record.second))
    read, split, scalar = level(record.projection, dtype), summation.split("float64"), np.dtype(dtype).type
    leaf = summation.outlined_leaf("float64")

    @jitable
    def share(target, i):
        return (1.0 if i == target else 0.0) if labels else np.float64(target[i])

    def fill(x, target, numbers, start, stop, values):
        origin, high, low = numbers
        for i in range(start, stop):
            values[i - start] = loss_of(np.float64(x[i]), share(target, i), origin, high, low)

    def gradient(x, target, numbers, scale, dx):
        origin, high, low = numbers
        for i in range(dx.size):
            dx[i] = scalar(scale * derivative(np.float64(x[i]), share(target, i), origin, high, low))

    def hessian(x, count, numbers, scale, h):
        origin, high, low = numbers
        for i in range(h.size):
            h[i] = scalar(scale * second(np.float64(x[i]), count, origin, high, low))

    def clear(row):
        for i in range(row.size):
            row[i] = scalar(0.0)

    fill, gradient, hessian, clear = jitable(fill), jitable(gradient), jitable(hessian), jitable(clear)

    def loss_sum(x, target, numbers, values, upper, lower):
        total, error = 0.0, 0.0
        for start in range(0, x.size, BLOCK):
            stop = min(x.size, start + BLOCK)
            fill(x, target, numbers, start, stop, values)
            s, e = leaf(values, stop - start, upper, lower)
            total, error = added(total, error, s, e)
        return corrected(total, error)

    loss_sum = jitable(loss_sum)

    def run(arguments, first, last, room):
        x, targets, _, sample_weight, options, out, dx, h = arguments
        value, grad, hess = out.size > 0, dx.size > 0, h.size > 0
        values, upper, lower = split(room)
        for row in range(first, last):
            target = targets[row]
            if labels and target == options[0]:
                if value:
                    out[row] = 0.0
                if grad:
                    clear(dx[row])
                if hess:
                    clear(h[row])
                continue
            scale = np.float64(sample_weight[row]) if sample_weight.size else 1.0
            numbers, count = read(x[row], values, upper, lower)
            if value:
                out[row] = scale * loss_sum(x[row], target, numbers, values, upper, lower)
            if hess:
                hessian(x[row], count, numbers, scale / options[4], h[row])
            if grad:
                gradient(x[row], target, numbers, scale / options[4], dx[row])

    return run
