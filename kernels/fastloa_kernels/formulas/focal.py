"""The focal loss of two classes, on logits: cross entropy times a power of the probability of a mistake.

Everything is over D = 1 + e with e = exp(-|z|): the class that z speaks for has the probability 1 / D, the other e / D.
The target gives these `along` and `against`, which add up to 1, and the probability of a mistake is m = top / D with
top = against + along * e. For a label that z is right about, against is 0, and all goes to 0 as e does.
"""

from fastloa_kernels.formulas.compensated import fast_two_sum, product, quotient, times, two_sum
from fastloa_kernels.formulas.elementary import decay_pair, exp_pair, log1p_pair
from fastloa_kernels.formulas.logistic import softened
from fastloa_kernels.formulas.losses import probability
from fastloa_kernels.formulas.residuals import squared
from fastloa_kernels.formulas.wide import log_pair, weighted_exp
from fastloa_kernels.primitives import fma, inf
from fastloa_kernels.records import PairwiseLoss

FAR = 1500.0  # exp(-FAR) is 0


def near(z):
    """z, but no farther than exp(-|z|) can tell."""
    return FAR if z > FAR else (-FAR if z < -FAR else z)


def balance(t, alpha):
    """alpha * t + (1 - alpha) * (1 - t) as a pair; 1 for a negative alpha."""
    rest, rest_low = fast_two_sum(1.0, -alpha)
    miss, miss_low = fast_two_sum(1.0, -t)
    other, low = product(rest, rest_low, miss, miss_low)
    hit = alpha * t
    high, part = two_sum(hit, other)
    low = low + (part + fma(alpha, t, -hit))
    return 1.0 if alpha < 0.0 else high, 0.0 if alpha < 0.0 else low


def sides(z, t):
    """against and along, as pairs."""
    miss, miss_low = fast_two_sum(1.0, -t)
    upper = z > 0.0
    return miss if upper else t, miss_low if upper else 0.0, t if upper else miss, 0.0 if upper else miss_low


def odds(z, against):
    """high, low and factor of e = (high + low) * factor. Where z is right, it is 1: there, nothing lifts a tiny e."""
    right = against == 0.0
    high, low, factor = exp_pair(-abs(z))
    return high * factor if right else high, low * factor if right else low, 1.0 if right else factor


def whole_odds(z):
    """e as a pair."""
    high, low, factor = exp_pair(-abs(z))
    return high * factor, low * factor


def cross_entropy(z, t):
    """(1 - t) * softplus(z) + t * softplus(-z) = against * |z| + softplus(-|z|) as a pair."""
    against, rest, _, _ = sides(z, t)
    linear, linear_low = times(against, rest, abs(z) if against != 0.0 else 0.0)
    high, low, factor = decay_pair(-abs(z))
    high, low, factor = softened(high, low, factor)
    high, part = two_sum(linear, high * factor)
    high, low = fast_two_sum(high, fma(low, factor, part + linear_low) if high < inf else 0.0)
    return high, (low if high < inf else 0.0)


def top_pair(e, e_low, z, t):
    """against + along * e as a pair."""
    against, rest, along, along_low = sides(z, t)
    high, low = product(along, along_low, e, e_low)
    high, part = two_sum(against, high)
    return fast_two_sum(high, part + (rest + low))


def weighed(w, w_low, z, t, gamma):
    """(w + w_low) * m**gamma, by the logarithm of m."""
    against, _, _, _ = sides(z, t)
    right = against == 0.0
    e, e_low = whole_odds(z)
    top, top_low = top_pair(e, e_low, z, t)
    log_top, log_low = log_pair(1.0 if right else top, 0.0 if right else top_low)
    bottom, bottom_low = log1p_pair(e)
    high, part = two_sum(-abs(z) if right else log_top, -bottom)
    low = part + (log_low - fma(e_low, 1.0 / (1.0 + e), bottom_low))
    x, x_low = times(high, low, gamma)
    value, rest = weighted_exp(w, w_low, x, x_low)
    return value + rest


