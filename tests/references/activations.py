"""What every activation of single elements should give: the textbook's definitions, in mpmath.

Functions are named as the operation, with ``_derivative`` and ``_derivative_from_output`` after it. Constants are made
where they are used, in the digits that are asked for there.
"""

from mpmath import mp, mpf

from tests.references.limits import FAR, LEAST, NAN, erfc, exp, gated, log1p_exp, times


def relu(x):
    return max(x, mpf(0))


def relu_derivative(x):
    return mpf(1 if x > 0 else 0)


def relu_derivative_from_output(y):
    return mpf(1 if y > 0 else 0)


def leaky_relu(x, negative_slope):
    return x if x > 0 else times(negative_slope, x)


def leaky_relu_derivative(x, negative_slope):
    return mpf(1) if x > 0 else negative_slope


def rrelu(x, lower, upper):
    return leaky_relu(x, (lower + upper) / 2)


def rrelu_derivative(x, lower, upper):
    return leaky_relu_derivative(x, (lower + upper) / 2)


rrelu_derivative_from_output = rrelu_derivative
leaky_relu_derivative_from_output = leaky_relu_derivative  # y > 0 where x > 0, for a slope of at least 0


def elu(x, alpha):
    return x if x > 0 else alpha * (exp(x) - 1)


def elu_derivative(x, alpha):
    return mpf(1) if x > 0 else alpha * exp(x)


def elu_derivative_from_output(y, alpha):
    return mpf(1) if y > 0 else y + alpha


def sigmoid(x):
    return 1 / (1 + exp(-x))


def sigmoid_derivative(x):
    return sigmoid(x) * (1 - sigmoid(x))


def sigmoid_derivative_from_output(y):
    return y * (1 - y)


def tanh(x):
    return 1 - 2 / (exp(2 * x) + 1)


def tanh_derivative(x):
    return 1 - tanh(abs(x)) ** 2


def tanh_derivative_from_output(y):
    return 1 - y**2


# ramps


def relu6(x):
    return min(max(x, mpf(0)), mpf(6))


def relu6_derivative(x):
    return mpf(0 < x < 6)


relu6_derivative_from_output = relu6_derivative


def squared_relu(x):
    return max(x, mpf(0)) ** 2


def squared_relu_derivative(x):
    return 2 * max(x, mpf(0))


def squared_relu_derivative_from_output(y):
    return 2 * mp.sqrt(y)


def threshold(x, threshold, value):
    return x if x > threshold else value


def threshold_derivative(x, threshold, value):
    return mpf(x > threshold)


def hardtanh(x, min_val, max_val):
    return min(max(x, min_val), max_val)


def hardtanh_derivative(x, min_val, max_val):
    return mpf(min_val < x < max_val)


hardtanh_derivative_from_output = hardtanh_derivative


def slope_of(slope):
    """Give a sixth itself for the number next to it: the default is what it stands for in every dtype."""
    return 1 / mpf(6) if abs(6 * slope - 1) < 1e-6 else slope


def hardsigmoid(x, slope):
    return min(max(slope_of(slope) * x + mpf(1) / 2, mpf(0)), mpf(1))


def hardsigmoid_derivative(x, slope):
    return slope_of(slope) if abs(x) < 1 / (2 * slope_of(slope)) else mpf(0)


def hardswish(x, slope):
    return gated(x, hardsigmoid(x, slope))


def hardswish_derivative(x, slope):
    end = 1 / (2 * slope_of(slope))
    if abs(x) >= end:
        return mpf(x > 0)
    return 2 * slope_of(slope) * x + mpf(1) / 2


def hardshrink(x, lambd):
    return gated(x, mpf(abs(x) > lambd))


def hardshrink_derivative(x, lambd):
    return mpf(abs(x) > lambd)


def hardshrink_derivative_from_output(y, lambd):
    return mpf(y != 0)


def softshrink(x, lambd):
    return x - lambd * mp.sign(x) if abs(x) > lambd else gated(x, 0)


softshrink_derivative = hardshrink_derivative
softshrink_derivative_from_output = hardshrink_derivative_from_output


def sparse_plus(x):
    if abs(x) >= 1:
        return x if x > 0 else mpf(0)
    return (x + 1) ** 2 / 4


def sparse_plus_derivative(x):
    return min(max((x + 1) / 2, mpf(0)), mpf(1))


def sparse_plus_derivative_from_output(y):
    return min(mp.sqrt(y), mpf(1))


# exponential on one side


