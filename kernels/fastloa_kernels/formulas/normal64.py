"""The normal distribution's tail and the error function in float64, made of a bell and a polynomial, in pairs."""

from fastloa_kernels.formulas.compensated import complement, fast_two_sum, product, times, two_sum
from fastloa_kernels.formulas.elementary64 import DOWN, ROOT2_HIGH, ROOT2_LOW, exp_scaled
from fastloa_kernels.primitives import copysign, fma, power_of_two

DENSITY_HIGH, DENSITY_LOW = 0.3989422804014327, -2.49232720227773e-17  # 1 / sqrt(2 * pi), the normal density at 0
# There, what is to come is far below the least number: exp(-FAR**2 / 2) is 2**-2042.
FAR, FAR_ERFC = 53.2, 37.6
# There, no two numbers that it is multiplied with bring it back.
DEEP = 70.0


def bell_parts(x, rate):
    """k, high and low of exp(-rate * x**2) = 2**k * (high + low), for a power of two as the rate."""
    square = x * x
    return exp_scaled(-rate * square, -rate * fma(x, x, -square))


def bell(x, rate):
    """high and low of exp(-rate * x**2) * UP, for a power of two as the rate, and -rate * x**2 of at least -1416.0."""
    k, high, low = bell_parts(x, rate)
    scale = power_of_two(k + 1022.0)
    return high * scale, low * scale


def mills_reduced(t):
    """high and low of (x + 2) * Q(x) / exp(-x**2 / 2) for t = (x - 2) / (x + 2)."""
    z = t * t
    y = z * z
    square = y * y
    p = fma(1.591748145568319e-08, z, fma(4.409165643066479e-08, t, -4.6478961421995606e-08))
    upper = fma(2.814557644497262e-07, t, -3.544982735895537e-07)
    p = fma(p, square, fma(upper, z, fma(-1.3456499788079427e-06, t, -2.8350706248805063e-06)))
    upper = fma(9.681918326837538e-06, t, -4.605862889138934e-05)
    p = fma(p, square, fma(upper, z, fma(-1.28552033591768e-04, t, -1.1569248193352036e-04)))
    upper = fma(-6.724907078073078e-03, t, -4.6959683440999625e-04)
    p = fma(p, square, fma(upper, z, fma(3.671836096892069e-02, t, 2.879736034536311e-02)))
    upper = fma(-2.574946556168139e-07, t, -1.3165415956283507e-07)
    q = fma(upper, z, fma(4.523628160776285e-07, t, 7.084778203662331e-07))
    upper = fma(-2.856913109568793e-06, t, 1.967909732599146e-06)
    q = fma(q, square, fma(upper, z, fma(1.2571054215857273e-05, t, 2.1723534284929824e-05)))
    upper = fma(2.0699175286213614e-04, t, 8.271989311183384e-04)
    q = fma(q, square, fma(upper, z, fma(7.851181546382023e-04, t, -1.95112416021804e-03)))
    high = fma(-0.33140444238878103, t, 0.6724080048926824)
    low = fma(-0.33140444238878103, t, 0.6724080048926824 - high) + 4.568603379873292e-17
    return fast_two_sum(high, fma(z * y, q, fma(z, p, low)))


def mills(x, low):
    """high, low and w of Q(y) / exp(-y**2 / 2) = (high + low) * w at y = x + low >= 0, Q as in normal_tail."""
    whole, part = fast_two_sum(2.0, x)  # exact for a greater x as well: 2 is a multiple of the last place of the sum
    w = 1.0 / whole
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
    beyond = u - 41.5 if u > 41.5 else 0.0
    return k, high, fma(high * beyond * beyond, fma(-2.64e-19, beyond, -5.15e-18), low)


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
    y = z * z
    p = fma(1.4490527096060327e-06, z, -1.4822649048851848e-05)
    p = fma(p, y, fma(1.2052406778790443e-04, z, -8.548278427575031e-04))
    p = fma(p, y, fma(5.22397715032837e-03, z, -2.6866170618960364e-02))
    p = fma(p, y, fma(1.1283791670882513e-01, z, -3.7612638903182966e-01))
    return fma(p, z, 1.2837916709551256e-01)


def erf(x):
    z = abs(x)
    high, low = erfc_lifted(x)
    upper, rest = complement(1.0, high, low, 2.0 * DOWN)
    near = fma(z, erf_reduced(z * z), z)
    return copysign(near if z < 0.5 else upper + rest, x)
