"""What sine and cosine take in float64: the reduction of any argument to a turn's part, and the sine of that."""

from fastloa_kernels.formulas.compensated import fast_two_sum
from fastloa_kernels.primitives import fma, round_even

# 1 / (2 * pi) in words of 54 bits: each the nearest to what those before it left, times 2**54.
TURN_0, TURN_1, TURN_2 = 0.15915494309189532, 0.32275023811700737, -0.17396524978327083
TURN_3, TURN_4, TURN_5 = 0.2354059373013278, -0.0821581517007609, 0.2769110288619956
TURN_6, TURN_7, TURN_8 = 0.09821675162609111, 0.11325251569786998, 0.4133259133791302
TURN_9, TURN_10, TURN_11 = -0.07928035813367623, -0.3952409045260542, -0.16318492143731828
TURN_12, TURN_13, TURN_14 = 0.12927072855954003, -0.30469456315233734, 0.3759725532201422
TURN_15, TURN_16, TURN_17 = 0.04072758117990394, -0.21113953417460052, -0.03744661839769731
TURN_18, TURN_19, TURN_20 = -0.37922479594292496, 0.23839151662316233, -0.2710724566311175
TURN_21 = -0.1647869720591031
# From there on as many words are skipped: scaled by the step, x is a multiple of 4, and they make whole turns.
SKIP_16, SKIP_8, SKIP_4, SKIP_2, SKIP_1 = 2.0**918, 2.0**486, 2.0**270, 2.0**162, 2.0**108
STEP_16, STEP_8, STEP_4, STEP_2, STEP_1 = 2.0**-864, 2.0**-432, 2.0**-216, 2.0**-108, 2.0**-54
TAU_HIGH, TAU_LOW = 6.283185307179586, 2.4492935982947064e-16  # 2 * pi


def turn_words(x):
    """x >= 0, scaled to below 2**108, and the five words of 1 / (2 * pi) that count then.

    Shifted by powers of two: that takes 37 choices, and a chain of them for the 18 places to begin at 85.
    """
    far = x >= SKIP_16
    x = x * STEP_16 if far else x
    u0, u1, u2 = (TURN_16, TURN_17, TURN_18) if far else (TURN_0, TURN_1, TURN_2)
    u3, u4, u5 = (TURN_19, TURN_20, TURN_21) if far else (TURN_3, TURN_4, TURN_5)
    far = x >= SKIP_8
    x = x * STEP_8 if far else x
    u0, u1, u2, u3 = (TURN_8, TURN_9, TURN_10, TURN_11) if far else (u0, u1, u2, u3)
    u4, u5, u6, u7 = (TURN_12, TURN_13, TURN_14, TURN_15) if far else (u4, u5, TURN_6, TURN_7)
    u8, u9, u10, u11 = (TURN_16, TURN_17, TURN_18, TURN_19) if far else (TURN_8, TURN_9, TURN_10, TURN_11)
    far = x >= SKIP_4
    x = x * STEP_4 if far else x
    u0, u1, u2, u3 = (u4, u5, u6, u7) if far else (u0, u1, u2, u3)
    u4, u5, u6, u7 = (u8, u9, u10, u11) if far else (u4, u5, u6, u7)
    far = x >= SKIP_2
    x = x * STEP_2 if far else x
    u0, u1, u2, u3, u4, u5 = (u2, u3, u4, u5, u6, u7) if far else (u0, u1, u2, u3, u4, u5)
    far = x >= SKIP_1
    x = x * STEP_1 if far else x
    u0, u1, u2, u3, u4 = (u1, u2, u3, u4, u5) if far else (u0, u1, u2, u3, u4)
    return x, u0, u1, u2, u3, u4


def turns(x):
    """x / (2 * pi) less a whole number, as a sum of four: the first at most a half, each other a rest. For x >= 0.

    Payne and Hanek's way (1983): of the digits of 1 / (2 * pi), those count that neither make whole turns nor are lost.
    Near a multiple of a quarter turn up to 62 leading bits cancel, so all sums but the last are exact.
    """
    a, u0, u1, u2, u3, u4 = turn_words(x)
    b = a * STEP_1
    c = b * STEP_1
    d = c * STEP_1
    p0, p1, p2, p3 = a * u0, b * u1, c * u2, d * u3
    q0, q1, q2, q3 = fma(a, u0, -p0), fma(b, u1, -p1), fma(c, u2, -p2), fma(d, u3, -p3)
    low, part = fast_two_sum(q0 - round_even(q0), p1 - round_even(p1))
    high, low = fast_two_sum(p0 - round_even(p0), low)
    middle, rest = fast_two_sum(q1, p2)
    high, carried = fast_two_sum(high, middle)
    low, less = fast_two_sum(low + part, carried)
    last, least = fast_two_sum(q2, p3)
    rest, last = fast_two_sum(rest, last)
    return high - round_even(high), low, rest, (less + last) + (least + fma(d * STEP_1, u4, q3))


def turn_pair(x, low):
    """(x + low) / (2 * pi) as a pair, within 2**-104 of it, for a low that is lost in x + low."""
    value = x * TURN_0
    return value, fma(x, TURN_0, -value) + fma(x, TURN_1 * STEP_1, low * TURN_0)


def sin_reduced(high, low):
    """The sine of high + low turns as a pair, for at most a quarter turn."""
    r = high * TAU_HIGH
    rest = fma(low, TAU_HIGH, fma(high, TAU_LOW, fma(high, TAU_HIGH, -r)))
    z = r * r
    y = z * z
    p = fma(2.7214182769290563e-15, z, -7.643019303694325e-13)
    p = fma(p, y, fma(1.6058941001093542e-10, z, -2.505210690441454e-08))
    p = fma(p, y, fma(2.755731921156946e-06, z, -1.984126984121248e-04))
    p = fma(p, z, 8.333333333333207e-03)
    q = fma(p, z, -0.16666666666666666)
    # sin(r) = r * w, and what rounding q, w and z loses is kept: up to a quarter turn w changes much.
    w = fma(q, z, 1.0)
    part = fma(q, z, 1.0 - w) + fma(fma(p, z, -0.16666666666666666 - q), z, q * fma(r, r, -z))
    sine = r * w
    return sine, fma(r, w, -sine) + fma(r, part, rest * fma(-0.405, z, 1.0))  # the last is about cos(r)
