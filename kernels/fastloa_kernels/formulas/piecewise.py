"""Activations of pieces that need no exponential: lines, parabolas, quotients and roots.

NaN reaches every result: it is in the arm that no comparison leads to.
"""

from fastloa_kernels.formulas.compensated import quotient, two_sum
from fastloa_kernels.primitives import copysign, exponent, fma, inf, power_of_two, sqrt
from fastloa_kernels.records import Elementwise


def relu6(x):
    return 0.0 if x < 0.0 else (6.0 if x > 6.0 else x)


def relu6_derivative(x):
    return (0.0 if x >= 6.0 else 1.0) if x > 0.0 else (0.0 if x <= 0.0 else x)


def squared_relu(x):
    return 0.0 if x < 0.0 else x * x


def squared_relu_derivative(x):
    return 0.0 if x < 0.0 else 2.0 * x


def squared_relu_derivative_from_output(y):
    return 2.0 * sqrt(y)


def threshold(x, threshold, value):
    return value if x <= threshold else x


def threshold_derivative(x, threshold, value):
    return 1.0 if x > threshold else (0.0 if x <= threshold else x)


def hardtanh(x, min_val, max_val):
    return min_val if x < min_val else (max_val if x > max_val else x)


def hardtanh_derivative(x, min_val, max_val):
    return (0.0 if x >= max_val else 1.0) if x > min_val else (0.0 if x <= min_val else x)


def hardsigmoid(x, half_width):
    # (x + half_width) / (2 * half_width), the sum as a pair.
    inside = half_width if abs(x) > half_width else x
    high, low = two_sum(inside, half_width)
    line = quotient(high, low, 2.0 * half_width, 0.0)
    return 0.0 if x <= -half_width else (1.0 if x >= half_width else line)


def hardsigmoid_derivative(x, half_width):
    inside = 0.5 / half_width if x < half_width else (0.0 if x >= half_width else x)
    return 0.0 if x <= -half_width else inside


def hardswish(x, half_width):
    # x * (x + half_width) / (2 * half_width), sum and product as pairs. Beyond the ends they might overflow.
    inside = half_width if abs(x) > half_width else x
    high, low = two_sum(inside, half_width)
    product = inside * high
    curve = quotient(product, fma(inside, low, fma(inside, high, -product)), 2.0 * half_width, 0.0)
    return -0.0 if x <= -half_width else (x if x >= half_width else copysign(curve, x))


def hardswish_derivative(x, half_width):
    inside = half_width if abs(x) > half_width else x
    high, low = two_sum(2.0 * inside, half_width)
    line = quotient(high, low, 2.0 * half_width, 0.0)
    return 0.0 if x <= -half_width else (1.0 if x >= half_width else line)


def hardshrink(x, lambd):
    return x if abs(x) > lambd else 0.0 * x


def softshrink(x, lambd):
    return x - copysign(lambd, x) if abs(x) > lambd else 0.0 * x


def shrink_derivative(x, lambd):
    return 1.0 if abs(x) > lambd else x - x


def shrink_derivative_from_output(y, lambd):
    return 1.0 if abs(y) > 0.0 else y - y


def sparse_plus(x):
    high, low = two_sum(x, 1.0)
    curve = fma(0.25 * high, high, 0.5 * high * low)
    return 0.0 if x <= -1.0 else (x if x >= 1.0 else curve)


def sparse_plus_derivative(x):
    return 0.0 if x <= -1.0 else (1.0 if x >= 1.0 else fma(0.5, x, 0.5))


def sparse_plus_derivative_from_output(y):
    return 1.0 if y >= 1.0 else sqrt(y)


def squareplus_parts(x, b):
    """a = |x| * down below 4 and b * down**2, the root of a**2 + b and a + root as pairs, and `down`, a power of two.

    So no square is too large for a number, and none too small that counts.
    """
    a = abs(x)
    down = power_of_two(1.0 - exponent(a if a > 2.0 else 2.0))
    a, b = a * down, b * down * down
    square = a * a
    total, rest = two_sum(square, b)
    root = sqrt(total)
    left = fma(-root, root, total) + (rest + fma(a, a, -square))
    root_low = 0.5 * left / root if root > 0.0 else 0.0
    whole, part = two_sum(a, root)
    return a, b, root, root_low, whole, part + root_low, down


def squareplus(x, b):
    # (x + sqrt(x**2 + b)) / 2, or where that cancels b / (2 * (|x| + sqrt(x**2 + b))).
    _, _, _, _, whole, part, down = squareplus_parts(x, b)
    above = 0.5 * (whole + part) / down
    below = quotient(0.5 * (b * down), 0.0, whole, part)
    return (below if x > -inf else 0.0) if x < 0.0 else (above if x != inf else x)


def squareplus_derivative(x, b):
    # (1 + x / sqrt(x**2 + b)) / 2; below 0 it is b / (2 * root * (|x| + root)).
    a, b, root, root_low, whole, part, _ = squareplus_parts(x, b)
    above = fma(0.5, a / root if root > 0.0 else a, 0.5)
    product = root * whole
    below = quotient(0.5 * b, 0.0, product, fma(root, whole, -product) + fma(root, part, root_low * whole))
    return (below if x > -inf else 0.0) if x < 0.0 else (above if x != inf else 1.0)


def softsign(x):
    # inf / inf would be NaN where the limit is 1.
    a = abs(x)
    high, low = two_sum(1.0, a)
    value = quotient(a, 0.0, high, low)
    return copysign(1.0 if a > 1e30 else value, x)


def softsign_derivative(x):
    a = abs(x)
    high, low = two_sum(1.0, a)
    root = quotient(1.0, 0.0, high, low)
    return 0.0 if a == inf else quotient(root, 0.0, high, low)


RELU6 = Elementwise(relu6, relu6_derivative, relu6_derivative)
SQUARED_RELU = Elementwise(squared_relu, squared_relu_derivative, squared_relu_derivative_from_output)
THRESHOLD = Elementwise(threshold, threshold_derivative)
HARDTANH = Elementwise(hardtanh, hardtanh_derivative, hardtanh_derivative)
HARDSIGMOID = Elementwise(hardsigmoid, hardsigmoid_derivative)
HARDSWISH = Elementwise(hardswish, hardswish_derivative)
HARDSHRINK = Elementwise(hardshrink, shrink_derivative, shrink_derivative_from_output)
SOFTSHRINK = Elementwise(softshrink, shrink_derivative, shrink_derivative_from_output)
SPARSE_PLUS = Elementwise(sparse_plus, sparse_plus_derivative, sparse_plus_derivative_from_output)
SQUAREPLUS = Elementwise(squareplus, squareplus_derivative)
SOFTSIGN = Elementwise(softsign, softsign_derivative)
