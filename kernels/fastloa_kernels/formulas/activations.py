"""Activations: value, derivative, and the derivative from the output where that is all it needs."""

from fastloa_kernels.formulas.compensated import fast_two_sum, fraction, product, times, two_sum
from fastloa_kernels.formulas.elementary import (
    decay,
    decay_pair,
    exp_pair,
    expm1,
    expm1_pair,
    shrink_reduced,
    sigmoid,
    tanh,
)
from fastloa_kernels.formulas.logistic import odds, over, scaled, sech_squared, share, softened, wide_odds
from fastloa_kernels.primitives import copysign, fma, inf
from fastloa_kernels.records import Elementwise

# selu's scale, and scale * alpha, each as a number of 24 bits, exact in float32 as well, and the rest.
SCALE, SCALE_REST = 1.0507009029388428, 8.441663771998183e-08
SCALED_ALPHA, SCALED_ALPHA_REST = 1.7580993175506592, 2.3296717680252718e-08
BEND = 1.5  # as far as shrink_reduced reaches
TINY = 2.0**-60  # below, what bends like x + c * x**2 is x, and x / c may be no normal number


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


def selu(x):
    high, low, _ = expm1_pair(x)
    below = fma(SCALED_ALPHA, high, fma(SCALED_ALPHA, low, SCALED_ALPHA_REST * high))
    return fma(x, SCALE, x * SCALE_REST) if x >= 0.0 else below


def selu_derivative(x):
    high, _, factor = exp_pair(x)
    return SCALE + SCALE_REST if x > 0.0 else high * ((SCALED_ALPHA + SCALED_ALPHA_REST) * factor)


def selu_derivative_from_output(y):
    return SCALE + SCALE_REST if y > 0.0 else (y + SCALED_ALPHA) + SCALED_ALPHA_REST


def celu(x, alpha):
    z, z_low = over(x, alpha)
    high, low, _ = expm1_pair(z)
    low = low + fma(high, z_low, z_low)
    below = fma(alpha, high, alpha * low)
    return x if x >= 0.0 else (x if abs(z) < TINY else below)


def celu_derivative(x, alpha):
    z, z_low = over(x, alpha)
    high, low, factor = exp_pair(z)
    return 1.0 if x > 0.0 else (high + fma(high, z_low, low)) * factor


def celu_derivative_from_output(y, alpha):
    return 1.0 if y > 0.0 else (y + alpha) / alpha


def sigmoid_derivative(x):
    # s * (1 - s), which loses nothing where s is the smaller of the two.
    s = sigmoid(-abs(x))
    return fma(-s, s, s)


def sigmoid_derivative_from_output(y):
    return fma(-y, y, y)


def tanh_derivative(x):
    return sech_squared(abs(x), 0.0)


def tanh_derivative_from_output(y):
    return fma(-y, y, 1.0)


def beyond_three(square, square_low, h, h_low):
    """3 + (square + square_low) * (h + h_low) as a pair."""
    bend, bend_low = product(h, h_low, square, square_low)
    whole, part = fast_two_sum(3.0, bend)
    return whole, part + bend_low


def tanhshrink(x):
    # Near 0 it is x**3 / (3 + x**2 * h), in pairs; there h, 6/5 - x**2 / 175 + ..., takes half of the terms that other
    # series do. Beyond it is x - 1 and what tanh(x) lacks of 1, 2 * e / (1 + e) with e = exp(-2 * x). Nothing cancels.
    a = abs(x)
    near = a < BEND
    square = a * a
    square_low = fma(a, a, -square)
    cube, cube_low = times(square, square_low, a)
    h, h_low = shrink_reduced(square)
    whole, part = beyond_three(square, square_low, h, h_low)
    e = decay(-2.0 * a, 0.0)
    ratio = fraction(cube if near else 2.0 * e, cube_low if near else 0.0, whole if near else 1.0, part if near else e)
    base, base_low = fast_two_sum(a, -1.0)
    return x if a == inf else copysign(ratio if near else base + (base_low + ratio), x)


