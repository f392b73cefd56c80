"""Skeletons for elementwise work: a loop over elements, by its address, on parts of arrays or block by block.

None of them knows the formula, so that each is compiled once for so many arrays of a dtype. `numbers` is the address of
the loop's scalars.
"""

from typing import Any

import numpy as np

from fastloa_kernels.engines import spelled
from fastloa_kernels.engines.numba_cpu import summation
from fastloa_kernels.engines.numba_cpu.calling import call_loop, call_loop_at
from fastloa_kernels.engines.numba_cpu.compilation import jitable, uncounted
from fastloa_kernels.sums import BLOCK

LINE = 64  # elements in whole cache lines, which threads do not share
STEP = 16 * LINE  # elements of some arrays that the fastest cache holds


def cut_of(count: int) -> Any:
    return jitable(spelled.cut(count))


def over_parts(count: int) -> Any:
    """``run((loop, numbers, arrays), first, last, room)``: the loop on that part of `count` arrays."""
    cut = cut_of(count)

    def run(arguments, first, last, room):
        loop, numbers, operands = arguments
        call_loop(loop, numbers, cut(operands, first, last))

    return jitable(run)


@uncounted
def found(starts, i):
    """The last place of a number that is not above i, in numbers in order, of which the first is not."""
    low, high = 0, starts.size
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= i:
            low = middle
        else:
            high = middle
    return low


def over_arrays(count: int, dtype: str) -> Any:
    """``run((loop, numbers, step, places, starts), first, last, room)``: the loop on several times `count` arrays.

    Row k of `places` holds the addresses of all the arrays that are the loop's array k. They are counted through:
    array j has the elements from ``starts[j]``, and its numbers `step` bytes after those of the one before.
    """
    scalar, load = np.dtype(dtype).type, jitable(spelled.load(count))

    def run(arguments, first, last, room):
        loop, numbers, step, places, starts = arguments
        j = found(starts, first)
        while first < last:
            stop = min(last, starts[j + 1])
            if stop > first:
                call_loop_at(loop, numbers + j * step, load(places, j), first - starts[j], stop - first, scalar)
                first = stop
            j += 1

    return jitable(run)


@uncounted
def block_of(firsts, sizes, block, j):
    """The array in which a block lies, which is not before array j, where it starts there, and its length."""
    while firsts[j + 1] <= block:
        j += 1
    start = (block - firsts[j]) * BLOCK
    return j, start, min(BLOCK, sizes[j] - start)


def summed_over_arrays(inputs: int, dtype: str) -> Any:
    """``run((loop, numbers, places, sizes, firsts, high, low), first, last, room)``: likewise, and the results summed.

    The blocks of all arrays are counted through, array j's from ``firsts[j]``; their sums, and the errors, go to `high`
    and `low`.
    """
    scalar, item = np.dtype(dtype).type, np.dtype(dtype).itemsize
    leaf, split, load = summation.leaf(dtype), summation.split(dtype), jitable(spelled.load(inputs))

    def run(arguments, first, last, room):
        loop, numbers, places, sizes, firsts, high, low = arguments
        values, upper, lower = split(room)
        j = found(firsts, first)
        for block in range(first, last):
            j, start, count = block_of(firsts, sizes, block, j)
            target = np.int64(values.ctypes.data) - start * item
            call_loop_at(loop, numbers, load(places, j) + (target,), start, count, scalar)  # noqa: RUF005
            high[block], low[block] = leaf(values, count, upper, lower)

    return jitable(run)


@uncounted
def _scale(block, weight):
    for i in range(weight.size):
        block[i] *= weight[i]


def _scaled(count: int) -> Any:
    """``scaled(blocks, (weight,))``: `count` blocks times the weight."""
    return jitable(spelled.each(tuple((i, 0) for i in range(count)), _scale))


def weighted(inputs: int, outputs: int) -> Any:
    """``run((loop, numbers, weight, inputs, outputs), first, last, room)``: the loop's results times the weight.

    The outputs of a block are multiplied while they are in the cache, and no loop need be compiled for weights.
    """
    cut, cut_outputs, scaled = cut_of(inputs), cut_of(outputs), _scaled(outputs)

    def run(arguments, first, last, room):
        loop, numbers, weight, operands, results = arguments
        for start in range(first, last, STEP):
            stop = min(last, start + STEP)
            targets = cut_outputs(results, start, stop)
            call_loop(loop, numbers, cut(operands, start, stop) + targets)
            scaled(targets, (weight[start:stop],))

    return jitable(run)


def summed(inputs: int, outputs: int, dtype: str, *, weighted: bool) -> Any:
    """``run((loop, numbers, weight, inputs, outputs, high, low), first, last, room)``, from a block's first element.

    The sums of the blocks of the loop's first result, and their errors, go to `high` and `low`, its other results to
    the `outputs`.
    """
    cut, cut_outputs = cut_of(inputs), cut_of(outputs)
    leaf, split = summation.leaf(dtype), summation.split(dtype)
    scaled = _scaled((1 + outputs) * weighted)

    def run(arguments, first, last, room):
        loop, numbers, weight, operands, results, high, low = arguments
        values, upper, lower = split(room)
        for start in range(first, last, BLOCK):
            stop = min(last, start + BLOCK)
            targets = (values[: stop - start],) + cut_outputs(results, start, stop)  # noqa: RUF005  (numba knows no star)
            call_loop(loop, numbers, cut(operands, start, stop) + targets)
            scaled(targets, (weight[start:stop],))
            place = start // BLOCK
            high[place], low[place] = leaf(values, stop - start, upper, lower)

    return jitable(run)


@uncounted
def _copy(target, block):
    for i in range(target.size):
        target[i] = block[i]


def through_blocks(inputs: int, results: int, dtype: str, *, weighted: bool, first_summed: bool) -> Any:
    """As `summed`, or `weighted`, for outputs that are inputs: a block's results, four at most, go through the room.

    A loop that writes to what it reads is either compiled for that, or not vectorised.
    """
    cut, cut_outputs = cut_of(inputs), cut_of(results - first_summed)
    leaf, scalar = summation.leaf(dtype), np.dtype(dtype).type
    rooms, scaled = jitable(spelled.rooms(results, BLOCK, scalar), inline="always"), _scaled(results * weighted)
    copied = jitable(spelled.each(tuple((i - first_summed, i) for i in range(first_summed, results)), _copy))

    def run(arguments, first, last, room):
        loop, numbers, weight, operands, outputs, high, low = arguments
        upper, lower, values = room[:BLOCK], room[BLOCK : 2 * BLOCK], room[2 * BLOCK : 3 * BLOCK].view(scalar)
        for start in range(first, last, BLOCK):
            stop = min(last, start + BLOCK)
            blocks = rooms(room[2 * BLOCK :], stop - start)
            call_loop(loop, numbers, cut(operands, start, stop) + blocks)
            scaled(blocks, (weight[start:stop],))
            copied(cut_outputs(outputs, start, stop), blocks)
            if first_summed:
                place = start // BLOCK
                high[place], low[place] = leaf(values, stop - start, upper, lower)

    return jitable(run)
