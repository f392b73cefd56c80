"""Losses of three arrays with derivatives in two of them.

A likelihood's deviation is r = x - t, a pair, and weighs k = r**2 / v by its variance v. A ranking loss is that of the
margin t * (a - b) of two scores.
"""

from fastloa_kernels.formulas.compensated import two_sum
from fastloa_kernels.formulas.deviances import HALF_LOG_2_PI, HALF_LOG_2_PI_REST
from fastloa_kernels.formulas.everyday import among, sign
from fastloa_kernels.formulas.residuals import half_residual, residual
from fastloa_kernels.formulas.wide import log_pair, total_of
from fastloa_kernels.primitives import fma, inf, nan
from fastloa_kernels.records import PairwiseLoss

FAR = 2.0**60  # from there on 1 beside k / 2 is nothing


def at_least(v, eps):
    """The variance, or eps where it is less; NaN where it is none."""
    v = v if v >= 0.0 else nan
    return eps if v < eps else v


def weighed(x, t, v):
    """r / v, and k / 2 as a pair; where r is more than a number, by its half."""
    r, low = two_sum(x, -t)
    finite = abs(r) < inf
    r = r if finite else half_residual(x, t)
    w = r / v
    # With r + low = w * v + rest, k is (r + low) * (w + rest / v), where r / v is w.
    half = 0.5 * r
    k = half * w
    k_low = fma(0.5 * w, fma(-w, v, r) + 2.0 * low, fma(half, w, -k))
    return (w if finite else 2.0 * w), (k if finite else 4.0 * k), (k_low if abs(k_low) < inf else 0.0)


def halves(x, t, variance, eps):
    """log(v) / 2 and k / 2, each as a pair."""
    v = at_least(variance, eps)
    _, k, k_low = weighed(x, t, v)
    high, rest = log_pair(v if v < inf else 1.0, 0.0)
    return 0.5 * (high if v < inf else v), 0.5 * rest, (k if v < inf else among(x - t, 0.0)), k_low


def gaussian_nll_loss(x, t, variance, eps):
    high, low, k, k_low = halves(x, t, variance, eps)
    return total_of(high, low, k, k_low)


def gaussian_nll_loss_full(x, t, variance, eps):
    high, low, k, k_low = halves(x, t, variance, eps)
    high, rest = two_sum(high, HALF_LOG_2_PI)
    return total_of(high, low + (rest + HALF_LOG_2_PI_REST), k, k_low)


def gaussian_nll_loss_derivative(x, t, variance, eps):
    v = at_least(variance, eps)
    w, k, k_low = weighed(x, t, v)
    # In the variance (1 - k) / (2 * v), and where k outgrows the 1, -(r / v)**2 / 2.
    near = ((0.5 - k) - k_low) / v
    return w, near if k < FAR else -0.5 * w * w


def gaussian_nll_loss_second(x, t, variance, eps):
    v = at_least(variance, eps)
    w, k, k_low = weighed(x, t, v)
    # In the variance (k - 1 / 2) / v**2.
    rest, part = two_sum(2.0 * k, -0.5)
    near = (rest + fma(2.0, k_low, part)) / v / v
    return among(x - t, 1.0 / v), near if k < FAR else w / v * w


def lack(a, b, t, margin):
    """margin - t * (a - b)."""
    d, low = residual(a, b)
    p = t * d
    high, rest = two_sum(margin, -p)
    exact = high + (rest - fma(t, low, fma(t, d, -p)))
    return exact if abs(high) < inf else 2.0 * (0.5 * margin - t * half_residual(a, b))


def margin_ranking_loss(a, b, t, margin):
    m = lack(a, b, t, margin)
    return 0.0 if m <= 0.0 else m


def margin_ranking_loss_derivative(a, b, t, margin):
    # Without a margin the product may be too little for a number, and yet has a side.
    m = lack(a, b, t, margin)
    m = -t * sign(a - b) if (abs(m) if margin == 0.0 else 1.0) == 0.0 else m
    slope = 0.0 if m <= 0.0 else (t if m > 0.0 else m)
    return 0.0 - slope, slope


def margin_ranking_loss_second(a, b, t, margin):
    m = lack(a, b, t, margin)
    flat = 0.0 if m == m else m
    return flat, flat


GAUSSIAN_NLL_LOSS = PairwiseLoss(
    gaussian_nll_loss, gaussian_nll_loss_derivative, gaussian_nll_loss_second, operands=3, gradients=2
)
GAUSSIAN_NLL_LOSS_FULL = PairwiseLoss(
    gaussian_nll_loss_full, gaussian_nll_loss_derivative, gaussian_nll_loss_second, operands=3, gradients=2
)
MARGIN_RANKING_LOSS = PairwiseLoss(
    margin_ranking_loss, margin_ranking_loss_derivative, margin_ranking_loss_second, operands=3, gradients=2
)
