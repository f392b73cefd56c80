"""Losses of counts and amounts: deviances, less what depends on the target alone.

With a logarithmic link the prediction z stands for exp(z). Terms that cancel are pairs.
"""

from fastloa_kernels.formulas.compensated import fast_two_sum, product, two_sum
from fastloa_kernels.formulas.elementary import exp, exp_pair
from fastloa_kernels.formulas.everyday import among
from fastloa_kernels.formulas.wide import (
    divided,
    divided_pair,
    levelled,
    levelled_exp,
    log_pair,
    total_of,
    weighted_exp,
)
from fastloa_kernels.primitives import fma, inf, nan
from fastloa_kernels.records import PairwiseLoss

LARGE, DROP, LIFT = 80.0, 2.0**-16, 2.0**16  # from there on terms may be too large for numbers, but for their sum
FAR = 1000.0  # exp of it is infinite
HALF_LOG_2_PI, HALF_LOG_2_PI_REST = 0.9189385175704956, 1.563417713631158e-08  # the first a number of 24 bits


def dropped(z, t):
    """What terms are multiplied with, and their sum divided by."""
    large = (t if t > z else z) > LARGE
    return DROP if large else 1.0, LIFT if large else 1.0


def weighted(w, x):
    """w * x as a pair; 0 where the weight is."""
    x = 0.0 if w == 0.0 else x
    high = w * x
    return high, (fma(w, x, -high) if abs(high) < inf else 0.0)


def stirling(t, scale):
    """scale * (t * log(t) - t + log(2 * pi * t) / 2) as a pair where t > 1, else 0."""
    x = t if t > 1.0 else 1.0
    whole, part = two_sum(scale * x, 0.5 * scale)
    log_high, log_low = log_pair(x, 0.0)
    high, low = product(whole, part, log_high, log_low)
    high, rest = two_sum(high, -scale * x)
    high, part = two_sum(high, scale * HALF_LOG_2_PI)
    low = low + (rest + fma(scale, HALF_LOG_2_PI_REST, part))
    high, low = fast_two_sum(high, low)
    return (high if t < inf else inf) if t > 1.0 else 0.0, (low if t < inf else 0.0) if t > 1.0 else 0.0


def exp_less_product(z, t, scale):
    """scale * (exp(z) - t * z) as a pair."""
    high, low, factor = exp_pair(z)
    factor = factor * scale
    linear, linear_low = weighted(scale * t, FAR if z > FAR else z)
    total, part = two_sum(high * factor, -linear)
    return total, (part + fma(low, factor, -linear_low) if abs(total) < inf else 0.0)


def poisson_nll_loss(z, t):
    scale, back = dropped(z, t)
    high, low = exp_less_product(z, t, scale)
    return (high + low) * back


def poisson_nll_loss_full(z, t):
    scale, back = dropped(z, t)
    high, low = exp_less_product(z, t, scale)
    constant, rest = stirling(t, scale)
    value = total_of(high, low, constant, rest) * back
    return among(z, inf if z < inf else nan) if t == inf else value


def poisson_nll_loss_derivative(z, t):
    scale, back = dropped(z, t)
    high, low, factor = exp_pair(z)
    factor = factor * scale
    return total_of(high * factor, low * factor, -scale * t, 0.0) * back


def poisson_nll_loss_second(z, t):
    return among(t, exp(z))


def shifted(z, eps):
    """z + eps as a pair, NaN below 0."""
    high, low = two_sum(z, eps)
    return (high if high >= 0.0 else nan), (low if abs(high) < inf else 0.0)


def rate_less_product(z, t, eps, scale):
    """scale * (z - t * log(z + eps)) as a pair."""
    x, x_low = shifted(z, eps)
    inside = 1.0 if x == 0.0 else x
    high, low = log_pair(inside, x_low if x > 0.0 else 0.0)
    high, low = (-inf, 0.0) if x == 0.0 else (high, low)
    w = scale * t
    linear, linear_low = weighted(w, high)
    total, part = two_sum(scale * z, -linear)
    # With a target of 0 it is z, but NaN where the logarithm is.
    return total + (0.0 if x >= 0.0 else x), (part - fma(w, low, linear_low) if abs(total) < inf else 0.0)


def poisson_nll_loss_rate(z, t, eps):
    scale, back = dropped(z, t)
    high, low = rate_less_product(z, t, eps, scale)
    return (high + low) * back


