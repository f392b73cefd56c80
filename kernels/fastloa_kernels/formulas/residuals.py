"""Losses of the residual r = prediction - target: value, first and second derivative in the prediction.

Where the residual is squared it is a pair: what rounding it loses would count twice. NaN in prediction or target makes
r NaN, which is in the arm of every branch that no comparison leads to.
"""

from fastloa_kernels.formulas.compensated import fast_two_sum, quotient, times, two_sum
from fastloa_kernels.formulas.elementary import expm1_pair, log1p, tanh
from fastloa_kernels.formulas.logistic import over, sech_squared
from fastloa_kernels.primitives import copysign, fma, inf, sqrt
from fastloa_kernels.records import PairwiseLoss

LN2, LN2_REST = 0.6931471228599548, 5.7699990475432854e-08  # ln(2) as a number of 24 bits, and the rest
STEEP, FLAT = 2.0**60, 2.0**-40  # from there on sqrt(1 + z**2) is z, and up to there 1
LINEAR = 22.0  # from there on log(cosh(r)) is r - ln(2)


def residual(p, t):
    """r as a pair; the rest of what is not finite is 0."""
    high, low = two_sum(p, -t)
    return high, (low if abs(high) < inf else 0.0)


def half_residual(p, t):
    """r / 2, which is finite where r may not be."""
    return 0.5 * p - 0.5 * t


def sign(r):
    """1, -1, or r itself where it is 0 or NaN."""
    return 1.0 if r > 0.0 else (-1.0 if r < 0.0 else r)


def among(r, value):
    """The value, or r where it is NaN."""
    return value if r == r else r


def beyond(p, t, bound):
    """|r| - bound."""
    r, low = residual(p, t)
    high, rest = two_sum(abs(r), -bound)
    exact = high + (rest + copysign(1.0, r) * low)
    return exact if high < inf else 2.0 * (abs(half_residual(p, t)) - 0.5 * bound)


def smooth_l1_loss(p, t, beta):
    r, low = residual(p, t)
    a = abs(r)
    ratio, ratio_low = over(r, beta)
    inside = 0.5 * fma(r, ratio, fma(r, ratio_low, 2.0 * low * ratio))
    outside = a - 0.5 * beta
    outside = outside if outside < inf else 2.0 * (abs(half_residual(p, t)) - 0.25 * beta)
    return inside if a < beta else outside


def smooth_l1_loss_derivative(p, t, beta):
    r = p - t
    return r / beta if abs(r) < beta else sign(r)


def smooth_l1_loss_second(p, t, beta):
    return 1.0 / beta if beyond(p, t, beta) < 0.0 else among(p - t, 0.0)


def half_square(r, low):
    """r**2 / 2 of a residual that is a pair."""
    value = 0.5 * r * r
    return fma(0.5 * r, r, r * low) if value < inf else value


def huber_loss(p, t, delta):
    r, low = residual(p, t)
    high, rest = two_sum(abs(r), -0.5 * delta)
    outside = delta * high
    # What is infinite must not meet its rest, which might be as well.
    exact = fma(delta, high, delta * (rest + copysign(1.0, r) * low))
    outside = exact if outside < inf else 2.0 * (delta * abs(half_residual(p, t)))
    return half_square(r, low) if abs(r) <= delta else outside


def huber_loss_derivative(p, t, delta):
    r = p - t
    return r if abs(r) <= delta else delta * sign(r)


def huber_loss_second(p, t, delta):
    return 1.0 if beyond(p, t, delta) <= 0.0 else among(p - t, 0.0)


def squared(z, z_low):
    """z**2 as a pair."""
    square = z * z
    return square, fma(2.0 * z, z_low, fma(z, z, -square))


def hypotenuse(r, low, delta):
    """|r| / delta, and z, which is that up to STEEP, as a pair, 1 + z**2 and its root, both as pairs."""
    ratio = r / delta
    z = STEEP if abs(ratio) > STEEP else ratio
    z_low = (fma(-z, delta, r) + low) / delta if abs(ratio) <= STEEP else 0.0
    square, square_low = squared(z, z_low)
    total, rest = two_sum(1.0, square)
    rest = rest + square_low
    root = sqrt(total)
    return abs(ratio), z, z_low, total, rest, root, 0.5 * (fma(-root, root, total) + rest) / root


def fitted(p, t, delta):
    """r as a pair, delta and 1, or where r is too large for a number, half of both and 2."""
    fits = abs(p - t) < inf
    r, low = residual(p if fits else 0.5 * p, t if fits else 0.5 * t)
    return r, low, (delta if fits else 0.5 * delta), (1.0 if fits else 2.0)


def pseudo_huber_loss(p, t, delta):
    # delta**2 * z**2 / (1 + sqrt(1 + z**2)); far out it is delta * (|r| - delta), and close to 0 it is r**2 / 2, where
    # z**2 might be too large or too small for a number.
    r, low, delta, scale = fitted(p, t, delta)
    a, z, z_low, _, _, root, root_low = hypotenuse(r, low, delta)
    square, square_low = squared(z, z_low)
    whole, part = two_sum(1.0, root)
    share = quotient(square, square_low, whole, part + root_low)
    high, rest = times(share, 0.0, delta)
    value = high * delta
    middle = fma(high, delta, rest * delta) if value < inf else value
    far = delta * (abs(r) - delta)
    return (half_square(r, low) if a < FLAT else (far if a >= STEEP else middle)) * scale * scale


