"""Skeletons for rows of few classes: rows lie side by side in a tile, so that every loop runs over rows, not classes.

A tile holds the classes of its rows one after the other, each class for all rows. A row's bits are those of `rows`:
the tree that adds it up is cut into the same pairs, for all rows of the tile at once.
"""

import functools
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import jitable, uncounted
from fastloa_kernels.engines.numba_cpu.kinds import array
from fastloa_kernels.engines.numba_cpu.outlining import outlined
from fastloa_kernels.engines.numba_cpu.rows import CLOSE, HEIGHT, ordering
from fastloa_kernels.engines.numba_cpu.summation import added, compensated_tree, corrected
from fastloa_kernels.formulas import rowwise
from fastloa_kernels.records import Rowwise
from fastloa_kernels.sums import BLOCK

ROOM = 6 * BLOCK  # three tiles, the sums and their errors, and numbers for each row
ROOMS = array(types.float64, written=True)  # what lies in it goes to a function as one argument: few are soon passed


def split(dtype: str) -> Any:
    """``tiles, sums, numbers = cut(room)`` of an array of ROOM float64 numbers, each of them two arrays or more."""
    scalar = np.dtype(dtype).type

    def cut(room):
        third = room[2 * BLOCK : 3 * BLOCK].view(scalar)
        tiles = room[:BLOCK].view(scalar), room[BLOCK : 2 * BLOCK].view(scalar), third
        sums, first = (room[3 * BLOCK : 4 * BLOCK], room[4 * BLOCK : 5 * BLOCK]), 5 * BLOCK
        maxima = room[first : first + HEIGHT].view(scalar)[:HEIGHT]
        rest = room[first + HEIGHT : first + 2 * HEIGHT].view(scalar)[:HEIGHT]
        return tiles, sums, (maxima, rest, room[first + 2 * HEIGHT : first + 3 * HEIGHT])

    return jitable(cut, inline="always")  # a function that numba calls could not return views


@uncounted
def load(x, first, last, tile):
    """Rows of `x`, and zeros where there are none."""
    columns = x.shape[1]
    if last - first < HEIGHT:
        for i in range(tile.size):
            tile[i] = 0.0
    for row in range(first, last):
        source = x[row]
        for j in range(columns):
            tile[j * HEIGHT + row - first] = source[j]


@uncounted
def store(tile, out, first, last):
    """Rows of `out`."""
    columns = out.shape[1]
    for row in range(first, last):
        target = out[row]
        for j in range(columns):
            target[j] = tile[j * HEIGHT + row - first]


@uncounted
def _width(columns):
    width = 1
    while width < columns:
        width *= 2
    return width * HEIGHT


@uncounted
def _plain_tree(values, high, low, columns):
    count, size = columns * HEIGHT, _width(columns)
    for i in range(count, max(size, 2 * HEIGHT)):
        values[i] = 0.0
    size = max(size, 2 * HEIGHT) // 2
    a, b, c = values[:size], values[size : 2 * size], high[:size]
    for i in range(a.size):
        c[i] = np.float64(a[i]) + np.float64(b[i])
    while size > HEIGHT:
        size //= 2
        c, d = high[:size], high[size : 2 * size]
        for i in range(c.size):
            c[i] += d[i]
    for i in range(HEIGHT):
        low[i] = 0.0


@uncounted
def _compensated_tree(values, high, low, columns):
    count, size = columns * HEIGHT, _width(columns)
    for i in range(count):
        high[i] = values[i]
    for i in range(count, size):
        high[i] = 0.0
    for i in range(size):
        low[i] = 0.0
    compensated_tree(high, low, size, HEIGHT)


def sums_of(dtype: str) -> Any:
    """``sums(values, high, low, columns)`` leaves the rows' sums and errors in ``high[:HEIGHT]``, ``low[:HEIGHT]``.

    There must be room for as many columns as the next power of two, and for two.
    """
    tree = _plain_tree if dtype == "float32" else _compensated_tree

    def sums(values, high, low, columns):
        tree(values, high, low, columns)
        for i in range(HEIGHT):
            high[i], low[i] = added(0.0, 0.0, high[i], low[i])

    return jitable(sums)


@functools.cache
def _added_up(dtype: str) -> Any:
    """``add_up(room, columns)``: the `sums_of` the third tile, which kernels do not hold."""
    sums, cut = sums_of(dtype), split(dtype)

    def add_up(room, columns):
        tiles, (high, low), _ = cut(room)
        sums(tiles[2], high, low, columns)

    return outlined(add_up, (ROOMS, types.int64))


def greatest_of(dtype: str) -> Any:
    """``greatest(tile, maxima, columns)``: the greatest element of each row, or NaN."""
    integer, least, flip = ordering(dtype)

    def greatest(x, maxima, columns):
        keys = maxima.view(integer)
        for i in range(HEIGHT):
            keys[i] = least
        for j in range(columns):
            column = x[j * HEIGHT : (j + 1) * HEIGHT].view(integer)
            for i in range(HEIGHT):
                key = flip(column[i])
                keys[i] = key if key > keys[i] else keys[i]
        for i in range(HEIGHT):
            keys[i] = flip(keys[i])

    return jitable(greatest)


