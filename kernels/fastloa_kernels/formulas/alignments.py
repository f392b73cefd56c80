"""Alignments of frames with labels and the blanks between them: the steps of the recurrences over a target's states.

All is float64, and logarithms, so that the smallest of probabilities is a number. They grow with the frames, and so
would their rounding errors: they are pairs, and a step errs by no more than its own logarithm does, which is below 1.1.
"""

from fastloa_kernels.formulas.compensated import two_sum
from fastloa_kernels.formulas.elementary import exp, log1p
from fastloa_kernels.formulas.rowwise import distance
from fastloa_kernels.primitives import fma, inf
from fastloa_kernels.records import AlignmentLoss


def ordered(a, a_low, b, b_low):
    """The greater pair and the smaller; NaN is either."""
    return (a, a_low, b, b_low) if a > b else (b, b_low, a, a_low)


def share(x, x_low, top, top_low):
    return exp(distance(x, top) + (x_low - top_low))


def moved(x, x_low, by):
    """(x + x_low) + by as a pair; what is infinite has no low part."""
    high, rest = two_sum(x, by)
    return high, (rest + x_low if abs(high) < inf else 0.0)


def reached(stay, stay_low, step, step_low, skip, skip_low, allowed):
    """high and low of log(exp(stay) + exp(step) + exp(skip)), the last only where it is allowed."""
    skip, skip_low = (skip, skip_low) if allowed > 0.0 else (-inf, 0.0)
    high, high_low, least, least_low = ordered(stay, stay_low, step, step_low)
    top, top_low, middle, middle_low = ordered(high, high_low, skip, skip_low)
    return moved(top, top_low, log1p(share(middle, middle_low, top, top_low) + share(least, least_low, top, top_low)))


def ctc_loss(last, last_low, before, before_low):
    high, low = reached(last, last_low, before, before_low, -inf, 0.0, 0.0)
    return moved(0.0 - high, 0.0, 0.0 - low)


def counts(loss, zero_infinity):
    return (0.0 if loss == inf else 1.0) if zero_infinity > 0.0 else 1.0


def at_least_one(length):
    return length if length > 1.0 else 1.0


def weighted(loss, weight, length):
    return weight * (loss / at_least_one(length))


def factor(weight, divisor, length):
    return weight / (divisor * at_least_one(length))


def posterior(forward, forward_low, backward, backward_low, loss, loss_low):
    both, low = moved(forward, forward_low + backward_low, backward)
    x, low = moved(both, low + loss_low, loss)
    e = exp(x)
    return fma(e, low, e)


def slope(factor, total, loss):
    # What is infinite has no derivative: loss - loss is NaN then.
    return (loss - loss) - factor * total


CTC_LOSS = AlignmentLoss(ctc_loss, reached, moved, counts, weighted, factor, posterior, slope)
