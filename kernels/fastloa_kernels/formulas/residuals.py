"""Losses of the residual r = prediction - target: value, first and second derivative in the prediction.

Where the residual is squared it is a pair: what rounding it loses would count twice. NaN in prediction or target makes
r NaN, which is in the arm of every branch that no comparison leads to.
"""

from fastloa_kernels.formulas.compensated import fast_two_sum, product, quotient, times, two_sum
from fastloa_kernels.formulas.elementary import expm1_pair, log1p, tanh
from fastloa_kernels.formulas.everyday import among, sign
from fastloa_kernels.formulas.logistic import over, sech_squared
from fastloa_kernels.formulas.wide import LN2, LN2_REST, divided, divided_pair, log_beyond
from fastloa_kernels.primitives import copysign, fma, inf, nan, sqrt
from fastloa_kernels.records import PairwiseLoss

STEEP, FLAT = 2.0**60, 2.0**-40  # from there on sqrt(1 + z**2) is z, and up to there 1
BENT = 2.0**-9  # up to there a few terms of the series of log1p(x) do
LARGE, DROP = 2.0**100, 2.0**-8  # from there on 100 * x may be too large for a number
LINEAR = 22.0  # from there on log(cosh(r)) is r - ln(2)
VANISHING = 1000.0  # from there on 1 - tanh(r)**2 is 0, whatever rounding r loses


def residual(p, t):
    """r as a pair; the rest of what is not finite is 0."""
    high, low = two_sum(p, -t)
    return high, (low if abs(high) < inf else 0.0)


def half_residual(p, t):
    """r / 2, which is finite where r may not be."""
    return 0.5 * p - 0.5 * t


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
    inverse = 1.0 / (1.0 + high)
    w = square * inverse
    missing = (fma(-w, high, square - w) + fma(high, rest, fma(half, high, -square))) * inverse
    near = abs(log1p(w) + fma(low, high - w, missing) / (1.0 + w))  # by the derivatives, tanh(a) and 1 / (1 + w)
    far, part = fast_two_sum(a, -LN2)
    return near if a < LINEAR else (far + (part + low - LN2_REST) if a < inf else a)


def log_cosh_loss_derivative(p, t):
    return tanh(p - t)


def log_cosh_loss_second(p, t):
    r, low = two_sum(p, -t)
    low = low if abs(r) < VANISHING else 0.0
    return sech_squared(abs(r), copysign(1.0, r) * low)


def ratio_pair(r, low, divisor):
    """|r + low| / divisor as a pair."""
    return divided_pair(abs(r), copysign(1.0, r) * low, divisor)


def fair_loss(p, t, c):
    # c**2 * (x - log1p(x)) with x = |r| / c; close to 0 it is r**2 / 2 * (1 - 2 / 3 * x + ...), far out c * |r|.
    r, low, c, scale = fitted(p, t, c)
    x, x_low = ratio_pair(r, low, c)
    bend = fma(fma(fma(fma(fma(0.25, -x, 2.0 / 7.0), -x, 1.0 / 3.0), -x, 0.4), -x, 0.5), -x, 2.0 / 3.0)
    half = half_square(r, low)
    near = fma(-x * bend, half, half) if half < inf else half
    u = STEEP if x > STEEP else x
    high, rest = log_beyond(1.0, u, x_low)
    high, part = two_sum(u, -high)
    high, rest = times(high, part + (x_low - rest), c)
    value = high * c
    middle = fma(high, c, rest * c) if value < inf else value
    far = abs(r) * c
    return (near if x < BENT else (far if x >= STEEP else middle)) * scale * scale


def fair_loss_derivative(p, t, c):
    # With the smaller and the larger of |r| and c it is smaller / (1 + smaller / larger), of the sign of r.
    r, low, c, scale = fitted(p, t, c)
    a = abs(r)
    smaller, larger, rest = (c, a, 0.0) if a > c else (a, c, copysign(1.0, r) * low)
    return copysign(quotient(smaller, rest, 1.0, smaller / larger), r) * scale


def fair_loss_second(p, t, c):
    # The square of 1 / (1 + |r| / c), or of (c / |r|) / (1 + c / |r|).
    r, low, c, _ = fitted(p, t, c)
    a = abs(r)
    steep = a > c
    smaller, larger, rest = (c, a, copysign(1.0, r) * low) if steep else (a, c, 0.0)
    y = smaller / larger
    y_low = (fma(-y, larger, smaller) + (-y * rest if steep else copysign(1.0, r) * low)) / larger
    y_low = y_low if larger < inf else 0.0
    whole = y if steep else 1.0
    share = whole / (1.0 + y)
    share = quotient(whole, (y_low if steep else 0.0) - share * y_low, 1.0, y)
    return share * share