@functools.cache
def statistics(dtype: str, *, in_place: bool) -> Any:
    """``read(room, columns)`` leaves exp(x - m) of the first tile x in the second, or in place.

    The numbers in the room take the rows' m, their rest in the dtype, and that in float64.
    """
    exponential, other = bind(rowwise.exponential, dtype), bind(rowwise.other, dtype)
    rest_of, scalar, narrow = bind(rowwise.rest, "float64"), np.dtype(dtype).type, dtype == "float32"
    greatest, add_up, cut = greatest_of(dtype), sums_of(dtype), split(dtype)

    def exponentials(x, e, maxima, columns):
        for j in range(columns):
            a, b = x[j * HEIGHT : (j + 1) * HEIGHT], e[j * HEIGHT : (j + 1) * HEIGHT]
            for i in range(HEIGHT):
                b[i] = exponential(a[i], maxima[i])

    def in_their_place(x, maxima, columns):  # as one array, or LLVM, fearing an overlap, would not vectorise
        for j in range(columns):
            a = x[j * HEIGHT : (j + 1) * HEIGHT]
            for i in range(HEIGHT):
                a[i] = exponential(a[i], maxima[i])

    exponentials, in_their_place = jitable(exponentials), jitable(in_their_place)

    def without_largest(e, others, high, low, columns, excess):
        for i in range(columns * HEIGHT):
            others[i] = other(e[i])
        add_up(others, high, low, columns)
        for i in range(HEIGHT):
            if excess[i] < CLOSE:
                excess[i] = high[i] + low[i]

    without_largest = jitable(without_largest)

    def read(room, columns):
        (x, second, spare), (high, low), (maxima, rest, wide) = cut(room)
        e = x if in_place else second
        greatest(x, maxima, columns)
        if in_place:
            in_their_place(x, maxima, columns)
        else:
            exponentials(x, e, maxima, columns)
        add_up(e, high, low, columns)
        near = False
        for i in range(HEIGHT):
            wide[i] = (high[i] - 1.0) + low[i]
            near |= wide[i] < CLOSE
        if narrow and near:
            without_largest(e, spare, high, low, columns, wide)
        for i in range(HEIGHT):
            wide[i] = rest_of(wide[i], np.float64(maxima[i]))
            rest[i] = scalar(wide[i])

    return outlined(read, (ROOMS, types.int64))


def rowwise_value(record: Rowwise, dtype: str, place: int) -> Any:
    """``run(arrays, first, last, room)`` over the rows of 2-d arrays: from the first to the one at `place`."""
    value, distance = bind(record.value, dtype), bind(rowwise.distance, dtype)
    stored, cut = record.of_exponential, split(dtype)
    read = statistics(dtype, in_place=stored)

    def write(tile, maxima, rest, columns):
        for j in range(columns):
            column = tile[j * HEIGHT : (j + 1) * HEIGHT]
            for i in range(HEIGHT):
                column[i] = value(column[i] if stored else distance(column[i], maxima[i]), rest[i])

    write, scored, score = jitable(write), record.score is not None, bind(record.score or rowwise.same, dtype)

    def in_scores(tile):
        for i in range(tile.size):
            tile[i] = score(tile[i])

    in_scores = jitable(in_scores)

    def run(arrays, first, last, room):
        tiles, _, numbers = cut(room)
        x, out, tile = arrays[0], arrays[place], tiles[0]
        columns = x.shape[1]
        for start in range(first, last, HEIGHT):
            stop = min(last, start + HEIGHT)
            load(x, start, stop, tile)
            if scored:
                in_scores(tile[: columns * HEIGHT])
            read(room, columns)
            write(tile, numbers[0], numbers[1], columns)
            store(tile, out, start, stop)

    return run


def rowwise_backward_from_output(record: Rowwise, dtype: str, place: int) -> Any:
    """``run(arrays, first, last, room)`` over the rows of 2-d arrays: from the first two to the one at `place`."""
    summand, backward = bind(record.summand, dtype), bind(record.backward, dtype)
    add_up, cut, scalar = _added_up(dtype), split(dtype), np.dtype(dtype).type

    def terms(g, y, out):
        for i in range(out.size):
            out[i] = summand(g[i], y[i])

    def write(g, y, totals, columns):
        for j in range(columns):
            a, b = g[j * HEIGHT : (j + 1) * HEIGHT], y[j * HEIGHT : (j + 1) * HEIGHT]
            for i in range(HEIGHT):
                a[i] = backward(a[i], b[i], totals[i])

    terms, write = jitable(terms), jitable(write)

    def run(arrays, first, last, room):
        tiles, (high, low), numbers = cut(room)
        out, (g, y, products), totals = arrays[place], tiles, numbers[1]
        columns = out.shape[1]
        size = columns * HEIGHT
        for start in range(first, last, HEIGHT):
            stop = min(last, start + HEIGHT)
            load(arrays[0], start, stop, g)
            load(arrays[1], start, stop, y)
            terms(g[:size], y[:size], products[:size])
            add_up(room, columns)
            for i in range(HEIGHT):
                totals[i] = scalar(corrected(high[i], low[i]))
            write(g, y, totals, columns)
            store(g, out, start, stop)

    return run
