"""Elementary functions in float32, branch-free so that compilers vectorise them.

`benchmarks/coefficients.py` prints the polynomials and says how they were fitted. They stand in Estrin's order, for a
vector unit waits for the result of one step much longer than it works on it.
"""

from fastloa_kernels.formulas.compensated import fast_two_sum, fraction, product, times
from fastloa_kernels.primitives import copysign, exponent, fma, inf, nan, power_of_two, reciprocal, round_even

LOG2_E = 1.4426950408889634
# ln(2) and what rounding it leaves. With fma, x - k * LN2_HIGH is exact all the same wherever it is below ln(2).
LN2_HIGH = 0.693147182464599609375
LN2_LOW = -1.904654323148236e-09
# Cody and Waite's two parts of it: any exponent times the first is exact.
LN2_HEAD = 0.693145751953125
LN2_REST = 1.4286068203094173e-06
# The greatest power of two that divides a normal number and leaves one, and its reciprocal.
UP, DOWN = 2.0**126, 2.0**-126
SMALL, LIFT, DROP = 2.0**-100, 2.0**64, 2.0**-64
STEEP = 2.0**32  # |log(x)| is at least 2**-24, but for x = 1
ROUND = 1.5 * 2.0**23  # added and taken away again, it leaves a whole number
TWO_THIRDS = 0.6666666
SIXTH = 0.16666666  # the polynomial's own
ROOT2_HIGH, ROOT2_LOW = 1.4142135, 2.4203235e-08


def exp_reduced(x, k):
    """r, r**2, p, rest of exp(x) = 2**k * (1 + r + r**2 / 2 + SIXTH * r**3 + p * r**4 + rest); k is about x / ln(2)."""
    r = fma(-k, LN2_HIGH, x)
    rest = k * -LN2_LOW
    square = r * r
    p = fma(fma(1.9760274e-04, r, 1.3932335e-03), square, fma(8.333547e-03, r, 4.1666493e-02))
    return r, square, p, fma(rest, r, rest)


def exp_parts(x):
    """k, high and low of exp(x) = 2**k * (high + low)."""
    k = fma(x, LOG2_E, ROUND) - ROUND
    r, square, p, rest = exp_reduced(x, k)
    high, low = fast_two_sum(1.0, r)
    return k, high, low + fma(square, fma(p, square, fma(SIXTH, r, 0.5)), rest)


def exp_sum(x, low, k):
    """high and low of exp(x + low) = 2**k * (high + low), for a low of at most 2**-11 and the k next to x / ln(2)."""
    r = fma(-k, LN2_HIGH, x)
    rest = fma(k, -LN2_LOW, low)
    s = r + rest  # the rest is too much to be left out of the powers of r
    square = s * s
    p = fma(fma(1.9760274e-04, s, 1.3932335e-03), square, fma(8.333547e-03, s, 4.1666493e-02))
    high, low = fast_two_sum(1.0, r)
    return fast_two_sum(high, low + fma(square, fma(p, square, fma(SIXTH, s, 0.5)), rest))


def exp_scaled(x, low):
    """k, high and low of exp(x + low) = 2**k * (high + low), for |x| of at most 10000.0 and a low lost in the sum."""
    k = fma(x, LOG2_E, ROUND) - ROUND
    high, low = exp_sum(x, low, k)
    return k, high, low


def exp_pair(x):
    """high, low and factor of exp(x) = (high + low) * factor.

    The factor is a power of two that keeps high normal. So high * factor is rounded once where it is subnormal, and
    what is to lift a tiny exp(x) to normal size again is multiplied into the factor first.
    """
    z = -174.0 if x < -174.0 else (174.0 if x > 174.0 else x)  # as far as two factors go
    k, high, low = exp_parts(z)
    high, low = fast_two_sum(high, low)
    half = round_even(0.5 * k)
    scale = power_of_two(half)
    # The 0 is for -inf, and spares the processor a slow underflow.
    return high * scale, low * scale, 0.0 if x < -174.0 else power_of_two(k - half)


