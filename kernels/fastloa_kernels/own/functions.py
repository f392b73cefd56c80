"""The functions that an expression may call: the formula that engines compile, and the same by NumPy."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastloa_kernels import primitives
from fastloa_kernels.formulas import activations, called, elementary, everyday, hyperbolic, trigonometric


@dataclass(frozen=True)
class Function:
    """A function of an expression."""

    formula: Callable[..., Any]
    evaluate: Callable[..., Any]


def _by_element(function: Callable[[float], float]) -> Callable[..., Any]:
    made = np.vectorize(function, otypes=[np.float64])
    return lambda x: made(x) if np.size(x) else x


def _sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


FUNCTIONS = {
    "abs": Function(abs, np.abs),
    "sqrt": Function(primitives.sqrt, np.sqrt),
    "copysign": Function(primitives.copysign, np.copysign),
    "round_even": Function(primitives.round_even, np.rint),
    "exp": Function(elementary.exp, np.exp),
    "expm1": Function(elementary.expm1, np.expm1),
    "log": Function(elementary.log, np.log),
    "log1p": Function(elementary.log1p, np.log1p),
    "tanh": Function(elementary.tanh, np.tanh),
    "tanh_derivative": Function(activations.tanh_derivative, lambda x: 1.0 / np.cosh(x) ** 2),
    "sigmoid": Function(elementary.sigmoid, _sigmoid),
    "sigmoid_derivative": Function(activations.sigmoid_derivative, lambda x: _sigmoid(x) * _sigmoid(-x)),
    "erf": Function(elementary.erf, _by_element(math.erf)),
    "erfc": Function(elementary.erfc, _by_element(math.erfc)),
    "sin": Function(trigonometric.sin, np.sin),
    "cos": Function(trigonometric.cos, np.cos),
    "sinh": Function(hyperbolic.sinh, np.sinh),
    "cosh": Function(hyperbolic.cosh, np.cosh),
    "greater": Function(everyday.greater, np.maximum),
    "lesser": Function(everyday.lesser, np.minimum),
    "sign": Function(everyday.sign, np.sign),
    "floor": Function(everyday.floor, np.floor),
    "ceil": Function(everyday.ceil, np.ceil),
    "trunc": Function(everyday.trunc, np.trunc),
    "signed_power": Function(everyday.signed_power, np.power),
    "cbrt": Function(called.cbrt, np.cbrt),
    "log2": Function(called.log2, np.log2),
    "log10": Function(called.log10, np.log10),
    "bell": Function(called.bell, lambda x: np.exp(-x * x)),
    "softplus": Function(called.softplus, lambda x: np.logaddexp(0.0, x)),
    "log_add_exp": Function(called.log_add_exp, np.logaddexp),
    "exp_share": Function(called.exp_share, lambda a, b: _sigmoid(np.where(a == b, 0.0, a - b))),
    "given": Function(called.given, lambda value, slope, x: value),
    "apart": Function(called.apart, lambda value, option: value),
}
PERIODIC = ("sin", "cos")
STEPWISE = ("round_even", "floor", "ceil", "trunc")
