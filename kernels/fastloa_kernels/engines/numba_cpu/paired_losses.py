"""The skeleton of losses of rows through pairs of a label and a class that is none.

For each of a row's labels in turn its pairs are summed over the row, in the blocks and trees of `fastloa_kernels.sums`;
the labels' sums are added up in their order. All is float64, as in `vector_losses`.
"""

from typing import Any

import numpy as np

from fastloa_kernels.engines import spelled
from fastloa_kernels.engines.numba_cpu import summation
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.maps import cut_of
from fastloa_kernels.engines.numba_cpu.summation import added, corrected
from fastloa_kernels.records import Formula, PairedLoss
from fastloa_kernels.sums import BLOCK


def _label_sum(formula: Formula, dtype: str, parameters: int) -> Any:
    """``total(rows, ((y, *parameters), labels, count), room)``: the formula's sum over the pairs of one label."""
    terms = jitable(spelled.terms(bind(formula, "float64"), 1, 1, 1 + parameters, np.float64))

    def fill(blocks, rows, start, numbers):
        scalars, labels, count = numbers
        terms(blocks, rows, start, scalars)
        for k in range(count):
            i = labels[k] - start
            if 0 <= i < rows[0].size:
                blocks[0][i] = 0.0

    sums = jitable(
        spelled.row_sums(
            1, BLOCK, fill=jitable(fill), cut=cut_of(1), added=added, corrected=corrected,
            leaf=summation.outlined_leaf(dtype, "float64"),
        )
    )  # fmt: skip

    def total(rows, numbers, room):
        return sums(rows, numbers, room)[0]

    return jitable(total)


def _loss(formula: Formula, dtype: str, parameters: int) -> Any:
    """``loss(rows, labels, count, parameters, room)``: the sum over all pairs of a row."""
    total = _label_sum(formula, dtype, parameters)

    def loss(rows, labels, count, scalars, room):
        high, low = 0.0, 0.0
        for k in range(count):
            y = np.float64(rows[0][labels[k]])
            one = total(rows, ((y,) + scalars, labels, count), room)  # noqa: RUF005
            high, low = added(high, low, one, 0.0)
        return corrected(high, low)

    return jitable(loss)


def _slope(formula: Formula, dtype: str, parameters: int, sign: float) -> Any:
    """``write(rows, labels, count, parameters, factor, room, out)``: the factor times what each class has of its pairs.

    A label has the formula's sums with the sign.
    """
    total, bound, scalar = _label_sum(formula, dtype, parameters), bind(formula, "float64"), np.dtype(dtype).type

    def others(x, part, labels, count, scalars, factor, sums, out):
        for i in range(part.size):
            sums[i] = 0.0
        for k in range(count):
            y = np.float64(x[labels[k]])
            for i in range(part.size):
                sums[i] += bound(np.float64(part[i]), y, *scalars)
        for i in range(part.size):
            out[i] = scalar(factor * sums[i])

    others = jitable(others)

    def write(rows, labels, count, scalars, factor, room, out):
        x, sums = rows[0], room[3 * BLOCK : 4 * BLOCK]
        for start in range(0, x.size, BLOCK):
            stop = min(x.size, start + BLOCK)
            others(x, x[start:stop], labels, count, scalars, factor, sums, out[start:stop])
        for k in range(count):
            out[labels[k]] = scalar(0.0)
        for k in range(count):
            y = np.float64(x[labels[k]])
            one = total(rows, ((y,) + scalars, labels, count), room)  # noqa: RUF005
            out[labels[k]] += scalar(sign * factor * one)

    return jitable(write)


@jitable
def _count_of(labels):
    """How many labels there are before the first that is none."""
    count = 0
    while count < labels.size and labels[count] >= 0:
        count += 1
    return count


def rows_of(record: PairedLoss, dtype: str) -> Any:
    """``run((vectors, labels, weights, parameters, divisor, out, grads), first, last, room)``.

    As of `vector_losses.rows_of`, with one vector, a row of labels for each of its rows, and a gradient and a Hessian.
    """
    count = len(record.parameters)
    loss = _loss(record.value, dtype, count)
    derivative, second = _slope(record.derivative, dtype, count, -1.0), _slope(record.second, dtype, count, 1.0)
    row_of, numbers = jitable(spelled.load(1)), jitable(spelled.numbers(count))

    def run(arguments, first, last, room):
        vectors, labels, weights, given, divisor, out, grads = arguments
        scalars, value, grad, hess = numbers(given), out.size > 0, grads[0].size > 0, grads[1].size > 0
        for row in range(first, last):
            rows, own = row_of(vectors, row), labels[row]
            some, classes = _count_of(own), np.float64(rows[0].size)
            scale = np.float64(weights[row]) if weights.size else 1.0
            factor = scale / (divisor * classes)
            if value:
                out[row] = scale * (loss(rows, own, some, scalars, room) / classes)
            if grad:
                derivative(rows, own, some, scalars, factor, room, grads[0][row])
            if hess:
                second(rows, own, some, scalars, factor, room, grads[1][row])

    return run
