"""Adafactor's steps: see `optimizers` for what steps have in common.

Vectors have a second moment for each element; in matrices it is estimated from means of rows and columns.
"""

from fastloa_kernels.formulas.optimizer_trusted import scaled
from fastloa_kernels.formulas.optimizers import drawn, larger, mean_square, shrunk
from fastloa_kernels.primitives import sqrt
from fastloa_kernels.records import Step


def whitened(d, v, eps):
    return d / larger(sqrt(v), eps)


def adafactor_update(p, g, variance, beta2, rest2, decay, sign, eps):
    return whitened(sign * g, mean_square(variance, g, beta2, rest2), eps)


def adafactor(p, g, variance, trust, lift, beta2, rest2, decay, sign, eps):
    v = mean_square(variance, g, beta2, rest2)
    return shrunk(p, decay) - scaled(whitened(sign * g, v, eps), trust, lift), v


def adafactor_matrix_update(p, g, estimate, decay, sign, eps):
    return whitened(sign * g, estimate, eps)


def adafactor_matrix(p, g, estimate, trust, lift, decay, sign, eps):
    return shrunk(p, decay) - scaled(whitened(sign * g, estimate, eps), trust, lift)


def adafactor_mean(p, g, rest2):
    # Here p are the running means of rows or columns, and g what they are drawn to.
    return drawn(p, g, rest2)


ADAFACTOR = Step(adafactor, ("variance",), adafactor_update)
ADAFACTOR_MATRIX = Step(adafactor_matrix, ("estimate",), adafactor_matrix_update, kept=1)
ADAFACTOR_MEAN = Step(adafactor_mean)
