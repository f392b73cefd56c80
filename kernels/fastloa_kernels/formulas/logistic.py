"""The logistic function and its kin, of arguments that are pairs.

A rounded argument would cost exp as many units in the last place as the argument is large.
"""

from fastloa_kernels.formulas.compensated import fraction
from fastloa_kernels.formulas.elementary import decay_pair, exp_pair, log1p_unit
from fastloa_kernels.primitives import fma

FAR = 1000.0  # beyond, exp is 0 or infinite, and the rest of an argument nothing


def scaled(x, factor):
    """x * factor as a pair."""
    value = x * factor
    return value, (fma(x, factor, -value) if abs(value) < FAR else 0.0)


def over(x, divisor):
    """x / divisor as a pair."""
    value = x / divisor
    return value, (fma(-value, divisor, x) / divisor if abs(value) < FAR else 0.0)


def odds(z, z_low):
    """high, low and factor of exp(-|z + z_low|) = (high + low) * factor, as decay_pair gives them; z_low is small."""
    high, low, factor = decay_pair(-abs(z))
    return high, fma(high, -z_low if z > 0.0 else z_low, low), factor


def wide_odds(z, z_low):
    """The same as exp_pair gives it, for what large numbers may lift."""
    high, low, factor = exp_pair(-abs(z))
    return high, fma(high, -z_low if z > 0.0 else z_low, low), factor


def share(z, high, low, factor):
    """value and factor of sigmoid(z) = value * factor, where exp(-|z|) is (high + low) * factor."""
    upper = z > 0.0
    return fraction(1.0 if upper else high, 0.0 if upper else low, 1.0, high * factor), (1.0 if upper else factor)


def softened(high, low, factor):
    """high, low and factor of log1p(e) = (high + low) * factor, where e = exp(-|z|) is (high + low) * factor.

    The low may be 2**-4 of the high.
    """
    e = high * factor
    straight = 1.0 + e == 1.0  # log1p(e) is e - e**2 / 2: only here the factor is needed, and it must stand apart
    log_high, log_low = log1p_unit(e)
    bent = fma(low * factor, fma(-0.5, e, 1.0), log_low)  # log1p's derivative is about 1 - e / 2
    return (
        (high if straight else log_high),
        (fma(-0.5 * e, high, low) if straight else bent),
        (factor if straight else 1.0),
    )


def sech_squared(z, z_low):
    """1 - tanh(z + z_low)**2 for z >= 0.

    With e = exp(-2 * z), 1 - tanh(z) is 2 * e / (1 + e), and the result is that times 2 minus that.
    """
    high, low, factor = decay_pair(-2.0 * z)
    half = fraction(high, fma(high, -2.0 * z_low, low), 1.0, high * factor)
    return fma(-2.0 * half, 2.0 * half * factor, 4.0 * half) * factor
