"""What losses of three operands should give, and their derivatives in two; with ``_terms``, of what size terms cancel."""

from functools import wraps

from mpmath import mp, mpf

from tests.references.limits import CANCELLED, INF, NAN
from tests.references.losses import EXACT


def of_deviation(function):
    """Make a function of deviation and variance one of mean, observation and variance."""

    @wraps(function)
    def loss(x, t, v, full, eps):
        if v < 0 or (x == t and mp.isinf(x)):
            return NAN
        with mp.workprec(EXACT):
            r = x - t
        return function(r, max(v, eps), full)

    return loss


def half_log(v):
    return INF if mp.isinf(v) else mp.log(v) / 2


def weight(r, v):
    return mpf(0) if mp.isinf(v) else r**2 / v


@of_deviation
def gaussian_nll_loss(r, v, full):
    return half_log(v) + weight(r, v) / 2 + full * mp.log(2 * mp.pi) / 2


@of_deviation
def gaussian_nll_loss_terms(r, v, full):
    return max(abs(half_log(v)), weight(r, v) / 2, full) * CANCELLED


@of_deviation
def gaussian_nll_loss_grad_a(r, v, full):
    return r / v


@of_deviation
def gaussian_nll_loss_grad_b(r, v, full):
    return (1 / v - (r / v) ** 2) / 2


@of_deviation
def gaussian_nll_loss_grad_b_terms(r, v, full):
    return CANCELLED / (2 * v)


@of_deviation
def gaussian_nll_loss_hess_a(r, v, full):
    return 1 / v


@of_deviation
def gaussian_nll_loss_hess_b(r, v, full):
    return ((r / v) ** 2 / v - 1 / (2 * v**2)) if v < INF or mp.isinf(r) else mpf(0)


@of_deviation
def gaussian_nll_loss_hess_b_terms(r, v, full):
    return CANCELLED / (2 * v**2)


def lack(a, b, t, margin):
    """Give what is lacking from the margin, exactly; NaN where two infinities, or 0 and one, leave no limit."""
    if (a == b and mp.isinf(a)) or (t == 0 and mp.isinf(a - b)):
        return NAN
    with mp.workprec(EXACT):
        return margin - t * (a - b)


def margin_ranking_loss(a, b, t, margin):
    m = lack(a, b, t, margin)
    return m if mp.isnan(m) else max(mpf(0), m)


def margin_ranking_loss_grad_a(a, b, t, margin):
    m = lack(a, b, t, margin)
    return m if mp.isnan(m) else -t if m > 0 else mpf(0)


def margin_ranking_loss_grad_b(a, b, t, margin):
    return -margin_ranking_loss_grad_a(a, b, t, margin)


def margin_ranking_loss_hess_a(a, b, t, margin):
    return 0 * margin_ranking_loss_grad_a(a, b, t, margin)


margin_ranking_loss_hess_b = margin_ranking_loss_hess_a
