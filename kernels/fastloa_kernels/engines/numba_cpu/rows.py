"""Skeletons for rows: a row is read for its maximum, read again for its sum, and written while it is in the cache.

A row's bits depend on nothing but the row: it is summed in the blocks and trees of `fastloa_kernels.sums`.
"""

import functools
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels.engines.numba_cpu import summation
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import jitable, uncounted
from fastloa_kernels.engines.numba_cpu.kinds import NUMBER, array
from fastloa_kernels.engines.numba_cpu.outlining import outlined
from fastloa_kernels.engines.numba_cpu.summation import added, corrected
from fastloa_kernels.formulas import rowwise
from fastloa_kernels.records import Rowwise
from fastloa_kernels.sums import BLOCK

HEIGHT = 64  # rows that `narrow` takes side by side
NARROW = BLOCK // HEIGHT  # classes up to which it does: so many rows of them fit into a block
SOME = 8  # rows from which that is worth it
CLOSE = 2.0**-20  # below this a sum minus 1 is taken again without the 1, or float64 would leave too few digits

_INTEGERS: dict[str, tuple[Any, int]] = {"float32": (np.int32, 31), "float64": (np.int64, 63)}


def ordering(dtype: str) -> tuple[Any, Any, Any]:
    """The integer of a float's size, its least, and ``flip``: of floats' bits, integers that order like the floats.

    So a maximum is vectorised: LLVM does it for integers only. NaN is the greatest; twice `flip` changes nothing.
    """
    integer, shift = _INTEGERS[dtype]
    places, magnitude = integer(shift), integer(np.iinfo(integer).max)

    def flip(bits):
        return integer(bits ^ integer(integer(bits >> places) & magnitude))

    return integer, integer(np.iinfo(integer).min), jitable(flip)


def maximum(dtype: str) -> Any:
    """``greatest(x)``: the greatest element, or NaN."""
    (integer, least, flip), scalar = ordering(dtype), np.dtype(dtype).type

    def greatest(x):
        bits = x.view(integer)
        m = least
        for i in range(bits.size):
            key = flip(bits[i])
            m = key if key > m else m
        return integer(flip(m)).view(scalar)

    return jitable(greatest)


def row_sum(dtype: str, term: Any) -> Any:
    """``whole(a, b, extra, values, upper, lower) -> (sum, error)`` of term(a[i], b[i], extra) over a row."""

    def fill(a, b, extra, values):
        for i in range(a.size):
            values[i] = term(a[i], b[i], extra)

    return _filled_sum(dtype, jitable(fill))


def _filled_sum(dtype: str, fill: Any) -> Any:
    """The same of what ``fill(a, b, extra, values)`` leaves in `values`, a block at a time."""
    leaf = summation.outlined_leaf(dtype)

    def whole(a, b, extra, values, upper, lower):
        total, error = 0.0, 0.0
        for start in range(0, a.size, BLOCK):
            stop = min(a.size, start + BLOCK)
            fill(a[start:stop], b[start:stop], extra, values[: stop - start])
            high, low = leaf(values, stop - start, upper, lower)
            total, error = added(total, error, high, low)
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
            total, error = added(total, error, high, low)
        return total, error

    return jitable(whole)


@functools.cache
def _exponentials(dtype: str) -> Any:
    """``fill(x, m, out)``: exp(x - m); by itself, or LLVM would load its constants anew for each vector."""
    fill, number = _filled(dtype, 1), NUMBER[dtype]

    def run(x, m, out):
        fill((x, out), m)

    return outlined(run, (array(number), number, array(number, written=True)))


def _filled(dtype: str, place: int) -> Any:
    """``fill(rows, m)``: exp(x - m) of the first row, left in the one at `place`."""
    exponential, near_exponential = bind(rowwise.exponential, dtype), bind(rowwise.near_exponential, dtype)
    floor, scalar = bind(rowwise.floor, dtype), np.dtype(dtype).type
    most = scalar(rowwise.NEAR)

    def fill(rows, m):
        if abs(m) < most:
            least = floor(m)
            for i in range(rows[0].size):
                rows[place][i] = near_exponential(rows[0][i], m, least)
        else:
            for i in range(rows[0].size):
                rows[place][i] = exponential(rows[0][i], m)

    return jitable(fill)


