"""Adam's steps with another norm, a look ahead or a rectified size: see `optimizers` for what steps have in common."""

from fastloa_kernels.formulas.optimizers import adam_moments, decayed, drawn, larger, shrunk
from fastloa_kernels.primitives import sqrt
from fastloa_kernels.records import Step


def adamax(p, g, exp_avg, exp_inf, size, rest1, beta2, eps, weight_decay, sign):
    d = decayed(p, g, weight_decay, sign)
    m, u = drawn(exp_avg, d, rest1), larger(beta2 * exp_inf, abs(d) + eps)
    return p - size * (m / u), m, u


def nadam(p, g, exp_avg, exp_avg_sq, size, size_now, rest1, beta2, rest2, root, eps, weight_decay, decay, sign):
    d = decayed(p, g, weight_decay, sign)
    m, v = adam_moments(d, exp_avg, exp_avg_sq, rest1, beta2, rest2)
    return shrunk(p, decay) - (size * m + size_now * d) / (sqrt(v) / root + eps), m, v


def radam(p, g, exp_avg, exp_avg_sq, size, scaled, rest1, beta2, rest2, eps, weight_decay, decay, sign):
    d = decayed(p, g, weight_decay, sign)
    m, v = adam_moments(d, exp_avg, exp_avg_sq, rest1, beta2, rest2)
    # The arms are not mixed with weights of 1 and 0: without eps the root may be 0 where it is not asked for.
    return shrunk(p, decay) - size * (m / (sqrt(v) + eps if scaled != 0.0 else 1.0)), m, v


ADAMAX = Step(adamax, ("exp_avg", "exp_inf"))
NADAM = Step(nadam, ("exp_avg", "exp_avg_sq"))
RADAM = Step(radam, ("exp_avg", "exp_avg_sq"))
