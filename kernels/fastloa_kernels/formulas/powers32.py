"""Powers of two of any size in float32."""

from fastloa_kernels.primitives import exponent, power_of_two, round_even

SMALL, LIFT = 2.0**-100, 2.0**64
LOWEST, FARTHEST = -126.0, 252.0  # of the normal numbers, and of products of two of their powers of two


def normalised(x):
    """m and e of a finite x = m * 2**e, with |m| from 1 to 2; for 0, m is 0."""
    small = abs(x) < SMALL
    y = x * (LIFT if small else 0.25)
    e = exponent(y)
    return y * power_of_two(-e), e + (-64.0 if small else 2.0)


def ldexp(m, e):
    """m * 2**e for a whole number e, rounded once, where |m| is at least 2**-24, or 0."""
    e = -FARTHEST if e < -FARTHEST else (FARTHEST if e > FARTHEST else e)
    half = round_even(0.5 * e)
    return m * power_of_two(half) * power_of_two(e - half)


def fading(k):
    """2**k for a whole number k of at most 0; 0 where that is no normal number."""
    return 0.0 if k < LOWEST else power_of_two(k)
