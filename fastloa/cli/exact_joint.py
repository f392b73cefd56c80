"""The exact results of losses of three arrays with gradients in two, as `exact_losses` has those of two arrays.

Each gives value, both gradients and both diagonals of the Hessian.
"""

from collections.abc import Callable, Mapping

import numpy as np

from fastloa.cli.exact_losses import Array, Pair, Results, added, negative, product, quotient, residual_parts


def _gaussian_nll(x: Array, t: Array, v: Array) -> Results:
    r = residual_parts(x, t)
    w = quotient(*r, v, 0 * r[1])
    k = product(*r, *w)
    some, inside = np.isnan(r[0]), v < np.inf
    weight: Pair = np.where(inside, k[0] / 2, 0), np.where(inside, k[1] / 2, 0)
    value = np.where(some, np.nan, sum(added((np.log(v) / 2, 0 * r[1]), weight)))
    grad = sum(added((np.ones_like(x), 0 * r[1]), negative(k))) / (2 * v)
    bend = sum(added(k, (np.full_like(x, -0.5), 0 * r[1]))) / v / v
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