def selu_constants():
    """Give the scale, and what it makes of alpha."""
    scale = mpf("1.0507009873554804934193349852946")
    return scale, scale * mpf("1.6732632423543772848170429916717")


def selu(x):
    scale, alpha = selu_constants()
    return scale * x if x > 0 else alpha * (exp(x) - 1)


def selu_derivative(x):
    scale, alpha = selu_constants()
    return scale if x > 0 else alpha * exp(x)


def selu_derivative_from_output(y):
    scale, alpha = selu_constants()
    return scale if y > 0 else y + alpha


def celu(x, alpha):
    return max(mpf(0), x) + min(mpf(0), alpha * (exp(x / alpha) - 1))


def celu_derivative(x, alpha):
    return exp(min(x, mpf(0)) / alpha)


def celu_derivative_from_output(y, alpha):
    return mpf(1) if y > 0 else y / alpha + 1


# smooth


def softplus(x, beta, threshold):
    if threshold is not None and beta * x > threshold:
        return x
    return log1p_exp(beta * x) / beta


def softplus_derivative(x, beta, threshold):
    return mpf(1) if threshold is not None and beta * x > threshold else sigmoid(beta * x)


def softplus_derivative_from_output(y, beta, threshold):
    return mpf(1) if threshold is not None and beta * y > threshold else 1 - exp(-beta * y)


def logsigmoid(x):
    return -max(log1p_exp(-x), LEAST)


def logsigmoid_derivative(x):
    return sigmoid(-x)


def logsigmoid_derivative_from_output(y):
    return 1 - exp(y)


def squareplus(x, b):
    if mp.isinf(x):
        return max(x, mpf(0))
    with mp.workprec(2 * mp.prec):
        return (x + mp.sqrt(x**2 + b)) / 2


def squareplus_derivative(x, b):
    if mp.isinf(x):
        return mpf(x > 0)
    with mp.workprec(2 * mp.prec):
        return (1 + x / mp.sqrt(x**2 + b)) / 2


def softsign(x):
    return mp.sign(x) if mp.isinf(x) else x / (1 + abs(x))


def softsign_derivative(x):
    return 1 / (1 + abs(x)) ** 2


def softcap(x, cap):
    return cap * tanh(x / cap)


def softcap_derivative(x, cap):
    return tanh_derivative(x / cap)


def softcap_derivative_from_output(y, cap):
    return 1 - (y / cap) ** 2


def tanhshrink(x):
    with mp.workprec(4 * mp.prec):  # x**3 / 3 is left of x
        return x - tanh(x)


def tanhshrink_derivative(x):
    return tanh(x) ** 2


def silu(x):
    return gated(x, sigmoid(x))


def silu_derivative(x):
    if abs(x) > FAR:
        return mpf(x > 0)
    return sigmoid(x) + x * sigmoid_derivative(x)


def quick_gelu(x):
    return gated(x, sigmoid(mpf(1702) / 1000 * x))


def quick_gelu_derivative(x):
    return silu_derivative(mpf(1702) / 1000 * x)  # x sigmoid(a x) is silu(a x) / a


def gelu_argument(x):
    """Give what the approximation takes the tanh of, and its derivative."""
    a, b = mp.sqrt(2 / mp.pi), mpf(44715) / 10**6
    return a * (x + b * x**3), a * (1 + 3 * b * x**2)


def gelu(x, approximate):
    if approximate == "tanh":
        return gated(x, sigmoid(2 * gelu_argument(x)[0]))  # (1 + tanh(u)) / 2 is sigmoid(2 u)
    return gated(x, erfc(-x / mp.sqrt(2)) / 2)


def gelu_derivative(x, approximate):
    if abs(x) > FAR:
        return mpf(x > 0)
    if approximate == "tanh":
        u, slope = gelu_argument(x)
        return sigmoid(2 * u) + 2 * slope * x * sigmoid_derivative(2 * u)
    return erfc(-x / mp.sqrt(2)) / 2 + x * exp(-(x**2) / 2) / mp.sqrt(2 * mp.pi)


def mish(x):
    return gated(x, tanh(log1p_exp(x)))


def mish_derivative(x):
    if abs(x) > FAR:
        return mpf(x > 0)
    return tanh(log1p_exp(x)) + x * sigmoid(x) * tanh_derivative(log1p_exp(x))


def snake(x, alpha):
    return x if mp.isinf(x) else x + mp.sin(alpha * x) ** 2 / alpha


def snake_derivative(x, alpha):
    return NAN if mp.isinf(x) else 1 + mp.sin(2 * alpha * x)
