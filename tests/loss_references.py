"""What every loss of residuals or margins should give: the textbook's definitions, in mpmath.

Functions are named as the operation, with ``_derivative`` and ``_second`` after it. Residuals and margins are exact, so
that the sides of a kink are told apart however far the operands are; where there is none, as of two equal infinities,
everything is NaN.
"""

from functools import wraps

from mpmath import mp, mpf

from tests.activation_references import NAN, exp, log1p_exp, sigmoid, sigmoid_derivative, tanh, tanh_derivative

EXACT = 2400  # bits, in which any two numbers of float64 can be subtracted or multiplied, and options added


def of_residual(function):
    """Make a function of the residual one of prediction and target."""

    @wraps(function)
    def loss(p, t, **options):
        with mp.workprec(max(mp.prec, EXACT)):
            return NAN if p == t and mp.isinf(p) else function(p - t, **options)

    return loss


def of_margin(function):
    """Make a function of margin and target one of prediction and target."""

    @wraps(function)
    def loss(z, t):
        with mp.workprec(max(mp.prec, EXACT)):
            return NAN if mp.isnan(t * z) else function(t * z, t)

    return loss


# parabolas around 0 that become straight lines


@of_residual
def smooth_l1_loss(r, beta):
    return r**2 / (2 * beta) if abs(r) < beta else abs(r) - beta / 2


@of_residual
def smooth_l1_loss_derivative(r, beta):
    return r / beta if abs(r) < beta else mp.sign(r)


@of_residual
def smooth_l1_loss_second(r, beta):
    return 1 / beta if abs(r) < beta else mpf(0)


@of_residual
def huber_loss(r, delta):
    return r**2 / 2 if abs(r) <= delta else delta * (abs(r) - delta / 2)


@of_residual
def huber_loss_derivative(r, delta):
    return r if abs(r) <= delta else delta * mp.sign(r)


@of_residual
def huber_loss_second(r, delta):
    return mpf(abs(r) <= delta)


@of_residual
def pseudo_huber_loss(r, delta):
    return delta**2 * (mp.sqrt(1 + (r / delta) ** 2) - 1)


@of_residual
def pseudo_huber_loss_derivative(r, delta):
    return delta * mp.sign(r) if mp.isinf(r) else r / mp.sqrt(1 + (r / delta) ** 2)


@of_residual
def pseudo_huber_loss_second(r, delta):
    return 1 / mp.sqrt(1 + (r / delta) ** 2) ** 3


@of_residual
def log_cosh_loss(r):
    return abs(r) + log1p_exp(-2 * abs(r)) - mp.log(2)


@of_residual
def log_cosh_loss_derivative(r):
    return tanh(r)


@of_residual
def log_cosh_loss_second(r):
    return tanh_derivative(r)


# above and below


@of_residual
def quantile_loss(r, quantile):
    return -quantile * r if r < 0 else (1 - quantile) * r


@of_residual
def quantile_loss_derivative(r, quantile):
    if r == 0:
        return mpf(0)
    return -quantile if r < 0 else 1 - quantile


@of_residual
def quantile_loss_second(r, quantile):
    return mpf(0)


@of_residual
def expectile_loss(r, quantile):
    return (1 - quantile if r > 0 else quantile) * r**2


@of_residual
def expectile_loss_derivative(r, quantile):
    return 2 * (1 - quantile if r > 0 else quantile) * r


@of_residual
def expectile_loss_second(r, quantile):
    return 2 * (1 - quantile if r > 0 else quantile)


# beyond a tolerance


@of_residual
def epsilon_insensitive_loss(r, epsilon):
    return max(mpf(0), abs(r) - epsilon)


@of_residual
def epsilon_insensitive_loss_derivative(r, epsilon):
    return mp.sign(r) if abs(r) > epsilon else mpf(0)


@of_residual
def epsilon_insensitive_loss_second(r, epsilon):
    return mpf(0)


@of_residual
def squared_epsilon_insensitive_loss(r, epsilon):
    return max(mpf(0), abs(r) - epsilon) ** 2


@of_residual
def squared_epsilon_insensitive_loss_derivative(r, epsilon):
    return 2 * mp.sign(r) * max(mpf(0), abs(r) - epsilon)


@of_residual
def squared_epsilon_insensitive_loss_second(r, epsilon):
    return mpf(2 if abs(r) > epsilon else 0)


# margins m = t z


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
