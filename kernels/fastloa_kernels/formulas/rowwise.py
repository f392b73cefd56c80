"""Operations on a whole row of class scores: what is computed of each score x from its row's maximum m.

A row is read through d = x - m <= 0, e = exp(d) and rest = sum(e) - 1, which keep every digit where the textbook's
log(sum(exp(x))) loses them: for the largest score 1 - p = rest / (1 + rest) and -log p = log1p(rest), however small.
"""

from fastloa_kernels.formulas.compensated import divided, two_sum
from fastloa_kernels.formulas.elementary import decay, exp, log1p
from fastloa_kernels.primitives import fma, inf, nan, reciprocal
from fastloa_kernels.records import RowLoss, Rowwise

MOST = 1.0  # more than a difference can lose where exp is not 0; of huge scores it may lose anything, of infinite NaN
NEAR, DEEP = 2.0**20, -2000.0


def distance(x, m):
    return 0.0 if x == m else x - m  # inf - inf would be NaN where the limit is 0


def same(x):
    return x


def exponential(x, m):
    # What rounding x - m loses goes along: without it e is as many ulp off as |x - m| is large.
    d, low = two_sum(x, -m)
    return decay(0.0 if x == m else d, low if abs(low) < MOST else 0.0)


def floor(m):
    return m + DEEP


def near_exponential(x, m, floor):
    """The same of a `near` m, for fewer instructions: no score is infinite or huge once it is not below the floor."""
    d, low = two_sum(floor if x < floor else x, -m)
    return decay(d, low)


def other(e):
    return 0.0 if e == 1.0 else e  # all but the largest score, where all others are far smaller


def rest(excess, m):
    limited = excess if excess < 0.5 else nan  # of two infinite scores neither has a limit
    return (limited if m == inf else excess) if m > -inf else nan


def softmax(e, rest):
    whole = 1.0 + rest
    return divided(e, whole, reciprocal(whole))


def greatest(rest):
    return reciprocal(1.0 + rest)  # the softmax of the largest score: every other is exp(x - m) times this


def softmax_summand(g, y):
    return g * y


def softmax_backward(g, y, total):
    return y * (g - total)


def negated(x):
    return -x


def softmin(e, rest):
    return softmax(e, rest)


def softmin_backward(g, y, total):
    return -softmax_backward(g, y, total)


def log_softmax(d, rest):
    return d - log1p(rest)


def log_softmax_summand(g, y):
    return g


def log_softmax_backward(g, y, total):
    return g - exp(y) * total


SOFTMAX = Rowwise(softmax, softmax_summand, softmax_backward, of_exponential=True)
SOFTMIN = Rowwise(softmin, softmax_summand, softmin_backward, of_exponential=True, score=negated)
LOG_SOFTMAX = Rowwise(log_softmax, log_softmax_summand, log_softmax_backward)


def share_gradient(mass, t, p, complement):
    # mass * p - t; where p is nearly 1, from its complement, which keeps the digits.
    return mass * p - t if p <= 0.5 else (mass - t) - mass * complement


def z_loss(z, m, logarithm):
    # z * L**2, where L = log(sum(exp(x))) = m + log1p(rest)
    total, low = two_sum(m, logarithm)
    square = total * total
    return z * square + z * (fma(total, total, -square) + 2.0 * total * low if square < inf else 0.0)


def z_lean(z, m, logarithm):
    return 2.0 * z * (m + logarithm)  # the derivative of z * L**2 in L


def inclined(slope, lean, p):
    return fma(lean, p, slope)


def curved(slope, bend, p, complement, miss):
    # slope * p * (1 - p) + bend * p**2 / miss, for a p that is at most the miss, which may be 0
    return fma(bend * p, p / (miss if miss > 0.0 else 1.0), slope * (p * complement))


def share_inclined(mass, lean, both, t, p, complement):
    # The same as share_gradient, and lean * p; both is mass + lean.
    return both * p - t if p <= 0.5 else fma(lean, p, (mass - t) - mass * complement)


def cross_entropy(d, rest):
    return log1p(rest) - d


def cross_entropy_complement(e, rest):
    whole = 1.0 + rest
    return divided(rest if e == 1.0 else whole - e, whole, reciprocal(whole))


def nll_loss(d, rest):
    return -d


def zero(e, rest):
    return 0.0


def one(e, rest):
    return 1.0


CROSS_ENTROPY = RowLoss(cross_entropy, softmax, cross_entropy_complement)
NLL_LOSS = RowLoss(nll_loss, zero, one, normalised=False)
