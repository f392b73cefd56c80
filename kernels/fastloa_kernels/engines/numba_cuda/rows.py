"""Skeletons for rows: a block of threads reads a row for its maximum, again for its sum, and once more to write it.

exp(x - m) is computed again rather than stored, so that the output may be the input. A row is summed in the blocks and
trees of `fastloa_kernels.sums`, as on the CPU; all threads know its sum.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cuda import summation
from fastloa_kernels.engines.numba_cuda.binding import bind
from fastloa_kernels.engines.numba_cuda.summation import corrected
from fastloa_kernels.engines.numba_cuda.toolchain import THREADS, cuda, device
from fastloa_kernels.formulas import rowwise
from fastloa_kernels.records import Formula, Rowwise
from fastloa_kernels.sums import BLOCK

CLOSE = 2.0**-20  # below this a sum minus 1 is taken again without the 1, or float64 would leave too few digits


def chosen(choose: Any) -> Any:
    """``choice(mine, seen)``: of the numbers of all threads the one that ``choose(a, b)`` prefers, through `seen`."""
    choose = device(choose)

    def choice(mine, seen):
        thread, half = cuda.threadIdx.x, cuda.blockDim.x // 2
        seen[thread] = mine
        cuda.syncthreads()
        while half > 0:
            if thread < half:
                seen[thread] = choose(seen[thread], seen[thread + half])
            cuda.syncthreads()
            half //= 2
        return seen[0]

    return device(choice)


def _larger(a, b):
    return a if a >= b or a != a else b  # NaN is the largest


def maximum(dtype: str, score: Any) -> Any:
    """``greatest(x, base, columns, seen)``: the greatest score of a row, or NaN."""
    least, larger, choice = np.dtype(dtype).type(-np.inf), device(_larger), chosen(_larger)

    def greatest(x, base, columns, seen):
        m = least
        j = cuda.threadIdx.x
        while j < columns:
            m = larger(m, score(x[base + j]))
            j += cuda.blockDim.x
        return choice(m, seen)

    return device(greatest)


def row_sum(dtype: str, term: Any, added: Any = summation.carried) -> Any:
    """``whole(a, b, base, count, extra, high, low) -> (sum, error)`` of ``term(a, b, base, j, extra)`` over a row."""
    (place, tree), width_of = summation.leaf(dtype), summation.width_of

    def whole(a, b, base, columns, extra, high, low):
        total, error = 0.0, 0.0
        start = 0
        while start < columns:
            count = min(BLOCK, columns - start)
            width = width_of(count)
            j = cuda.threadIdx.x
            while j < width:
                value = np.float64(term(a, b, base, start + j, extra)) if j < count else 0.0
                place(high, low, j, value)
                j += cuda.blockDim.x
            s, e = tree(high, low, width)
            total, error = added(total, error, s, e)
            cuda.syncthreads()
            start += BLOCK
        return total, error

    return device(whole)


def statistics(dtype: str, score: Formula = rowwise.same) -> Any:
    """``read(x, base, columns, high, low, seen) -> (m, rest)``: a row's maximum m and sum(exp(x - m)) - 1, x scored."""
    scored, exponential = bind(score, dtype), bind(rowwise.exponential, dtype)
    greatest = maximum(dtype, scored)
    other, rest = bind(rowwise.other, dtype), bind(rowwise.rest, "float64")
    narrow = dtype == "float32"

    def term(x, same, base, j, m):
        return exponential(scored(x[base + j]), m)

    def other_term(x, same, base, j, m):
        return other(exponential(scored(x[base + j]), m))

    everything, others = row_sum(dtype, device(term)), row_sum(dtype, device(other_term))

    def read(x, base, columns, high, low, seen):
        m = greatest(x, base, columns, seen)
        total, error = everything(x, x, base, columns, m, high, low)
        excess = (total - 1.0) + error
        if narrow and excess < CLOSE:
            excess, error = others(x, x, base, columns, m, high, low)
        return m, rest(excess, np.float64(m))

    return device(read)


def value_kernel(record: Rowwise, dtype: str) -> Callable[..., None]:
    """``kernel(rows, columns, (x, out))``."""
    score = record.score or rowwise.same
    value, read, scalar, scored = (
        bind(record.value, dtype),
        statistics(dtype, score),
        np.dtype(dtype).type,
        bind(score, dtype),
    )
    argument = bind(rowwise.exponential if record.of_exponential else rowwise.distance, dtype)
    errors, number = summation.ERRORS[dtype], scalar

    def kernel(rows, columns, operands):
        high = cuda.shared.array(BLOCK, np.float64)
        low = cuda.shared.array(errors, np.float64)
        seen = cuda.shared.array(THREADS, number)
        x, out = operands
        row = np.int64(cuda.blockIdx.x)
        while row < rows:
            base = row * columns
            m, wide = read(x, base, columns, high, low, seen)
            rest = scalar(wide)
            j = cuda.threadIdx.x
            while j < columns:
                out[base + j] = value(argument(scored(x[base + j]), m), rest)
                j += cuda.blockDim.x
            row += cuda.gridDim.x

    return kernel


def backward_kernel(record: Rowwise, dtype: str) -> Callable[..., None]:
    """``kernel(rows, columns, (g, y, out))``."""
    summand, backward = bind(record.summand, dtype), bind(record.backward, dtype)
    scalar, errors = np.dtype(dtype).type, summation.ERRORS[dtype]

    def term(g, y, base, j, extra):
        return summand(g[base + j], y[base + j])

    whole = row_sum(dtype, device(term))

    def kernel(rows, columns, operands):
        high = cuda.shared.array(BLOCK, np.float64)
        low = cuda.shared.array(errors, np.float64)
        g, y, out = operands
        row = np.int64(cuda.blockIdx.x)
        while row < rows:
            base = row * columns
            high_part, low_part = whole(g, y, base, columns, 0, high, low)
            total = scalar(corrected(high_part, low_part))
            j = cuda.threadIdx.x
            while j < columns:
                out[base + j] = backward(g[base + j], y[base + j], total)
                j += cuda.blockDim.x
            row += cuda.gridDim.x

    return kernel
