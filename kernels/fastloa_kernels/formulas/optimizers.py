"""Optimizer steps: from a parameter, its gradient and its states to the new parameter and states.

`sign` is -1 to climb instead of to descend. What depends on the step's number alone comes in computed in float64, and
so does 1 - beta: taken here, in float32, it would keep five digits.
"""

from fastloa_kernels.primitives import fma, inf, sqrt
from fastloa_kernels.records import Step


def decayed(p, g, weight_decay, sign):
    # A decay of 0 must leave the gradient alone, also where p is infinite.
    return sign * g + (weight_decay * p if weight_decay != 0.0 else 0.0)


def sgd(p, g, lr, weight_decay, sign):
    return p - lr * decayed(p, g, weight_decay, sign)


def sgd_momentum(p, g, momentum_buffer, lr, weight_decay, sign, momentum, gain):
    buffer = momentum * momentum_buffer + gain * decayed(p, g, weight_decay, sign)
    return p - lr * buffer, buffer


def sgd_nesterov(p, g, momentum_buffer, lr, weight_decay, sign, momentum, gain, ahead):
    d = decayed(p, g, weight_decay, sign)
    buffer = momentum * momentum_buffer + gain * d
    return p - lr * (d + ahead * buffer), buffer


def drawn(m, d, rest):
    """A running mean m, drawn to d by the share `rest`."""
    # Of d - m the larger share would drown a small d where m is large.
    return m + rest * (d - m) if rest < 0.5 else d - (1.0 - rest) * (d - m)


def towards(y, z, share):
    """Between two parameters: y for a share of 0, z for 1."""
    gap = z - y if z != y else 0.0  # two equal infinities have none
    rest = 1.0 - share
    near = y + share * gap if share < 0.5 else z - rest * gap
    far = y if share == 0.0 else (z if share == 1.0 else rest * y + share * z)
    return far if abs(gap) == inf else near


def mean_square(v, d, decay, rest):
    return decay * v + rest * d * d  # not d**2 as such: it may be too large for a number


def adam_moments(d, m, v, rest1, beta2, rest2):
    return drawn(m, d, rest1), mean_square(v, d, beta2, rest2)


def adam(p, g, exp_avg, exp_avg_sq, size, rest1, beta2, rest2, root, eps, weight_decay, decay, sign):
    d = decayed(p, g, weight_decay, sign)
    m, v = adam_moments(d, exp_avg, exp_avg_sq, rest1, beta2, rest2)
    return shrunk(p, decay) - size * (m / (sqrt(v) / root + eps)), m, v


def shrunk(p, decay):
    # Not (1 - decay) * p: in float32 1 - decay keeps few digits of a small decay. One of 0 leaves infinities alone.
    return fma(-decay, p, p) if decay != 0.0 else p


def larger(a, b):
    return a if a >= b else (b if b >= a else a + b)  # the sum carries a NaN of either


def amsgrad(p, g, exp_avg, exp_avg_sq, max_exp_avg_sq, size, rest1, beta2, rest2, root, eps, weight_decay, decay, sign):
    d = decayed(p, g, weight_decay, sign)
    m, v = adam_moments(d, exp_avg, exp_avg_sq, rest1, beta2, rest2)
    top = larger(max_exp_avg_sq, v)
    return shrunk(p, decay) - size * (m / (sqrt(top) / root + eps)), m, v, top


SGD = Step(sgd)
SGD_MOMENTUM = Step(sgd_momentum, ("momentum_buffer",))
SGD_NESTEROV = Step(sgd_nesterov, ("momentum_buffer",))
ADAM = Step(adam, ("exp_avg", "exp_avg_sq"))
AMSGRAD = Step(amsgrad, ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"))
