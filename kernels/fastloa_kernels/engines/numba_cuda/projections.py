"""Skeletons of projections: a block of threads reads a row for its maximum, then for the sum of what is above a
threshold, until that stands, and once more to write it.

All is float64: a float32 row's elements are widened where they are read, and a result is rounded where it is written.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines import RowForm
from fastloa_kernels.engines.numba_cuda.binding import bind
from fastloa_kernels.engines.numba_cuda.rows import maximum, row_sum
from fastloa_kernels.engines.numba_cuda.summation import corrected
from fastloa_kernels.engines.numba_cuda.toolchain import THREADS, cuda, device
from fastloa_kernels.formulas import rowwise
from fastloa_kernels.formulas.losses import probability
from fastloa_kernels.records import Projection, ProjectionLoss
from fastloa_kernels.sums import BLOCK


def _sums(terms: Any) -> tuple[Any, Any]:
    """``sum_of`` and ``count_of`` the two numbers of ``terms(a, b, base, j, extra)`` over a row, as `row_sum`."""

    def first(a, b, base, j, extra):
        return terms(a, b, base, j, extra)[0]

    def second(a, b, base, j, extra):
        return terms(a, b, base, j, extra)[1]

    return row_sum("float64", device(first)), row_sum("float32", device(second))


def level(record: Projection, dtype: str) -> Any:
    """``read(x, base, columns, high, low, seen) -> ((origin, high, low), count)`` of a row."""
    greatest = maximum(dtype, bind(rowwise.same, dtype))
    origin_of, least, member, threshold = (
        bind(formula, "float64") for formula in (record.origin, record.least, record.member, record.threshold)
    )

    def terms(x, same, base, j, numbers):
        return member(np.float64(x[base + j]), *numbers)

    sum_of, count_of = _sums(device(terms))

    def read(x, base, columns, high, low, seen):
        m = np.float64(greatest(x, base, columns, seen))
        origin = origin_of(m)
        top, rest = least(m, origin)
        before = np.float64(columns + 1)
        while True:
            count, _ = count_of(x, x, base, columns, (origin, top, rest), high, low)
            if not 0.0 < count < before:
                return (origin, top, rest), before
            total, error = sum_of(x, x, base, columns, (origin, top, rest), high, low)
            top, rest = threshold(total, error, count, m)
            before = count

    return device(read)


def value_kernel(record: Projection, dtype: str) -> Callable[..., None]:
    """``kernel(rows, columns, (x, out))``."""
    value, read, scalar = bind(record.value, "float64"), level(record, dtype), np.dtype(dtype).type

    def kernel(rows, columns, operands):
        high = cuda.shared.array(BLOCK, np.float64)
        low = cuda.shared.array(BLOCK, np.float64)
        seen = cuda.shared.array(THREADS, scalar)
        x, out = operands
        row = np.int64(cuda.blockIdx.x)
        while row < rows:
            base = row * columns
            numbers, _ = read(x, base, columns, high, low, seen)
            j = cuda.threadIdx.x
            while j < columns:
                out[base + j] = scalar(value(np.float64(x[base + j]), *numbers))
                j += cuda.blockDim.x
            row += cuda.gridDim.x

    return kernel


def backward_kernel(record: Projection, dtype: str) -> Callable[..., None]:
    """``kernel(rows, columns, (g, y, out))``."""
    summand, mean_of, backward = (bind(f, "float64") for f in (record.summand, record.mean, record.backward))
    scalar = np.dtype(dtype).type

    def terms(g, y, base, j, extra):
        return summand(np.float64(g[base + j]), np.float64(y[base + j]))

    sum_of, count_of = _sums(device(terms))

    def kernel(rows, columns, operands):
        high = cuda.shared.array(BLOCK, np.float64)
        low = cuda.shared.array(BLOCK, np.float64)
        g, y, out = operands
        row = np.int64(cuda.blockIdx.x)
        while row < rows:
            base = row * columns
            total, error = sum_of(g, y, base, columns, 0, high, low)
            count, _ = count_of(g, y, base, columns, 0, high, low)
            mean = mean_of(corrected(total, error), count)
            j = cuda.threadIdx.x
            while j < columns:
                out[base + j] = scalar(backward(np.float64(g[base + j]), np.float64(y[base + j]), mean))
                j += cuda.blockDim.x
            row += cuda.gridDim.x

    return kernel


def loss_kernel(record: ProjectionLoss, dtype: str, form: RowForm, read: Any) -> Callable[..., None]:
    """A kernel of the arguments of `row_losses.loss_kernel`; there are no class weights and no smoothed labels."""
    value, grad, hess, labels = form.value, form.grad, form.hess, form.labels
    loss_of, derivative, second = (bind(f, "float64") for f in (record.value, record.derivative, record.second))
    read_level, scalar, share_of = level(record.projection, dtype), np.dtype(dtype).type, bind(probability, dtype)

    def label_share(target, row, base, j):
        return 1.0 if j == target[row] else 0.0

    def own_share(target, row, base, j):
        return np.float64(share_of(target[base + j]))

    share = device(label_share if labels else own_share)

    def term(x, target, base, j, extra):
        row, origin, high, low = extra
        return loss_of(np.float64(x[base + j]), share(target, row, base, j), origin, high, low)

    loss_sum = row_sum("float64", device(term))

    def write(x, target, row, base, classes, numbers, count, scale, outputs):
        j = cuda.threadIdx.x
        while j < classes:
            score = np.float64(x[base + j])
            if hess:
                outputs[2][base + j] = scalar(scale * second(score, count, *numbers))
            if grad:
                outputs[1][base + j] = scalar(scale * derivative(score, share(target, row, base, j), *numbers))
            j += cuda.blockDim.x

    def fill(base, classes, number, outputs):
        j = cuda.threadIdx.x
        while j < classes:
            if hess:
                outputs[2][base + j] = number
            if grad:
                outputs[1][base + j] = number
            j += cuda.blockDim.x

    write, fill = device(write), device(fill)

    def kernel(rows, classes, ignore_index, sampled, numbers, totals, operands, targets, outputs):
        high = cuda.shared.array(BLOCK, np.float64)
        low = cuda.shared.array(BLOCK, np.float64)
        seen = cuda.shared.array(THREADS, scalar)
        _, divisor = read(totals)
        x, target = operands[0], targets[0]
        row = np.int64(cuda.blockIdx.x)
        while row < rows:
            base, loss = row * classes, 0.0
            label = target[row] if labels else 0
            if labels and (label == ignore_index or label < 0 or label >= classes):
                loss = 0.0 if label == ignore_index else np.nan
                fill(base, classes, scalar(loss), outputs)
            else:
                scale = np.float64(operands[2][row]) if sampled else np.float64(1.0)
                own, count = read_level(x, base, classes, high, low, seen)
                if value:
                    total, error = loss_sum(x, target, base, classes, (row, *own), high, low)
                    loss = scale * corrected(total, error)
                if grad or hess:
                    write(x, target, row, base, classes, own, count, scale / divisor, outputs)
            if value and cuda.threadIdx.x == 0:
                outputs[0][row] = loss
            row += cuda.gridDim.x

    return kernel
