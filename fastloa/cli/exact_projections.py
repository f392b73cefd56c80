"""The exact results of projections of rows, and of losses through them; see `accuracy_table`."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = Any


def _parts(x: Array) -> tuple[Array, Array]:
    """The sparsemax of each row, from its sorted scores, and what scores are below the threshold."""
    d = x - x.max(axis=-1, keepdims=True)
    descending = -np.sort(-d, axis=-1)
    rank = np.arange(1, d.shape[-1] + 1)
    # The k-th greatest counts if what it is below those before it sums to less than 1.
    count = (np.cumsum(descending, axis=-1) - rank * descending < 1).sum(axis=-1)
    # The threshold times k, as two numbers: rounded to one, it would cost the least probabilities their digits.
    totals = []
    for k, row in zip(count.tolist(), -np.sort(-x, axis=-1), strict=True):
        counted = [-1.0, *map(float, row[:k])]
        high = math.fsum(counted)
        totals.append((high, math.fsum([*counted, -high])))
    high, low = np.array(totals, x.dtype).T[:, :, None]
    above = ((count[:, None] * x - high) - low) / count[:, None]
    return np.maximum(above, 0), np.maximum(-above, 0)


def _sparsemax_loss(x: Array, labels: Array) -> tuple[Array, Array]:
    p, short = _parts(x)
    at = labels[:, None]
    apart = p.copy()
    np.put_along_axis(apart, at, 0, axis=-1)
    own = apart.sum(axis=-1, keepdims=True)  # 1 less the label's probability
    grad = apart.copy()
    np.put_along_axis(grad, at, -own, axis=-1)
    return ((grad * grad).sum(axis=-1) / 2 + np.take_along_axis(short, at, -1)[:, 0]), grad


EXACT: Mapping[str, Any] = {
    "sparsemax": (lambda x: _parts(x)[0],),
    "sparsemax_loss": _sparsemax_loss,
}