def less(u, u_low, factor):
    """1 - factor * (u + u_low) as a pair."""
    u, u_low = times(u, u_low, factor)
    high, low = two_sum(1.0, -u)
    return fast_two_sum(high, low - u_low)


def tukey_loss(p, t, c):
    # Inside it is r**2 / 2 * (1 - u + u**2 / 3) with u = (r / c)**2: as (1 - u / 2)**2 + u**2 / 12, nothing cancels.
    r, low = residual(p, t)
    x, x_low = ratio_pair(r, low, c)
    u, u_low = squared(x, x_low)
    high, rest = less(u, u_low, 0.5)
    square, square_low = squared(high, rest)
    factor, part = fast_two_sum(square, fma(u, u, 2.0 * u * u_low) / 12.0)
    part = part + square_low
    double, double_low = squared(r, low)
    inside = 0.5 * fma(double, factor, fma(double, part, double_low * factor))
    half = 0.5 * fma(r, factor, fma(r, part, low * factor))  # times r, where r**2 is too large for a number
    inside = fma(r, half, low * half) if double == inf else inside
    return c / 6.0 * c if beyond(p, t, c) > 0.0 else inside


def inside_tukey(p, t, c):
    """c - |r| and 1 + |r| / c as pairs: their product is c * (1 - u), in all its digits where u is next to 1 too."""
    r, low = residual(p, t)
    low = copysign(1.0, r) * low
    gap, rest = two_sum(c, -abs(r))
    gap, rest = fast_two_sum(gap, rest - low)
    x, x_low = ratio_pair(r, copysign(1.0, r) * low, c)
    whole, part = two_sum(1.0, x)
    return gap, rest, whole, part + x_low


def tukey_loss_derivative(p, t, c):
    r, low = residual(p, t)
    gap, rest, whole, part = inside_tukey(p, t, c)
    high, high_low = product(gap, rest, whole, part)
    share, share_low = divided_pair(high, high_low, c)
    square, square_low = squared(share, share_low)
    inside = fma(r, square, fma(r, square_low, low * square))
    return 0.0 if beyond(p, t, c) > 0.0 else inside


def tukey_loss_second(p, t, c):
    # (1 - u) * (1 - 5 * u)
    gap, rest, whole, part = inside_tukey(p, t, c)
    r, low = residual(p, t)
    x, x_low = ratio_pair(r, low, c)
    u, u_low = squared(x, x_low)
    other, other_low = less(u, u_low, 5.0)
    high, low = product(whole, part, other, other_low)
    high, low = product(gap, rest, high, low)
    return 0.0 if beyond(p, t, c) > 0.0 else divided(high, low, c, 0.0)


def scaled_down(p, t, eps):
    """p, t and max(|t|, eps), over 256 where 100 * |p - t| might be too large for a number."""
    large = abs(p) if abs(p) > abs(t) else abs(t)
    scale = DROP if large > LARGE else 1.0
    return scale * p, scale * t, scale * (eps if abs(t) < eps else abs(t))


def mape_loss(p, t, eps):
    p, t, divisor = scaled_down(p, t, eps)
    r, low = residual(p, t)
    value = fma(100.0, abs(r), 100.0 * copysign(1.0, r) * low) / divisor
    return (100.0 if abs(p) < inf else nan) if divisor == inf else value


def mape_loss_derivative(p, t, eps):
    return 100.0 * sign(p - t) / (eps if abs(t) < eps else abs(t))


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
FAIR_LOSS = PairwiseLoss(fair_loss, fair_loss_derivative, fair_loss_second)
TUKEY_LOSS = PairwiseLoss(tukey_loss, tukey_loss_derivative, tukey_loss_second)
MAPE_LOSS = PairwiseLoss(mape_loss, mape_loss_derivative, no_second)
QUANTILE_LOSS = PairwiseLoss(quantile_loss, quantile_loss_derivative, no_second)
EXPECTILE_LOSS = PairwiseLoss(expectile_loss, expectile_loss_derivative, expectile_loss_second)
EPSILON_INSENSITIVE_LOSS = PairwiseLoss(epsilon_insensitive_loss, epsilon_insensitive_loss_derivative, no_second)
SQUARED_EPSILON_INSENSITIVE_LOSS = PairwiseLoss(
    squared_epsilon_insensitive_loss,
    squared_epsilon_insensitive_loss_derivative,
    squared_epsilon_insensitive_loss_second,
)
