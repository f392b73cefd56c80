"""Steps whose size each element earns by its own gradients: RMSprop, Adagrad, Adadelta and FTRL.

What depends on the step's number alone comes in computed in float64, and so do 1 - alpha and 1 / lr. The root of a sum
of squares is taken of scaled numbers where the square of the gradient is too large for one.
"""

from fastloa_kernels.formulas.elementary import expm1, log1p, power
from fastloa_kernels.formulas.optimizers import decayed, drawn, mean_square
from fastloa_kernels.primitives import fma, inf, sqrt
from fastloa_kernels.records import Step

# Beyond LARGE squares are taken of numbers scaled by DOWN: those of all float32 numbers are numbers then.
LARGE, DOWN, UP = 2.0**60, 2.0**-66, 2.0**66


def variance(square_avg, grad_avg):
    # It is no less than 0, but what rounding leaves of it may be, where all gradients were alike.
    rounded = fma(-grad_avg, grad_avg, square_avg)
    return 0.0 if rounded < 0.0 else rounded


def rmsprop(p, g, square_avg, lr, alpha, rest, eps, weight_decay, sign):
    d = decayed(p, g, weight_decay, sign)
    v = mean_square(square_avg, d, alpha, rest)
    return p - lr * (d / (sqrt(v) + eps)), v


def rmsprop_centered(p, g, square_avg, grad_avg, lr, alpha, rest, eps, weight_decay, sign):
    d = decayed(p, g, weight_decay, sign)
    v, mean = mean_square(square_avg, d, alpha, rest), drawn(grad_avg, d, rest)
    return p - lr * (d / (sqrt(variance(v, mean)) + eps)), v, mean


def rmsprop_momentum(p, g, square_avg, momentum_buffer, lr, alpha, rest, eps, weight_decay, sign, momentum):
    d = decayed(p, g, weight_decay, sign)
    v = mean_square(square_avg, d, alpha, rest)
    buffer = momentum * momentum_buffer + d / (sqrt(v) + eps)
    return p - lr * buffer, v, buffer


def rmsprop_centered_momentum(
    p, g, square_avg, grad_avg, momentum_buffer, lr, alpha, rest, eps, weight_decay, sign, momentum
):
    d = decayed(p, g, weight_decay, sign)
    v, mean = mean_square(square_avg, d, alpha, rest), drawn(grad_avg, d, rest)
    buffer = momentum * momentum_buffer + d / (sqrt(variance(v, mean)) + eps)
    return p - lr * buffer, v, mean, buffer


def root_of_sum(s, d):
    """The root of s + d * d, also where d * d is too large for a float32."""
    a = abs(d)
    down = DOWN if a > LARGE else 1.0
    up = UP if a > LARGE else 1.0
    scaled = down * a
    return up * sqrt(down * s * down + scaled * scaled)


def adagrad(p, g, sum, lr, eps, weight_decay, sign):
    d = decayed(p, g, weight_decay, sign)
    return p - lr * (d / (root_of_sum(sum, d) + eps)), sum + d * d


def adadelta(p, g, square_avg, acc_delta, lr, rho, rest, eps, weight_decay, sign):
    d = decayed(p, g, weight_decay, sign)
    v = mean_square(square_avg, d, rho, rest)
    # Not the root of the quotient, which may be too small for a number.
    delta = d * (sqrt(acc_delta + eps) / sqrt(v + eps))
    return p - lr * delta, v, mean_square(acc_delta, delta, rho, rest)


def closest(linear, l1, quadratic):
    """The p of the least linear * p + quadratic / 2 * p * p + l1 * |p|; 0 where there is nothing to follow yet."""
    pull = l1 - linear if linear > l1 else (-l1 - linear if linear < -l1 else (0.0 if abs(linear) <= l1 else linear))
    return pull / quadratic if quadratic > 0.0 else (0.0 if quadratic == 0.0 else quadratic)


def ftrl(p, g, accumulator, linear, rate, l1, ridge, sign):
    d = sign * g
    root = root_of_sum(accumulator, d)
    # root - sqrt(accumulator), without the cancellation.
    grown = d * (d / (root + sqrt(accumulator))) if root > 0.0 else root
    z = linear + (d - rate * grown * p)
    return closest(z, l1, rate * root + ridge), accumulator + d * d, z


def ftrl_power(p, g, accumulator, linear, rate, l1, ridge, sign, order):
    d = sign * g
    square = d * d
    before, after = power(accumulator, order), power(accumulator + square, order)
    # after - before, without the cancellation where the square is but a part of the sum.
    ratio = square / accumulator
    grown = before * expm1(order * log1p(ratio)) if ratio < inf else after - before
    z = linear + (d - rate * grown * p)
    return closest(z, l1, rate * after + ridge), accumulator + square, z


RMSPROP = Step(rmsprop, ("square_avg",))
RMSPROP_CENTERED = Step(rmsprop_centered, ("square_avg", "grad_avg"))
RMSPROP_MOMENTUM = Step(rmsprop_momentum, ("square_avg", "momentum_buffer"))
RMSPROP_CENTERED_MOMENTUM = Step(rmsprop_centered_momentum, ("square_avg", "grad_avg", "momentum_buffer"))
ADAGRAD = Step(adagrad, ("sum",))
ADADELTA = Step(adadelta, ("square_avg", "acc_delta"))
FTRL = Step(ftrl, ("accumulator", "linear"))
FTRL_POWER = Step(ftrl_power, ("accumulator", "linear"))
