"""Skeletons for elementwise work: a map of some arrays onto others, and one that sums its first output.

Every loop runs over arrays sliced to its own range (numba does not vectorise an offset index) and loads all inputs
before its first store (or LLVM, fearing aliases, computes twice).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange

from fastloa_kernels.engines.numba_cpu import arrays, summation
from fastloa_kernels.engines.numba_cpu.compilation import jitable, uncounted
from fastloa_kernels.sums import BLOCK

SMALL = 1 << 12  # elements up to which a call's overhead outweighs its work
GRAIN = 8192  # elements a thread takes at a time: 32 kB of float32, so that loop overhead vanishes


def map_kernels(
    formula: Any, count: int, inputs: int, places: tuple[int, ...]
) -> tuple[Callable[..., None], Callable[..., None]]:
    """A serial and a parallel ``kernel(leading, arrays, parameters)``.

    The first `inputs` of the `count` arrays are read, those at `places` written.
    """
    load, cut, store, outputs = arrays.LOAD[inputs], arrays.CUT[count], arrays.store(places), len(places)
    as_tuple = arrays.as_tuple(outputs)

    def run(leading, operands, parameters, first, last):
        part = cut(operands, first, last)
        for i in range(part[0].size):
            store(part, i, as_tuple(formula(*leading, *load(part, i), *parameters)))

    run = jitable(run)

    def serial(leading, operands, parameters):
        run(leading, operands, parameters, 0, operands[0].size)

    def parallel(leading, operands, parameters):
        size = operands[0].size
        for block in prange((size + GRAIN - 1) // GRAIN):
            start = block * GRAIN
            run(leading, operands, parameters, start, min(size, start + GRAIN))

    return serial, parallel


@uncounted
def apart(x, out):
    """Whether two arrays are of one shape, and apart or the same."""
    a, b = x.ctypes.data, out.ctypes.data
    return x.shape == out.shape and (a == b or a + x.nbytes <= b or b + out.nbytes <= a)


def small_kernel(formula: Any, inputs: int, parameters: int, dtype: str) -> Callable[..., bool]:
    """``kernel(*inputs, out, parameters)`` for small arrays: whether it did the work.

    It refuses arrays that are not small or differ in shape, and overlaps other than in place, so that its caller need
    not look.
    """

    narrow = arrays.narrowed(np.dtype(dtype).type, parameters)

    def one(x, out, parameters):
        if out.size > SMALL or not apart(x, out):
            return False
        narrowed = narrow(parameters)
        x, out = x.reshape(x.size), out.reshape(x.size)
        for i in range(out.size):
            out[i] = formula(x[i], *narrowed)
        return True

    def two(x, y, out, parameters):
        if out.size > SMALL or not apart(x, out) or not apart(y, out):
            return False
        narrowed = narrow(parameters)
        x, y, out = x.reshape(x.size), y.reshape(x.size), out.reshape(x.size)
        for i in range(out.size):
            out[i] = formula(x[i], y[i], *narrowed)
        return True

    return (one, two)[inputs - 1]


def sum_kernels(
    formula: Any, count: int, inputs: int, outputs: int, dtype: str
) -> tuple[Callable[..., None], Callable[..., None]]:
    """``serial(leading, arrays, parameters, high, low, room)``, and ``parallel`` without `room`.

    They leave the sums of the first output's blocks, and their errors, in `high` and `low`, and write the other outputs
    to the arrays after the first `inputs`.
    """
    load, cut, as_tuple = arrays.LOAD[inputs], arrays.CUT[count], arrays.as_tuple(outputs)
    store = arrays.store(tuple(range(inputs, count)), first=1)
    leaf, scratch, chunk_size = summation.leaf(dtype), summation.scratch, summation.CHUNK
    split = summation.split(dtype)

    def run(leading, operands, parameters, buffer):
        for i in range(operands[0].size):
            values = as_tuple(formula(*leading, *load(operands, i), *parameters))
            buffer[i] = values[0]
            store(operands, i, values)

    run = jitable(run)

    def chunk(leading, operands, parameters, first, last, high, low, room):
        buffer, upper, lower = room
        for start in range(first, last, BLOCK):
            stop = min(last, start + BLOCK)
            run(leading, cut(operands, start, stop), parameters, buffer[: stop - start])
            block = start // BLOCK
            high[block], low[block] = leaf(buffer, stop - start, upper, lower)

    chunk = jitable(chunk)

    def serial(leading, operands, parameters, high, low, room):
        chunk(leading, operands, parameters, 0, operands[0].size, high, low, split(room))

    def parallel(leading, operands, parameters, high, low):
        size = operands[0].size
        for part in prange((size + chunk_size - 1) // chunk_size):
            first = part * chunk_size
            room = scratch(operands[0], chunk_size)
            chunk(leading, operands, parameters, first, min(size, first + chunk_size), high, low, room)

    return serial, parallel
