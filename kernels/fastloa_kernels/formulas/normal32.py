"""The normal distribution's tail and the error function in float32, made of a bell and a polynomial, in pairs."""

from fastloa_kernels.formulas.compensated import complement, fast_two_sum, product, times, two_sum
from fastloa_kernels.formulas.elementary32 import DOWN, ROOT2_HIGH, ROOT2_LOW, exp_scaled
from fastloa_kernels.primitives import copysign, fma, power_of_two, reciprocal

DENSITY_HIGH, DENSITY_LOW = 3.989423e-01, -1.133517e-08  # 1 / sqrt(2 * pi), the normal density at 0
# There, what is to come is far below the least number: exp(-FAR**2 / 2) is 2**-250.
FAR, FAR_ERFC = 18.6, 13.1
# There, no two numbers that it is multiplied with bring it back.
DEEP = 30.0


def bell_parts(x, rate):
    """k, high and low of exp(-rate * x**2) = 2**k * (high + low), for a power of two as the rate."""
    square = x * x
    return exp_scaled(-rate * square, -rate * fma(x, x, -square))


def bell(x, rate):
    """high and low of exp(-rate * x**2) * UP, for a power of two as the rate, and -rate * x**2 of at least -174.0."""
    k, high, low = bell_parts(x, rate)
    scale = power_of_two(k + 126.0)
    return high * scale, low * scale


def mills_reduced(t):
    """high and low of (x + 2) * Q(x) / exp(-x**2 / 2) for t = (x - 2) / (x + 2)."""
    square = t * t
    fourth = square * square
    p = fma(fma(7.9716154e-04, t, -1.9480415e-03), square, fma(-6.7271534e-03, t, -4.701583e-04))
    q = fma(fma(-9.034831e-05, t, -1.2223779e-04), square, fma(1.7513132e-04, t, 8.220525e-04))
    p = fma(fma(-1.8118228e-05, fourth, q), fourth, p)
    high = fma(-3.3140445e-01, t, 6.72408e-01)
    low = fma(-3.3140445e-01, t, 6.72408e-01 - high) + 1.9860131e-08
    low = fma(square, fma(3.671855e-02, t, 2.8797394e-02), low)
    return fast_two_sum(high, fma(fourth, p, low))


def mills(x, low):
    """high, low and w of Q(y) / exp(-y**2 / 2) = (high + low) * w at y = x + low >= 0, Q as in normal_tail."""
    whole, part = fast_two_sum(2.0, x)  # exact for a greater x as well: 2 is a multiple of the last place of the sum
    w = reciprocal(whole)
    t = fma(-4.0, w, 1.0)
    # What w is short of, relatively, and t, absolutely; and about how the result follows the two.
    short_w = fma(-w, part + low, fma(-w, whole, 1.0))
    short_t = fma(-4.0, w, 1.0 - t)
    follows = short_w * fma(fma(-0.2, t, -0.3), t, 1.49)
    high, low = mills_reduced(t)
    return high, low + fma(high, follows, -0.25 * short_t), w


def tail_pair(x, low, bell_high, bell_low):
    """(bell_high + bell_low) * Q(y) / exp(-y**2 / 2) as a pair, for y = x + low >= 0."""
    high, low, w = mills(x, low)
    # The polynomial comes last, so it is to wait for nothing.
    bell_high, bell_low = times(bell_high, bell_low, w)
    return product(bell_high, bell_low, high, low)


def normal_tail(x):
    """high, low and factor of Q(|x|) = (high + low) * factor, Q the upper tail of the normal distribution.

    The factor is a power of two that keeps high normal, as that of exp_pair.
    """
    u = FAR if abs(x) > FAR else abs(x)
    bell_high, bell_low = bell(u, 0.5)
    high, low = tail_pair(u, 0.0, bell_high, bell_low)
    return high, low, DOWN


def normal_tail_parts(x):
    """k, high and low of Q(|x|) = 2**k * (high + low), Q as in normal_tail."""
    u = DEEP if abs(x) > DEEP else abs(x)
    k, bell_high, bell_low = bell_parts(u, 0.5)
    high, low = tail_pair(u, 0.0, bell_high, bell_low)
    # What mills_reduced is short of beyond the numbers that it was made for.
    beyond = u - 14.0 if u > 14.0 else 0.0
    return k, high, fma(high, 2.15e-09 * beyond * beyond, low)


def slope_pair(u):
    """high and low of Q(u) / exp(-u**2 / 2) - u / sqrt(2 * pi) for u >= 0, Q as in normal_tail."""
    high, low, w = mills(u, 0.0)
    mills_high, mills_low = times(high, low, w)
    # It is Q(u) - u * exp(-u**2 / 2) / sqrt(2 * pi), and its two terms cancel near u = 0.75.
    other = u * DENSITY_HIGH
    high, low = two_sum(mills_high, -other)
    return high, low + (mills_low - fma(u, DENSITY_LOW, fma(u, DENSITY_HIGH, -other)))


def normal_tail_slope(x):
    """The derivative of u * Q(u) at u = |x|, Q the upper tail of the normal distribution."""
    u = FAR if abs(x) > FAR else abs(x)
    bell_high, bell_low = bell(u, 0.5)
    high, low = slope_pair(u)
    return fma(high, bell_high, fma(high, bell_low, low * bell_high)) * DOWN


def normal_tail_slope_parts(x):
    """k, high and low of the same as 2**k * (high + low)."""
    u = DEEP if abs(x) > DEEP else abs(x)
    k, bell_high, bell_low = bell_parts(u, 0.5)
    high, low = slope_pair(u)
    high, low = product(high, low, bell_high, bell_low)
    return k, high, low


def erfc_lifted(x):
    """high and low of erfc(|x|) * UP / 2 = high + low."""
    z = FAR_ERFC if abs(x) > FAR_ERFC else abs(x)
    bell_high, bell_low = bell(z, 1.0)
    u = z * ROOT2_HIGH
    return tail_pair(u, fma(z, ROOT2_LOW, fma(z, ROOT2_HIGH, -u)), bell_high, bell_low)


def erfc(x):
    high, low = erfc_lifted(x)
    upper, rest = complement(2.0, high, low, 2.0 * DOWN)
    return upper + rest if x < 0.0 else (high + low) * (2.0 * DOWN)


def erf_reduced(z):
    """erf(x) / x - 1 for z = x**2, up to 1/4."""
    p = fma(fma(4.7186553e-03, z, -2.675808e-02), z * z, fma(1.1282849e-01, z, -3.761261e-01))
    return fma(p, z, 1.2837917e-01)


def erf(x):
    z = abs(x)
    high, low = erfc_lifted(x)
    upper, rest = complement(1.0, high, low, 2.0 * DOWN)
    near = fma(z, erf_reduced(z * z), z)
    return copysign(near if z < 0.5 else upper + rest, x)
