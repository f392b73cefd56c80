"""Fills an array with random numbers from [0, 1), two to a block of Philox's."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines import philox
from fastloa_kernels.engines.numba_cuda.toolchain import GRID, THREADS, Kernel, cuda, device, pointers, scalars, types


def fill_kernel(dtype: str) -> Callable[..., None]:
    """``kernel(blocks, size, odd, (seed, stream, block), (out,))``; an `odd` array begins with its block's second."""
    draw, unit = device(philox.block), device(philox.UNIT[dtype])

    def kernel(blocks, size, odd, place, outputs):
        j = cuda.grid(1)
        while j < blocks:
            one, other = draw(place[0], place[1], place[2] + np.uint64(j))
            i = 2 * j - odd
            if i >= 0:
                outputs[0][i] = unit(one)
            if i + 1 < size:
                outputs[0][i + 1] = unit(other)
            j += cuda.gridsize(1)

    return kernel


def signature(dtype: str) -> tuple[Any, ...]:
    """What the kernel takes."""
    return *[types.int64] * 3, scalars("uint64", 3), pointers(dtype, 1)


@functools.cache
def _kernel(dtype: str) -> Kernel:
    return Kernel(fill_kernel(dtype), *signature(dtype))


def fill(out: Any, seed: int, stream: int, start: int) -> None:
    """Fill an array with the numbers of a stream from that one on."""
    block, odd = divmod(start, 2)
    count = (odd + out.size + 1) // 2
    if out.size:
        place = tuple(map(np.uint64, (seed, stream, block)))
        blocks = min(-(-count // THREADS), GRID)
        _kernel(out.dtype.name)(blocks, np.int64(count), np.int64(out.size), np.int64(odd), place, (out,))
