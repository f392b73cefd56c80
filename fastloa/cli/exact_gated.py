"""The exact results of gated activations, and of their gradients, in the format of their arguments.

As in ``exact_activations.py``, whose formulas these are multiplied of, that is wider than what the arguments hold: no
product leaves it. Where a factor is infinite, a gate that has left it counts for what it is: small, but not 0.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastloa.cli.exact_activations import EXACT as ACTIVATIONS
from fastloa.cli.exact_activations import sigmoid, sigmoid_derivative

Array = Any
One = Callable[[Array], Array]


def _unless(infinite: Array, product: Array, end: Array) -> Array:
    return np.where(infinite, end, product)


def _times(activation: One) -> Callable[[Array, Array], Array]:
    """Make the activation of a times b."""
    return lambda a, b: _unless(np.isinf(b) & (a > -np.inf), activation(a) * b, np.sign(a) * b)


def _slope(derivative: One) -> Callable[[Array, Array, Array], Array]:
    """Make the product of g, the derivative at a and b."""

    def product(g: Array, a: Array, b: Array) -> Array:
        sign = np.where(a < -2, -1, np.sign(derivative(a)))
        return _unless((np.isinf(g) | np.isinf(b)) & (a > -np.inf), g * derivative(a) * b, g * sign * b)

    return product


def _glu(a: Array, b: Array) -> Array:
    return _unless(np.isinf(a) & (b > -np.inf), a * sigmoid(b), a)


def _glu_slope(g: Array, a: Array, b: Array) -> Array:
    return _unless((np.isinf(g) | np.isinf(a)) & np.isfinite(b), g * sigmoid_derivative(b) * a, g * a)


def _reglu(a: Array, b: Array) -> Array:
    return np.where(a < 0, 0, a * b)


def _gate(value: One, derivative: One) -> tuple[Callable[..., Array], ...]:
    first = _times(value)
    return first, _slope(derivative), lambda g, a, b: first(a, g)


# The value, and the gradients with respect to the first and the second operand.
EXACT: Mapping[str, tuple[Callable[..., Array], ...]] = {
    "glu": (_glu, lambda g, a, b: _glu(g, b), _glu_slope),
    "swiglu": _gate(*ACTIVATIONS["silu"]),
    "geglu": _gate(*ACTIVATIONS["gelu"]),
    "prelu": (
        lambda a, b: np.where(a >= 0, a, np.where(b == 0, 0, a * b)),
        lambda g, a, b: np.where(a > 0, g, g * b),
        lambda g, a, b: np.where(a >= 0, 0, g * a),
    ),
    "reglu": (_reglu, lambda g, a, b: np.where(a > 0, g * b, 0), lambda g, a, b: _reglu(a, g)),
}
