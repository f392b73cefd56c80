"""What the focal loss should give; with ``_terms`` after it, of what size terms cancel."""

from functools import wraps

from mpmath import mpf

from tests.references.activations import sigmoid, sigmoid_derivative
from tests.references.limits import CANCELLED, NAN, log1p_exp, times


def of_probabilities(function):
    """Make a loss NaN where the target is no probability."""

    @wraps(function)
    def loss(z, t, **options):
        return function(z, t, **options) if 0 <= t <= 1 else NAN

    return loss


def focal_parts(z, t, alpha):
    """Give the weight, the probability of a mistake and its derivatives, and the cross entropy and its own."""
    s, v = sigmoid(z), sigmoid_derivative(z)
    weight = mpf(1) if alpha is None else alpha * t + (1 - alpha) * (1 - t)
    m = s * (1 - t) + sigmoid(-z) * t, v * (1 - 2 * t), v * (1 - 2 * t) * (1 - 2 * s)
    return weight, m, (times(t, log1p_exp(-z)) + times(1 - t, log1p_exp(z)), s - t, v)


@of_probabilities
def sigmoid_focal_loss(z, t, alpha, gamma):
    weight, (m, _, _), (c, _, _) = focal_parts(z, t, alpha)
    return times(weight, times(m**gamma, c))


@of_probabilities
def sigmoid_focal_loss_derivative(z, t, alpha, gamma):
    weight, (m, slope, _), (c, c_slope, _) = focal_parts(z, t, alpha)
    if m == 0:
        return mpf(0)
    return weight * (gamma * m ** (gamma - 1) * times(slope, c) + m**gamma * c_slope)


@of_probabilities
def sigmoid_focal_loss_derivative_terms(z, t, alpha, gamma):
    weight, (m, _, _), (_, c_slope, _) = focal_parts(z, t, alpha)
    return weight * m**gamma * abs(c_slope) * CANCELLED


@of_probabilities
def sigmoid_focal_loss_second(z, t, alpha, gamma):
    weight, (m, slope, bend), (c, c_slope, c_bend) = focal_parts(z, t, alpha)
    if m == 0:
        return mpf(0)
    steep = gamma * (gamma - 1) * m ** (gamma - 2) * slope**2 + gamma * m ** (gamma - 1) * bend
    return weight * (times(steep, c) + 2 * gamma * m ** (gamma - 1) * slope * c_slope + m**gamma * c_bend)


@of_probabilities
def sigmoid_focal_loss_second_terms(z, t, alpha, gamma):
    weight, (m, slope, _), (_, c_slope, c_bend) = focal_parts(z, t, alpha)
    return weight * (2 * gamma * m ** (gamma - 1) * abs(slope * c_slope) + m**gamma * c_bend) * CANCELLED if m else m
