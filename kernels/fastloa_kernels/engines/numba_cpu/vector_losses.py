"""The skeleton of losses over rows of vectors: sums over a row, and from them its value and gradients.

What is summed is float64, in the blocks and trees of `fastloa_kernels.sums`; for float32 rows the sums carry no errors
along, as those of their elements do not.
"""

from typing import Any

import numpy as np

from fastloa_kernels.engines import spelled
from fastloa_kernels.engines.numba_cpu import summation
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.maps import cut_of
from fastloa_kernels.records import VectorLoss
from fastloa_kernels.sums import BLOCK


def rows_of(record: VectorLoss, dtype: str, form: str) -> Any:
    """``run((vectors, target, weights, parameters, divisor, out, grads), first, last, room)``.

    `out` takes the losses of the rows in float64. Targets, weights and results are empty where there are none.
    """
    count, wide = len(record.parameters), np.float64
    fill = spelled.terms(bind(record.terms, "float64"), record.vectors, record.sums, count, wide)
    sums = jitable(
        spelled.row_sums(
            record.sums, BLOCK, fill=jitable(fill), cut=cut_of(record.vectors), added=summation.added,
            leaf=summation.outlined_leaf(dtype, "float64"), corrected=summation.corrected,
        )
    )  # fmt: skip
    slopes, results = record.slopes(form)
    write = jitable(spelled.slopes(bind(slopes, "float64"), record.shares, record.vectors, results, count, wide))
    value_of, coefficients = bind(record.value, "float64"), bind(record.coefficients, "float64")
    row_of, row_of_grads = jitable(spelled.load(record.vectors)), jitable(spelled.load(results))
    several = jitable(spelled.as_tuple(record.shares))
    numbers, labelled = jitable(spelled.numbers(count)), record.labelled

    def run(arguments, first, last, room):
        vectors, target, weights, given, divisor, out, grads = arguments
        parameters, value, grad = numbers(given), out.size > 0, grads[0].size > 0
        for row in range(first, last):
            rows = row_of(vectors, row)
            found = sums(rows, parameters, room)
            t = wide(target[row]) if labelled else 0.0
            scale = wide(weights[row]) if weights.size else 1.0
            if value:
                out[row] = scale * value_of(*found, t, *parameters)
            if grad:
                shares = several(coefficients(scale / divisor, *found, t, *parameters))
                write(row_of_grads(grads, row), shares, rows, parameters)

    return run
