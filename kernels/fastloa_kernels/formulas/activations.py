"""Activations: value, derivative, and the derivative from the output where that is all it needs."""

from fastloa_kernels.formulas.compensated import quotient
from fastloa_kernels.formulas.elementary import exp_pair, expm1_pair, sigmoid, tanh
from fastloa_kernels.primitives import fma
from fastloa_kernels.records import Elementwise


def relu(x):
    return 0.0 if x < 0.0 else x


def relu_derivative(x):
    return 1.0 if x > 0.0 else (0.0 if x <= 0.0 else x)


def leaky_relu(x, negative_slope):
    # A slope of 0 makes it 0 at -inf as well, where the product would be NaN.
    below = negative_slope * x if negative_slope != 0.0 else (0.0 if x < 0.0 else x)
    return x if x >= 0.0 else below


def leaky_relu_derivative(x, negative_slope):
    return 1.0 if x > 0.0 else (negative_slope if x <= 0.0 else x)


def elu(x, alpha):
    high, low, _ = expm1_pair(x)
    return x if x >= 0.0 else fma(alpha, high, alpha * low)


def elu_derivative(x, alpha):
    # alpha meets the factor first: a large alpha brings a tiny exp(x) back before it could lose digits.
    high, _, factor = exp_pair(x)
    return 1.0 if x > 0.0 else high * (alpha * factor)


def elu_derivative_from_output(y, alpha):
    return 1.0 if y > 0.0 else y + alpha


def sigmoid_derivative(x):
    # s * (1 - s), which loses nothing where s is the smaller of the two.
    s = sigmoid(-abs(x))
    return fma(-s, s, s)


def sigmoid_derivative_from_output(y):
    return fma(-y, y, y)


def tanh_derivative(x):
    # With e = exp(-2|x|), 1 - tanh(|x|) is 2 * e / (1 + e), and 1 - tanh(x)**2 is that times 2 minus that.
    high, low, factor = exp_pair(-2.0 * abs(x))
    share = 2.0 * quotient(high, low, 1.0, high * factor)
    return fma(-share, share * factor, 2.0 * share) * factor


def tanh_derivative_from_output(y):
    return fma(-y, y, 1.0)


RELU = Elementwise(relu, relu_derivative, relu_derivative)
LEAKY_RELU = Elementwise(leaky_relu, leaky_relu_derivative, leaky_relu_derivative)
ELU = Elementwise(elu, elu_derivative, elu_derivative_from_output)
SIGMOID = Elementwise(sigmoid, sigmoid_derivative, sigmoid_derivative_from_output)
TANH = Elementwise(tanh, tanh_derivative, tanh_derivative_from_output)