def decay_pair(x):
    """high, low and factor of exp(x) = (high + low) * factor for x <= 0, where the factor is the same for all x.

    Cheaper than exp_pair, but all exp(x) below 2**-40 of the least number are one.
    """
    k, high, low = exp_parts(-131.0 if x < -131.0 else x)
    high, low = fast_two_sum(high, low)
    scale = power_of_two(k + 64.0)
    return high * scale, low * scale, DROP


def exp(x):
    high, _, factor = exp_pair(x)
    return high * factor


def expm1_pair(x):
    """high, low and factor of exp(x) - 1 = (high + low) * factor; the factor is 1 for x < 88."""
    x = -18.2 if x < -18.2 else (89.0 if x > 89.0 else x)  # beyond, the pair rounds to -1, or is infinite
    # From k = -24.0 on, 2**k - 1 is exact; the few x below may have an r beyond ln(2) / 2, where little depends on it.
    k = fma(x, LOG2_E, ROUND) - ROUND
    k = -24.0 if k < -24.0 else k
    r, square, p, rest = exp_reduced(x, k)
    # Near 0, r**2 / 2 is too large a part of the result to be rounded with the smaller ones.
    tail = fma(square, 0.5, fma(square * r, fma(p, r, SIXTH), rest))
    power = 127.0 if k > 127.0 else k
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
    square = f * f
    p = fma(fma(3.769849e-02, f, -9.112868e-02), square, fma(1.1695777e-01, f, -1.2727259e-01))
    p = fma(p, square, fma(1.4276882e-01, f, -1.6655369e-01))
    p = fma(p, square, fma(1.9999573e-01, f, -2.5000164e-01))
    p = fma(p, f, 3.333334e-01)
    high, low = fast_two_sum(e * LN2_HEAD, f)
    small = fma(square * f, p, fma(e, LN2_REST, low))
    # The square is too large a part of the result to be rounded: what that loses goes to the small terms.
    high, low = fast_two_sum(high, -0.5 * square)
    return high + (low + fma(-0.5, fma(f, f, -square), small))


def log_split(x, factor):
    """e and f of x = 2**e * (1 + f) for x > 0, with 1 + f from 1 / factor to 2 / factor."""
    # Scaled so that neither a subnormal x nor the power of two that divides a huge one leaves the normal range.
    small = x < SMALL
    y = x * (LIFT if small else 0.25)
    e = exponent(y * factor)
    return e + (-64.0 if small else 2.0), fma(y, power_of_two(-e), -1.0)


def log(x):
    e, f = log_split(x, 2.0 * TWO_THIRDS)
    value = log_reduced(e, f)
    return (value if x < inf else inf) if x > 0.0 else (-inf if x == 0.0 else nan)


def log_pair_reduced(e, f):
    """high and low of e * ln(2) + log(1 + f), for a whole number e and 1 + f from sqrt(1 / 2) to sqrt(2).

    The low may be 2**-17 of the high, and together they are within 2**-35.
    """
    # log(1 + f) = 2 * atanh(s) with s = f / (2 + f). What rounding s loses counts by the derivative, 2 / (1 - s**2).
    whole, part = fast_two_sum(2.0, f)
    w = reciprocal(whole)
    s = f * w
    missing = 2.0 * w * fma(-s, part, fma(-s, whole, f))
    z = s * s
    z_low = fma(s, s, -z)
    q = fma(fma(2.358074e-01, z, 2.8537378e-01), z, 4.0000334e-01)
    p = fma(z, q, 6.666666e-01)
    p_low = fma(z, q, 6.666666e-01 - p) + 2.9520226e-08
    cube = s * z
    t, t_low = product(cube, fma(s, z_low, fma(s, z, -cube)), p, p_low)
    high, low = fast_two_sum(e * LN2_HEAD, 2.0 * s)
    high, rest = fast_two_sum(high, t)
    return high, fma(e, LN2_REST, low + rest) + (t_low + fma(missing, fma(z, z, z), missing))


