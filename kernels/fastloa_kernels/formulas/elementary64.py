"""Elementary functions in float64, branch-free so that compilers vectorise them.

`benchmarks/coefficients.py` prints the polynomials and says how they were fitted. They stand in Estrin's order, for a
vector unit waits for the result of one step much longer than it works on it.
"""

from fastloa_kernels.formulas.compensated import fast_two_sum, fraction, product, times
from fastloa_kernels.primitives import copysign, exponent, fma, inf, nan, power_of_two, round_even

LOG2_E = 1.4426950408889634
# ln(2) and what rounding it leaves. With fma, x - k * LN2_HIGH is exact all the same wherever it is below ln(2).
LN2_HIGH = 0.6931471805599453
LN2_LOW = 2.3190468138462996e-17
# Cody and Waite's two parts of it: any exponent times the first is exact.
LN2_HEAD = 6.93147180369123816490e-01
LN2_REST = 1.90821492927058770002e-10
# The greatest power of two that divides a normal number and leaves one, and its reciprocal.
UP, DOWN = 2.0**1022, 2.0**-1022
SMALL, LIFT, DROP = 2.0**-900, 2.0**128, 2.0**-128
STEEP = 2.0**64  # |log(x)| is at least 2**-53, but for x = 1
ROUND = 1.5 * 2.0**52  # added and taken away again, it leaves a whole number
TWO_THIRDS = 0.666666666666666
ROOT2_HIGH, ROOT2_LOW = 1.4142135623730951, -9.667293313452913e-17


def exp_reduced(x, low, k):
    """r and tail of exp(x + low) = 2**k * (1 + r + tail), for the whole number k next to x / ln(2)."""
    r = fma(-k, LN2_HIGH, x)
    rest = fma(k, -LN2_LOW, low)
    s = r + rest
    z = s * s
    p = fma(2.0900211546658985e-09, z, fma(2.5108629929066054e-08, s, 2.755730808214716e-07))
    p = fma(p, z, fma(2.7557245246361494e-06, s, 2.48015873043239e-05))
    p = fma(p, z, fma(1.9841269885328988e-04, s, 1.3888888888882124e-03))
    p = fma(p, z, fma(8.333333333321773e-03, s, 4.16666666666667e-02))
    p = fma(p, s, 0.16666666666666677)
    return r, fma(z, 0.5, fma(z * s, p, rest))


def exp_parts(x):
    """k, high and low of exp(x) = 2**k * (high + low)."""
    k = fma(x, LOG2_E, ROUND) - ROUND
    r, tail = exp_reduced(x, 0.0, k)
    high, low = fast_two_sum(1.0, r)
    return k, high, low + tail


def exp_scaled(x, low):
    """k, high and low of exp(x + low) = 2**k * (high + low), for |x| of at most 10000.0 and a low lost in the sum."""
    k = fma(x, LOG2_E, ROUND) - ROUND
    r, tail = exp_reduced(x, low, k)
    high, low = fast_two_sum(1.0, r)
    high, low = fast_two_sum(high, low + tail)
    return k, high, low


def exp_pair(x):
    """high, low and factor of exp(x) = (high + low) * factor.

    The factor is a power of two that keeps high normal. So high * factor is rounded once where it is subnormal, and
    what is to lift a tiny exp(x) to normal size again is multiplied into the factor first.
    """
    z = -1416.0 if x < -1416.0 else (1416.0 if x > 1416.0 else x)  # as far as two factors go
    k, high, low = exp_parts(z)
    high, low = fast_two_sum(high, low)
    half = round_even(0.5 * k)
    scale = power_of_two(half)
    # The 0 is for -inf, and spares the processor a slow underflow.
    return high * scale, low * scale, 0.0 if x < -1416.0 else power_of_two(k - half)


def decay_pair(x):
    """high, low and factor of exp(x) = (high + low) * factor for x <= 0, where the factor is the same for all x.

    Cheaper than exp_pair, but all exp(x) below 2**-40 of the least number are one.
    """
    k, high, low = exp_parts(-796.0 if x < -796.0 else x)
    high, low = fast_two_sum(high, low)
    scale = power_of_two(k + 128.0)
    return high * scale, low * scale, DROP


def exp(x):
    high, _, factor = exp_pair(x)
    return high * factor


def expm1_pair(x):
    """high, low and factor of exp(x) - 1 = (high + low) * factor; the factor is 1 for x < 709."""
    x = -38.2 if x < -38.2 else (710.0 if x > 710.0 else x)  # beyond, the pair rounds to -1, or is infinite
    # From k = -53.0 on, 2**k - 1 is exact; the few x below may have an r beyond ln(2) / 2, where little depends on it.
    k = fma(x, LOG2_E, ROUND) - ROUND
    k = -53.0 if k < -53.0 else k
    r, tail = exp_reduced(x, 0.0, k)
    power = 1023.0 if k > 1023.0 else k
    scale = power_of_two(power)
    # (scale - 1) + scale * r + scale * tail: the larger stands first, and nothing cancels much.
    whole = scale - 1.0
    high, low = fast_two_sum(whole, scale * r)
    low = low + ((scale - whole) - 1.0)
    high, low = fast_two_sum(high, fma(scale, tail, low))
    return high, low, 1.0 + (k - power)


