"""Projections of rows onto the simplex: what each element has above a threshold, which follows from those above it.

All is float64, and the threshold a pair: an element as far above it as 1e-30 is one in a million million million, and
its share is lost where the threshold is rounded. Newton's iteration finds it: every new threshold is the one that is
right if the elements above the last are all that count, and fewer and fewer do.
"""

from fastloa_kernels.formulas.compensated import two_sum
from fastloa_kernels.formulas.rowwise import distance
from fastloa_kernels.primitives import fma, inf, nan
from fastloa_kernels.records import Projection, ProjectionLoss

FAR = -4.0  # from here no element within 1 of the maximum is, and what rounding an infinity loses is NaN


def origin(m):
    # All that is within 1 of m differs from it exactly where |m| >= 2 (Sterbenz), and elsewhere is best left as it is.
    return 0.0 if abs(m) < 2.0 else m


def least(m, origin):
    return two_sum(distance(m, origin), -1.0)


def above(x, origin, high, low):
    z = distance(x, origin)
    d, lost = two_sum(z, -high)
    return d, (0.0 if z < FAR else lost - low)


def member(x, origin, high, low):
    d, rest = above(x, origin, high, low)
    z = distance(x, origin)
    return (z, 1.0) if d + rest > 0.0 else (0.0, 0.0)


def threshold(total, error, count, m):
    top, lost = two_sum(total, -1.0)
    top, lost = two_sum(top, lost + error)
    estimate = top / count
    alone = estimate if count == 1.0 else nan  # of two infinite scores neither has a limit
    decided = estimate if abs(m) < inf else (alone if m > 0.0 else nan)
    return two_sum(decided, (fma(-estimate, count, top) + lost) / count)


def sparsemax(x, origin, high, low):
    d, rest = above(x, origin, high, low)
    return 0.0 if d + rest <= 0.0 else d + rest


def summand(g, y):
    # NaN counts wherever it stands.
    unmoved = 0.0 if g == g else g
    return (g, 1.0) if y > 0.0 else ((unmoved, 0.0) if y <= 0.0 else (y, 0.0))


def mean(total, count):
    return total / count


def backward(g, y, mean):
    return g - mean if y > 0.0 else (0.0 if mean == mean else mean)


def apart(x, q, origin, high, low):
    # p - q as a pair
    d, rest = above(x, origin, high, low)
    inside, lost = two_sum(d, -q)
    inside, lost = two_sum(inside, lost + rest)
    outside = 0.0 - q if d + rest <= 0.0 else d
    return (inside, lost) if d + rest > 0.0 else (outside, 0.0)


def sparsemax_loss_derivative(x, q, origin, high, low):
    r, lost = apart(x, q, origin, high, low)
    return r + lost


def sparsemax_loss(x, q, origin, high, low):
    # (p - q)**2 / 2, and q times what x is short of the threshold: no two terms of a row cancel.
    r, lost = apart(x, q, origin, high, low)
    d, rest = above(x, origin, high, low)
    short = -q * (d + rest) if d + rest < 0.0 else 0.0
    return fma(0.5 * r, r, fma(r, lost, short if q > 0.0 else 0.0))


def sparsemax_loss_second(x, count, origin, high, low):
    d, rest = above(x, origin, high, low)
    outside = 0.0 if d + rest <= 0.0 else d
    return (count - 1.0) / count if d + rest > 0.0 else outside


SPARSEMAX = Projection(sparsemax, origin, least, member, threshold, summand, mean, backward)
SPARSEMAX_LOSS = ProjectionLoss(sparsemax_loss, sparsemax_loss_derivative, sparsemax_loss_second, SPARSEMAX)