def tanhshrink_derivative(x):
    # tanh(x)**2: with the same h and e, tanh(x) is x * (3 + x**2 * (h - 1)) / (3 + x**2 * h) or (1 - e) / (1 + e).
    a = abs(x)
    near = a < BEND
    square = a * a
    square_low = fma(a, a, -square)
    h, h_low = shrink_reduced(square)
    whole, part = beyond_three(square, square_low, h, h_low)
    high, low = beyond_three(square, square_low, h - 1.0, h_low)
    high, low = times(high, low, a)
    e = decay(-2.0 * a, 0.0)
    one, one_low = fast_two_sum(1.0, e)
    less, less_low = fast_two_sum(1.0, -e)
    high, low = (high if near else less), (low if near else less_low)
    whole, part = (whole if near else one), (part if near else one_low)
    high, low = product(high, low, high, low)
    whole, part = product(whole, part, whole, part)
    return fraction(high, low, whole, part)


def softcap(x, cap):
    # As tanh, with the cap in the numerator.
    z, z_low = over(abs(x), cap)
    high, low, _ = expm1_pair(-2.0 * z)
    low = fma(-2.0 * z_low, 1.0 + high, low)
    product = -high * cap
    value = fraction(product, fma(-high, cap, -product) + cap * fma(low, high, -low), 2.0, high)
    return x if z < TINY else copysign(value, x)


def softcap_derivative(x, cap):
    z, z_low = over(abs(x), cap)
    return sech_squared(z, z_low)


def softcap_second(x, cap):
    return -2.0 * softcap(x, cap) / cap / cap * softcap_derivative(x, cap)


def softcap_derivative_from_output(y, cap):
    z, z_low = over(y, cap)
    return fma(-2.0 * z, z_low, fma(-z, z, 1.0))


def softplus(x, beta, threshold):
    z, z_low = scaled(x, beta)
    high, low, factor = wide_odds(z, z_low)
    high, low, factor = softened(high, low, factor)
    reciprocal = 1.0 / beta
    bend = high * reciprocal
    rest = (fma(-bend, beta, high) + low) * reciprocal
    value, part = two_sum(x if z > 0.0 else 0.0, bend * factor)
    return x if z > threshold else (x if x == inf else value + fma(rest, factor, part))


def softplus_derivative(x, beta, threshold):
    z, z_low = scaled(x, beta)
    high, low, factor = odds(z, z_low)
    value, factor = share(z, high, low, factor)
    return 1.0 if z > threshold else value * factor


def softplus_derivative_from_output(y, beta, threshold):
    return 1.0 if y * beta > threshold else -expm1(-beta * y)


def logsigmoid(x):
    high, low, factor = decay_pair(-abs(x))
    high, low, factor = softened(high, low, factor)
    value, part = two_sum(x if x < 0.0 else 0.0, -high * factor)
    return x if x == -inf else -abs(value + fma(-low, factor, part))


def logsigmoid_derivative(x):
    return sigmoid(-x)


def logsigmoid_derivative_from_output(y):
    return -expm1(y)


RELU = Elementwise(relu, relu_derivative, relu_derivative)
LEAKY_RELU = Elementwise(leaky_relu, leaky_relu_derivative, leaky_relu_derivative, folding=("negative_slope",))
ELU = Elementwise(elu, elu_derivative, elu_derivative_from_output, folding=("alpha",))
SIGMOID = Elementwise(sigmoid, sigmoid_derivative, sigmoid_derivative_from_output)
TANH = Elementwise(tanh, tanh_derivative, tanh_derivative_from_output)
TANHSHRINK = Elementwise(tanhshrink, tanhshrink_derivative)
SELU = Elementwise(selu, selu_derivative, selu_derivative_from_output)
CELU = Elementwise(celu, celu_derivative, celu_derivative_from_output)
SOFTCAP = Elementwise(softcap, softcap_derivative, softcap_derivative_from_output)
SOFTCAP_SLOPE = Elementwise(softcap_derivative, softcap_second)
SOFTPLUS = Elementwise(softplus, softplus_derivative, softplus_derivative_from_output, folding=("threshold",))
LOGSIGMOID = Elementwise(logsigmoid, logsigmoid_derivative, logsigmoid_derivative_from_output)
