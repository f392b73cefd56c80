"""What divergences of probabilities should give; with ``_terms`` after it, of what size terms cancel."""

from mpmath import mp, mpf

from tests.references.limits import CANCELLED, FAR, INF, NAN, exp, times
from tests.references.losses import difference, log


def kl_div(x, t, log_target):
    if log_target:
        return times(difference(t, x), exp(t)) if t > -INF else mpf(0)
    return NAN if t < 0 else times(t, log(t) - x) if t > 0 else mpf(0)


def kl_div_derivative(x, t, log_target):
    return -exp(t) if log_target else NAN if t < 0 else -t


def kl_div_second(x, t, log_target):
    return NAN if t < 0 and not log_target else mpf(0)


def gap(x, t, log_target):
    """Give log(p / q); NaN where there is none."""
    return NAN if t < 0 and not log_target else difference(t if log_target else log(t), x)


def jensen_shannon_divergence(x, t, beta, log_target):
    p, q, d = exp(t) if log_target else t, exp(x), gap(x, t, log_target)
    if p == q == 0:
        return mpf(0)
    own, other, greater = (beta, 1 - beta, p) if d > 0 else (1 - beta, beta, q)
    ratio = exp(-abs(d))
    mean = own + other * ratio
    return times(times(other * ratio, log(ratio / mean)) - own * mp.log(mean), greater)


def excess(x, t, beta, log_target):
    """Give log(q / m), and beta * p / m."""
    d = gap(x, t, log_target)
    if d > FAR:
        return -(d + mp.log(beta)), mpf(1)
    ratio = exp(d)
    return -mp.log(1 - beta + beta * ratio), beta * ratio / (1 - beta + beta * ratio)


def jensen_shannon_divergence_derivative(x, t, beta, log_target):
    if exp(x) == 0:
        return NAN if t < 0 and not log_target else mpf(0)
    return times((1 - beta) * excess(x, t, beta, log_target)[0], exp(x))


def jensen_shannon_divergence_second(x, t, beta, log_target):
    if exp(x) == 0:
        return NAN if t < 0 and not log_target else mpf(0)
    return times((1 - beta) * sum(excess(x, t, beta, log_target)), exp(x))


def jensen_shannon_divergence_second_terms(x, t, beta, log_target):
    if exp(x) == 0:
        return mpf(0)
    return times((1 - beta) * excess(x, t, beta, log_target)[1] * CANCELLED, exp(x))
