"""The exact results of losses that follow from their label's cross entropy: value and gradient, as `exact_losses`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastloa.cli.exact_losses import row_parts

Array = Any


def _label_loss(curve: Callable[[Array, Array, Array], tuple[Array, Array]]) -> Callable[..., tuple[Array, Array]]:
    """Give the results of a loss whose ``curve(l, p, 1 - p)`` is its value and slope in l = -log p."""

    def results(x: Array, labels: Array) -> tuple[Array, Array]:
        d, e, rest = row_parts(x)
        at, whole = labels[:, None], 1 + rest
        own, d = np.take_along_axis(e, at, -1), np.take_along_axis(d, at, -1)
        miss = np.where(d == 0, rest, whole - own) / whole
        value, slope = curve(np.log1p(rest) - d, own / whole, miss)
        away = e / whole
        np.put_along_axis(away, at, -miss, axis=-1)
        return value[:, 0], slope * away

    return results


def _focal(loss: Array, p: Array, miss: Array) -> tuple[Array, Array]:
    ratio = np.where(miss == 0, 1, np.where(p == 0, 0, p * loss) / np.where(miss == 0, 1, miss))
    return miss**2 * loss, miss**2 * (1 + 2 * ratio)


def _poly(loss: Array, p: Array, miss: Array) -> tuple[Array, Array]:
    return loss + 2 * miss, 1 + 2 * p


def _generalized(loss: Array, p: Array, miss: Array) -> tuple[Array, Array]:
    return -2 * np.expm1(-loss / 2), np.exp(-loss / 2)


EXACT: Mapping[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "softmax_focal_loss": _label_loss(_focal),
    "poly_loss_cross_entropy": _label_loss(_poly),
    "generalized_cross_entropy": _label_loss(_generalized),
}