def poisson_nll_loss_rate_full(z, t, eps):
    scale, back = dropped(z, t)
    high, low = rate_less_product(z, t, eps, scale)
    constant, rest = stirling(t, scale)
    value = total_of(high, low, constant, rest) * back
    return among(z, inf if z < inf else nan) if t == inf else value


def poisson_nll_loss_rate_derivative(z, t, eps):
    # (z + eps - t) / (z + eps)
    x, x_low = shifted(z, eps)
    high, low = two_sum(x, -t)
    high, low = fast_two_sum(high, low + x_low)
    slope = divided(high, low, x, x_low)
    return among(x, 1.0) if (0.0 if x == inf else t) == 0.0 else slope


def poisson_nll_loss_rate_second(z, t, eps):
    x, x_low = shifted(z, eps)
    x = (1.0 if x == 0.0 else x) if t == 0.0 else x  # where the target is 0, so is 0 / 0
    return divided(divided(t, 0.0, x, x_low), 0.0, x, x_low)


def gamma_loss(z, t):
    high, low = weighted_exp(t, 0.0, -z, 0.0)
    linear = z if z > -inf else (0.0 if t > 0.0 else z)  # at -inf the exponential alone, which grows faster
    return total_of(linear, 0.0, high, low)


def gamma_loss_derivative(z, t):
    high, low = weighted_exp(t, 0.0, -z, 0.0)
    return total_of(1.0, 0.0, -high, -low)


def gamma_loss_second(z, t):
    high, low = weighted_exp(t, 0.0, -z, 0.0)
    return high + low


def stretched(z, factor):
    """z * factor as a pair."""
    high = z * factor
    return high, (fma(z, factor, -high) if abs(high) < inf else 0.0)


def tweedie_loss(z, t, power):
    # t * exp(-fall * z) / fall + exp(rise * z) / rise: for a target of at least 0, both are.
    fall, rise = power - 1.0, 2.0 - power
    x, x_low = stretched(z, -fall)
    high, low = weighted_exp(t, 0.0, x, x_low)
    high, low = divided_pair(high, low, fall)
    w, w_low = divided_pair(1.0, 0.0, rise)
    x, x_low = stretched(z, rise)
    other, rest = weighted_exp(w, w_low, x, x_low)
    return total_of(high, low, other, rest)


def tweedie_loss_derivative(z, t, power):
    # The one exponent is the other and z, so that the least z makes their difference.
    scale, back = dropped(z, 0.0)
    x, x_low = stretched(z, 1.0 - power)
    high, low = weighted_exp(scale * t, 0.0, x, x_low)
    x, part = two_sum(z, x)
    finite = abs(z) < inf
    other, rest = weighted_exp(scale, 0.0, x if finite else z, part + x_low if finite else 0.0)
    return total_of(other, rest, -high, -low) * back


def tweedie_loss_second(z, t, power):
    fall, rise = power - 1.0, 2.0 - power
    scale, root = levelled(t)
    w, w_low = stretched(scale * t, fall)
    x, x_low = stretched(z, -fall)
    high, low = levelled_exp(w, w_low, root, x, x_low)
    x, x_low = stretched(z, rise)
    other, rest = weighted_exp(rise, 0.0, x, x_low)
    return total_of(high, low, other, rest)


POISSON_NLL_LOSS = PairwiseLoss(poisson_nll_loss, poisson_nll_loss_derivative, poisson_nll_loss_second)
POISSON_NLL_LOSS_FULL = PairwiseLoss(poisson_nll_loss_full, poisson_nll_loss_derivative, poisson_nll_loss_second)
POISSON_NLL_LOSS_RATE = PairwiseLoss(
    poisson_nll_loss_rate, poisson_nll_loss_rate_derivative, poisson_nll_loss_rate_second
)
POISSON_NLL_LOSS_RATE_FULL = PairwiseLoss(
    poisson_nll_loss_rate_full, poisson_nll_loss_rate_derivative, poisson_nll_loss_rate_second
)
GAMMA_LOSS = PairwiseLoss(gamma_loss, gamma_loss_derivative, gamma_loss_second)
TWEEDIE_LOSS = PairwiseLoss(tweedie_loss, tweedie_loss_derivative, tweedie_loss_second)
