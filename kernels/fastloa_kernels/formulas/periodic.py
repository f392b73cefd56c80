"""Activations with a period, of an argument that is a product: its rounding error goes on into the sine."""

from fastloa_kernels.formulas.compensated import fast_two_sum, two_sum
from fastloa_kernels.formulas.elementary import turn_pair, turns
from fastloa_kernels.formulas.trigonometric import sin_squared
from fastloa_kernels.primitives import copysign, fma, inf, round_even
from fastloa_kernels.records import Elementwise

SMALL, LARGE = 2.0**-60, 2.0**60  # of alpha * x: beyond, sin(alpha * x)**2 / alpha is lost in x


def snake(x, alpha):
    # The larger alpha * x, the less its sine counts: two words of 1 / (2 * pi) do for every x, and where the low part
    # makes turns itself, any number from 0 to 1 will do.
    z = x * alpha
    high, low = turn_pair(z, fma(x, alpha, -z))
    high, low = two_sum(fma(-0.5, round_even(2.0 * high), high), low)
    square, rest = sin_squared(high, low)
    wave = square / alpha
    wave_low = (fma(-wave, alpha, square) + rest) / alpha
    total, lost = two_sum(x, wave)
    value = total if total == inf else total + (lost + wave_low)  # where the sum overflows, what it loses is NaN
    return x if abs(z) < SMALL else (x if abs(z) > LARGE else value)


def product_turns(x, alpha):
    """x * alpha / (2 * pi) less a whole number, as a sum of eight: all of the product's digits, reduced for all x."""
    z = x * alpha
    z_low = fma(x, alpha, -z)
    high, low, rest, least = turns(abs(z))
    a, b, c, d = turns(abs(z_low))
    sign = copysign(1.0, z)
    side = copysign(1.0, z_low)
    return sign * high, sign * low, sign * rest, sign * least, side * a, side * b, side * c, side * d


def snake_derivative(x, alpha):
    # 1 + sin(2 * alpha * x) is 2 * sin(alpha * x + pi / 4)**2. So next to a zero only the argument cancels: what its
    # sums lose is kept.
    first, second, third, least, a, b, c, d = product_turns(x, alpha)
    high, lost_a = two_sum(first, a)
    high, lost = two_sum(high, 0.125)
    high = fma(-0.5, round_even(2.0 * high), high)
    high, low_1 = two_sum(high, lost_a)
    high, low_2 = two_sum(high, lost)
    high, low_3 = two_sum(high, second)
    high, low_4 = two_sum(high, b)
    high, low_5 = two_sum(high, third)
    high, low_6 = two_sum(high, c)
    low = ((low_1 + low_2) + (low_3 + low_4)) + ((low_5 + low_6) + (least + d))
    high, low = fast_two_sum(high, low)
    square, rest = sin_squared(high, low)
    return 2.0 * (square + rest)


SNAKE = Elementwise(snake, snake_derivative)
