"""What every loss of a margin m = t z should give: the textbook's definitions, in mpmath, of exact margins."""

from functools import wraps

from mpmath import mp, mpf

from tests.references.activations import sigmoid, sigmoid_derivative
from tests.references.limits import exp, log1p_exp
from tests.references.losses import EXACT


def of_margin(function):
    """Make a function of margin and target one of prediction and target."""

    @wraps(function)
    def loss(z, t):
        with mp.workprec(EXACT):
            margin = t * z
        return margin if mp.isnan(margin) else function(margin, t)

    return loss


@of_margin
def hinge_loss(m, t):
    return max(mpf(0), 1 - m)


@of_margin
def hinge_loss_derivative(m, t):
    return -t if m < 1 else mpf(0)


@of_margin
def hinge_loss_second(m, t):
    return mpf(0)


@of_margin
def squared_hinge_loss(m, t):
    return max(mpf(0), 1 - m) ** 2


@of_margin
def squared_hinge_loss_derivative(m, t):
    return -2 * t * max(mpf(0), 1 - m)


@of_margin
def squared_hinge_loss_second(m, t):
    return 2 * t**2 if m < 1 else mpf(0)


@of_margin
def modified_huber_loss(m, t):
    return max(mpf(0), 1 - m) ** 2 if m >= -1 else -4 * m


@of_margin
def modified_huber_loss_derivative(m, t):
    return -2 * t * max(mpf(0), 1 - m) if m >= -1 else -4 * t


@of_margin
def modified_huber_loss_second(m, t):
    return 2 * t**2 if -1 <= m < 1 else mpf(0)


@of_margin
def exponential_loss(m, t):
    return exp(-m)


@of_margin
def exponential_loss_derivative(m, t):
    return -t * exp(-m)


@of_margin
def exponential_loss_second(m, t):
    return t**2 * exp(-m)


@of_margin
def soft_margin_loss(m, t):
    return log1p_exp(-m)


@of_margin
def soft_margin_loss_derivative(m, t):
    return -t * sigmoid(-m)


@of_margin
def soft_margin_loss_second(m, t):
    return t**2 * sigmoid_derivative(m)


def hinge_embedding_loss(x, t, margin):
    if abs(t) != 1:
        return max(x, margin)  # both cases at once
    return x if t == 1 else max(mpf(0), margin - x)


def hinge_embedding_loss_derivative(x, t, margin):
    return mpf(t != -1) - mpf(t != 1 and x < margin)


def hinge_embedding_loss_second(x, t, margin):
    return mpf(0)
