"""What every loss of one prediction and one target should give: the textbook's definitions, in mpmath.

Functions are named as the operation, with ``_derivative`` and ``_second`` after it. Residuals are exact, so that the
sides of a kink are told apart however far the operands are; where there is none, as of two equal infinities,
everything is NaN.
"""

from functools import wraps

from mpmath import mp, mpf

from tests.references.activations import sigmoid, sigmoid_derivative, tanh, tanh_derivative
from tests.references.limits import INF, NAN, log1p_exp, times

EXACT = 2200  # bits, in which any two numbers of float64 can be subtracted or multiplied
SCALED = 1300  # and those of a function that divides by an option first, however large


def of_residual(function):
    """Make a function of the residual one of prediction and target."""

    @wraps(function)
    def loss(p, t, **options):
        with mp.workprec(EXACT):
            residual = NAN if p == t and mp.isinf(p) else p - t
        with mp.workprec(max(mp.prec, SCALED)):
            return residual if mp.isnan(residual) else function(residual, **options)

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


@of_residual
def fair_loss(r, c):
    x = abs(r) / c
    return INF if mp.isinf(x) else c**2 * (x - mp.log1p(x))


@of_residual
def fair_loss_derivative(r, c):
    return c * mp.sign(r) if mp.isinf(r) else c * r / (c + abs(r))


@of_residual
def fair_loss_second(r, c):
    return (c / (c + abs(r))) ** 2


@of_residual
def tukey_loss(r, c):
    return c**2 / 6 * (1 - (1 - (r / c) ** 2) ** 3 if abs(r) <= c else 1)


@of_residual
def tukey_loss_derivative(r, c):
    return r * (1 - (r / c) ** 2) ** 2 if abs(r) <= c else mpf(0)


@of_residual
def tukey_loss_second(r, c):
    return (1 - (r / c) ** 2) * (1 - 5 * (r / c) ** 2) if abs(r) <= c else mpf(0)


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


# relative errors


def mape_loss(p, t, eps):
    if mp.isinf(t):
        return NAN if mp.isinf(p) else mpf(100)  # the limit
    return 100 * abs(p - t) / max(abs(t), eps)


def mape_loss_derivative(p, t, eps):
    d = difference(p, t)
    return NAN if mp.isnan(d) else 100 * mpf((d > 0) - (d < 0)) / max(abs(t), eps)


def mape_loss_second(p, t, eps):
    return NAN if mp.isnan(difference(p, t)) else mpf(0)


def log_ratio(p, t):
    """Give log(1 + p) - log(1 + t); NaN where there is none."""
    if min(p, t) < -1 or (p == t and (p == -1 or mp.isinf(p))):
        return NAN
    return (mp.log(1 + p) if p > -1 else -INF) - (mp.log(1 + t) if t > -1 else -INF)


def msle_loss(p, t):
    return log_ratio(p, t) ** 2


def msle_loss_derivative(p, t):
    if p == INF and -1 < t < INF:
        return mpf(0)
    ratio = log_ratio(p, t)
    return ratio * INF if p == -1 else 2 * ratio / (1 + p)


def msle_loss_second(p, t):
    if p == INF and -1 < t < INF:
        return mpf(0)
    ratio = 1 - log_ratio(p, t)
    return ratio * INF if p == -1 else 2 * ratio / (1 + p) ** 2


# distances, and probabilities


def difference(p, t):
    return NAN if p == t and mp.isinf(p) else p - t


def l1_loss(p, t):
    return abs(difference(p, t))


def l1_loss_derivative(p, t):
    d = difference(p, t)
    return NAN if mp.isnan(d) else mpf((d > 0) - (d < 0))


def l1_loss_second(p, t):
    return NAN if mp.isnan(difference(p, t)) else mpf(0)


def mse_loss(p, t):
    return difference(p, t) ** 2


def mse_loss_derivative(p, t):
    return 2 * difference(p, t)


def mse_loss_second(p, t):
    return NAN if mp.isnan(difference(p, t)) else mpf(2)


def log(x):
    return mp.log(x) if x > 0 else -INF


def binary_cross_entropy(p, t):
    return -times(t, log(p)) - times(1 - t, log(1 - p))


def binary_cross_entropy_derivative(p, t):
    hit = mpf(0) if t == 0 else (t / p if p > 0 else INF)
    miss = mpf(0) if t == 1 else ((1 - t) / (1 - p) if p < 1 else INF)
    return miss - hit


def binary_cross_entropy_second(p, t):
    hit = mpf(0) if t == 0 else (t / p**2 if p > 0 else INF)
    miss = mpf(0) if t == 1 else ((1 - t) / (1 - p) ** 2 if p < 1 else INF)
    return hit + miss


def binary_cross_entropy_with_logits(z, t, pos_weight):
    return times(pos_weight * t, log1p_exp(-z)) + times(1 - t, log1p_exp(z))


def binary_cross_entropy_with_logits_derivative(z, t, pos_weight):
    return (1 - t) * sigmoid(z) - pos_weight * t * sigmoid(-z)


def binary_cross_entropy_with_logits_second(z, t, pos_weight):
    return (1 - t + pos_weight * t) * sigmoid_derivative(z)
