"""The exact results of losses, with their default options, in the format of their operands.

Each gives value, gradient and Hessian of ``(input, target)``; those of rows give value and gradient. The operands are
numbers of a narrower format: float64 holds those of float32, longdouble those of float64. What their difference loses
by rounding is kept beside it: it decides on which side of a kink a residual lies, and exp would multiply it. Terms that
cancel are in two parts throughout.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastloa.cli.exact_activations import COMPUTED, FAR, sigmoid, sigmoid_derivative, softplus
from fastloa.cli.exact_parts import (
    Pair,
    added,
    exp_parts,
    log_parts,
    negative,
    product,
    quotient,
    sum_parts,
    twice,
    whole,
)

Array = Any
Results = tuple[Array, ...]
LOG_2 = "0.693147180559945309417232121458176568"
E = (2.718281828459045, "1.44564689172925013655422499779e-16")  # in two parts


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


def _residual(x: Array, t: Array) -> tuple[Array, Array, Array]:
    """Give the sign of x - t, and its size in two parts."""
    d, lost = sum_parts(x, -t)
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


def _log1p_bend(x: Array) -> Array:
    """X - log1p(x) for x >= 0, by the series of log1p in x / (2 + x) where the two are close."""
    u = np.minimum(x, 4)
    s, tail = u / (2 + u), 0 * x
    for k in range(60, 0, -1):
        tail = s**2 * (tail + x.dtype.type(1) / (2 * k + 1))
    return np.where(x < 4, s * (u - 2 * tail), x - np.log1p(x))


def _fair(x: Array, t: Array) -> Results:
    sign, size, lost = _residual(x, t)
    share = 1 / (1 + size)
    slope = np.where(np.isinf(size), 1, size * share)
    near = _log1p_bend(size) + slope * lost
    return np.where(size < 1e30, near, size), sign * (slope + share**2 * lost), share**2 - 2 * share**3 * lost


def _tukey(x: Array, t: Array) -> Results:
    _, size, lost = _residual(x, t)
    c = x.dtype.type(COMPUTED[x.dtype](4.685))
    outside = (size - c) + lost > 0
    ratio = quotient(size, lost, c, 0)
    u, u_lost = product(*ratio, *ratio)
    share, share_lost = sum_parts(1, -u)
    share = np.where(outside, 0, share + (share_lost - u_lost))
    five, five_lost = product(u, u_lost, x.dtype.type(5), 0)
    other, other_lost = sum_parts(1, -five)
    other = other + (other_lost - five_lost)
    value = np.where(outside, c**2 / 6, _parabola(size, lost) / 2 * ((1 - u / 2) ** 2 + u**2 / 12))
    return value, np.where(outside, 0, x - t) * share**2, np.where(outside, 0, share * other)


def _quantile(x: Array, t: Array) -> Results:
    d = x - t
    return np.abs(d) / 2, np.sign(d) / 2, _constant(0, d)


def _expectile(x: Array, t: Array) -> Results:
    d = x - t
    return d**2 / 2, d, _constant(1, d)


def _beyond(x: Array, t: Array) -> tuple[Array, Array]:
    """Give the sign of x - t, and its size beyond epsilon, which is taken in the format that is computed in."""
    sign, size, lost = _residual(x, t)
    more, rest = sum_parts(size, -x.dtype.type(COMPUTED[x.dtype](0.1)))
    return sign, np.maximum(more + (rest + lost), 0)


def _epsilon_insensitive(x: Array, t: Array) -> Results:
    sign, beyond = _beyond(x, t)
    return beyond, np.where(beyond == 0, 0, sign), _constant(0, beyond)


def _squared_epsilon_insensitive(x: Array, t: Array) -> Results:
    sign, beyond = _beyond(x, t)
    return beyond**2, 2 * np.where(beyond == 0, 0, sign * beyond), np.where(beyond == 0, 0, _constant(2, beyond))


# relative errors


def _mape(x: Array, t: Array) -> Results:
    d = x - t
    divisor = np.maximum(np.abs(t), x.dtype.type(COMPUTED[x.dtype](1e-7)))
    value = np.where(np.isinf(t) & np.isfinite(x), 100, 100 * np.abs(d) / divisor)
    return value, 100 * np.sign(d) / divisor, _constant(0, d)


def _msle(x: Array, t: Array) -> Results:
    more, less = np.maximum(x, t), np.minimum(x, t)
    gap, lost = sum_parts(more, -less)
    unit, rest = sum_parts(1, less)
    ratio, part = quotient(gap, lost, unit, rest)
    part = np.where(np.isfinite(ratio) & np.isfinite(part), part, 0)
    d = np.where(less < -1, np.nan, np.sign(x - t) * (np.log1p(ratio) + part / (1 + ratio)))
    e, e_lost = map(x.dtype.type, E)
    unit, unit_lost = sum_parts(1, x)
    top, top_lost = product(e, e_lost, *sum_parts(1, t))
    gap, lost = sum_parts(top, -unit)
    zero = (gap + (lost + top_lost - unit_lost)) / unit
    rest = np.where(np.abs(1 - d) < 0.5, np.log1p(zero), 1 - d)
    far = (x == np.inf) & (t > -1) & (t < np.inf)
    slope, second = 2 * d / (1 + x), 2 * rest / (1 + x) / (1 + x)
    return d**2, np.where(far, 0, slope), np.where(far, -0.0, second)


# counts, amounts and divergences


def _poisson(z: Array, t: Array) -> Results:
    rate = exp_parts(z, 0 * z)
    value = sum(added(rate, negative(product(*whole(t), *whole(np.where(t == 0, 0, z))))))
    return np.where((z == np.inf) & (t < np.inf), np.inf, value), sum(added(rate, whole(-t))), rate[0]


def _gamma(z: Array, t: Array) -> Results:
    amount = product(*whole(t), *(np.where(t == 0, 0, part) for part in exp_parts(-z, 0 * z)))
    value, one = sum(added(whole(np.where(amount[0] == np.inf, 0, z)), amount)), whole(np.ones_like(z))
    return value, sum(added(one, negative(amount))), amount[0]


def _tweedie(z: Array, t: Array) -> Results:
    """With power = 1.5."""
    fall, rise = _times(t, np.exp(-z / 2)), np.exp(z / 2)
    # exp(z / 2) (1 - t exp(-z)), or exp(-z / 2) (exp(z) - t).
    power = exp_parts(-np.abs(z), 0 * z)
    above = rise * sum(added(whole(np.ones_like(z)), negative(product(*whole(t), *power))))
    below = np.exp(-z / 2) * sum(added(power, whole(-t)))
    grad = np.where(t == 0, rise, np.where(z > 0, above, below))
    return 2 * (fall + rise), grad, (fall + rise) / 2


def _kl_div(x: Array, t: Array) -> Results:
    value = _times(t, sum(added(log_parts(t, 0 * t), whole(-x))))
    return value, np.where(t < 0, np.nan, -t), _constant(0, np.where(t < 0, np.nan, t))


# margins, of labels -1 and 1


def _hinge(z: Array, t: Array) -> Results:
    lack = np.maximum(1 - t * z, 0)
    return lack, np.where(lack == 0, 0, _constant(-1, lack) * t), _constant(0, lack)


def _hinge_embedding(x: Array, t: Array) -> Results:
    lack, similar, other = np.maximum(1 - x, 0), t == 1, t == -1
    value = np.where(similar, x, np.where(other, lack, np.maximum(x, 1)))
    return value, np.where(other, 0, 1) - np.where(similar, 0, x < 1), _constant(0, x)


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
    # sigmoid(z) - t over the same divisor, with e = exp(-|z|).
    e, (miss, lost) = exp_parts(-np.abs(z), 0 * z), sum_parts(1, -t)
    own: Pair = np.where(z > 0, miss, -t), np.where(z > 0, lost, 0)
    other: Pair = np.where(z > 0, -t, miss), np.where(z > 0, 0, lost)
    return value, sum(added(own, product(*other, *e))) / (1 + e[0]), sigmoid_derivative(z)


def _sigmoid_focal(z: Array, t: Array) -> Results:
    """With alpha = 1/4 and gamma = 2; all in two parts, over D = 1 + e."""
    size, share = np.abs(z), np.where((t >= 0) & (t <= 1), (3 - 2 * t) / 4, np.nan)
    e, none = exp_parts(-size, 0 * t), 0 * t
    miss, lost = sum_parts(1, -t)
    against: Pair = np.where(z > 0, miss, t), np.where(z > 0, lost, 0)
    along: Pair = np.where(z > 0, t, miss), np.where(z > 0, 0, lost)
    one = whole(np.ones_like(t))
    divisor, rise = added(one, e), added(one, negative(e))
    mistake, swing = quotient(*added(product(*along, *e), against), *divisor), added(against, negative(along))
    slope = quotient(*added(swing, product(*along, *rise)), *divisor)  # |sigmoid(z) - t|
    v, log = quotient(*quotient(*e, *divisor), *divisor), log_parts(*divisor)

    def cross_entropy(size: Array) -> Pair:
        return added(product(*against, np.where(against[0] == 0, 0, size), none), log)

    near, pull = cross_entropy(np.minimum(size, FAR)), product(*swing, *v)
    square = product(*mistake, *mistake)
    lift = added(product(*pull, *twice(near)), product(*mistake, *slope))
    bend = product(*mistake, *quotient(*rise, *divisor))
    bend = product(*twice(near), *added(pull, negative(bend)))
    bend = added(bend, twice(twice(product(*mistake, *slope))))
    hess = sum(product(*v, *added(square, product(*swing, *bend))))
    grad = np.where(z > 0, 1, -1) * share * sum(product(*mistake, *lift))
    return share * sum(product(*square, *cross_entropy(size))), grad, share * hess


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
    "fair_loss": _fair,
    "tukey_loss": _tukey,
    "mape_loss": _mape,
    "msle_loss": _msle,
    "quantile_loss": _quantile,
    "expectile_loss": _expectile,
    "epsilon_insensitive_loss": _epsilon_insensitive,
    "squared_epsilon_insensitive_loss": _squared_epsilon_insensitive,
    "poisson_nll_loss": _poisson,
    "gamma_loss": _gamma,
    "tweedie_loss": _tweedie,
    "kl_div": _kl_div,
    "hinge_loss": _hinge,
    "hinge_embedding_loss": _hinge_embedding,
    "squared_hinge_loss": _squared_hinge,
    "modified_huber_loss": _modified_huber,
    "exponential_loss": _exponential,
    "soft_margin_loss": _soft_margin,
    "binary_cross_entropy": _bce,
    "binary_cross_entropy_with_logits": _bce_with_logits,
    "sigmoid_focal_loss": _sigmoid_focal,
    "cross_entropy": _cross_entropy,
    "nll_loss": _nll,
}
