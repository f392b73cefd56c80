"""Skeletons for elementwise work: a map of some arrays onto others, and one that sums its first output.

A thread loads all inputs of an element before it stores, so that an output may be an input.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines import spelled
from fastloa_kernels.engines.numba_cuda import summation
from fastloa_kernels.engines.numba_cuda.toolchain import cuda, device
from fastloa_kernels.sums import BLOCK


@device
def _as_they_are(numbers):
    return numbers


def reader(count: int, *, on_device: bool) -> Any:
    """``read(numbers)``: a tuple of `count` numbers, given as such or as arrays of one element."""
    if not on_device:
        return _as_they_are
    load = device(spelled.load(count))

    def read(places):
        return load(places, 0)

    return device(read)


def map_kernel(formula: Any, inputs: int, places: tuple[int, ...], read: Any) -> Callable[..., None]:
    """``kernel(size, leading, operands, parameters, ())``: the first operands are read, those at `places` written."""
    load, store = device(spelled.load(inputs)), device(spelled.store(places))
    as_tuple = device(spelled.as_tuple(len(places)))

    def kernel(size, leading, operands, parameters, sums):
        first = read(leading)
        i = cuda.grid(1)
        while i < size:
            store(operands, i, as_tuple(formula(*first, *load(operands, i), *parameters)))
            i += cuda.gridsize(1)

    return kernel


def block_sum(formula: Any, inputs: int, outputs: int, dtype: str) -> Any:
    """``summed(first, operands, parameters, start, size) -> (sum, error)``: of a block's first outputs, in each thread.

    The other outputs go to the operands after the first `inputs`.
    """
    load, as_tuple = device(spelled.load(inputs)), device(spelled.as_tuple(outputs))
    store = device(spelled.store(tuple(range(inputs, inputs + outputs - 1)), first=1))
    (place, tree), errors, width_of = summation.leaf(dtype), summation.ERRORS[dtype], summation.width_of

    def summed(first, operands, parameters, start, size):
        high = cuda.shared.array(BLOCK, np.float64)
        low = cuda.shared.array(errors, np.float64)
        count = min(BLOCK, size - start)
        width = width_of(count)
        j = cuda.threadIdx.x
        while j < width:
            if j < count:
                values = as_tuple(formula(*first, *load(operands, start + j), *parameters))
                place(high, low, j, np.float64(values[0]))
                store(operands, start + j, values)
            else:
                place(high, low, j, 0.0)
            j += cuda.blockDim.x
        return tree(high, low, width)

    return device(summed)


def sum_kernel(formula: Any, inputs: int, outputs: int, dtype: str, read: Any) -> Callable[..., None]:
    """``kernel(size, leading, operands, parameters, sums)``, with a block of threads for a block of elements.

    The sums of the first output's blocks, and their errors, go to the two arrays of `sums`.
    """
    summed = block_sum(formula, inputs, outputs, dtype)

    def kernel(size, leading, operands, parameters, sums):
        start = np.int64(cuda.blockIdx.x) * BLOCK
        total, error = summed(read(leading), operands, parameters, start, size)
        if cuda.threadIdx.x == 0:
            sums[0][cuda.blockIdx.x] = total
            sums[1][cuda.blockIdx.x] = error

    return kernel
