"""Steps scaled by other second moments than Adam's: see `optimizers` for what steps have in common."""

from fastloa_kernels.formulas.optimizers import decayed, drawn, larger, mean_square, shrunk
from fastloa_kernels.primitives import copysign, sqrt
from fastloa_kernels.records import Step


def adabelief(p, g, exp_avg, exp_avg_var, size, beta1, rest1, beta2, rest2, root, eps, decay, sign):
    d = sign * g
    # This is d less its new mean; taken from that, it would cancel as soon as the gradients agree.
    surprise = beta1 * (d - exp_avg)
    m, s = drawn(exp_avg, d, rest1), mean_square(exp_avg_var, surprise, beta2, rest2) + eps
    return shrunk(p, decay) - size * (m / (sqrt(s) / root + eps)), m, s


def yogi(p, g, exp_avg, exp_avg_sq, size, rest1, rest2, root, eps, weight_decay, sign):
    d = decayed(p, g, weight_decay, sign)
    m, square, part = drawn(exp_avg, d, rest1), d * d, rest2 * d * d
    same = exp_avg_sq if square == exp_avg_sq else square + exp_avg_sq  # the sum carries a NaN of either
    v = exp_avg_sq + part if square > exp_avg_sq else (exp_avg_sq - part if square < exp_avg_sq else same)
    return p - size * (m / (sqrt(v) / root + eps)), m, v


def adopt(p, g, exp_avg, exp_avg_sq, lr, clip, rest1, beta2, rest2, eps, weight_decay, decay, sign):
    d = decayed(p, g, weight_decay, sign)
    scaled = d / larger(sqrt(exp_avg_sq), eps)
    clipped = copysign(clip, scaled) if abs(scaled) > clip else scaled
    # The first step, without a clip, fills v only: nothing else moves, not even for NaN.
    m = drawn(exp_avg, clipped, rest1) if clip != 0.0 else exp_avg
    return shrunk(p, decay) - lr * m, m, mean_square(exp_avg_sq, d, beta2, rest2)


ADABELIEF = Step(adabelief, ("exp_avg", "exp_avg_var"))
YOGI = Step(yogi, ("exp_avg", "exp_avg_sq"))
ADOPT = Step(adopt, ("exp_avg", "exp_avg_sq"))
