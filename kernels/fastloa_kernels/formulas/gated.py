"""Activations of two arrays: one of them times a gate, and both gradients.

A product of two or three numbers and a gate is formed of numbers from 1 to 2, and their powers of two apart: however
small one of them is, another may bring the product back. What infinities lead to is written out.
"""

from fastloa_kernels.formulas.activations import leaky_relu
from fastloa_kernels.formulas.compensated import complement, fast_two_sum, fraction, product, quotient
from fastloa_kernels.formulas.elementary import (
    exp_scaled,
    fading,
    ldexp,
    normal_tail_parts,
    normal_tail_slope_parts,
    normalised,
)
from fastloa_kernels.formulas.everyday import among
from fastloa_kernels.formulas.gates import CUBIC, CUBIC_REST, bent, limited, slope_over
from fastloa_kernels.primitives import copysign, fma, inf
from fastloa_kernels.records import Gated, VectorLoss

END = 48.0


def joint(a, b):
    """high, low and n of a * b = (high + low) * 2**n for finite a and b; |high| is from 1 to 4, or 0."""
    a, n = normalised(a)
    b, k = normalised(b)
    high = a * b
    return high, fma(a, b, -high), n + k


def odds_parts(z, z_low):
    """k, high and low of exp(-|z + z_low|) = 2**k * (high + low), and that itself as a pair, of 0 where it is tiny."""
    k, high, low = exp_scaled(-abs(limited(z)), -z_low if z > 0.0 else z_low)
    factor = fading(k)
    return k, high, low, high * factor, low * factor


def sigmoid_of(high, low, n, z, z_low):
    """(high + low) * 2**n * sigmoid(z + z_low)."""
    k, odds, odds_low, e, _ = odds_parts(z, z_low)
    upper = z > 0.0
    below, below_low = product(high, low, odds, odds_low)
    share = fraction(high if upper else below, low if upper else below_low, 1.0, e)
    return ldexp(share, n + (0.0 if upper else k))


def where_finite(value, end, a, b):
    """The value where a and b are finite, else the end."""
    return (value if abs(b) < inf else end) if abs(a) < inf else end


def gated(value, a, b):
    """The value, |a * b| times a gate that follows from a: with its sign, and with its limits at infinities."""
    signed = copysign(value, copysign(1.0, a) * b)
    return where_finite(signed, (-0.0 if a == -inf else a) * b, a, b)


def sloped(slope, rest, k, g, a, b):
    """g * b * (slope + rest) * 2**k, where that is the derivative at a of a times its gate, and 0 at -inf."""
    high, low, n = joint(g, b)
    product = fma(high, slope, fma(high, rest, low * slope))
    value = copysign(ldexp(product, n + k), copysign(1.0, g) * b * slope)
    sign = 1.0 if slope > 0.0 else (-1.0 if slope < 0.0 else slope)
    return where_finite(value, g * (-0.0 if a == -inf else sign) * b, g, b)


def swiglu(a, b):
    high, low, n = joint(a, b)
    return gated(sigmoid_of(high, low, n, a, 0.0), a, b)


def swiglu_gradient(g, a, b):
    z = limited(a)
    k, high, low, e, e_low = odds_parts(z, 0.0)
    slope = slope_over(high, low, e, e_low, z, z, 0.0)
    return sloped(slope, 0.0, 0.0 if z > 0.0 else k, g, a, b), among(b, swiglu(a, g))


def geglu(a, b):
    # Phi(a) is Q(|a|) below 0 and 1 - Q(a) above, Q the upper tail of the normal distribution.
    k, tail, tail_low = normal_tail_parts(a)
    factor = fading(k)
    upper = a > 0.0
    whole, part = complement(1.0, tail, tail_low, factor)
    high, low, n = joint(a, b)
    high, low = product(high, low, whole if upper else tail, part if upper else tail_low)
    return gated(ldexp(high + low, n + (0.0 if upper else k)), a, b)


