"""The skeleton of projections for rows of few classes, side by side in a tile as in `narrow`.

The thresholds of a tile's rows move together, until each stands: one that does is not moved again.
"""

from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.narrow import greatest_of, load, store, sums_of
from fastloa_kernels.engines.numba_cpu.rows import HEIGHT
from fastloa_kernels.records import Projection
from fastloa_kernels.sums import BLOCK


def rowwise_value(record: Projection, dtype: str, place: int) -> Any:
    """``run(arrays, first, last, room)`` over the rows of 2-d arrays: from the first to the one at `place`."""
    value, origin_of, least, member, threshold = (
        bind(f, "float64") for f in (record.value, record.origin, record.least, record.member, record.threshold)
    )
    greatest, add_up, scalar = greatest_of(dtype), sums_of("float64"), np.dtype(dtype).type

    def begin(maxima, m, origin, high, low, before, columns):
        for i in range(HEIGHT):
            m[i] = maxima[i]
            origin[i] = origin_of(m[i])
            high[i], low[i] = least(m[i], origin[i])
            before[i] = columns + 1

    def fill(tile, origin, high, low, values, count, columns):
        for i in range(HEIGHT):
            count[i] = 0.0
        for j in range(columns):
            a, b = tile[j * HEIGHT : (j + 1) * HEIGHT], values[j * HEIGHT : (j + 1) * HEIGHT]
            for i in range(HEIGHT):
                b[i], counted = member(np.float64(a[i]), origin[i], high[i], low[i])
                count[i] += counted

    def move(total, error, count, m, high, low, before):
        moved = 0
        for i in range(HEIGHT):
            top, rest = threshold(total[i], error[i], count[i], m[i])
            less = count[i] > 0.0 and count[i] < before[i]
            high[i], low[i] = (top, rest) if less else (high[i], low[i])
            before[i] = count[i] if less else 0.0
            moved += 1 if less else 0
        return moved

    def write(tile, origin, high, low, columns):
        for j in range(columns):
            a = tile[j * HEIGHT : (j + 1) * HEIGHT]
            for i in range(HEIGHT):
                a[i] = scalar(value(np.float64(a[i]), origin[i], high[i], low[i]))

    begin, fill, move, write = jitable(begin), jitable(fill), jitable(move), jitable(write)

    def run(arrays, first, last, room):
        x, out, tile, values = arrays[0], arrays[place], room[:BLOCK].view(scalar), room[2 * BLOCK : 3 * BLOCK]
        total, error, numbers = room[3 * BLOCK : 4 * BLOCK], room[4 * BLOCK : 5 * BLOCK], room[5 * BLOCK : 6 * BLOCK]
        m, origin, high = numbers[:HEIGHT], numbers[HEIGHT : 2 * HEIGHT], numbers[2 * HEIGHT : 3 * HEIGHT]
        low, before = numbers[3 * HEIGHT : 4 * HEIGHT], numbers[4 * HEIGHT : 5 * HEIGHT]
        count, maxima = numbers[5 * HEIGHT : 6 * HEIGHT], numbers[6 * HEIGHT : 7 * HEIGHT].view(scalar)[:HEIGHT]
        columns = x.shape[1]
        for start in range(first, last, HEIGHT):
            stop = min(last, start + HEIGHT)
            load(x, start, stop, tile)
            greatest(tile, maxima, columns)
            begin(maxima, m, origin, high, low, before, columns)
            moved = 1
            while moved > 0:
                fill(tile, origin, high, low, values, count, columns)
                add_up(values, total, error, columns)
                moved = move(total, error, count, m, high, low, before)
            write(tile, origin, high, low, columns)
            store(tile, out, start, stop)

    return run
