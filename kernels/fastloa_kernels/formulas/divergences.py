"""Divergences of probabilities: of p, the target, and q, the exponential of the prediction x.

Their logarithms are subtracted as pairs, so that the digits of what is left are kept. 0 * log(0) is 0.
"""

from fastloa_kernels.formulas.compensated import fast_two_sum, product, two_sum
from fastloa_kernels.formulas.elementary import exp, exp_pair, expm1_pair
from fastloa_kernels.formulas.everyday import among
from fastloa_kernels.formulas.wide import log_beyond, log_pair, weighted_exp
from fastloa_kernels.primitives import fma, inf, nan
from fastloa_kernels.records import PairwiseLoss

NEAR = 2.0**-4  # up to there a series of few terms gives by how much two probabilities differ
CLOSE = 8.0  # and to there differences of logarithms cancel
FAR, LEAST = 80.0, 1.8048513878454153e-35  # from there on exp may be too large for a number; exp(-80)
NOTHING = -10000.0  # exp of anything below is 0, whatever it is multiplied with


def kl_div(x, t):
    t = t if t >= 0.0 else nan
    high, low = log_pair(t if t != 0.0 else 1.0, 0.0)
    high, low = (high, low) if t < inf else (t, 0.0)
    high, rest = two_sum(high, -x)
    value = t * high
    value = fma(t, high, t * (rest + low)) if abs(value) < inf else value
    return among(x, 0.0) if t == 0.0 else value


def kl_div_derivative(x, t):
    return among(x, 0.0 - t if t >= 0.0 else nan)


def kl_div_second(x, t):
    return among(x, 0.0 if t >= 0.0 else nan)


def kl_div_log_target(x, t):
    high, low = two_sum(t, -x)
    value, rest = weighted_exp(high, low if abs(high) < inf else 0.0, t, 0.0)
    # What is infinite is multiplied with no 0 that it only rounds to; but a gap may only be too large for a number.
    gap = (0.0 if abs(x) < inf else high) if t < 0.0 else high
    return among(x, 0.0) if t == -inf else (value + rest if abs(high) < inf else gap)


def kl_div_log_target_derivative(x, t):
    return among(x, 0.0 - exp(t))


def kl_div_log_target_second(x, t):
    return among(x, among(t, 0.0))


# Jensen and Shannon's: of the greater and the lesser of p and q, with their weights `own` and `other`, one of which is
# beta, with s = log(greater / lesser), and with their mean. All these are pairs.


def parted(gap, low, beta):
    """own, other and s, of gap + low = log(p / q)."""
    rest, rest_low = fast_two_sum(1.0, -beta)
    more = gap > 0.0
    low = low if abs(gap) < inf else 0.0
    own, own_low = (beta if more else rest), (0.0 if more else rest_low)
    return own, own_low, (rest if more else beta), (rest_low if more else 0.0), abs(gap), (low if more else -low)


def target_gap(x, t):
    """log(p / q) as a pair, for p = t."""
    t = t if t >= 0.0 else nan
    high, low = log_pair(t if t != 0.0 else 1.0, 0.0)
    high, low = (high, low) if t < inf else (t, 0.0)
    high, rest = two_sum(high if t != 0.0 else -inf, -x)
    return high, rest + low


def ratio(high, low, whole, part):
    """(high + low) / (whole + part) as a pair."""
    estimate = high / whole
    return estimate, (fma(-estimate, part, fma(-estimate, whole, high) + low) / whole if abs(estimate) < inf else 0.0)


def shares(other, other_low, s, s_low):
    """e = 1 - lesser / greater, lesser / greater, and mean / greater = 1 - other * e."""
    high, low, _ = expm1_pair(-s)
    e, e_low = fast_two_sum(-high, fma(s_low, 1.0 + high, -low))
    # Where they cancel, all must follow from one e: then its error is an error of s, and little depends on that.
    left, left_low = fast_two_sum(1.0, -e)
    high, low, factor = exp_pair(-s)
    close = s < CLOSE
    far = high * factor
    far_low = fma(-s_low, far, low * factor) if s < inf else 0.0
    part, part_low = product(e, e_low, other, other_low)
    whole, rest = fast_two_sum(1.0, -part)
    return e, e_low, (left if close else far), (left_low - e_low if close else far_low), whole, rest - part_low


def logarithms(own, own_low, other, other_low, s, s_low):
    """log(greater / mean) and log(mean / lesser): both of 1 and more, so that nothing cancels; the latter up to FAR."""
    e, e_low, left, left_low, whole, rest = shares(other, other_low, s, s_low)
    y, y_low = product(e, e_low, other, other_low)
    y, y_low = ratio(y, y_low, whole, rest)
    above, above_low = log_beyond(1.0, y, y_low)
    far = s > FAR
    y, y_low = ratio(e, e_low, LEAST if far else left, 0.0 if far else left_low)
    y, y_low = product(y, y_low, own, own_low)
    below, below_low = log_beyond(1.0, y, y_low)
    return above, above_low, below, below_low


def beyond_far(below, below_low, s, s_low):
    """log(mean / lesser) from what it is at FAR, where s is beyond."""
    far = s > FAR
    total, part = two_sum(below, s - FAR if far else 0.0)
    return total, (below_low + (part + (s_low if far else 0.0)) if s < inf else 0.0)


def bend(y):
    """((1 - y) * log(1 - y) + y) / y**2 - 1 / 2, by its series."""
    a = fma(fma(fma(y, 1.0 / 182.0, 1.0 / 156.0), y, 1.0 / 132.0), y, 1.0 / 110.0)
    b = fma(fma(fma(fma(a, y, 1.0 / 90.0), y, 1.0 / 72.0), y, 1.0 / 56.0), y, 1.0 / 42.0)
    return y * fma(fma(fma(fma(b, y, 1.0 / 30.0), y, 1.0 / 20.0), y, 1.0 / 12.0), y, 1.0 / 6.0)