def geglu_gradient(g, a, b):
    k, tail, tail_low = normal_tail_slope_parts(a)
    upper = a > 0.0
    whole, part = complement(1.0, tail, tail_low, fading(k))
    slope, rest = (whole, part) if upper else (tail, tail_low)
    return sloped(slope, rest, 0.0 if upper else k, g, a, b), among(b, geglu(a, g))


def ended(x):
    """x, or an end of the range where gelu_tanh's gate, however it is multiplied, is neither 0 nor 1."""
    return -END if x < -END else (END if x > END else x)


def geglu_tanh(a, b):
    u, u_low = bent(ended(a), CUBIC, CUBIC_REST)
    high, low, n = joint(a, b)
    return gated(sigmoid_of(high, low, n, u, u_low), a, b)


def geglu_tanh_gradient(g, a, b):
    z = ended(a)
    u, u_low = bent(z, CUBIC, CUBIC_REST)
    w, w_low = bent(z, 3.0 * CUBIC, 3.0 * CUBIC_REST)
    k, high, low, e, e_low = odds_parts(u, u_low)
    slope = slope_over(high, low, e, e_low, u, w, w_low)
    return sloped(slope, 0.0, 0.0 if u > 0.0 else k, g, a, b), among(b, geglu_tanh(a, g))


def glu(a, b):
    high, n = normalised(a)
    value = copysign(sigmoid_of(high, 0.0, n, b, 0.0), a)
    return value if abs(a) < inf else a * (0.0 if b == -inf else (1.0 if b > -inf else b))


def glu_gradient(g, a, b):
    # The gate's slope is e / (1 + e)**2 with e = exp(-|b|).
    k, odds, odds_low, e, e_low = odds_parts(b, 0.0)
    whole, part = fast_two_sum(1.0, e)
    whole, part = product(whole, part + e_low, whole, part + e_low)
    high, low, n = joint(g, a)
    high, low = product(high, low, odds, odds_low)
    value = copysign(ldexp(quotient(high, low, whole, part), n + k), copysign(1.0, g) * a)
    end = g * (0.0 if abs(b) == inf else (1.0 if abs(b) < inf else b)) * a
    return among(a, glu(g, b)), where_finite(value, end, g, a)


def sign_of(x):
    """1 with the sign of x; NaN of NaN."""
    return copysign(1.0, x) if abs(x) <= inf else x


def reglu(a, b):
    return 0.0 * sign_of(b) if a < 0.0 else a * b


def reglu_gradient(g, a, b):
    still = 0.0 * sign_of(g) * sign_of(b)
    return (g * b if a > 0.0 else (still if a <= 0.0 else a)), among(b, reglu(a, g))


def prelu(x, weight):
    return among(weight, leaky_relu(x, weight))


def prelu_slope(g, x, weight):
    """g times the derivative at x."""
    return among(weight, g if x > 0.0 else (weight * g if x <= 0.0 else x))


def prelu_weight_slope(x, g):
    """g times the derivative at the weight."""
    return g * x if x < 0.0 else among(x, among(g, 0.0))


def prelu_gradient(g, x, weight):
    return prelu_slope(g, x, weight), among(weight, prelu_weight_slope(x, g))


def prelu_channel(total, weight):
    return among(weight, total)


def prelu_channel_coefficients(scale, total, weight):
    return scale, weight


def prelu_channel_slope(scale, weight, x, g):
    return scale * prelu_slope(g, x, weight)


GLU = Gated(glu, glu_gradient)
SWIGLU = Gated(swiglu, swiglu_gradient)
GEGLU = Gated(geglu, geglu_gradient)
GEGLU_TANH = Gated(geglu_tanh, geglu_tanh_gradient)
REGLU = Gated(reglu, reglu_gradient)
PRELU = Gated(prelu, prelu_gradient)
# Rows are the x and g of a channel: what they sum to is the gradient in its weight, which is the row's target.
PRELU_CHANNEL = VectorLoss(
    prelu_channel, prelu_weight_slope, prelu_channel_coefficients, prelu_channel_slope, vectors=2, gradients=1, sums=1,
    shares=2, labelled=True,
)  # fmt: skip
