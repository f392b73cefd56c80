"""Skeletons that check class labels and add up the weights of their rows, without the ignored and the bad ones."""

from collections.abc import Callable

import numpy as np

from fastloa_kernels.engines.numba_cuda import summation
from fastloa_kernels.engines.numba_cuda.rows import chosen
from fastloa_kernels.engines.numba_cuda.toolchain import THREADS, cuda
from fastloa_kernels.sums import BLOCK


def _smaller(a, b):
    return a if a < b else b


def block_kernel(*, weighted: bool) -> Callable[..., None]:
    """``kernel(rows, classes, ignore_index, sampled, labels, weights, sums, firsts)``.

    `weights` are those of the classes and of the samples; the latter are read where `sampled` is not 0. Each block
    leaves its sum and the first row whose label is out of range, or `rows`.
    """
    (place, tree), width_of, choice = summation.leaf("float64"), summation.width_of, chosen(_smaller)

    def kernel(rows, classes, ignore_index, sampled, labels, weights, sums, firsts):
        high = cuda.shared.array(BLOCK, np.float64)
        low = cuda.shared.array(BLOCK, np.float64)
        seen = cuda.shared.array(THREADS, np.int64)
        start = np.int64(cuda.blockIdx.x) * BLOCK
        count = min(BLOCK, rows - start)
        width, first = width_of(count), rows
        j = cuda.threadIdx.x
        while j < width:
            label = labels[0][start + j] if j < count else ignore_index
            weight = 0.0
            if label != ignore_index:
                if label < 0 or label >= classes:
                    first = min(first, start + j)
                else:
                    weight = np.float64(weights[1][start + j]) if sampled else 1.0
                    if weighted:
                        weight = weight * weights[0][label]
            place(high, low, j, weight)
            j += cuda.blockDim.x
        total, error = tree(high, low, width)
        first = choice(first, seen)
        if cuda.threadIdx.x == 0:
            sums[0][cuda.blockIdx.x] = total
            sums[1][cuda.blockIdx.x] = error
            firsts[0][cuda.blockIdx.x] = first

    return kernel


def first_kernel() -> Callable[..., None]:
    """``kernel(blocks, rows, firsts, results)``: the first bad row of all blocks, or -1."""
    choice = chosen(_smaller)

    def kernel(blocks, rows, firsts, results):
        seen = cuda.shared.array(THREADS, np.int64)
        first = rows
        j = cuda.threadIdx.x
        while j < blocks:
            first = min(first, firsts[0][j])
            j += cuda.blockDim.x
        first = choice(first, seen)
        if cuda.threadIdx.x == 0:
            results[0][0] = first if first < rows else -1

    return kernel
