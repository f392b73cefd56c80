"""Fills an array with random numbers from [0, 1), two to a block of Philox's."""

import functools
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels.engines import philox
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.kinds import NUMBER, array
from fastloa_kernels.engines.numba_cpu.launching import Kernel
from fastloa_kernels.engines.numba_cpu.maps import LINE


def _run(dtype: str) -> Any:
    """``run((out, seed, stream, block, odd), first, last, room)``: an `odd` array begins with its block's second."""
    # Not inlined, or with indices that might be negative, they are not vectorised.
    draw, unit = (jitable(part, forceinline=True) for part in (philox.block, philox.UNIT[dtype]))

    def run(arguments, first, last, room):
        out, seed, stream, block, odd = arguments
        whole = (odd + out.size) // 2  # blocks that end within the array
        if first < odd:
            out[0] = unit(draw(seed, stream, block)[1])
        start, stop = max(first, odd), min(last, whole)
        body, number = out[2 * start - odd :], block + np.uint64(start)
        for j in range(stop - start):
            one, other = draw(seed, stream, number + np.uint64(j))
            body[2 * j] = unit(one)
            body[2 * j + 1] = unit(other)
        if whole < last:
            out[out.size - 1] = unit(draw(seed, stream, block + np.uint64(whole))[0])

    return jitable(run)


@functools.cache
def _kernel(dtype: str) -> Kernel:
    arguments = [array(NUMBER[dtype], written=True), *[types.uint64] * 3, types.int64]
    return Kernel(_run(dtype), types.Tuple(arguments), unit=LINE)


def fill(out: Any, seed: int, stream: int, start: int) -> None:
    """Fill an array with the numbers of a stream from that one on."""
    block, odd = divmod(start, 2)
    arguments = out.reshape(-1), seed, stream, block, odd
    if out.size:
        _kernel(out.dtype.name)(out.size, (odd + out.size + 1) // 2, arguments)
