"""Skeletons for elementwise work: a map of some arrays onto others, and one that sums its first output.

Every loop runs over arrays sliced to its own range (numba does not vectorise an offset index) and loads all inputs
before its first store (or LLVM, fearing aliases, computes twice).
"""

from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cpu import arrays, summation
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.sharing import run_alone
from fastloa_kernels.sums import BLOCK

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


def in_place(inputs: int, place: int, dtype: str) -> Any:
    """``run((kernel, leading, arrays, parameters), first, last, room)``: the map at an address, block by block.

    The result of a block goes to the room and then to the input at `place`. So one kernel of a map serves both: one
    whose loop may write to what it reads is either compiled for that, or not vectorised.
    """
    cut, scalar, joined = arrays.CUT[inputs], np.dtype(dtype).type, arrays.JOINED[inputs]

    def run(arguments, first, last, room):
        kernel, leading, operands, parameters = arguments
        results = room.view(scalar)
        for start in range(first, last, BLOCK):
            part = cut(operands, start, min(last, start + BLOCK))
            target = part[place]
            block = results[: target.size]
            run_alone(kernel, target.size, (leading, joined(part, block), parameters), room)
            for i in range(target.size):
                target[i] = block[i]

    return jitable(run)


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
