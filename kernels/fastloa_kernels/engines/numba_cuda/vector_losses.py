"""The skeleton of losses over rows of vectors, a block of threads for a row: sums, and value and gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines import spelled
from fastloa_kernels.engines.numba_cuda import summation
from fastloa_kernels.engines.numba_cuda.binding import bind
from fastloa_kernels.engines.numba_cuda.rows import row_sum
from fastloa_kernels.engines.numba_cuda.summation import corrected
from fastloa_kernels.engines.numba_cuda.toolchain import cuda, device
from fastloa_kernels.records import VectorLoss
from fastloa_kernels.sums import BLOCK


def loss_kernel(record: VectorLoss, dtype: str, read: Any, form: str) -> Callable[..., None]:
    """``kernel(rows, columns, sampled, divisors, parameters, vectors, (targets, weights), losses, grads)``.

    ``read(divisors)`` is the divisor alone. What a form, or `sampled`, does without is not touched.
    """
    terms, wide, labelled = bind(record.terms, "float64"), np.float64, record.labelled
    (slopes, results), value, grad = record.slopes(form), "value" in form, "grad" in form
    wholes = [
        row_sum(dtype, device(spelled.term_at(terms, record.vectors, record.sums, k, wide))) for k in range(record.sums)
    ]
    sums = device(spelled.sums_at(wholes, corrected))
    write = device(spelled.slope_at(bind(slopes, "float64"), record.vectors, results, wide))
    value_of, coefficients = bind(record.value, "float64"), bind(record.coefficients, "float64")
    several, errors = device(spelled.as_tuple(record.shares)), summation.ERRORS[dtype]

    def kernel(rows, columns, sampled, divisors, parameters, vectors, numbers, losses, grads):
        high = cuda.shared.array(BLOCK, np.float64)
        low = cuda.shared.array(errors, np.float64)
        divisor = read(divisors)[0]
        row = np.int64(cuda.blockIdx.x)
        while row < rows:
            base = row * columns
            found = sums(vectors, base, columns, parameters, high, low)
            t = wide(numbers[0][row]) if labelled else wide(0.0)
            scale = wide(numbers[1][row]) if sampled else wide(1.0)
            if value and cuda.threadIdx.x == 0:
                losses[0][row] = scale * value_of(*found, t, *parameters)
            if grad:
                shares = several(coefficients(scale / divisor, *found, t, *parameters))
                j = cuda.threadIdx.x
                while j < columns:
                    write(grads, shares, vectors, base + j, parameters)
                    j += cuda.blockDim.x
            row += cuda.gridDim.x

    return kernel
