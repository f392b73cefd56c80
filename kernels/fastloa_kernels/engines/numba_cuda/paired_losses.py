"""The skeleton of losses through pairs of a label and a class that is none, a block of threads for a row.

The sums are those of the CPU engine, in its order.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cuda import summation
from fastloa_kernels.engines.numba_cuda.binding import bind
from fastloa_kernels.engines.numba_cuda.rows import row_sum
from fastloa_kernels.engines.numba_cuda.summation import carried, corrected
from fastloa_kernels.engines.numba_cuda.toolchain import cuda, device
from fastloa_kernels.records import Formula, PairedLoss
from fastloa_kernels.sums import BLOCK


@device
def _is_label(labels, start, count, j):
    found = False
    for k in range(count):
        found = found or labels[start + k] == j
    return found


@device
def _count_of(labels, start, most, classes):
    """How many labels a row has before the first -1, or -1 where one is no class."""
    count = 0
    while count < most and labels[start + count] != -1:
        if labels[start + count] < 0 or labels[start + count] >= classes:
            return -1
        count += 1
    return count


def _label_sum(formula: Formula, dtype: str) -> Any:
    """``total(x, labels, base, columns, (y, start, count, parameters), high, low)``: as on the CPU."""
    bound, wide = bind(formula, "float64"), np.float64

    def term(x, labels, base, j, numbers):
        y, start, count, parameters = numbers
        if _is_label(labels, start, count, j):
            return wide(0.0)
        return bound(wide(x[base + j]), y, *parameters)

    whole = row_sum(dtype, device(term))

    def total(x, labels, base, columns, numbers, high, low):
        s, e = whole(x, labels, base, columns, numbers, high, low)
        return corrected(s, e)

    return device(total)


def _loss(formula: Formula, dtype: str) -> Any:
    """``loss(x, labels, base, columns, start, count, parameters, high, low)``: the sum over all pairs of a row."""
    total, wide = _label_sum(formula, dtype), np.float64

    def loss(x, labels, base, columns, start, count, parameters, high, low):
        both, rest = wide(0.0), wide(0.0)
        for k in range(count):
            y = wide(x[base + labels[start + k]])
            one = total(x, labels, base, columns, (y, start, count, parameters), high, low)
            both, rest = carried(both, rest, one, wide(0.0))
        return corrected(both, rest)

    return device(loss)


def _slope(formula: Formula, dtype: str, sign: float) -> Any:
    """``write(x, labels, base, columns, start, count, parameters, factor, high, low, out)``: as on the CPU."""
    total, bound, wide, scalar = _label_sum(formula, dtype), bind(formula, "float64"), np.float64, np.dtype(dtype).type

    def write(x, labels, base, columns, start, count, parameters, factor, high, low, out):
        j = cuda.threadIdx.x
        while j < columns:
            if not _is_label(labels, start, count, j):
                both = wide(0.0)
                for k in range(count):
                    both += bound(wide(x[base + j]), wide(x[base + labels[start + k]]), *parameters)
                out[base + j] = scalar(factor * both)
            j += cuda.blockDim.x
        # One thread alone writes to the labels, so that none that stands there twice is lost.
        if cuda.threadIdx.x == 0:
            for k in range(count):
                out[base + labels[start + k]] = scalar(0.0)
        for k in range(count):
            y = wide(x[base + labels[start + k]])
            one = total(x, labels, base, columns, (y, start, count, parameters), high, low)
            if cuda.threadIdx.x == 0:
                out[base + labels[start + k]] += scalar(sign * factor * one)

    return device(write)


def loss_kernel(record: PairedLoss, dtype: str, read: Any, form: str) -> Callable[..., None]:
    """``kernel(rows, columns, most, sampled, divisors, parameters, x, labels, weights, losses, grads)``.

    Each row has the labels before its first -1, and `most` of them at most; the rest is as of `vector_losses`.
    """
    value, grad, hess = "value" in form, "grad" in form, "hess" in form
    loss = _loss(record.value, dtype)
    derivative, second = _slope(record.derivative, dtype, -1.0), _slope(record.second, dtype, 1.0)
    errors, wide, scalar = summation.ERRORS[dtype], np.float64, np.dtype(dtype).type

    def fill(base, columns, number, out):
        j = cuda.threadIdx.x
        while j < columns:
            out[base + j] = number
            j += cuda.blockDim.x

    fill = device(fill)

    def kernel(rows, columns, most, sampled, divisors, parameters, vectors, labels, weights, losses, grads):
        high = cuda.shared.array(BLOCK, np.float64)
        low = cuda.shared.array(errors, np.float64)
        divisor, x, own = read(divisors)[0], vectors[0], labels[0]
        row = np.int64(cuda.blockIdx.x)
        while row < rows:
            base, start, classes = row * columns, row * most, wide(columns)
            count = _count_of(own, start, most, columns)
            scale = wide(weights[0][row]) if sampled else wide(1.0)
            factor = scale / (divisor * classes)
            if count < 0:  # a wrong label must not leave a plausible number
                if value and cuda.threadIdx.x == 0:
                    losses[0][row] = np.nan
                if grad:
                    fill(base, columns, scalar(np.nan), grads[0])
                if hess:
                    fill(base, columns, scalar(np.nan), grads[-1])
            else:
                if value:
                    found = loss(x, own, base, columns, start, count, parameters, high, low)
                    if cuda.threadIdx.x == 0:
                        losses[0][row] = scale * (found / classes)
                if grad:
                    derivative(x, own, base, columns, start, count, parameters, factor, high, low, grads[0])
                if hess:
                    second(x, own, base, columns, start, count, parameters, factor, high, low, grads[-1])
            row += cuda.gridDim.x

    return kernel
