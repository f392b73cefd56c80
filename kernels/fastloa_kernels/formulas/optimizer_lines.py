"""What L-BFGS makes its directions and its steps of: moves of one vector along another, and products of two."""

from fastloa_kernels.primitives import fma
from fastloa_kernels.records import Step


def lbfgs_move(p, g, length):
    return fma(length, g, p)  # rounded once: moves that follow make much of a rounding


def lbfgs_product(p, g):
    return p * g


LBFGS_MOVE = Step(lbfgs_move, total=lbfgs_product)
