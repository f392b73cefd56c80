"""Activations that are x times a number from 0 to 1 that follows from x.

Far from 0, x is replaced by an end of the range where anything still changes: no product of an infinity with 0 arises,
and at -inf the limit -0 is what comes out.
"""

from fastloa_kernels.formulas.compensated import complement, fast_two_sum, fraction, product, times, two_sum
from fastloa_kernels.formulas.elementary import decay_pair, normal_tail, normal_tail_slope
from fastloa_kernels.formulas.logistic import odds
from fastloa_kernels.primitives import copysign, fma
from fastloa_kernels.records import Elementwise

LIMIT = 1e4
STEEP = 100.0  # the same for the sigmoid of a cubic, whose rounding error must be small where its exponential is not 0
# Constants as a number of 24 bits, exact in float32 as well, and the rest.
QUICK, QUICK_REST = 1.7019999027252197, 9.72747802734375e-08
CURVE, CURVE_REST = 1.5957690477371216, 7.386860912972853e-08  # 2 * sqrt(2 / pi)
CUBIC, CUBIC_REST = 0.07135481387376785, 2.3988323959931355e-09  # that times 0.044715


def within(x, limit):
    return -limit if x < -limit else (limit if x > limit else x)


def limited(x):
    return within(x, LIMIT)


def gated(x, high, low, factor):
    """x * sigmoid(u) for a u of the sign of x, where exp(-|u|) is (high + low) * factor."""
    e = high * factor
    upper = x > 0.0
    # x / (1 + e) above 0, x * e / (1 + e) below.
    product = x if upper else x * high
    rest = 0.0 if upper else fma(x, low, fma(x, high, -product))
    return copysign(fraction(product, rest, 1.0, e) * (1.0 if upper else factor), x)


def slope_over(high, low, e, e_low, u, w, w_low):
    """The derivative of x * sigmoid(u), where w + w_low is x times the derivative of u; exp(-|u|) is e + e_low.

    It is (1 + e + w * e) / (1 + e)**2 above 0, and e * (1 + e + w) / (1 + e)**2 below, where w is negative. There e is
    high + low times a power of two, over which the derivative is given.
    """
    upper = u > 0.0
    left, left_low = product(w, w_low, e if upper else 1.0, e_low if upper else 0.0)
    one, one_low = fast_two_sum(1.0, e)
    one_low = one_low + e_low
    whole, part = two_sum(one, left)
    part = part + (one_low + left_low)
    whole, part = product(whole, part, 1.0 if upper else high, 0.0 if upper else low)
    square, rest = product(one, one_low, one, one_low)
    return fraction(whole, part, square, rest)


def gated_slope(high, low, factor, u, w, w_low):
    """The derivative of x * sigmoid(u), where w + w_low is x times the derivative of u, and exp(-|u|) as above."""
    return slope_over(high, low, high * factor, low * factor, u, w, w_low) * (1.0 if u > 0.0 else factor)


def silu(x):
    z = -LIMIT if x < -LIMIT else x
    high, low, factor = decay_pair(-abs(z))
    return x if x > LIMIT else gated(z, high, low, factor)


def silu_derivative(x):
    z = limited(x)
    high, low, factor = decay_pair(-abs(z))
    return gated_slope(high, low, factor, z, z, 0.0)


def multiple(x, high, low):
    """x * (high + low) as a pair with a low that is lost in the sum."""
    high, low = times(high, low, x)
    return fast_two_sum(high, low)


def quick_gelu(x):
    z = limited(x)
    u, u_low = multiple(z, QUICK, QUICK_REST)
    high, low, factor = odds(u, u_low)
    return x if x > LIMIT else gated(z, high, low, factor)


def quick_gelu_derivative(x):
    u, u_low = multiple(limited(x), QUICK, QUICK_REST)
    high, low, factor = odds(u, u_low)
    return gated_slope(high, low, factor, u, u, u_low)


def bent(x, cubic, cubic_rest):
    """x * (CURVE + cubic * x**2) as a pair."""
    square = x * x
    bend, bend_low = product(cubic, cubic_rest, square, fma(x, x, -square))
    high, low = two_sum(CURVE, bend)
    return multiple(x, high, low + (bend_low + CURVE_REST))


