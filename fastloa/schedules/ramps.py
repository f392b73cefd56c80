"""Ramps: from one value to another in so many steps, and no further."""

import math
from sys import float_info

from fastloa.checks import choice, flag, integer, number
from fastloa.schedules.arithmetic import SHAPES, blend, ramp, times_power
from fastloa.schedules.schedule import FormulaSchedule, Schedule

__all__ = ["cosine", "linear", "polynomial", "wsd"]


def linear(value: float, final: float, total_steps: int) -> Schedule:
    r"""Go from one value to another along a straight line, then stay.

    .. math:: s(t) = v + (f - v) \frac{t}{n}, \quad t \le n; \qquad f, \quad t > n

    Parameters
    ----------
    value : float
        First value :math:`v`; finite.
    final : float
        Last value :math:`f`, kept for ever after; finite.
    total_steps : int
        Steps :math:`n` to the last value; at least 1.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not a number of its kind, or is out of its range; at the call, the step.

    Notes
    -----
    As optax's ``linear_schedule``, with values. PyTorch's ``LinearLR`` takes factors of the learning rate instead: with
    ``start_factor`` :math:`a`, ``end_factor`` :math:`b` and ``total_iters`` :math:`n` it is ``linear(a * lr, b * lr,
    n)``, by default ``linear(lr / 3, lr, 5)``. Both ends are exact.

    References
    ----------
    Defazio et al., "Optimal Linear Decay Learning Rate Schedules and Further Refinements", 2023, arXiv:2310.07831.

    Examples
    --------
    >>> lr = linear(1.0, 0.5, 4)
    >>> [lr(t) for t in (0, 1, 2, 3, 4, 1000)]
    [1.0, 0.875, 0.75, 0.625, 0.5, 0.5]
    """
    name = "schedules.linear"
    value = number(name, "value", value)
    final = number(name, "final", final)
    total_steps = integer(name, "total_steps", total_steps, low=1)
    return FormulaSchedule(_linear, (value, final, total_steps))


def polynomial(value: float, total_steps: int, power: float = 1.0, final: float = 0.0, cycle: bool = False) -> Schedule:
    r"""Fall with a power of the time that is left, then stay (PyTorch's ``PolynomialLR``), or begin anew.

    .. math:: s(t) = f + (v - f) \left(1 - \frac{t}{n}\right)^p, \quad t \le n; \qquad f, \quad t > n

    With `cycle`, :math:`n` is at every step the first multiple of `total_steps` that is not below :math:`t`.

    Parameters
    ----------
    value : float
        First value :math:`v`; finite.
    total_steps : int
        Steps :math:`n` to the last value; at least 1.
    power : float, default 1.0
        Power :math:`p`; positive and finite. Above 1 most of the way is done early, below 1 late.
    final : float, default 0.0
        Last value :math:`f`, kept for ever after; finite.
    cycle : bool, default False
        Whether to rise again after the last value, each time less far, instead of staying there.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not of its kind, or is out of its range; at the call, the step.

    Notes
    -----
    PyTorch's falls to 0. Keras's ``PolynomialDecay`` has the last value (``end_learning_rate``, 0.0001 by default) and
    `cycle`; optax's ``polynomial_schedule`` has the last value. Both ends are exact, and nothing cancels near them.

    References
    ----------
    Chen et al., "DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution, and Fully
    Connected CRFs", 2017, arXiv:1606.00915, section 4.1 (power 0.9).

    Examples
    --------
    >>> lr = polynomial(1.0, 4, power=2.0)
    >>> [lr(t) for t in (0, 1, 2, 3, 4, 5)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    >>> lr = polynomial(1.0, 4, cycle=True)
    >>> [lr(t) for t in (0, 2, 4, 5, 6, 8)]
    [1.0, 0.5, 0.0, 0.375, 0.25, 0.0]
    """
    name = "schedules.polynomial"
    value = number(name, "value", value)
    total_steps = integer(name, "total_steps", total_steps, low=1)
    power = number(name, "power", power, low=0, low_open=True)
    final = number(name, "final", final)
    cycle = flag(name, "cycle", cycle)
    return FormulaSchedule(_polynomial, (value, total_steps, power, final, cycle))


