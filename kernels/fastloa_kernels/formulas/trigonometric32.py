"""What sine and cosine take in float32: the reduction of any argument to a turn's part, and the sine of that."""

from fastloa_kernels.formulas.compensated import fast_two_sum
from fastloa_kernels.primitives import fma, round_even

# 1 / (2 * pi) in words of 25 bits: each the nearest to what those before it left, times 2**25.
TURN_0, TURN_1, TURN_2, TURN_3 = 1.5915495e-01, -2.8455913e-01, 8.267188e-02, 3.0736756e-01
TURN_4, TURN_5, TURN_6, TURN_7 = -1.686483e-01, 2.6780397e-02, 3.4991097e-01, 4.4543839e-01
# From there on as many words are skipped: scaled by the step, x is a multiple of 32, and they make whole turns.
SKIP_2, SKIP_1 = 2.0**78, 2.0**53
STEP_2, STEP_1 = 2.0**-50, 2.0**-25
TAU_HIGH, TAU_LOW = 6.2831855, -1.7484555e-07  # 2 * pi


def turn_words(x):
    """x >= 0, scaled to below 2**53, and the five words of 1 / (2 * pi) that count then."""
    far = x >= SKIP_2
    x = x * STEP_2 if far else x
    u0, u1, u2 = (TURN_2, TURN_3, TURN_4) if far else (TURN_0, TURN_1, TURN_2)
    u3, u4, u5 = (TURN_5, TURN_6, TURN_7) if far else (TURN_3, TURN_4, TURN_5)
    far = x >= SKIP_1
    x = x * STEP_1 if far else x
    u0, u1, u2, u3, u4 = (u1, u2, u3, u4, u5) if far else (u0, u1, u2, u3, u4)
    return x, u0, u1, u2, u3, u4


def turns(x):
    """x / (2 * pi) less a whole number, as a sum of four: the first at most a half, each other a rest. For x >= 0.

    Payne and Hanek's way (1983): of the digits of 1 / (2 * pi), those count that neither make whole turns nor are lost.
    Near a multiple of a quarter turn up to 30 leading bits cancel, so all sums but the last are exact.
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
    high, carried = fast_two_sum(high, middle - round_even(middle))
    low, less = fast_two_sum(low + part, carried)
    last, least = fast_two_sum(q2, p3)
    rest, last = fast_two_sum(rest, last)
    return high - round_even(high), low, rest, (less + last) + (least + fma(d * STEP_1, u4, q3))


def turn_pair(x, low):
    """(x + low) / (2 * pi) as a pair, within 2**-46 of it, for a low that is lost in x + low."""
    value = x * TURN_0
    return value, fma(x, TURN_0, -value) + fma(x, TURN_1 * STEP_1, low * TURN_0)


def sin_reduced(high, low):
    """The sine of high + low turns as a pair, for at most a quarter turn."""
    r = high * TAU_HIGH
    rest = fma(low, TAU_HIGH, fma(high, TAU_LOW, fma(high, TAU_HIGH, -r)))
    z = r * r
    p = fma(fma(-2.55031e-08, z, 2.762706e-06), z * z, fma(-1.9843093e-04, z, 8.3333505e-03))
    q = fma(p, z, -0.16666667)
    # sin(r) = r * w, and what rounding q, w and z loses is kept: up to a quarter turn w changes much.
    w = fma(q, z, 1.0)
    part = fma(q, z, 1.0 - w) + fma(fma(p, z, -0.16666667 - q), z, q * fma(r, r, -z))
    sine = r * w
    return sine, fma(r, w, -sine) + fma(r, part, rest * fma(-0.405, z, 1.0))  # the last is about cos(r)
