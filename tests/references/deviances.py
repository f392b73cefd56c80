"""What losses of counts and amounts should give; with ``_terms`` after it, of what size terms cancel."""

from mpmath import mp, mpf

from tests.references.limits import CANCELLED, INF, NAN, exp, times
from tests.references.losses import log


def stirling(t):
    return t * mp.log(t) - t + mp.log(2 * mp.pi * t) / 2 if t > 1 else mpf(0)


def poisson_nll_loss(z, t, log_input, full, eps):
    constant = stirling(t) if full else 0
    if log_input:
        return INF if z == INF > t else exp(z) - times(t, z) + constant
    if z + eps < 0:
        return NAN
    return INF if z == INF > t else z - times(t, log(z + eps)) + constant


def poisson_nll_loss_terms(z, t, log_input, full, eps):
    return exp(z) * CANCELLED if log_input else mpf(0)


def poisson_nll_loss_derivative(z, t, log_input, full, eps):
    if log_input:
        return exp(z) - t
    if z + eps < 0:
        return NAN
    return mpf(1) if t == 0 else 1 - t / (z + eps) if z + eps > 0 else -INF


def poisson_nll_loss_derivative_terms(z, t, log_input, full, eps):
    return t * CANCELLED if log_input else mpf(0)


def poisson_nll_loss_second(z, t, log_input, full, eps):
    if log_input:
        return exp(z)
    if z + eps < 0:
        return NAN
    return mpf(0) if t == 0 else t / (z + eps) ** 2 if z + eps > 0 else INF


def gamma_loss(z, t):
    return INF if z == -INF and t > 0 else z + times(t, exp(-z))  # exp grows faster


def gamma_loss_terms(z, t):
    return abs(z) * CANCELLED if z < 0 else mpf(0)


def gamma_loss_derivative(z, t):
    return 1 - times(t, exp(-z))


def gamma_loss_derivative_terms(z, t):
    return CANCELLED


def gamma_loss_second(z, t):
    return times(t, exp(-z))


def tweedie_loss(z, t, power):
    return times(-t / (1 - power), exp((1 - power) * z)) + exp((2 - power) * z) / (2 - power)


def tweedie_loss_derivative(z, t, power):
    return times(-t, exp((1 - power) * z)) + exp((2 - power) * z)


def tweedie_loss_derivative_terms(z, t, power):
    return exp((2 - power) * z) * CANCELLED


def tweedie_loss_second(z, t, power):
    return times(-(1 - power) * t, exp((1 - power) * z)) + (2 - power) * exp((2 - power) * z)
