"""What losses of rows should give of which several classes may be right: the textbook's definitions, in mpmath.

With ``_terms`` after it stands the size of the terms whose difference a result is.
"""

from mpmath import mp, mpf

from tests.references.losses import (
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_derivative,
    binary_cross_entropy_with_logits_second,
)


def pairs(x, labels):
    """Give each label with each class that is none."""
    return [(y, j) for y in labels for j in range(len(x)) if j not in labels]


def multi_margin_loss(x, labels, p, margin):
    """Give the loss, its derivatives and second ones, of which there are none at the kink."""
    value, grad, hess = mpf(0), [mpf(0) for _ in x], [mpf(0) for _ in x]
    for y, j in pairs(x, labels):
        with mp.workprec(2200):  # in which no sum of three numbers is rounded
            z = margin - x[y] + x[j]
        if z <= 0:
            continue
        slope, bend = p * z ** (p - 1) / len(x), mpf(p * (p - 1)) / len(x)
        value += z**p / len(x)
        grad[j], grad[y] = grad[j] + slope, grad[y] - slope
        hess[j], hess[y] = hess[j] + bend, hess[y] + bend
    return value, grad, hess


def multilabel_margin_loss(x, labels):
    return multi_margin_loss(x, labels, 1, mpf(1))


def of_classes(function):
    """Make a function of rows of logits and targets of one of single classes: a share of it for each class."""
    return lambda z, t: [[function(a, b, 1) / len(z) for a, b in zip(z, t, strict=True)]]


multilabel_soft_margin_loss_grad = of_classes(binary_cross_entropy_with_logits_derivative)
multilabel_soft_margin_loss_hess = of_classes(binary_cross_entropy_with_logits_second)
multilabel_soft_margin_loss_grad_terms = multilabel_soft_margin_loss_grad


def multilabel_soft_margin_loss(z, t):
    return mp.fsum(of_classes(binary_cross_entropy_with_logits)(z, t)[0])


multilabel_soft_margin_loss_terms = multilabel_soft_margin_loss
