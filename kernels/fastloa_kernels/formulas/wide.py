"""Exponentials and logarithms as pairs, over ranges that the vocabulary's own leave out."""

from fastloa_kernels.formulas.compensated import fast_two_sum, product, times, two_sum
from fastloa_kernels.formulas.elementary import exp_pair, log1p_pair
from fastloa_kernels.primitives import exponent, fma, inf, power_of_two, significand

LN2, LN2_REST = 0.6931471228599548, 5.7699990475432854e-08  # ln(2) as a number of 24 bits, and the rest
ROOT2 = 1.4142135
SMALL, LIFT = 2.0**-100, 2.0**64
TINY, ROOT_TINY, HUGE = 2.0**-120, 2.0**-60, 2.0**120


def divided(high, low, whole, part):
    """(high + low) / (whole + part), rounded nearly once; of what is 0 or infinite, as / gives it.

    Unlike `quotient` it takes a divisor whose reciprocal is no number, and a division more.
    """
    estimate = high / whole
    rest = fma(-estimate, part, fma(-estimate, whole, high) + low) / whole
    return estimate + rest if abs(rest) < inf else estimate


def divided_pair(high, low, divisor):
    """(high + low) / divisor as a pair."""
    estimate = high / divisor
    return estimate, ((fma(-estimate, divisor, high) + low) / divisor if abs(estimate) < inf else 0.0)


def total_of(high, low, other, rest):
    """(high + low) + (other + rest); where a high is infinite, the sum of the two."""
    total, part = two_sum(high, other)
    return total + (part + (low + rest)) if abs(total) < inf else total


def powers_of_two(e, high, low):
    """high and low of e * ln(2) + (high + low), where this is at most ln(2) / 2 or of the sign of e."""
    whole, part = times(LN2, LN2_REST, e)
    high, rest = two_sum(whole, high)
    return fast_two_sum(high, rest + (part + low))


def log_beyond(whole, x, x_low):
    """high and low of log(whole + x + x_low), for a whole of 0 or 1, a sum of at least 1, and x below 2**120.

    Where the whole is 1 and x is small, this is log1p and keeps the digits of x.
    """
    total = whole + x
    e = exponent(total)
    scale = power_of_two(-e)
    f = fma(scale, x, fma(scale, whole, -1.0))  # from 0 to 1: nothing cancels with e * ln(2)
    high, low = log1p_pair(f)
    return powers_of_two(e, high, low + x_low / total)


def log_pair(x, x_low):
    """high and low of log(x + x_low) for a finite x > 0, in all their digits where x is next to 1 as well."""
    part = x_low / x
    small = x < SMALL
    x = x * (LIFT if small else 1.0)
    e, m = exponent(x), significand(x)
    # m**-1 - 1/2 where m is nearer to 2, so that an x below 1 does not cancel with its exponent.
    upper = m > ROOT2
    reciprocal = 1.0 / (m if upper else 1.0)
    rest = 2.0 - m if upper else m - 1.0
    f = rest * reciprocal
    high, low = log1p_pair(f)
    low = fma(0.5 * m, fma(-f, m, rest) * reciprocal, low) if upper else low
    e = e + (-64.0 if small else 0.0) + (1.0 if upper else 0.0)
    return powers_of_two(e, -high if upper else high, part - low if upper else part + low)


def levelled(w):
    """A power of two that keeps a weight times it, and what rounding that loses, numbers; its reciprocal's root."""
    large, small = abs(w) > 1.0, abs(w) < TINY
    return (0.25 if large else 1.0) * (HUGE if small else 1.0), (2.0 if large else 1.0) * (ROOT_TINY if small else 1.0)


def levelled_exp(w, w_low, root, x, x_low):
    """(w + w_low) * root**2 * exp(x + x_low) as a pair, for a weight times what `levelled` gives, and the root."""
    u = 0.5 * x
    rest = (x - 2.0 * u) + x_low if abs(x) < inf else 0.0  # a subnormal x has no half
    high, low, factor = exp_pair(u)
    w, w_low = product(w, w_low, high, low)
    w, w_low = product(w, w_low, high, low)
    factor = factor * root
    w = w * factor * factor
    return w, (fma(w, rest, w_low * factor * factor) if abs(w) < inf else 0.0)


def weighted_exp(w, w_low, x, x_low):
    """(w + w_low) * exp(x + x_low) as a pair: a weight of any size meets no 0 and no infinity on the way."""
    scale, root = levelled(w)
    return levelled_exp(scale * w, scale * w_low, root, x, x_low)
