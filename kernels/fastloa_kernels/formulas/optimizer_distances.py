"""Prodigy's steps, as long as the distance from where they began seems to be to where they lead.

`distance` is one number for all arrays: a lower bound that grows. See `optimizers` for what steps have in common.
"""

from fastloa_kernels.formulas.optimizers import adam_moments, decayed, shrunk
from fastloa_kernels.primitives import inf, sqrt
from fastloa_kernels.records import Step


def prodigy(
    p, g, p0, s, exp_avg, exp_avg_sq, distance, lr, gain, beta3, rest1, beta2, rest2, eps, weight_decay, decay, sign
):
    d = distance * decayed(p, g, weight_decay, sign)
    m, v = adam_moments(d, exp_avg, exp_avg_sq, rest1, beta2, rest2)
    new = shrunk(p, decay * distance) - lr * distance * (m / (sqrt(v) + distance * eps))
    return new, beta3 * s + gain * distance * d, m, v


def prodigy_way(p, g, p0, s, exp_avg, exp_avg_sq, lr, gain, beta3, rest1, beta2, rest2, eps, weight_decay, decay, sign):
    return decayed(p, g, weight_decay, sign) * (p0 - p)


def prodigy_distance(p, g, size, largest, numerator, gain, beta3, first, share, growth):
    # Here p is the distance, g the sum of the above over all arrays, and size that of all |s|.
    total = beta3 * numerator + gain * p * p * g
    bound = share * total / size
    known = bound if bound < inf else 0.0  # a sum that is no number says nothing
    most = known if known > largest else largest
    start = (known if known > p else p) if p == first else p
    limit = growth * start
    return (most if most < limit else limit), most, total


PRODIGY = Step(prodigy, ("p0", "s", "exp_avg", "exp_avg_sq"), total=prodigy_way, kept=1)
PRODIGY_DISTANCE = Step(prodigy_distance, ("size", "largest", "numerator"), kept=1)
