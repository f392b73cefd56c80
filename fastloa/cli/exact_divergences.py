"""The exact results of divergences of log-probabilities and probabilities, as `exact_losses`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastloa.cli.exact_losses import LOG_2
from fastloa.cli.exact_parts import added, exp_parts, log_parts, negative, product, quotient, whole

Array = Any
NEAR = 4  # from there on nothing cancels


def _jensen_shannon(x: Array, t: Array) -> tuple[Array, Array, Array]:
    """With beta = 1/2, by log(p / q), and by log(q / m) in two parts where the first is at most `NEAR`."""
    q, log_2, one = np.exp(x), x.dtype.type(LOG_2), whole(np.ones_like(t))
    gap, gap_lost = added(log_parts(t, 0 * t), whole(-x))
    s, close = np.abs(gap), np.clip(gap, -np.inf, NEAR)
    least = np.exp(-s)
    ratio = exp_parts(close, np.where(close == gap, gap_lost, 0))
    mean = added(one, ratio)  # twice the mean, over q
    logarithm = negative(log_parts(mean[0] / 2, mean[1] / 2))
    square = np.minimum(s, 1) ** 2 / 4
    near = square * (1 - square * (x.dtype.type(1) / 2 - square * (x.dtype.type(2) / 9 - square * 17 / 180)))
    both = sum(added(product(*ratio, *added((np.maximum(gap, -NEAR), gap_lost), logarithm)), logarithm))
    rest = np.where(least == 0, 0, 2 * least / (1 + least) * s)
    apart = np.maximum(q, t) * ((1 + least) / 4 * (2 * log_2 - 2 * np.log1p(least) - rest))
    value = np.where(s < NEAR, q / 2 * np.where(s < 2.0**-10, (1 + ratio[0]) / 2 * near, both), apart)
    value = np.where((x == -np.inf) & (t == 0), 0, value)
    far, bend = log_2 - np.log1p(least) - gap, added(logarithm, quotient(*ratio, *mean))
    slope, second = (
        np.where((q == 0) & (t >= 0), 0, q / 2 * np.where(gap < NEAR, sum(a), b))
        for a, b in ((logarithm, far), (bend, far + 1 / (1 + least)))
    )
    return value, slope, second


EXACT: Mapping[str, Callable[[Array, Array], tuple[Array, Array, Array]]] = {
    "jensen_shannon_divergence": _jensen_shannon,
}