@functools.cache
def statistics(dtype: str, *, stored: bool, place: int = 1) -> Any:
    """``read(rows, values, upper, lower) -> (m, rest)``: the maximum m of ``rows[0]`` and sum(exp(x - m)) - 1.

    With `stored`, exp(x - m) is left in ``rows[place]``; else there is the one row.
    """
    place = place if stored else 0
    greatest, fill = maximum(dtype), _filled(dtype, place)
    other, rest = bind(rowwise.other, dtype), bind(rowwise.rest, "float64")
    narrow = dtype == "float32"
    stored_total, exponentials_of = _stored_sum(dtype), _exponentials(dtype)

    def terms(x, e, extra, values):
        m, without_largest = extra
        if not stored:
            exponentials_of(x, m, values)
        for i in range(values.size):
            v = e[i] if stored else values[i]
            values[i] = other(v) if without_largest else v

    total_of = _filled_sum(dtype, jitable(terms))

    def read(rows, values, upper, lower):
        x, e = rows[0], rows[place]
        m = greatest(x)
        if stored:
            fill(rows, m)
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

    number, wide = (array(NUMBER[name], written=True) for name in (dtype, "float64"))
    given = types.Tuple([array(NUMBER[dtype], written=stored and i == place) for i in range(place + 1)])
    return outlined(read, (given, number, wide, wide))


@uncounted
def _row1(arrays, row):
    return (arrays[0][row],)


@uncounted
def _row2(arrays, row):
    return arrays[0][row], arrays[1][row]


@uncounted
def _row3(arrays, row):
    return arrays[0][row], arrays[1][row], arrays[2][row]


def views_of(inputs: int, place: int) -> Any:
    return (_row1, _row2, _row3)[max(inputs - 1, place)]


@uncounted
def _as_it_is(rows):
    return rows


@uncounted
def _alone(rows):
    return (rows[0],)


def rows_read(*, stored: bool) -> Any:
    """``of(rows)``: those of a row and its result that `statistics` takes."""
    return _as_it_is if stored else _alone


def _row_of_scores(record: Rowwise, dtype: str, place: int) -> Any:
    """``scores(rows)``: the rows as they are, or where the record has a score, the row at `place`, filled with it."""
    if record.score is None:
        return _as_it_is
    score = bind(record.score, dtype)

    def fill(rows):
        for i in range(rows[0].size):
            rows[place][i] = score(rows[0][i])

    fill = jitable(fill)

    def scores(rows):
        fill(rows)
        return (rows[place],)

    return jitable(scores)


def rowwise_value(record: Rowwise, dtype: str, place: int) -> Any:
    """``run(arrays, first, last, room)`` over the rows of 2-d arrays: from the first to the one at `place`.

    An array that is read and written stands there once, or LLVM, fearing an overlap, would not vectorise.
    """
    value, distance = bind(record.value, dtype), bind(rowwise.distance, dtype)
    stored, scalar = record.of_exponential, np.dtype(dtype).type
    rows_of, split, scores = views_of(1, place), summation.split(dtype), _row_of_scores(record, dtype, place)
    place = place if record.score is None else 0
    read, of = statistics(dtype, stored=stored, place=place), rows_read(stored=stored)

    def from_score(rows, m, rest):
        for i in range(rows[0].size):
            rows[place][i] = value(distance(rows[0][i], m), rest)

    def from_exponential(e, rest):
        for i in range(e.size):
            e[i] = value(e[i], rest)

    from_score, from_exponential = jitable(from_score), jitable(from_exponential)

    def run(arrays, first, last, room):
        values, upper, lower = split(room)
        for row in range(first, last):
            rows = scores(rows_of(arrays, row))
            m, rest = read(of(rows), values, upper, lower)
            if stored:
                from_exponential(rows[place], scalar(rest))
            else:
                from_score(rows, m, scalar(rest))

    return run


def rowwise_backward_from_output(record: Rowwise, dtype: str, place: int) -> Any:
    """``run(arrays, first, last, room)`` over the rows of 2-d arrays: from the first two to the one at `place`."""
    summand, backward = bind(record.summand, dtype), bind(record.backward, dtype)
    scalar, rows_of, split = np.dtype(dtype).type, views_of(2, place), summation.split(dtype)

    def term(g, y, extra):
        return summand(g, y)

    whole = row_sum(dtype, jitable(term))

    def write(rows, total):
        for i in range(rows[0].size):
            rows[place][i] = backward(rows[0][i], rows[1][i], total)

    taken = [array(NUMBER[dtype], written=i == place) for i in range(max(2, place + 1))]
    write = outlined(write, (types.Tuple(taken), NUMBER[dtype]))

    def run(arrays, first, last, room):
        values, upper, lower = split(room)
        for row in range(first, last):
            rows = rows_of(arrays, row)
            total, error = whole(rows[0], rows[1], scalar(0.0), values, upper, lower)
            write(rows, scalar(corrected(total, error)))

    return run


def tiled(shape: tuple[int, ...]) -> bool:
    """Whether rows are computed side by side: where they are narrow, and more than a few."""
    return shape[1] <= NARROW and shape[0] >= SOME
