"""Steps along a mixture of running means of the gradient: see `optimizers` for what steps have in common."""

from fastloa_kernels.formulas.optimizers import adam_moments, drawn, shrunk
from fastloa_kernels.primitives import sqrt
from fastloa_kernels.records import Step


def adan(
    p, g, exp_avg, exp_avg_diff, exp_avg_sq, previous_grad,
    size, size_diff, rest1, beta2, rest2, beta3, rest3, root, eps, decay, later, sign,
):  # fmt: skip
    d = sign * g
    change = d - previous_grad if later != 0.0 else 0.0
    m, v, ahead = drawn(exp_avg, d, rest1), drawn(exp_avg_diff, change, rest2), d + beta2 * change
    n = beta3 * exp_avg_sq + rest3 * ahead * ahead
    return shrunk(p - (size * m + size_diff * v) / (sqrt(n) / root + eps), decay), m, v, n, d


def ademamix(
    p, g, exp_avg_fast, exp_avg_slow, exp_avg_sq, size, size_slow, rest1, beta2, rest2, rest3, root, eps, decay, sign
):
    d = sign * g
    fast, v = adam_moments(d, exp_avg_fast, exp_avg_sq, rest1, beta2, rest2)
    slow = drawn(exp_avg_slow, d, rest3)
    return shrunk(p, decay) - (size * fast + size_slow * slow) / (sqrt(v) / root + eps), fast, slow, v


ADAN = Step(adan, ("exp_avg", "exp_avg_diff", "exp_avg_sq", "previous_grad"))
ADEMAMIX = Step(ademamix, ("exp_avg_fast", "exp_avg_slow", "exp_avg_sq"))
