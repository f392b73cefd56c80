"""Steps that average instead of following a schedule: the parameter lies between z, which steps, and its average."""

from fastloa_kernels.formulas.optimizers import decayed, mean_square, towards
from fastloa_kernels.primitives import sqrt
from fastloa_kernels.records import Step


def schedule_free_sgd(p, g, z, lr, share, pull, weight_decay, sign):
    d = decayed(p, g, weight_decay, sign)
    return towards(p, z, share) - pull * d, z - lr * d


def schedule_free_adamw(p, g, z, exp_avg_sq, lr, share, pull, beta2, rest2, root, eps, weight_decay, sign):
    d = sign * g
    v = mean_square(exp_avg_sq, d, beta2, rest2)
    u = decayed(p, d / (sqrt(v) / root + eps), weight_decay, 1.0)
    return towards(p, z, share) - pull * u, z - lr * u, v


SCHEDULE_FREE_SGD = Step(schedule_free_sgd, ("z",))
SCHEDULE_FREE_ADAMW = Step(schedule_free_adamw, ("z", "exp_avg_sq"))
