"""What every optimizer's step may do to its gradient before it follows it."""

from fastloa_kernels.formulas.everyday import clipped
from fastloa_kernels.records import Elementwise


def descent(g, scale, limit, factor):
    return factor * clipped(g / scale, -limit, limit)


def descent_square(g, scale, limit, factor):
    # The factor is a power of two, for gradients whose squares would be too large or too small for numbers.
    d = descent(g, scale, limit, factor)
    return d * d


def descent_square_derivative(g, scale, limit, factor):
    inside = 1.0 if abs(g / scale) < limit else 0.0
    return 2.0 * inside * factor * descent(g, scale, limit, factor) / scale


DESCENT_SQUARE = Elementwise(descent_square, descent_square_derivative)