def sigmoid_focal_loss(z, t, alpha, gamma):
    t = probability(t)
    a, a_low = balance(t, alpha)
    high, low = cross_entropy(near(z) if a == 0.0 else z, t)
    high, low = product(high, low, a, a_low)
    return weighed(high, low, near(z), t, gamma)


def pull(z, t):
    """high, low and factor of e * (against - along) / top = |m'| / m * D, of the sign of z's."""
    against, rest, along, along_low = sides(z, t)
    high, low, factor = odds(z, against)
    top, top_low = top_pair(high * factor, low * factor, z, t)
    q = high / top
    q_low = (fma(-q, top, high) + fma(-q, top_low, low)) / top
    right = against == 0.0
    q, q_low = 1.0 if right else q, 0.0 if right else q_low
    swing, part = two_sum(against, -along)
    high, low = product(q, q_low, swing, part + (rest - along_low))
    return high, low, factor


def excess(e, e_low, z, t):
    """against - along * e = |sigmoid(z) - t| * D as a pair, of the sign of z's."""
    against, rest, along, along_low = sides(z, t)
    high, low = product(along, along_low, e, e_low)
    high, part = two_sum(against, -high)
    return fast_two_sum(high, part + (rest - low))


def sigmoid_focal_loss_derivative(z, t, alpha, gamma):
    # balance * m**gamma * (gamma * m' / m * C + C')
    z, t = near(z), probability(t)
    pull_high, pull_low, factor = pull(z, t)
    c, c_low = cross_entropy(z, t)
    high, low = product(c, c_low, pull_high * factor, pull_low * factor)
    high, low = times(high, low, gamma)
    e, e_low = whole_odds(z)
    other, rest = excess(e, e_low, z, t)
    high, part = two_sum(high, other)
    whole, whole_low = two_sum(1.0, e)
    value = quotient(high, part + (low + rest), whole, whole_low + e_low)
    a, a_low = balance(t, alpha)
    high, low = times(a, a_low, value if z > 0.0 else -value)
    return weighed(high, low, z, t, gamma)


def bent(z, t, gamma):
    """high, low and factor of D**2 / m**gamma times the second derivative of m**gamma * C."""
    pull_high, pull_low, factor = pull(z, t)
    c, c_low = cross_entropy(z, t)
    e, e_low = whole_odds(z)
    less, less_low = two_sum(gamma, -1.0)
    inner, inner_low = product(pull_high * factor, pull_low * factor, less, less_low)
    inner, part = two_sum(inner, -1.0)
    inner, rest = two_sum(inner, e)
    inner, inner_low = fast_two_sum(inner, rest + (part + (inner_low + e_low)))
    high, low = product(c, c_low, inner, inner_low)
    other, other_low = excess(e, e_low, z, t)
    high, part = two_sum(high, 2.0 * other)
    high, low = product(high, part + (low + 2.0 * other_low), pull_high, pull_low)
    high, low = times(high, low, gamma)
    against, _, _, _ = sides(z, t)
    own, own_low, factor = odds(z, against)
    high, part = two_sum(high, own)
    return high, part + (low + own_low), factor


def sigmoid_focal_loss_second(z, t, alpha, gamma):
    # balance * m**gamma * ((gamma * (gamma - 1) * (m' / m)**2 + gamma * m'' / m) * C + 2 * gamma * m' / m * C' + C''),
    # all of it but the balance and the power over the factor of e, and times D**2.
    z, t = near(z), probability(t)
    high, low, factor = bent(z, t, gamma)
    e, e_low = whole_odds(z)
    whole, whole_low = two_sum(1.0, e)
    whole, whole_low = squared(whole, whole_low + e_low)
    value = quotient(high, low, whole, whole_low)
    a, a_low = balance(t, alpha)
    high, low = times(a, a_low, value)
    return weighed(high, low, z, t, gamma) * factor


SIGMOID_FOCAL_LOSS = PairwiseLoss(sigmoid_focal_loss, sigmoid_focal_loss_derivative, sigmoid_focal_loss_second)
