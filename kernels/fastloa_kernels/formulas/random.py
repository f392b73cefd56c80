"""Activations of an element and a random number u from [0, 1), which draws what they do to it."""

from fastloa_kernels.formulas.activations import leaky_relu
from fastloa_kernels.formulas.elementary import log
from fastloa_kernels.formulas.everyday import among
from fastloa_kernels.formulas.gated import prelu_slope, prelu_weight_slope
from fastloa_kernels.primitives import fma
from fastloa_kernels.records import Elementwise, Gated

HALF_OF_LEAST = 2.0**-25  # of the float32 numbers that are drawn, beside 0


def drawn_slope(u, lower, upper):
    return fma(u, upper - lower, lower)


def rrelu(x, u, lower, upper):
    return leaky_relu(x, drawn_slope(u, lower, upper))


def rrelu_gradient(g, x, u, lower, upper):
    return prelu_slope(g, x, drawn_slope(u, lower, upper)), (upper - lower) * prelu_weight_slope(x, g)


def above_zero(u):
    """u, or half of the least number that is drawn where it is 0."""
    return u if u > 0.0 else HALF_OF_LEAST


def gumbel(u):
    return -log(-log(above_zero(u)))


def gumbel_derivative(u):
    v = above_zero(u)
    return -1.0 / (v * log(v))


def tempered(x, tau):
    return x / tau


def tempered_derivative(x, tau):
    return 1.0 / tau if x == x else x


def gumbel_score(x, u, tau):
    return tempered(x + gumbel(u), tau)


def gumbel_score_gradient(g, x, u, tau):
    slope = tempered(g, tau)
    return among(x, slope), among(x, slope * gumbel_derivative(u))


RRELU = Gated(rrelu, rrelu_gradient)
GUMBEL_SCORE = Gated(gumbel_score, gumbel_score_gradient)
TEMPERED = Elementwise(tempered, tempered_derivative)
