"""The exact results of divergences of log-probabilities and probabilities, as `exact_losses`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastloa.cli.exact_losses import LOG_2

Array = Any


def _jensen_shannon(x: Array, t: Array) -> tuple[Array, Array, Array]:
    """With beta = 1/2, by s = |log p - log q| and h = |p - q| / (p + q), which is tanh(s / 2)."""
    q, log_2 = np.exp(x), x.dtype.type(LOG_2)
    gap = np.log(t) - x
    s = np.abs(gap)
    least = np.exp(-s)
    h, rest = -np.expm1(-s) / (1 + least), np.where(least == 0, 0, 2 * least / (1 + least) * s)
    near = h * np.minimum(s, 2) + np.log1p(-(np.tanh(np.minimum(s, 2) / 2) ** 2))
    share = (1 + least) / 4 * np.where(s < 1, near, 2 * log_2 - 2 * np.log1p(least) - rest)
    value = np.where((x == -np.inf) & (t == 0), 0, share * np.maximum(q, t))
    close = np.clip(gap, -np.inf, 1)
    logarithm = -np.where(gap < 1, np.log1p(np.expm1(close) / 2), gap - log_2 + np.log1p(least))
    hit = np.where(gap < 0, least, 1) / (1 + least)
    slope, second = (np.where((q == 0) & (t >= 0), 0, q / 2 * y) for y in (logarithm, logarithm + hit))
    return value, slope, second


EXACT: Mapping[str, Callable[[Array, Array], tuple[Array, Array, Array]]] = {
    "jensen_shannon_divergence": _jensen_shannon,
}
