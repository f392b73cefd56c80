"""The exact results of losses, with their default options, in the format of their operands.

Each gives value, gradient and Hessian of ``(input, target)``; those of rows give value and gradient. The operands are
numbers of a narrower format: float64 holds those of float32, longdouble those of float64. What their difference loses
by rounding is kept beside it: it decides on which side of a kink a residual lies, and exp would multiply it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastloa.cli.exact_activations import COMPUTED, sigmoid, sigmoid_derivative, softplus

Array = Any
Results = tuple[Array, ...]
LOG_2 = "0.693147180559945309417232121458176568"


def _times(weight: Array, value: Array) -> Array:
    return np.where(weight == 0, 0, weight * value)  # 0 log 0 = 0


def _constant(number: float, d: Array) -> Array:
    """Give a number wherever d is one."""
    return np.where(np.isnan(d), d, number)


def _l1(x: Array, t: Array) -> Results:
    d = x - t
    return np.abs(d), np.sign(d), _constant(0, d)


def _mse(x: Array, t: Array) -> Results:
    d = x - t
    return d**2, 2 * d, _constant(2, d)


# residuals


def _sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Give a + b, and what its rounding loses (Knuth); nothing where it is infinite."""
    total = a + b
    part = total - a
    lost = (a - (total - part)) + (b - part)
    return total, np.where(np.isfinite(total), lost, 0)


def _residual(x: Array, t: Array) -> tuple[Array, Array, Array]:
    """Give the sign of x - t, and its size in two parts."""
    d, lost = _sum(x, -t)
    sign = np.sign(d)
    return sign, np.abs(d), sign * lost


def _parabola(size: Array, lost: Array) -> Array:
    return size**2 + 2 * np.where(np.isinf(size), 0, size) * lost


def _huber(x: Array, t: Array) -> Results:
    """With delta = 1: smooth L1 too, but where they differ, at the ends of the parabola."""
    sign, size, lost = _residual(x, t)
    inside = (size < 1) | ((size == 1) & (lost <= 0))
    value = np.where(inside, _parabola(size, lost) / 2, (size - 0.5) + lost)
    return value, np.where(inside, x - t, sign), _constant(0, size) + inside


def _smooth_l1(x: Array, t: Array) -> Results:
    _, size, lost = _residual(x, t)
    inside = (size < 1) | ((size == 1) & (lost < 0))
    return *_huber(x, t)[:2], _constant(0, size) + inside


def _pseudo_huber(x: Array, t: Array) -> Results:
    sign, size, lost = _residual(x, t)
    root, square = np.hypot(size, 1), _parabola(size, lost)
    slope = sign * np.where(np.isinf(size), 1, size / root)
    return np.where(size < 2, square / (1 + root), (root - 1) + lost), slope, 1 / (root + root * square)


def _log_cosh(x: Array, t: Array) -> Results:
    sign, size, lost = _residual(x, t)
    decay = np.exp(-2 * size)
    decay = decay - 2 * decay * lost
    second = 4 * decay / (1 + decay * (2 + decay))
    square, tail = _parabola(np.minimum(size, 2), lost), 0 * size
    for k in range(12, 0, -1):  # the series of cosh - 1, whose first term is half the square
        tail = square / ((2 * k + 1) * (2 * k + 2)) * (1 + tail)
    near = np.log1p(square / 2 + square / 2 * tail)
    far = size - (size.dtype.type(LOG_2) - np.log1p(decay) - lost)
    return np.where(size < 2, near, far), sign * (np.tanh(size) + second * lost), second


def _quantile(x: Array, t: Array) -> Results:
    d = x - t
    return np.abs(d) / 2, np.sign(d) / 2, _constant(0, d)


def _expectile(x: Array, t: Array) -> Results:
    d = x - t
    return d**2 / 2, d, _constant(1, d)


def _beyond(x: Array, t: Array) -> tuple[Array, Array]:
    """Give the sign of x - t, and its size beyond epsilon, which is taken in the format that is computed in."""
    sign, size, lost = _residual(x, t)
    more, rest = _sum(size, -x.dtype.type(COMPUTED[x.dtype](0.1)))
    return sign, np.maximum(more + (rest + lost), 0)


def _epsilon_insensitive(x: Array, t: Array) -> Results:
    sign, beyond = _beyond(x, t)
    return beyond, np.where(beyond == 0, 0, sign), _constant(0, beyond)