def gelu_tanh(x):
    # (1 + tanh(y)) / 2 = sigmoid(2 * y)
    z = within(x, STEEP)
    u, u_low = bent(z, CUBIC, CUBIC_REST)
    high, low, factor = odds(u, u_low)
    return x if x > STEEP else gated(z, high, low, factor)


def gelu_tanh_derivative(x):
    z = within(x, STEEP)
    u, u_low = bent(z, CUBIC, CUBIC_REST)
    w, w_low = bent(z, 3.0 * CUBIC, 3.0 * CUBIC_REST)
    high, low, factor = odds(u, u_low)
    return gated_slope(high, low, factor, u, w, w_low)


def gelu(x):
    # x * Q(|x|) below 0 and x - x * Q(x) above, Q the upper tail of the normal distribution.
    z = limited(x)
    high, low, factor = normal_tail(z)
    upper, rest = complement(1.0, high, low, factor)
    product = z * high
    above = fma(z, upper, z * rest)
    below = (product + fma(z, low, fma(z, high, -product))) * factor
    return x if x > LIMIT else copysign(above if x > 0.0 else below, x)


def gelu_derivative(x):
    slope = normal_tail_slope(limited(x))
    return 1.0 - slope if x > 0.0 else slope


def mish_parts(x):
    """high, low and factor of e = exp(-|x|), and as pairs `whole`, `tail` and `divisor` of tanh(log(1 + exp(x))).

    Above 0 that is whole / divisor = (1 + 2 * e) / (1 + 2 * e + 2 * e**2), and the tail is 2 * e**2. Below it is
    tail * factor / divisor = e * (2 + e) / (2 + e * (2 + e)), and whole is 2 + e.
    """
    high, low, factor = decay_pair(-abs(x))
    e, e_low = high * factor, low * factor
    upper = x > 0.0
    whole, part = two_sum(1.0 if upper else 2.0, 2.0 * e if upper else e)
    part = part + (2.0 * e_low if upper else e_low)
    left, left_low = (2.0 * e if upper else high), (2.0 * e_low if upper else low)
    tail, tail_low = product(left, left_low, e if upper else whole, e_low if upper else part)
    scale = 1.0 if upper else factor
    divisor, rest = two_sum(whole if upper else 2.0, tail * scale)
    return high, low, factor, whole, part, tail, tail_low, divisor, rest + fma(tail_low, scale, part if upper else 0.0)


def mish(x):
    z = limited(x)
    _, _, factor, whole, part, tail, tail_low, divisor, rest = mish_parts(z)
    upper = z > 0.0
    high, low = times(whole if upper else tail, part if upper else tail_low, z)
    value = copysign(fraction(high, low, divisor, rest) * (1.0 if upper else factor), x)
    return x if x > LIMIT else value


def mish_derivative(x):
    # With t = tanh(log(1 + exp(x))) it is t + 4 * x * e**2 * (1 + e) / divisor**2 above 0. Below, where the terms
    # cancel near -1.19, it is e * ((2 + e) * divisor + 4 * x * (1 + e)) / divisor**2.
    z = limited(x)
    high, low, factor, whole, part, tail, _, divisor, rest = mish_parts(z)
    e = high * factor
    one, one_low = two_sum(1.0, e)
    first, first_low = product(whole, part, divisor, rest)
    second, second_low = times(one, fma(low, factor, one_low), 4.0 * z)
    total, total_low = two_sum(first, second)
    total_low = total_low + (first_low + second_low)
    below = fraction(total, total_low, divisor, rest) * fraction(high, low, divisor, rest) * factor
    above = fma(2.0 * z * tail / divisor, one / divisor, fraction(whole, part, divisor, rest))
    return above if z > 0.0 else below


SILU = Elementwise(silu, silu_derivative)
QUICK_GELU = Elementwise(quick_gelu, quick_gelu_derivative)
GELU = Elementwise(gelu, gelu_derivative)
GELU_TANH = Elementwise(gelu_tanh, gelu_tanh_derivative)
MISH = Elementwise(mish, mish_derivative)
