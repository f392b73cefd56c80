"""What losses of labels that follow from their cross entropy should give; with ``_terms``, of what size terms cancel."""

from mpmath import mpf

from tests.references.limits import exp, times
from tests.references.rows import log_softmax, softmax


def focal_curve(loss, p, miss, gamma):
    """Give h, h' and h'' of the cross entropy."""
    power, ratio = miss**gamma, times(p, loss) / miss if miss != 0 else mpf(1)
    bend = power * gamma * (p * ((gamma - 1) * ratio + 2) - times(p, loss))
    return times(power, loss), power * (1 + gamma * ratio), bend / miss if miss != 0 else mpf(0)


def poly_curve(loss, p, miss, epsilon):
    return loss + epsilon * miss, 1 + epsilon * p, -epsilon * p


def generalized_curve(loss, p, miss, q):
    share = exp(-q * loss)
    return (1 - share) / q, share, -q * share


def parts(curve, row, target, weight, options):
    """Give the label, its weight, the probabilities, that of a mistake, and the curve."""
    y, p = target.index(1), softmax(row)
    miss = sum(x for c, x in enumerate(p) if c != y) + 0 * p[y]
    return y, weight[y], p, miss, curve(-log_softmax(row)[y], p[y], miss, **options)


def by_label(curve):
    """Make a function of a row, a one-hot target and class weights that gives value, gradient and Hessian's diagonal."""

    def one_row(row, target, weight, **options):
        y, w, p, miss, (value, slope, bend) = parts(curve, row, target, weight, options)
        away = [-miss if c == y else x for c, x in enumerate(p)]
        hess = [w * (slope * x * (1 - x) + bend * d * d) for x, d in zip(p, away, strict=True)]
        return w * value, [w * slope * d for d in away], hess

    return one_row


def terms_by_label(curve, condition):
    """Make one that gives the sums of the terms' sizes, times how often relative errors of p and 1 - p are in theirs.

    The condition is that of the value and of its derivatives.
    """

    def one_row(row, target, weight, **options):
        y, w, p, miss, (value, slope, bend) = parts(curve, row, target, weight, options)
        once, more = condition(**options)
        away = [miss if c == y else x for c, x in enumerate(p)]
        hess = [w * (abs(slope) * x * (1 - x) + abs(bend) * d * d) for x, d in zip(p, away, strict=True)]
        return once * w * abs(value), [more * w * abs(slope) * d for d in away], [more * h for h in hess]

    return one_row


softmax_focal_loss_row = by_label(focal_curve)
softmax_focal_loss_row_terms = terms_by_label(focal_curve, lambda gamma: (1 + gamma, 1 + gamma))
poly_loss_cross_entropy_row = by_label(poly_curve)
poly_loss_cross_entropy_row_terms = terms_by_label(poly_curve, lambda epsilon: (1, 2))
generalized_cross_entropy_row = by_label(generalized_curve)
generalized_cross_entropy_row_terms = terms_by_label(generalized_curve, lambda q: (1, 2))