def _squared_epsilon_insensitive(x: Array, t: Array) -> Results:
    sign, beyond = _beyond(x, t)
    return beyond**2, 2 * np.where(beyond == 0, 0, sign * beyond), np.where(beyond == 0, 0, _constant(2, beyond))


# margins, of labels -1 and 1


def _hinge(z: Array, t: Array) -> Results:
    lack = np.maximum(1 - t * z, 0)
    return lack, np.where(lack == 0, 0, _constant(-1, lack) * t), _constant(0, lack)


def _squared_hinge(z: Array, t: Array) -> Results:
    lack = np.maximum(1 - t * z, 0)
    return lack**2, -2 * t * lack, np.where(lack == 0, 0, _constant(2, lack))


def _modified_huber(z: Array, t: Array) -> Results:
    value, grad, second = _squared_hinge(z, t)
    far = t * z < -1
    return np.where(far, -4 * t * z, value), np.where(far, -4 * t, grad), np.where(far, 0, second)


def _exponential(z: Array, t: Array) -> Results:
    power = np.exp(-t * z)
    return power, -t * power, power


def _soft_margin(z: Array, t: Array) -> Results:
    return softplus(-t * z), -t * sigmoid(-t * z), sigmoid_derivative(z)


# probabilities and logits


def _bce(p: Array, t: Array) -> Results:
    hit, miss = np.where(t == 0, 0, t / p), np.where(t == 1, 0, (1 - t) / (1 - p))
    inside = (p > 0) & (p < 1)
    value = -_times(t, np.log(p)) - _times(1 - t, np.log1p(-p))
    second = np.where(t == 0, 0, t / p**2) + np.where(t == 1, 0, (1 - t) / (1 - p) ** 2)
    return value, np.where(inside, (p - t) / (p * (1 - p)), miss - hit), second


def _bce_with_logits(z: Array, t: Array) -> Results:
    value = _times(t, softplus(-z)) + _times(1 - t, softplus(z))
    # sigmoid(z) - t, from what sigmoid(z) is beyond a half where z is small.
    far, near = (1 - t) * sigmoid(z) - t * sigmoid(-z), np.tanh(z / 2) / 2 + (0.5 - t)
    return value, np.where(np.abs(z) < 1, near, far), sigmoid_derivative(z)


# rows


def row_parts(x: Array) -> tuple[Array, Array, Array]:
    """X - m, exp(x - m) and the sum of these without the greatest, whose index is the row's first maximum."""
    d = x - x.max(axis=-1, keepdims=True)
    others = np.exp(d)
    np.put_along_axis(others, np.argmax(d, axis=-1, keepdims=True), 0, axis=-1)
    return d, np.exp(d), others.sum(axis=-1, keepdims=True)


def _cross_entropy(x: Array, labels: Array) -> Results:
    d, e, rest = row_parts(x)
    at = labels[:, None]
    others = np.where(np.take_along_axis(d, at, -1) == 0, rest, 1 + rest - np.take_along_axis(e, at, -1))
    grad = e / (1 + rest)
    np.put_along_axis(grad, at, -others / (1 + rest), axis=-1)
    return (np.log1p(rest) - np.take_along_axis(d, at, -1))[:, 0], grad


def _nll(x: Array, labels: Array) -> Results:
    grad = np.zeros_like(x)
    np.put_along_axis(grad, labels[:, None], -1, axis=-1)
    return -np.take_along_axis(x, labels[:, None], -1)[:, 0], grad


EXACT: Mapping[str, Callable[[Array, Array], Results]] = {
    "l1_loss": _l1,
    "mse_loss": _mse,
    "smooth_l1_loss": _smooth_l1,
    "huber_loss": _huber,
    "pseudo_huber_loss": _pseudo_huber,
    "log_cosh_loss": _log_cosh,
    "quantile_loss": _quantile,
    "expectile_loss": _expectile,
    "epsilon_insensitive_loss": _epsilon_insensitive,
    "squared_epsilon_insensitive_loss": _squared_epsilon_insensitive,
    "hinge_loss": _hinge,
    "squared_hinge_loss": _squared_hinge,
    "modified_huber_loss": _modified_huber,
    "exponential_loss": _exponential,
    "soft_margin_loss": _soft_margin,
    "binary_cross_entropy": _bce,
    "binary_cross_entropy_with_logits": _bce_with_logits,
    "cross_entropy": _cross_entropy,
    "nll_loss": _nll,
}
