"""Skeletons for elementwise work: a map of some arrays onto others, and one that sums its first output.

Every loop runs over arrays sliced to its own range (numba does not vectorise an offset index) and loads all inputs
before its first store (or LLVM, fearing aliases, computes twice).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cpu import arrays, summation
from fastloa_kernels.engines.numba_cpu.compilation import jitable, uncounted
from fastloa_kernels.sums import BLOCK

SMALL = 1 << 12  # elements up to which a call's overhead outweighs its work
LINE = 64  # elements in whole cache lines, which threads do not share


def over_elements(formula: Any, count: int, inputs: int, places: tuple[int, ...]) -> Any:
    """``run((leading, arrays, parameters), first, last, room)``.

    The first `inputs` of the `count` arrays are read, those at `places` written.
    """
    load, cut, store, outputs = arrays.LOAD[inputs], arrays.CUT[count], arrays.store(places), len(places)
    as_tuple = arrays.as_tuple(outputs)

    def run(arguments, first, last, room):
        leading, operands, parameters = arguments
        part = cut(operands, first, last)
        for i in range(part[0].size):
            store(part, i, as_tuple(formula(*leading, *load(part, i), *parameters)))

    return jitable(run)


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


def over_blocks(formula: Any, count: int, inputs: int, outputs: int, dtype: str) -> Any:
    """``run((leading, arrays, parameters, high, low), first, last, room)``, from the first element of a block.

    The sums of the first output's blocks, and their errors, go to `high` and `low`, the other outputs to the arrays
    after the first `inputs`.
    """
    load, cut, as_tuple = arrays.LOAD[inputs], arrays.CUT[count], arrays.as_tuple(outputs)
    store = arrays.store(tuple(range(inputs, count)), first=1)
    leaf, split = summation.leaf(dtype), summation.split(dtype)

    def block(leading, operands, parameters, buffer):
        for i in range(operands[0].size):
            values = as_tuple(formula(*leading, *load(operands, i), *parameters))
            buffer[i] = values[0]
            store(operands, i, values)

    block = jitable(block)

    def run(arguments, first, last, room):
        leading, operands, parameters, high, low = arguments
        buffer, upper, lower = split(room)
        for start in range(first, last, BLOCK):
            stop = min(last, start + BLOCK)
            block(leading, cut(operands, start, stop), parameters, buffer[: stop - start])
            place = start // BLOCK
            high[place], low[place] = leaf(buffer, stop - start, upper, lower)

    return jitable(run)
