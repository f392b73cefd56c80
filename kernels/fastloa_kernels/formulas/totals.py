"""What is summed for its own sake: weights, the losses of rows, sizes, and how many numbers are no probability."""

from fastloa_kernels.formulas.everyday import sign
from fastloa_kernels.records import Elementwise


def identity(x):
    return x


def one(x):
    return 1.0 if x == x else x


def magnitude(x):
    return abs(x)


def not_a_probability(x):
    inside = 1.0 if x >= 0.0 else 0.0
    return 1.0 - inside * (1.0 if x <= 1.0 else 0.0) if x == x else 0.0


def zero(x):
    return 0.0


IDENTITY = Elementwise(identity, one)
MAGNITUDE = Elementwise(magnitude, sign)
NOT_A_PROBABILITY = Elementwise(not_a_probability, zero)
