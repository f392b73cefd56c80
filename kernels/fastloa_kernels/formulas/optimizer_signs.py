"""Steps that go by the signs of the gradients alone: Rprop, Lion and Signum.

`sign` is -1 to climb instead of to descend; the sign of a number, 0 for 0 and NaN for NaN, is its `direction`.
"""

from fastloa_kernels.formulas.everyday import among, clipped
from fastloa_kernels.formulas.everyday import sign as direction
from fastloa_kernels.formulas.optimizers import drawn, shrunk
from fastloa_kernels.records import Step


def rprop(p, g, prev, step_size, shrinking, growing, least, most, sign):
    d = sign * g
    turn = direction(d) * direction(prev)  # the product of the gradients may be too small for a number
    change = growing if turn > 0.0 else (shrinking if turn < 0.0 else among(turn, 1.0))
    size = clipped(step_size * change, least, most)
    kept = 0.0 if turn < 0.0 else d
    return p - size * direction(kept), kept, size


def lion(p, g, exp_avg, lr, beta1, rest1, rest2, decay, sign):
    d = sign * g
    return shrunk(p, decay) - lr * direction(beta1 * exp_avg + rest1 * d), drawn(exp_avg, d, rest2)


def signum(p, g, momentum_buffer, lr, decay, sign, rest):
    buffer = drawn(momentum_buffer, sign * g, rest)
    return shrunk(p, decay) - lr * direction(buffer), buffer


def sign_sgd(p, g, lr, decay, sign):
    return shrunk(p, decay) - lr * direction(sign * g)


RPROP = Step(rprop, ("prev", "step_size"))
LION = Step(lion, ("exp_avg",))
SIGNUM = Step(signum, ("momentum_buffer",))
SIGN_SGD = Step(sign_sgd)