def expm1(x):
    high, _, factor = expm1_pair(x)
    return copysign(high * factor, x)


def log_reduced(e, f):
    """e * ln(2) + log(1 + f), for a whole number e and f from -1/4 to 1/2."""
    # With s = f / (2 + f): log(1 + f) = 2 * atanh(s) = f - s * f + s**3 * p, and s * f = f**2 / 2 - s * f**2 / 2.
    s = f / (2.0 + f)
    z = s * s
    p = fma(fma(1.3842437269991112e-01, z, 1.317368668046761e-01), z, 1.5391106920979267e-01)
    p = fma(fma(fma(p, z, 1.8181666020519785e-01), z, 2.2222224294303572e-01), z, 2.85714285558439e-01)
    p = fma(fma(p, z, 4.0000000000056635e-01), z, 6.66666666666666e-01)
    half_square = 0.5 * f * f
    high, low = fast_two_sum(e * LN2_HEAD, f)
    return high - (half_square - fma(s, fma(z, p, half_square), fma(e, LN2_REST, low)))


def log_split(x, factor):
    """e and f of x = 2**e * (1 + f) for x > 0, with 1 + f from 1 / factor to 2 / factor."""
    # Scaled so that neither a subnormal x nor the power of two that divides a huge one leaves the normal range.
    small = x < SMALL
    y = x * (LIFT if small else 0.25)
    e = exponent(y * factor)
    return e + (-128.0 if small else 2.0), fma(y, power_of_two(-e), -1.0)


def log(x):
    e, f = log_split(x, 2.0 * TWO_THIRDS)
    value = log_reduced(e, f)
    return (value if x < inf else inf) if x > 0.0 else (-inf if x == 0.0 else nan)


def log_pair_reduced(e, f):
    """high and low of e * ln(2) + log(1 + f), for a whole number e and 1 + f from sqrt(1 / 2) to sqrt(2).

    The low may be 2**-30 of the high, and together they are within 2**-64.
    """
    # log(1 + f) = 2 * atanh(s) with s = f / (2 + f). What rounding s loses counts by the derivative, 2 / (1 - s**2).
    whole, part = fast_two_sum(2.0, f)
    w = 1.0 / whole
    s = f * w
    missing = 2.0 * w * fma(-s, part, fma(-s, whole, f))
    z = s * s
    z_low = fma(s, s, -z)
    y = z * z
    upper = fma(1.2029792448970102e-01, z, 1.1669068868975478e-01)
    q = fma(upper, y, fma(1.3336656323988252e-01, z, 1.5384546064853208e-01))
    q = fma(q, y, fma(1.8181819071673655e-01, z, 2.2222222215327947e-01))
    q = fma(q, y, fma(2.857142857145873e-01, z, 3.9999999999999936e-01))
    p = fma(z, q, 0.6666666666666666)
    p_low = fma(z, q, 0.6666666666666666 - p) + 3.747945944976231e-17
    cube = s * z
    t, t_low = product(cube, fma(s, z_low, fma(s, z, -cube)), p, p_low)
    high, low = fast_two_sum(e * LN2_HEAD, 2.0 * s)
    high, rest = fast_two_sum(high, t)
    return high, fma(e, LN2_REST, low + rest) + (t_low + fma(missing, fma(z, z, z), missing))


def log1p_pair(x):
    """high and low of log1p(x) for x from 0 to 1, as log_pair_reduced gives them."""
    upper = x > 0.41421356237309503
    f, rest = fast_two_sum(-0.5 if upper else 0.0, 0.5 * x if upper else x)
    high, low = log_pair_reduced(1.0 if upper else 0.0, f)
    return high, fma(rest, 1.0 - f, low)  # the derivative, 1 / (1 + f), is about 1 - f


def log1p_unit_reduced(z):
    """tail of log1p(x) = 2 * s + s**3 * tail, for s = x / (2 + x) and z = s**2 up to 1/9."""
    y = z * z
    p = fma(1.701434041868297e-01, z, 8.341756139087873e-02)
    p = fma(p, y, fma(1.2105846461611022e-01, z, 1.3300988599226202e-01))
    p = fma(p, y, fma(1.5386559591663626e-01, z, 1.818174393090337e-01))
    p = fma(p, y, fma(2.222222396859574e-01, z, 2.857142854791431e-01))
    return fma(p, y, fma(4.000000000015622e-01, z, 6.666666666666631e-01))


