"""The exact results of losses of three arrays with gradients in two, as `exact_losses` has those of two arrays.

Each gives value, both gradients and both diagonals of the Hessian.
"""

from collections.abc import Callable, Mapping

import numpy as np

from fastloa.cli.exact_losses import Array, Results
from fastloa.cli.exact_parts import Pair, added, log_parts, negative, product, quotient, residual_parts, whole


def _gaussian_nll(x: Array, t: Array, v: Array) -> Results:
    r = residual_parts(x, t)
    w = quotient(*r, v, 0 * r[1])
    k, square = product(*r, *w), product(*r, *r)
    some, inside = np.isnan(r[0]), v < np.inf
    weight: Pair = np.where(inside, k[0] / 2, 0), np.where(inside, k[1] / 2, 0)
    high, low = log_parts(v, 0 * r[1])
    value = np.where(some, np.nan, sum(added((high / 2, low / 2), weight)))
    # (v - r**2) / (2 v**2) and (r**2 - v / 2) / v**3, which are 0 where v is infinite.
    grad = np.where(inside, sum(added(whole(v), negative(square))) / v / (2 * v), w[0] * -w[0])
    bend = np.where(inside, sum(added(square, whole(-v / 2))) / v / v / v, w[0] / v * w[0])
    return value, sum(w), grad, np.where(some, np.nan, 1 / v), bend


def _margin_ranking(a: Array, b: Array, t: Array) -> Results:
    d = sum(residual_parts(a, b))
    value = np.where(t * d < 0, -t * d, 0 * t)
    value, slope = (np.where(np.isnan(d), np.nan, y) for y in (value, np.where(t * d < 0, t, 0 * t)))
    flat = np.where(np.isnan(d), np.nan, 0 * t)
    return value, -slope, slope, flat, flat


EXACT: Mapping[str, Callable[..., Results]] = {
    "gaussian_nll_loss": _gaussian_nll,
    "margin_ranking_loss": _margin_ranking,
}
