"""Activations of an element and a random number u from [0, 1), which draws what they do to it."""

from fastloa_kernels.formulas.activations import leaky_relu
from fastloa_kernels.formulas.gated import prelu_slope, prelu_weight_slope
from fastloa_kernels.primitives import fma
from fastloa_kernels.records import Gated


def drawn_slope(u, lower, upper):
    return fma(u, upper - lower, lower)


def rrelu(x, u, lower, upper):
    return leaky_relu(x, drawn_slope(u, lower, upper))


def rrelu_gradient(g, x, u, lower, upper):
    return prelu_slope(g, x, drawn_slope(u, lower, upper)), (upper - lower) * prelu_weight_slope(x, g)


RRELU = Gated(rrelu, rrelu_gradient)
