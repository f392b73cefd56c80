"""What gated activations should give: the textbook's products, and their derivatives in each operand times g."""

from mpmath import mp, mpf

from tests.references.activations import gelu, gelu_derivative, sigmoid, sigmoid_derivative, silu, silu_derivative
from tests.references.limits import FAR, INF, LEAST, NAN, times


def product(*factors):
    """Multiply; 0 times an infinity is NaN, whatever else there is, and what vanishes keeps its sign."""
    if 0 in factors and any(map(mp.isinf, factors)):
        return NAN
    return mp.fprod(factors)


def vanishing(gate, x):
    """Give what a gate of no size is at x: 0 at an infinity, and the least there is before."""
    return gate if gate != 0 or mp.isinf(x) else LEAST


def times_gate(activation, a, b):
    """Give the activation of a times b; a number that dies away at -inf meets no limit with an infinity."""
    if a == -INF:
        return NAN if mp.isinf(b) else -b * LEAST
    return product(activation, b)


def times_slope(slope, g, a, b):
    """Give the derivative at a of an activation times both others: it dies away, from below, at -inf."""
    if a == -INF and not mp.isinf(g) and not mp.isinf(b):
        return -g * b * LEAST
    small = -LEAST if a < -FAR and not mp.isinf(a) else slope
    return product(g, small, b)


def glu(a, b):
    return product(a, vanishing(sigmoid(b), b))


def glu_grad_a(g, a, b):
    return product(g, vanishing(sigmoid(b), b))


def glu_grad_b(g, a, b):
    return product(g, a, vanishing(sigmoid_derivative(b), b))


def swiglu(a, b):
    return times_gate(silu(a), a, b)


def swiglu_grad_a(g, a, b):
    return times_slope(silu_derivative(a), g, a, b)


def swiglu_grad_b(g, a, b):
    return times_gate(silu(a), a, g)


def geglu(a, b, approximate):
    return times_gate(gelu(a, approximate), a, b)


def geglu_grad_a(g, a, b, approximate):
    return times_slope(gelu_derivative(a, approximate), g, a, b)


def geglu_grad_b(g, a, b, approximate):
    return times_gate(gelu(a, approximate), a, g)


def prelu(a, b):
    return a if a >= 0 else times(b, a)


def prelu_grad_a(g, a, b):
    return g if a > 0 else product(g, b)


def prelu_grad_b(g, a, b):
    return mpf(0) if a >= 0 else product(g, a)


def reglu(a, b):
    """Its limit is 0 at a below 0, with an infinite b too."""
    return b * LEAST if a < 0 and not mp.isinf(b) else mpf(0) if a < 0 else product(a, b)


def reglu_grad_a(g, a, b):
    return product(g, b) if a > 0 else mpf(0)


def reglu_grad_b(g, a, b):
    return reglu(a, g)