def log1p_pair(x):
    """high and low of log1p(x) for x from 0 to 1, as log_pair_reduced gives them."""
    upper = x > 0.41421354
    f, rest = fast_two_sum(-0.5 if upper else 0.0, 0.5 * x if upper else x)
    high, low = log_pair_reduced(1.0 if upper else 0.0, f)
    return high, fma(rest, 1.0 - f, low)  # the derivative, 1 / (1 + f), is about 1 - f


def log1p_unit_reduced(z):
    """tail of log1p(x) = 2 * s + s**3 * tail, for s = x / (2 + x) and z = s**2 up to 1/9."""
    fourth = z * z
    p = fma(fma(2.4245271e-01, z, 2.1443884e-01), fourth, fma(2.8615212e-01, z, 3.999895e-01))
    return fma(p, z, 6.6666675e-01)


def log1p_unit(x):
    """high and low of log1p(x) for x from 0 to 1; the low may be 2**-4 of the high."""
    whole, part = fast_two_sum(2.0, x)
    w = reciprocal(whole)
    s = x * w
    missing = 2.0 * w * fma(-s, part, fma(-s, whole, x))
    z = s * s
    return 2.0 * s, fma(s * z, log1p_unit_reduced(z), fma(missing, z, missing))


def exp_rounded(x, low):
    """exp(x + low) for a low far below x. Where it is subnormal, it is rounded twice, which alone may take 0.75 ulp."""
    z = 89.0 if x > 89.0 else x  # beyond, infinity
    z = -104.5 if z < -104.5 else z  # beyond, 0
    low = low if x == z else 0.0
    k = fma(z, LOG2_E, ROUND) - ROUND
    high, _ = exp_sum(z, low, k)
    half = round_even(0.5 * k)
    # The 0 spares the processor a slow underflow.
    return high * power_of_two(half) * (0.0 if x < -104.5 else power_of_two(k - half))


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
    scale = power_of_two(64.0 - e) * DROP
    value = copysign(log_reduced(e, fma(scale, x, scale - 1.0)), x)
    return (value if x < inf else inf) if x > -1.0 else (-inf if x == -1.0 else nan)


def lifted(k, r):
    """high and low of 2**k * exp(r) * UP = high + low. Here r is rounded, which costs a quarter ulp."""
    square = r * r
    p = fma(fma(1.9760274e-04, r, 1.3932335e-03), square, fma(8.333547e-03, r, 4.1666493e-02))
    q = fma(square, fma(p, square, fma(SIXTH, r, 0.5)), r)
    scale = power_of_two(k + 126.0)
    high = fma(scale, q, scale)
    return high, fma(scale, q, scale - high)


def exp_lifted(x):
    """high and low of exp(x) * UP = high + low, for x <= 0: however small, exp(x) is lifted to the normal numbers."""
    x = -174.0 if x < -174.0 else x
    k = fma(x, LOG2_E, ROUND) - ROUND
    return lifted(k, fma(k, -LN2_LOW, fma(-k, LN2_HIGH, x)))


def decay(x, low):
    """exp(x + low) for x <= 0 and a low that is lost in x + low; cheaper than exp(x) all the same."""
    x = -174.0 if x < -174.0 else x
    k = fma(x, LOG2_E, ROUND) - ROUND
    high, _ = lifted(k, fma(-k, LN2_HIGH, x) + fma(k, -LN2_LOW, low))
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
    p = fma(fma(4.413597e-07, z, -1.1853082e-05), z * z, fma(2.5360525e-04, z, -5.7141217e-03))
    high = fma(p, z, 1.1999999)
    return high, fma(p, z, 1.1999999 - high) + 4.7796213e-08
