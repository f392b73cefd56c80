"""Functions that a user's own formulas call, as Python, NumPy and SciPy have them, and none of ours does.

NaN in any operand reaches the result.
"""

from fastloa_kernels.formulas.activations import softplus as softplus_of_slope
from fastloa_kernels.formulas.compensated import fast_two_sum, product
from fastloa_kernels.formulas.elementary import exp, exp_pair, log1p, sigmoid
from fastloa_kernels.formulas.everyday import greater
from fastloa_kernels.formulas.wide import log_pair
from fastloa_kernels.primitives import copysign, fma, inf, nan

# Each as a number of 24 bits, which both precisions hold, and the rest.
THIRD, THIRD_REST = 11184811.0 / 2.0**25, -1.0 / (3.0 * 2.0**25)
LOG2_E, LOG2_E_REST = 1.44269502162933349609375, 1.9259629911266175e-08
LOG10_E, LOG10_E_REST = 0.4342944920063018798828125, -1.0103050052231683e-08
FAR = 40.0  # exp(-FAR**2) is 0


def cbrt(x):
    """The cube root."""
    size = abs(x)
    high, low = log_pair((size if size < inf else 1.0) if size > 0.0 else 1.0, 0.0)
    high, low = product(high, low, THIRD, THIRD_REST)
    high, low = fast_two_sum(high, low)
    root, rest, factor = exp_pair(high)
    value = copysign((root + fma(root, low, rest)) * factor, x)
    return (value if size < inf else x) if size > 0.0 else x


def log_to_base(x, share, rest):
    """log(x) times a number that is given as a pair."""
    high, low = log_pair((x if x < inf else 1.0) if x > 0.0 else 1.0, 0.0)
    high, low = product(high, low, share, rest)
    return (high + low if x < inf else x) if x > 0.0 else (-inf if x == 0.0 else nan)


def log2(x):
    return log_to_base(x, LOG2_E, LOG2_E_REST)


def log10(x):
    return log_to_base(x, LOG10_E, LOG10_E_REST)


def bell(x):
    """exp(-x**2)."""
    z = FAR if abs(x) > FAR else x
    square = z * z
    high, low, factor = exp_pair(-square)
    return (high + fma(-high, fma(z, z, -square), low)) * factor


def softplus(x):
    """log(1 + exp(x))."""
    return softplus_of_slope(x, 1.0, inf)


def log_add_exp(a, b):
    """log(exp(a) + exp(b))."""
    return greater(a, b) + log1p(exp(0.0 if a == b else -abs(a - b)))


def exp_share(a, b):
    """exp(a) / (exp(a) + exp(b))."""
    return sigmoid(0.0 if a == b else a - b)


def given(value, slope, x):
    """The value of what has a derivative of its own in x, the slope, which is not computed here."""
    return value


def apart(value, option):
    """The value of what has a derivative of its own, but none in an option."""
    return value
