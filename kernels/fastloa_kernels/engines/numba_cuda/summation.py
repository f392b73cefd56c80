"""The fixed-order sum of `fastloa_kernels.sums` by the threads of a block, in shared memory.

Every sum is kept as a pair of float64 arrays, the sums and their errors. For float32 elements float64 has room enough:
the errors are zero, and their array, of one element, is not used.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cuda.toolchain import cuda, device
from fastloa_kernels.sums import BLOCK, LANES

ERRORS = {"float32": 1, "float64": BLOCK}


@device
def width_of(count):
    """The least power of two that `count` fits into."""
    width = 1
    while width < count:
        width *= 2
    return width


@device
def corrected(total, error):
    """A sum and its error as one number; an infinite sum's error is NaN (inf - inf) and must not reach it."""
    both = total + error
    return both if both == both else total


@device
def carried(total, error, high, low):
    """A sum and its error, with another sum and its error added."""
    s = total + high
    t = s - total
    return s, error + (low + ((total - (s - t)) + (high - t)))


@device
def _place(high, low, j, value):
    high[j] = value


@device
def _place_compensated(high, low, j, value):
    high[j] = value
    low[j] = 0.0


@device
def _tree(high, low, width):
    cuda.syncthreads()
    half = width // 2
    while half > 0:
        j = cuda.threadIdx.x
        while j < half:
            high[j] += high[j + half]
            j += cuda.blockDim.x
        cuda.syncthreads()
        half //= 2
    return high[0], 0.0


@device
def _tree_compensated(high, low, width):
    cuda.syncthreads()
    half = width // 2
    while half > 0:
        j = cuda.threadIdx.x
        while j < half:
            high[j], low[j] = carried(high[j], low[j], high[j + half], low[j + half])
            j += cuda.blockDim.x
        cuda.syncthreads()
        half //= 2
    return high[0], low[0]


def leaf(dtype: str) -> tuple[Any, Any]:
    """``place(high, low, j, value)`` and ``tree(high, low, width) -> (sum, error)``, for a block of values.

    All threads get the sum; they must meet once more before the arrays are written again.
    """
    return (_place, _tree) if dtype == "float32" else (_place_compensated, _tree_compensated)


@device
def whole(sums, first, count, high, low):
    """One number from `count` sums of blocks, and their errors, from the first on; the rooms hold `LANES`."""
    width = width_of(min(count, LANES))
    lane = cuda.threadIdx.x
    while lane < width:
        total, error = 0.0, 0.0
        block = lane
        while block < count:
            total, error = carried(total, error, sums[0][first + block], sums[1][first + block])
            block += LANES
        high[lane], low[lane] = total, error
        lane += cuda.blockDim.x
    total, error = _tree_compensated(high, low, width)
    return corrected(total, error)


def finish(dtype: str, read: Any) -> Callable[..., None]:
    """``kernel(count, sums, divisor, results)``: one number of `dtype` from the blocks' sums and errors."""
    scalar = np.dtype(dtype).type

    def kernel(count, sums, divisor, results):
        high = cuda.shared.array(LANES, np.float64)
        low = cuda.shared.array(LANES, np.float64)
        total = whole(sums, 0, count, high, low)
        if cuda.threadIdx.x == 0:
            results[0][0] = scalar(total / read(divisor)[0])

    return kernel
