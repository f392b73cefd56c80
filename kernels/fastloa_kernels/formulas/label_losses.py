"""Losses of rows that follow from their label's cross entropy l = -log p alone.

Each gives the loss h(l), h'(l) and (1 - p) * h''(l), which is finite where p is nearly 1. All is float64, once a row,
of the label's score x and the row's maximum m and rest (see `rowwise`).
"""

from fastloa_kernels.formulas.compensated import fast_two_sum, product, times, two_sum
from fastloa_kernels.formulas.elementary import exp_pair, expm1_pair
from fastloa_kernels.formulas.rowwise import cross_entropy_complement, softmax
from fastloa_kernels.formulas.wide import log_beyond, log_pair, total_of
from fastloa_kernels.primitives import fma, inf, reciprocal
from fastloa_kernels.records import RowLoss

FAR = 2000.0  # exp(-FAR) is 0
SMALL = 2.0**-960  # 1 - exp(-SMALL) is SMALL, and a product as small as this has lost no digit yet


def apart(x, m):
    """x - m as a pair."""
    d, low = two_sum(x, -m)
    return 0.0 if x == m else d, low if abs(d) < inf else 0.0


def entropy(d, d_low, rest):
    """-log p as a pair."""
    high, low = log_beyond(1.0, rest, 0.0)
    high, part = two_sum(high, -d)
    return high, (part + (low - d_low) if abs(high) < inf else 0.0)


def over(high, low, whole, part):
    """(high + low) / (whole + part) as a pair."""
    estimate = high / whole
    return estimate, (fma(-estimate, whole, high) + fma(-estimate, part, low)) / whole


def part_of(high, low, whole, part):
    """The same of a whole that is neither small nor large."""
    inverse = reciprocal(whole)
    estimate = high * inverse
    return estimate, (fma(-estimate, whole, high) + fma(-estimate, part, low)) * inverse


def shares(d, d_low, rest):
    """The label's exp(x - m), the sum of the others, and that of all, as pairs."""
    high, low, factor = exp_pair(d)
    e, e_low = high * factor, fma(high, d_low, low) * factor
    whole, part = two_sum(1.0, rest)
    others, low = two_sum(whole, -e)
    first = d == 0.0
    return e, e_low, rest if first else others, 0.0 if first else low + (part - e_low), whole, part


def power(miss, miss_low, gamma):
    """high, low and factor of (1 - p)**gamma, by the logarithm of 1 - p."""
    certain = miss == 0.0
    high, low = log_pair(1.0 if certain else miss, 0.0 if certain else miss_low)
    x, x_low = times(high, low, gamma)
    high, low, factor = exp_pair(x)
    return high, fma(high, x_low, low), (1.0 if gamma == 0.0 else 0.0) if certain else factor


def scaled(w, w_low, high, low, factor):
    """(w + w_low) * (high + low) * factor."""
    high, low = product(w, w_low, high, low)
    return (high + low if abs(high) < inf else high) * factor


def lean(loss, low, e, e_low, others, others_low):
    """l * p / (1 - p) as a pair: 1 where p is 1."""
    high, low = product(loss, low, e, e_low)
    certain = others == 0.0
    return over(1.0 if certain else high, 0.0 if certain else low, 1.0 if certain else others, others_low)


def focal_bend(loss, loss_low, r, r_low, gamma):
    """(gamma - 1) * l * p / (1 - p) + 2 - l as a pair."""
    less, less_low = two_sum(gamma, -1.0)
    high, low = product(r, r_low, less, less_low)
    high, part = two_sum(high, 2.0)
    high, rest = two_sum(high, -loss)
    return fast_two_sum(high, rest + (part + (low - loss_low)))


def softmax_focal_loss(x, m, rest, gamma):
    # h = M * l, h' = M * (1 + gamma * r), (1 - p) * h'' = M * gamma * p * ((gamma - 1) * r + 2 - l)
    # with M = (1 - p)**gamma and r = l * p / (1 - p)
    d, d_low = apart(x, m)
    loss, loss_low = entropy(d, d_low, rest)
    e, e_low, others, others_low, whole, part = shares(d, d_low, rest)
    miss, miss_low = part_of(others, others_low, whole, part)
    high, low, factor = power(miss, miss_low, gamma)
    value = scaled(loss, loss_low, high, low, factor)
    loss, loss_low = FAR if loss > FAR else loss, 0.0 if loss > FAR else loss_low
    r, r_low = lean(loss, loss_low, e, e_low, others, others_low)
    slope, slope_low = times(r, r_low, gamma)
    slope, rest = two_sum(1.0, slope)
    bend, bend_low = focal_bend(loss, loss_low, r, r_low, gamma)
    p, p_low = part_of(e, e_low, whole, part)
    p, p_low = times(p, p_low, gamma)
    bend, bend_low = product(bend, bend_low, p, p_low)
    slope = scaled(slope, slope_low + rest, high, low, factor)
    return value, slope, scaled(bend, bend_low, high, low, factor)


def poly_loss_cross_entropy(x, m, rest, epsilon):
    # h = l + epsilon * (1 - p), h' = 1 + epsilon * p, (1 - p) * h'' = -epsilon * p * (1 - p)
    d, d_low = apart(x, m)
    loss, loss_low = entropy(d, d_low, rest)
    e, e_low, others, others_low, whole, part = shares(d, d_low, rest)
    p, p_low = part_of(e, e_low, whole, part)
    miss, miss_low = part_of(others, others_low, whole, part)
    p, p_low = times(p, p_low, epsilon)
    high, low = product(p, p_low, miss, miss_low)
    miss, miss_low = times(miss, miss_low, epsilon)
    return total_of(loss, loss_low, miss, miss_low), total_of(1.0, 0.0, p, p_low), -(high + low)


def generalized_cross_entropy(x, m, rest, q):
    # h = (1 - exp(-u)) / q, h' = exp(-u), (1 - p) * h'' = -q * (1 - p) * exp(-u) with u = q * l
    d, d_low = apart(x, m)
    loss, loss_low = entropy(d, d_low, rest)
    _, _, others, others_low, whole, part = shares(d, d_low, rest)
    miss, miss_low = part_of(others, others_low, whole, part)
    u, u_low = times(loss, loss_low, q)
    u_low = u_low if u < inf else 0.0
    high, low, _ = expm1_pair(-u)
    share, share_low = over(-high, fma(1.0 + high, u_low, -low), q, 0.0)
    high, low, factor = exp_pair(-u)
    slope = fma(-high, u_low, low) * factor + high * factor
    return share + share_low if u > SMALL else loss + loss_low, slope, -q * (miss + miss_low) * slope


SOFTMAX_FOCAL_LOSS = RowLoss(softmax_focal_loss, softmax, cross_entropy_complement, bent=True)
POLY_LOSS_CROSS_ENTROPY = RowLoss(poly_loss_cross_entropy, softmax, cross_entropy_complement, bent=True)
GENERALIZED_CROSS_ENTROPY = RowLoss(generalized_cross_entropy, softmax, cross_entropy_complement, bent=True)