def cosine(value: float, total_steps: int, final: float = 0.0) -> Schedule:
    r"""Fall along half a cosine wave, then stay.

    .. math:: s(t) = f + \frac{v - f}{2} \left(1 + \cos \frac{\pi t}{n}\right), \quad t \le n; \qquad f, \quad t > n

    Parameters
    ----------
    value : float
        First value :math:`v`; finite.
    total_steps : int
        Steps :math:`n` to the last value; at least 1.
    final : float, default 0.0
        Last value :math:`f`, kept for ever after; finite.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not a number of its kind, or is out of its range; at the call, the step.

    Notes
    -----
    The closed form of PyTorch's ``CosineAnnealingLR``, which climbs again after `total_steps`; this one stays, as do
    optax's ``cosine_decay_schedule`` and Keras's ``CosineDecay``, whose ``alpha`` is the last value as a share of the
    first. Both ends are exact, and nothing cancels near them (:math:`1 + \cos` is computed as a squared sine).

    References
    ----------
    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, arXiv:1608.03983.

    Examples
    --------
    >>> lr = cosine(1.0, 100, final=0.5)
    >>> [lr(t) for t in (0, 50, 100, 1000)]
    [1.0, 0.75, 0.5, 0.5]
    """
    name = "schedules.cosine"
    value = number(name, "value", value)
    total_steps = integer(name, "total_steps", total_steps, low=1)
    final = number(name, "final", final)
    return FormulaSchedule(_cosine, (value, total_steps, final))


def wsd(
    value: float, warmup_steps: int, stable_steps: int, decay_steps: int, final: float = 0.0, decay: str = "linear"
) -> Schedule:
    r"""Climb, stay, decay: warm-up, stable, decay.

    .. math::
        s(t) = \begin{cases}
        v\, t / w & t < w \\
        v & w \le t \le w + m \\
        f + (v - f)\, d\left(\frac{t - w - m}{n}\right) & w + m < t < w + m + n \\
        f & \text{else} \end{cases}

    Parameters
    ----------
    value : float
        Greatest value :math:`v`, that of the stable phase; finite.
    warmup_steps : int
        Steps :math:`w` of the linear climb from 0; 0 for none.
    stable_steps : int
        Steps :math:`m` at the greatest value; at least 0.
    decay_steps : int
        Steps :math:`n` from there to the last value; at least 1.
    final : float, default 0.0
        Last value :math:`f`, kept for ever after; finite.
    decay : {"linear", "cosine", "sqrt", "square"}, default "linear"
        Form of the decay: :math:`d(x) = 1 - x`, :math:`\frac{1}{2} (1 + \cos \pi x)`, :math:`1 - \sqrt{x}` or
        :math:`1 - x^2`.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not of its kind, or is out of its range; at the call, the step.

    Notes
    -----
    A run may go on from its stable phase for as long as one likes, and each decay from there gives a finished model.
    Hägele et al. found the square root better than the straight line.

    pytorch_optimizer's ``get_wsd_schedule`` calls these forms ``"1-sqrt"`` (its default) and ``"1-square"``. All of its
    forms but the cosine go to 0 and then jump to the last value; here each goes to the last value. It, and that of
    transformers (with a cosine by default), take the last value as a share of the greatest. Both ends of both ramps are
    exact.

    References
    ----------
    Hu et al., "MiniCPM: Unveiling the Potential of Small Language Models with Scalable Training Strategies", 2024,
    arXiv:2404.06395. Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", 2024,
    arXiv:2405.18392.

    Examples
    --------
    >>> lr = wsd(1.0, 2, 3, 4, decay="sqrt")
    >>> [lr(t) for t in (0, 1, 2, 5, 6, 9, 1000)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0]
    """
    name = "schedules.wsd"
    value = number(name, "value", value)
    warmup_steps = integer(name, "warmup_steps", warmup_steps, low=0)
    stable_steps = integer(name, "stable_steps", stable_steps, low=0)
    decay_steps = integer(name, "decay_steps", decay_steps, low=1)
    final = number(name, "final", final)
    decay = choice(name, "decay", decay, tuple(SHAPES))
    return FormulaSchedule(_wsd, (value, warmup_steps, stable_steps, decay_steps, final, decay))


def _linear(step: int, value: float, final: float, total_steps: int) -> float:
    return ramp("linear", value, final, min(step, total_steps), total_steps)


def _polynomial(step: int, value: float, total_steps: int, power: float, final: float, cycle: bool) -> float:
    whole = total_steps * max(1, -(-step // total_steps)) if cycle else total_steps
    left = whole - step
    if left <= 0:
        return final
    share = left / whole
    weight = math.pow(share, power)
    if weight < float_info.min:  # too small for `final` to notice, not for its product with a large value
        return final + times_power(value, share, power)
    # 1 minus the power cancels near the beginning: expm1 of its logarithm does not, taken from the end that is nearer
    logarithm = math.log(share) if left <= step else math.log1p(-(step / whole))
    return blend(value, final, -math.expm1(power * logarithm), weight)


def _cosine(step: int, value: float, total_steps: int, final: float) -> float:
    return ramp("cosine", value, final, min(step, total_steps), total_steps)


def _wsd(
    step: int, value: float, warmup_steps: int, stable_steps: int, decay_steps: int, final: float, decay: str
) -> float:
    if step < warmup_steps:
        return value * (step / warmup_steps)
    decayed = min(max(step - warmup_steps - stable_steps, 0), decay_steps)
    return ramp(decay, value, final, decayed, decay_steps)