def log1p_unit(x):
    """high and low of log1p(x) for x from 0 to 1; the low may be 2**-4 of the high."""
    whole, part = fast_two_sum(2.0, x)
    w = 1.0 / whole
    s = x * w
    missing = 2.0 * w * fma(-s, part, fma(-s, whole, x))
    z = s * s
    return 2.0 * s, fma(s * z, log1p_unit_reduced(z), fma(missing, z, missing))


def exp_rounded(x, low):
    """exp(x + low) for a low far below x. Where it is subnormal, it is rounded twice, which alone may take 0.75 ulp."""
    z = 710.0 if x > 710.0 else x  # beyond, infinity
    z = -746.0 if z < -746.0 else z  # beyond, 0
    low = low if x == z else 0.0
    k = fma(z, LOG2_E, ROUND) - ROUND
    r, tail = exp_reduced(z, low, k)
    high, low = fast_two_sum(1.0, r)
    half = round_even(0.5 * k)
    # The 0 spares the processor a slow underflow.
    return (high + (low + tail)) * power_of_two(half) * (0.0 if x < -746.0 else power_of_two(k - half))


def power(x, y):
    """x**y for x >= 0, NaN for x < 0: exp(y * log(x)), the logarithm and the product as pairs.

    The way of SLEEF's pow (Shibata and Petrogalli, IEEE Trans. Parallel Distrib. Syst. 31(6), 2020), but with fma.
    Zeros and infinities are those of pow in IEEE 754 and C99 (F.10.4.4), with -0 taken for 0. But NaN in either operand
    reaches the result: in C, NaN**0 and 1**NaN are 1.
    """
    e, f = log_split(x, ROOT2_HIGH)
    high, low = log_pair_reduced(e, f)
    # At STEEP already, every power but that of 1 is 0 or infinite; and inf * log(1) would be NaN.
    z = STEEP if y > STEEP else (-STEEP if y < -STEEP else y)
    high, low = times(high, low, z)
    value = exp_rounded(high, low)
    # inf**y is 0**-y, and 0**y hangs on the sign of y alone.
    z = y if x == 0.0 else -y
    end = 0.0 if z > 0.0 else (inf if z < 0.0 else 1.0 + z)
    return (value if x < inf else end) if x > 0.0 else (end if x == 0.0 else nan)


def log1p(x):
    # 1 + x = 2**e * (1 + f) with f from -1/4 to 1/2: there, scale * x + (scale - 1) is exact (Sterbenz).
    e = 1.0 + exponent((1.0 + x) * TWO_THIRDS)
    scale = power_of_two(128.0 - e) * DROP
    value = copysign(log_reduced(e, fma(scale, x, scale - 1.0)), x)
    return (value if x < inf else inf) if x > -1.0 else (-inf if x == -1.0 else nan)


def lifted(k, q):
    """high and low of 2**k * (1 + q) * UP = high + low."""
    scale = power_of_two(k + 1022.0)
    high = fma(scale, q, scale)
    return high, fma(scale, q, scale - high)


def exp_lifted(x):
    """high and low of exp(x) * UP = high + low, for x <= 0: however small, exp(x) is lifted to the normal numbers."""
    x = -1416.0 if x < -1416.0 else x
    k = fma(x, LOG2_E, ROUND) - ROUND
    r, tail = exp_reduced(x, 0.0, k)
    return lifted(k, r + tail)


def decay(x, low):
    """exp(x + low) for x <= 0 and a low that is lost in x + low; cheaper than exp(x) all the same."""
    x = -1416.0 if x < -1416.0 else x
    k = fma(x, LOG2_E, ROUND) - ROUND
    r, tail = exp_reduced(x, low, k)
    high, _ = lifted(k, r + tail)
    return high * DOWN


def sigmoid(x):
    # exp(x) / (1 + exp(x)) below zero and 1 / (1 + exp(-x)) above: no overflow, and no digit lost on either side.
    high, low = exp_lifted(-abs(x))
    upper = x > 0.0
    return fraction(UP if upper else high, 0.0 if upper else low, 1.0, high * DOWN) * DOWN


def tanh(x):
    # With m = exp(-2|x|) - 1, tanh(|x|) is -m / (2 + m).
    high, low, _ = expm1_pair(-2.0 * abs(x))
    return copysign(fraction(-high, fma(low, high, -low), 2.0, high), x)


def shrink_reduced(z):
    """high and low of h in x - tanh(x) = x**3 / (3 + z * h), for z = x**2 up to 9/4."""
    y = z * z
    p = fma(4.685708140188308e-15, z, -1.566460619875121e-13)
    p = fma(p, y, fma(3.5213730445424656e-12, z, -7.229349112695948e-11))
    p = fma(p, y, fma(1.4626341248868922e-09, z, -2.9564968602851964e-08))
    p = fma(p, y, fma(5.987662198304442e-07, z, -1.220366931208152e-05))
    p = fma(p, y, fma(2.5396825396088117e-04, z, -5.714285714284931e-03))
    high = fma(p, z, 1.2)
    return high, fma(p, z, 1.2 - high) + 1.568437204984422e-17