def pseudo_huber_loss_derivative(p, t, delta):
    r, low, delta, scale = fitted(p, t, delta)
    a, _, _, _, _, root, root_low = hypotenuse(r, low, delta)
    return (copysign(delta, r) if a >= STEEP else quotient(r, low, root, root_low)) * scale


def pseudo_huber_loss_second(p, t, delta):
    r, low, delta, _ = fitted(p, t, delta)
    a, _, _, total, rest, root, root_low = hypotenuse(r, low, delta)
    near = quotient(quotient(1.0, 0.0, total, rest), 0.0, root, root_low)
    steep = abs(r)
    q = delta / steep
    q_low = (fma(-q, steep, delta) - q * copysign(1.0, r) * low) / steep
    square, square_low = squared(q, q_low)
    far = fma(square, q, fma(square, q_low, square_low * q))
    return (far if steep < inf else 0.0) if a >= STEEP else near


def log_cosh_loss(p, t):
    # log1p(cosh(r) - 1) with cosh(r) - 1 = m**2 / (2 * (1 + m)), m = exp(|r|) - 1: nothing cancels.
    r, low = residual(p, t)
    a, low = abs(r), copysign(1.0, r) * low
    high, rest, _ = expm1_pair(LINEAR if a > LINEAR else a)
    half = 0.5 * high
    square = half * high
    w = quotient(square, fma(high, rest, fma(half, high, -square)), 1.0, high)
    near = abs(fma(low, (high - w) / (1.0 + w), log1p(w)))  # by the derivative, tanh(a)
    far, part = fast_two_sum(a, -LN2)
    return near if a < LINEAR else (far + (part + low - LN2_REST) if a < inf else a)


def log_cosh_loss_derivative(p, t):
    return tanh(p - t)


def log_cosh_loss_second(p, t):
    r, low = residual(p, t)
    return sech_squared(abs(r), copysign(1.0, r) * low)


def tilt(r, quantile):
    """The weight of r, 1 - quantile where it is positive and else the quantile, as a pair."""
    high, low = fast_two_sum(1.0, -quantile)
    above = r > 0.0
    return (high if above else quantile), (low if above else 0.0)


def quantile_loss(p, t, quantile):
    r = p - t
    a = abs(r)
    weight, weight_low = tilt(r, quantile)
    return fma(weight, a, weight_low * a) if a < inf else 2.0 * (weight * abs(half_residual(p, t)))


def quantile_loss_derivative(p, t, quantile):
    r = p - t
    return 1.0 - quantile if r > 0.0 else (-quantile if r < 0.0 else r)


def no_second(p, t, parameter):
    return among(p - t, 0.0)


def expectile_loss(p, t, quantile):
    r, low = residual(p, t)
    weight, weight_low = tilt(r, quantile)
    weighted = weight * r
    rest = fma(weight_low, r, fma(weight, r, -weighted))
    value = weighted * r
    return fma(weighted, r, fma(rest, r, 2.0 * weighted * low)) if value < inf else value


def expectile_loss_derivative(p, t, quantile):
    r, low = residual(p, t)
    weight, weight_low = tilt(r, quantile)
    double = 2.0 * weight
    exact = fma(double, r, fma(double, low, 2.0 * weight_low * r))
    return exact if abs(double * r) < inf else 2.0 * (double * half_residual(p, t))


def expectile_loss_second(p, t, quantile):
    r = p - t
    weight, _ = tilt(r, quantile)
    return among(r, 2.0 * weight)


def epsilon_insensitive_loss(p, t, epsilon):
    excess = beyond(p, t, epsilon)
    return 0.0 if excess <= 0.0 else excess


def epsilon_insensitive_loss_derivative(p, t, epsilon):
    return 0.0 if beyond(p, t, epsilon) <= 0.0 else sign(p - t)


def squared_epsilon_insensitive_loss(p, t, epsilon):
    excess = beyond(p, t, epsilon)
    return 0.0 if excess <= 0.0 else excess * excess


def squared_epsilon_insensitive_loss_derivative(p, t, epsilon):
    excess = beyond(p, t, epsilon)
    return 0.0 if excess <= 0.0 else copysign(2.0, p - t) * excess


def squared_epsilon_insensitive_loss_second(p, t, epsilon):
    excess = beyond(p, t, epsilon)
    return 0.0 if excess <= 0.0 else among(excess, 2.0)


SMOOTH_L1_LOSS = PairwiseLoss(smooth_l1_loss, smooth_l1_loss_derivative, smooth_l1_loss_second)
HUBER_LOSS = PairwiseLoss(huber_loss, huber_loss_derivative, huber_loss_second)
PSEUDO_HUBER_LOSS = PairwiseLoss(pseudo_huber_loss, pseudo_huber_loss_derivative, pseudo_huber_loss_second)
LOG_COSH_LOSS = PairwiseLoss(log_cosh_loss, log_cosh_loss_derivative, log_cosh_loss_second)
QUANTILE_LOSS = PairwiseLoss(quantile_loss, quantile_loss_derivative, no_second)
EXPECTILE_LOSS = PairwiseLoss(expectile_loss, expectile_loss_derivative, expectile_loss_second)
EPSILON_INSENSITIVE_LOSS = PairwiseLoss(epsilon_insensitive_loss, epsilon_insensitive_loss_derivative, no_second)
SQUARED_EPSILON_INSENSITIVE_LOSS = PairwiseLoss(
    squared_epsilon_insensitive_loss,
    squared_epsilon_insensitive_loss_derivative,
    squared_epsilon_insensitive_loss_second,
)
