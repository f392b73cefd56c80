"""Values that follow the losses seen so far: pure functions of these, not of the step."""

import math
from collections.abc import Sequence
from typing import Any

from fastloa.checks import choice, integer, items, number

__all__ = ["plateau"]


def plateau(
    value: float,
    losses: Sequence[float],
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: int = 0,
    min_value: float = 0.0,
    mode: str = "min",
    eps: float = 1e-8,
) -> float:
    r"""Multiply by a factor whenever the losses no longer improve (PyTorch's ``ReduceLROnPlateau``).

    .. math:: v \leftarrow \max(\gamma v, u)

    whenever more than `patience` losses in a row were no better than the best before them. A loss :math:`l` is better
    than the best :math:`b` where

    ==========  ========================  ===================
    `mode`      ``"rel"``                 ``"abs"``
    ==========  ========================  ===================
    ``"min"``   :math:`l < b (1 - h)`     :math:`l < b - h`
    ``"max"``   :math:`l > b (1 + h)`     :math:`l > b + h`
    ==========  ========================  ===================

    Parameters
    ----------
    value : float
        First value :math:`v`; finite.
    losses : sequence of float
        The losses so far, or whatever else is judged, one for each epoch or other stretch of steps. NaN, as from a run
        that diverged, is no improvement; infinities are compared as any other number.
    factor : float, default 0.1
        Factor :math:`\gamma` of each change; in [0, 1).
    patience : int, default 10
        Losses in a row that need not improve; at least 0.
    threshold : float, default 1e-4
        How much better :math:`h` a loss must be; non-negative and finite, and below 1 where it is a share of a loss
        that should fall.
    threshold_mode : {"rel", "abs"}, default "rel"
        Whether `threshold` is a share of the best loss, or in its units.
    cooldown : int, default 0
        Losses after each change that do not count as bad; at least 0.
    min_value : float, default 0.0
        Least value :math:`u`; finite.
    mode : {"min", "max"}, default "min"
        Whether the losses should fall, or rise as an accuracy does.
    eps : float, default 1e-8
        Changes no greater than this are not made; non-negative and finite.

    Returns
    -------
    float
        The value after the last of `losses`; `value` itself if there are none.

    Raises
    ------
    TypeError, ValueError
        An argument is not of its kind, or is out of its range.

    Notes
    -----
    The same losses give the same value as PyTorch's class holds after a ``step`` with each of them, so a run resumes
    from its list of losses and nothing else. As there, a share of a negative best loss lets a slightly worse one count
    as better: judge such losses by ``threshold_mode="abs"``.

    The time is that of one walk over `losses`. For a schedule, close over the list that the losses are appended to, as
    below.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385, section 3.4.

    Examples
    --------
    >>> plateau(1.0, [3.0, 2.0, 2.0, 2.0, 2.0], factor=0.5, patience=2)
    0.5
    >>> seen = []
    >>> lr = lambda step: plateau(1.0, seen, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.5, 1.0):
    ...     seen.append(loss)
    ...     print(lr(0), end=" ")
    1.0 1.0 1.0 0.5 0.5
    """
    name = "schedules.plateau"
    value = number(name, "value", value)
    seen = [_loss(name, f"losses[{i}]", loss) for i, loss in enumerate(items(name, "losses", losses))]
    factor = number(name, "factor", factor, low=0, high=1, high_open=True)
    patience = integer(name, "patience", patience, low=0)
    threshold_mode = choice(name, "threshold_mode", threshold_mode, ("rel", "abs"))
    cooldown = integer(name, "cooldown", cooldown, low=0)
    min_value = number(name, "min_value", min_value)
    mode = choice(name, "mode", mode, ("min", "max"))
    if mode == "min" and threshold_mode == "rel":  # no loss is below a best one times 0 or less
        threshold = number(name, "threshold", threshold, low=0, high=1, high_open=True)
    else:
        threshold = number(name, "threshold", threshold, low=0)
    eps = number(name, "eps", eps, low=0)

    sign = 1.0 if mode == "min" else -1.0
    best, bad, resting = sign * math.inf, 0, 0
    for loss in seen:
        bar = best * (1.0 - sign * threshold) if threshold_mode == "rel" else best - sign * threshold
        if sign * loss < sign * bar:
            best, bad = loss, 0
        else:
            bad += 1
        if resting:
            resting, bad = resting - 1, 0
        if bad > patience:
            lower = max(value * factor, min_value)
            value = lower if value - lower > eps else value
            resting, bad = cooldown, 0
    return value


def _loss(function: str, argument: str, loss: Any) -> float:
    """Take a real number, finite or not."""
    try:
        return number(function, argument, loss)
    except ValueError:
        return math.inf if loss > 0 else -math.inf if loss < 0 else math.nan
