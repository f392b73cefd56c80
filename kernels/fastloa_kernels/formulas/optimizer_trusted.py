"""Steps whose size for an array follows from norms, its trust: see `optimizers` for what steps have in common.

A trust may be too large or too small for a number where the step is none: it is the first number given times the square
of the other, a power of two, and the step is multiplied by one after the other.
"""

from fastloa_kernels.formulas.optimizers import adam_moments, decayed
from fastloa_kernels.primitives import sqrt
from fastloa_kernels.records import Step


def lamb_update(p, g, exp_avg, exp_avg_sq, lr, left, rest1, beta2, rest2, root, eps, weight_decay, sign):
    m, v = adam_moments(sign * g, exp_avg, exp_avg_sq, rest1, beta2, rest2)
    return decayed(p, m / left / (sqrt(v) / root + eps), weight_decay, 1.0)


def scaled(u, trust, lift):
    return trust * (lift * (lift * u))


def lamb(p, g, exp_avg, exp_avg_sq, trust, lift, lr, left, rest1, beta2, rest2, root, eps, weight_decay, sign):
    m, v = adam_moments(sign * g, exp_avg, exp_avg_sq, rest1, beta2, rest2)
    return p - scaled(decayed(p, m / left / (sqrt(v) / root + eps), weight_decay, 1.0), trust * lr, lift), m, v


def lars_gradient(p, g, momentum_buffer, lr, weight_decay, sign, momentum):
    return g


def lars(p, g, momentum_buffer, trust, lift, lr, weight_decay, sign, momentum):
    buffer = momentum * momentum_buffer + scaled(decayed(p, g, weight_decay, sign), trust * lr, lift)
    return p - buffer, buffer


def lars_nesterov(p, g, momentum_buffer, trust, lift, lr, weight_decay, sign, momentum):
    step = scaled(decayed(p, g, weight_decay, sign), trust * lr, lift)
    buffer = momentum * momentum_buffer + step
    return p - (momentum * buffer + step), buffer


LAMB = Step(lamb, ("exp_avg", "exp_avg_sq"), lamb_update)
LARS = Step(lars, ("momentum_buffer",), lars_gradient)
LARS_NESTEROV = Step(lars_nesterov, ("momentum_buffer",), lars_gradient)
