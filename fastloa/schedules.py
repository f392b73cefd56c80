"""Schedules: a hyper-parameter as a pure function of the step.

A schedule is any callable that takes the step, an int counted from 0, and gives a float. Those made here are immutable,
compare equal when made from equal arguments, pickle, and print as the call that makes them. They hold no state, so
resuming a run needs the step and nothing else, and one schedule may serve many hyper-parameters: a learning rate, a
weight decay, a temperature. Where a schedule is wanted, a plain number stands for a constant one.
"""

import inspect
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from sys import float_info
from typing import Any, TypeAlias

from fastloa.checks import integer, items, kind, number

__all__ = ["Schedule", "constant", "cosine", "exponential", "inverse_time", "join", "step", "warmup"]

Schedule: TypeAlias = Callable[[int], float]


def constant(value: float) -> Schedule:
    r"""Keep one value for ever.

    .. math:: s(t) = v

    Parameters
    ----------
    value : float
        The value :math:`v`; finite.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        `value` is not a finite real number; at the call, the step is not an integer or is negative.

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    return _Schedule(_constant, (number("schedules.constant", "value", value),))


def step(value: float, step_size: int, gamma: float = 0.1) -> Schedule:
    r"""Multiply by a factor every so many steps (PyTorch's ``StepLR``).

    .. math:: s(t) = v \gamma^{\lfloor t / n \rfloor}

    Parameters
    ----------
    value : float
        First value :math:`v`; finite.
    step_size : int
        Steps :math:`n` between two changes; at least 1.
    gamma : float, default 0.1
        Factor :math:`\gamma` of each change; non-negative and finite.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not a number of its kind, or is out of its range; at the call, the step or the value.

    Examples
    --------
    >>> lr = step(0.5, 30, gamma=0.5)
    >>> [lr(t) for t in (0, 29, 30, 60)]
    [0.5, 0.5, 0.25, 0.125]
    """
    name = "schedules.step"
    value = number(name, "value", value)
    step_size = integer(name, "step_size", step_size, low=1)
    gamma = number(name, "gamma", gamma, low=0)
    return _Schedule(_step, (value, step_size, gamma))


def exponential(value: float, gamma: float) -> Schedule:
    r"""Multiply by a factor at every step (PyTorch's ``ExponentialLR``).

    .. math:: s(t) = v \gamma^t

    Parameters
    ----------
    value : float
        First value :math:`v`; finite.
    gamma : float
        Factor :math:`\gamma` of each step; non-negative and finite. Above 1 the value grows, as in a search for the
        largest usable learning rate.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not a number of its kind, or is out of its range; at the call, the step or the value.

    Examples
    --------
    >>> lr = exponential(1.0, 0.5)
    >>> [lr(t) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """
    name = "schedules.exponential"
    value = number(name, "value", value)
    gamma = number(name, "gamma", gamma, low=0)
    return _Schedule(_exponential, (value, gamma))


def inverse_time(value: float, decay_rate: float, decay_steps: int = 1, power: float = 1.0) -> Schedule:
    r"""Decay with the inverse of the time, or of a power of it.

    .. math:: s(t) = \frac{v}{(1 + r t / n)^p}

    Parameters
    ----------
    value : float
        First value :math:`v`; finite.
    decay_rate : float
        Rate :math:`r`, per `decay_steps` steps; non-negative and finite.
    decay_steps : int, default 1
        Steps :math:`n` in a unit of time; at least 1.
    power : float, default 1.0
        Power :math:`p`; non-negative and finite; 0.5 decays with the square root.

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
    With a power above 1/2 and up to 1 the steps satisfy the conditions of Robbins and Monro for stochastic gradient
    descent, :math:`\sum s = \infty` and :math:`\sum s^2 < \infty`. Keras calls it ``InverseTimeDecay`` (power 1).

    References
    ----------
    Robbins and Monro, "A Stochastic Approximation Method", 1951, doi:10.1214/aoms/1177729586.

    Examples
    --------
    >>> lr = inverse_time(1.0, 0.5, decay_steps=2)
    >>> [lr(t) for t in (0, 4, 12)]
    [1.0, 0.5, 0.25]
    """
    name = "schedules.inverse_time"
    value = number(name, "value", value)
    decay_rate = number(name, "decay_rate", decay_rate, low=0)
    decay_steps = integer(name, "decay_steps", decay_steps, low=1)
    power = number(name, "power", power, low=0)
    return _Schedule(_inverse_time, (value, decay_rate, decay_steps, power))


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
    The closed form of PyTorch's ``CosineAnnealingLR``, which climbs again after `total_steps`; this one stays. Both
    ends are exact, and nothing cancels near them (:math:`1 + \cos` is computed as a squared sine).

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
    return _Schedule(_cosine, (value, total_steps, final))


def warmup(schedule: Schedule | float, steps: int, start: float = 0.0) -> Schedule:
    r"""Climb linearly to the first value of a schedule, then follow it.

    .. math:: s(t) = a + (u(0) - a) \frac{t}{n}, \quad t < n; \qquad u(t - n), \quad t \ge n

    Parameters
    ----------
    schedule : Schedule or float
        What follows, :math:`u`; it sees the steps counted from the end of the warm-up.
    steps : int
        Steps :math:`n` of the warm-up; 0 for none.
    start : float, default 0.0
        First value :math:`a`; finite. A learning rate of 0 makes the first step an empty one.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not of its kind, or is out of its range; at the call, the step or what `schedule` gives.

    Examples
    --------
    >>> lr = warmup(cosine(1.0, 100), 4)
    >>> [lr(t) for t in (0, 1, 2, 3, 4, 104)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 0.0]
    """
    name = "schedules.warmup"
    schedule = as_schedule(name, "schedule", schedule)
    steps = integer(name, "steps", steps, low=0)
    start = number(name, "start", start)
    return _Schedule(_warmup, (schedule, steps, start))


def join(schedules: Sequence[Schedule | float], boundaries: Sequence[int]) -> Schedule:
    r"""Follow one schedule after another.

    .. math:: s(t) = u_i(t - b_i), \quad b_i \le t < b_{i + 1}, \quad b_0 = 0

    as PyTorch's ``SequentialLR``; with plain numbers for `schedules`, its ``MultiStepLR``.

    Parameters
    ----------
    schedules : sequence of Schedule or float
        The schedules :math:`u_i`; each sees the steps counted from its own beginning.
    boundaries : sequence of int
        The steps :math:`b_1 < b_2 < \dots` at which the second, third, … schedule begins; at least 1, one fewer than
        `schedules`.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An entry is not of its kind, the lengths do not fit, or `boundaries` do not increase; at the call, the step or
        what the schedule gives is out of range.

    Examples
    --------
    >>> lr = join([0.5, exponential(0.25, 0.5)], [10])
    >>> [lr(t) for t in (0, 9, 10, 11)]
    [0.5, 0.5, 0.25, 0.125]
    """
    name = "schedules.join"
    pieces = [as_schedule(name, f"schedules[{i}]", s) for i, s in enumerate(items(name, "schedules", schedules))]
    starts = [integer(name, f"boundaries[{i}]", b, low=1) for i, b in enumerate(items(name, "boundaries", boundaries))]
    if not pieces:
        raise ValueError(f"{name}: schedules must be at least one schedule, got none")
    if len(starts) != len(pieces) - 1:
        raise ValueError(f"{name}: boundaries must be one fewer than schedules, got {len(starts)} for {len(pieces)}")
    if any(late <= early for early, late in pairwise(starts)):
        raise ValueError(f"{name}: boundaries must increase, got {starts}")
    return _Schedule(_join, (tuple(pieces), tuple(starts)))


def as_schedule(function: str, argument: str, value: object) -> Schedule:
    """Take a schedule, or a number as a constant one; `function` and `argument` name the place in the message."""
    if callable(value):
        return value
    try:
        return _Schedule(_constant, (number(function, argument, value),))
    except TypeError:
        expected = "a real number or a schedule (a callable of the step)"
        raise TypeError(f"{function}: {argument} must be {expected}, got {kind(value)}") from None


@dataclass(frozen=True, slots=True, repr=False)
class _Schedule:
    """A formula of the step, one of the functions below, and its other arguments, already checked."""

    formula: Callable[..., float]
    arguments: tuple[Any, ...]

    def __call__(self, step: int) -> float:
        if type(step) is not int or step < 0:
            step = integer(self._name, "step", step, low=0)
        value = self.formula(step, *self.arguments)
        if not math.isfinite(value):
            raise ValueError(f"{self._name}: value must be finite, got {value} at step {step}")
        return value

    def __repr__(self) -> str:
        names = list(inspect.signature(self.formula).parameters)[1:]
        return f"{self._name}({', '.join(f'{n}={a!r}' for n, a in zip(names, self.arguments, strict=True))})"

    @property
    def _name(self) -> str:
        return "schedules." + self.formula.__name__.removeprefix("_")


def _constant(_step: int, value: float) -> float:
    return value


def _step(step: int, value: float, step_size: int, gamma: float) -> float:
    return _times_power(value, gamma, step // step_size)


def _exponential(step: int, value: float, gamma: float) -> float:
    return _times_power(value, gamma, step)


def _inverse_time(step: int, value: float, decay_rate: float, decay_steps: int, power: float) -> float:
    base = 1.0 + decay_rate * step / decay_steps
    try:
        return value / math.pow(base, power)
    except OverflowError:
        return _times_power(value, base, -power)


def _cosine(step: int, value: float, total_steps: int, final: float) -> float:
    left = total_steps - step
    if left <= 0:
        return final
    # 1 + cos cancels near the end: a squared sine, each half measured from its own end, keeps all digits
    if step <= left:
        return value - (value - final) * math.sin(0.5 * math.pi * step / total_steps) ** 2
    return final + (value - final) * math.sin(0.5 * math.pi * left / total_steps) ** 2


def _warmup(step: int, schedule: Schedule, steps: int, start: float) -> float:
    inner = max(step - steps, 0)
    value = number("schedules.warmup", f"schedule({inner})", schedule(inner))
    return value if step >= steps else start + (value - start) * (step / steps)


def _join(step: int, schedules: tuple[Schedule, ...], boundaries: tuple[int, ...]) -> float:
    piece = bisect_right(boundaries, step)
    inner = step - boundaries[piece - 1] if piece else step
    return number("schedules.join", f"schedules[{piece}]({inner})", schedules[piece](inner))


def _times_power(value: float, base: float, exponent: float) -> float:
    """Compute value * base**exponent, right to a few ulp wherever it is representable."""
    try:
        power = math.pow(base, exponent)
    except OverflowError:
        power = math.inf
    if float_info.min <= power < math.inf or base == 0.0 or value == 0.0:
        return value * power if value else value
    # The power alone leaves the range of float64, the product may not. Its fourth root lies far inside wherever the
    # product is finite, and each multiplication moves from value towards the result.
    try:
        root = math.pow(base, 0.25 * exponent)
    except OverflowError:
        return math.copysign(math.inf, value)
    return value * root * root * root * root
