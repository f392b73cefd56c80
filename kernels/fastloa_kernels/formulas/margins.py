"""Losses of the margin t * z of a score z and a label t, -1 or 1: value and derivatives in the score."""

from fastloa_kernels.formulas.compensated import two_sum
from fastloa_kernels.formulas.elementary import exp_pair
from fastloa_kernels.formulas.logistic import scaled, share, softened, wide_odds
from fastloa_kernels.primitives import fma, inf
from fastloa_kernels.records import PairwiseLoss


def miss(z, t):
    """1 - t * z."""
    return fma(-t, z, 1.0)


def hinge_loss(z, t):
    m = miss(z, t)
    return 0.0 if m <= 0.0 else m


def hinge_loss_derivative(z, t):
    m = miss(z, t)
    return 0.0 if m <= 0.0 else (-t if m > 0.0 else m)


def hinge_loss_second(z, t):
    m = miss(z, t)
    return 0.0 if m == m else m


def squared_hinge_loss(z, t):
    m = miss(z, t)
    return 0.0 if m <= 0.0 else m * m


def squared_hinge_loss_derivative(z, t):
    m = miss(z, t)
    return 0.0 if m <= 0.0 else -2.0 * t * m


def squared_hinge_loss_second(z, t):
    m = miss(z, t)
    return 0.0 if m <= 0.0 else (2.0 * t * t if m > 0.0 else m)


def modified_huber_loss(z, t):
    return -4.0 * t * z if t * z < -1.0 else squared_hinge_loss(z, t)


def modified_huber_loss_derivative(z, t):
    return -4.0 * t if t * z < -1.0 else squared_hinge_loss_derivative(z, t)


def modified_huber_loss_second(z, t):
    return 0.0 if t * z < -1.0 else squared_hinge_loss_second(z, t)


def exponential_pair(z, t):
    """high, low and factor of exp(-t * z) = (high + low) * factor."""
    u, u_low = scaled(-t, z)
    high, low, factor = exp_pair(u)
    return high, fma(high, u_low, low), factor


def exponential_loss(z, t):
    high, low, factor = exponential_pair(z, t)
    return (high + low) * factor


def exponential_loss_derivative(z, t):
    high, low, factor = exponential_pair(z, t)
    return -t * (high + low) * factor


def exponential_loss_second(z, t):
    high, low, factor = exponential_pair(z, t)
    return t * (t * (high + low) * factor)


def soft_margin_loss(z, t):
    u, u_low = scaled(-t, z)
    high, low, factor = wide_odds(u, u_low)
    high, low, factor = softened(high, low, factor)
    value, part = two_sum(u if u > 0.0 else 0.0, high * factor)
    return u if u == inf else value + (fma(low, factor, part) + (u_low if u > 0.0 else 0.0))


def soft_margin_loss_derivative(z, t):
    u, u_low = scaled(-t, z)
    high, low, factor = wide_odds(u, u_low)
    high, factor = share(u, high, low, factor)
    return -t * high * factor


def soft_margin_loss_second(z, t):
    # s * (1 - s) loses nothing where s is the smaller of the two.
    u, u_low = scaled(-t, z)
    high, low, factor = wide_odds(u, u_low)
    s, factor = share(-abs(u), high, low, factor)
    return t * (t * fma(-s, s * factor, s) * factor)


def hinge_embedding_loss(x, t, margin):
    # For any other label it is both at once, max(x, margin). x + 0.0 is x, but 0 where x is -0.
    lack = margin - x
    apart = 0.0 if lack <= 0.0 else lack
    either = margin if x < margin else x
    return x + 0.0 if t == 1.0 else (apart if t == -1.0 else (either if t == t else t))


def hinge_embedding_loss_derivative(x, t, margin):
    apart = -1.0 if x < margin else (0.0 if x >= margin else x)
    either = 0.0 if x < margin else (1.0 if x >= margin else x)
    return (1.0 if x == x else x) if t == 1.0 else (apart if t == -1.0 else (either if t == t else t))


def hinge_embedding_loss_second(x, t, margin):
    return (0.0 if x == x else x) if t == t else t


HINGE_LOSS = PairwiseLoss(hinge_loss, hinge_loss_derivative, hinge_loss_second)
HINGE_EMBEDDING_LOSS = PairwiseLoss(hinge_embedding_loss, hinge_embedding_loss_derivative, hinge_embedding_loss_second)
SQUARED_HINGE_LOSS = PairwiseLoss(squared_hinge_loss, squared_hinge_loss_derivative, squared_hinge_loss_second)
MODIFIED_HUBER_LOSS = PairwiseLoss(modified_huber_loss, modified_huber_loss_derivative, modified_huber_loss_second)
EXPONENTIAL_LOSS = PairwiseLoss(exponential_loss, exponential_loss_derivative, exponential_loss_second)
SOFT_MARGIN_LOSS = PairwiseLoss(soft_margin_loss, soft_margin_loss_derivative, soft_margin_loss_second)