def near_divergence(own, own_low, other, other_low, s, s_low):
    """The loss over the greater, where they are close: with the e and the mean of `shares`, and y = e / mean,

    own * other * e * y * (1 / 2 + other * bend(-other * y) + own * bend(own * y)), of which nothing cancels.
    """
    e, e_low, _, _, whole, rest = shares(other, other_low, s, s_low)
    y = e / whole
    k, k_low = product(0.5, fma(other, bend(-other * y), own * bend(own * y)), own, own_low)
    k, k_low = product(k, k_low, other, other_low)
    k, k_low = product(k, k_low, e, e_low)
    k, k_low = ratio(k, k_low, whole, rest)
    return product(k, k_low, e, e_low)


def far_divergence(own, own_low, other, other_low, s, s_low):
    """The same anywhere else: own * log(greater / mean) - other * lesser / greater * log(mean / lesser)."""
    above, above_low, below, below_low = logarithms(own, own_low, other, other_low, s, s_low)
    above, above_low = product(above, above_low, own, own_low)
    _, _, left, left_low, _, _ = shares(other, other_low, s, s_low)
    below, below_low = product(below, below_low, left, left_low)
    below, below_low = product(below, below_low, other, other_low)
    total, rest = two_sum(above, -below)
    return total, rest + (above_low - below_low)


def divergence(gap, gap_low, beta):
    """The loss over the greater of p and q."""
    own, own_low, other, other_low, s, s_low = parted(gap, gap_low, beta)
    near, near_low = near_divergence(own, own_low, other, other_low, s, s_low)
    far, far_low = far_divergence(own, own_low, other, other_low, s, s_low)
    return (near if s < NEAR else far), (near_low if s < NEAR else far_low)


def times_exp(high, low, x):
    """(high + low) * exp(x), and what high is where it is 0 or infinite."""
    value, rest = weighted_exp(high, low, x, 0.0)
    return value + rest if (abs(high) if high != 0.0 else inf) < inf else high


def slope(x, gap, gap_low, beta):
    """(1 - beta) * q * log(q / mean)."""
    own, own_low, other, other_low, s, s_low = parted(gap, gap_low, beta)
    above, above_low, below, below_low = logarithms(own, own_low, other, other_low, s, s_low)
    below, below_low = beyond_far(below, below_low, s, s_low)
    more = gap > 0.0
    high, low = (-below if more else above), (-below_low if more else above_low)
    high, low = product(high, low, other if more else own, other_low if more else own_low)
    return times_exp(high, low, x)


def curve(x, gap, gap_low, beta):
    """(1 - beta) * q * (log(q / mean) + beta * p / mean)."""
    own, own_low, other, other_low, s, s_low = parted(gap, gap_low, beta)
    _, _, left, left_low, whole, rest = shares(other, other_low, s, s_low)
    above, above_low, below, below_low = logarithms(own, own_low, other, other_low, s, s_low)
    below, below_low = beyond_far(below, below_low, s, s_low)
    left, left_low = product(left, left_low, other, other_low)
    more = gap > 0.0
    share, share_low = ratio(own if more else left, own_low if more else left_low, whole, rest)
    total, part = two_sum(-below if more else above, share)
    part = part + ((-below_low if more else above_low) + share_low)
    high, low = product(total, part, other if more else own, other_low if more else own_low)
    return times_exp(high, low, x)


def jensen_shannon_divergence(x, t, beta):
    gap, gap_low = target_gap(x, t)
    high, low = divergence(gap, gap_low, beta)
    value = high * t
    of_target = fma(high, t, low * t) if value < inf else value
    value = of_target if gap > 0.0 else times_exp(high, low, x)
    return 0.0 if (x if t == 0.0 else 0.0) == -inf else value


def jensen_shannon_divergence_derivative(x, t, beta):
    gap, low = target_gap(x, t)
    return (0.0 if t >= 0.0 else nan) if x < NOTHING else slope(x, gap, low, beta)


def jensen_shannon_divergence_second(x, t, beta):
    gap, low = target_gap(x, t)
    return (0.0 if t >= 0.0 else nan) if x < NOTHING else curve(x, gap, low, beta)


def jensen_shannon_divergence_log_target(x, t, beta):
    gap, gap_low = two_sum(t, -x)
    high, low = divergence(gap, gap_low, beta)
    value = times_exp(high, low, t if gap > 0.0 else x)
    return 0.0 if (x if t == -inf else 0.0) == -inf else value


def jensen_shannon_divergence_log_target_derivative(x, t, beta):
    gap, low = two_sum(t, -x)
    return among(t, 0.0) if x < NOTHING else slope(x, gap, low, beta)


def jensen_shannon_divergence_log_target_second(x, t, beta):
    gap, low = two_sum(t, -x)
    return among(t, 0.0) if x < NOTHING else curve(x, gap, low, beta)


KL_DIV = PairwiseLoss(kl_div, kl_div_derivative, kl_div_second)
KL_DIV_LOG_TARGET = PairwiseLoss(kl_div_log_target, kl_div_log_target_derivative, kl_div_log_target_second)
JENSEN_SHANNON_DIVERGENCE = PairwiseLoss(
    jensen_shannon_divergence, jensen_shannon_divergence_derivative, jensen_shannon_divergence_second
)
JENSEN_SHANNON_DIVERGENCE_LOG_TARGET = PairwiseLoss(
    jensen_shannon_divergence_log_target,
    jensen_shannon_divergence_log_target_derivative,
    jensen_shannon_divergence_log_target_second,
)
