"""Decays that go on for ever: by a factor at some steps or at all of them, or with a power of the time."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from fastloa.checks import integer, items, number
from fastloa.schedules.arithmetic import times_power
from fastloa.schedules.schedule import FormulaSchedule, Schedule

__all__ = ["exponential", "inverse_sqrt", "inverse_time", "multistep", "step"]


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
    return FormulaSchedule(_step, (value, step_size, gamma))


def multistep(value: float, milestones: Sequence[int], gamma: float = 0.1) -> Schedule:
    r"""Multiply by a factor at each of some steps (PyTorch's ``MultiStepLR``).

    .. math:: s(t) = v \gamma^{\,|\{i : m_i \le t\}|}

    Parameters
    ----------
    value : float
        First value :math:`v`; finite.
    milestones : sequence of int
        The steps :math:`m_1 \le m_2 \le \dots` of the changes; at least 1. One that is there twice counts twice.
    gamma : float, default 0.1
        Factor :math:`\gamma` of each change; non-negative and finite.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not a number of its kind, or is out of its range, or `milestones` decrease; at the call, the step
        or the value.

    Notes
    -----
    PyTorch multiplies the last value at each milestone; here the power is taken at once, so the digits do not depend on
    how many steps there were. Values of one's own instead of powers of a factor, as Keras's ``PiecewiseConstantDecay``
    and optax's ``piecewise_constant_schedule``, are a `join` of numbers.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385, section 4.2.

    Examples
    --------
    >>> lr = multistep(0.5, [30, 80], gamma=0.5)
    >>> [lr(t) for t in (0, 29, 30, 79, 80)]
    [0.5, 0.5, 0.25, 0.25, 0.125]
    """
    name = "schedules.multistep"
    value = number(name, "value", value)
    milestones = items(name, "milestones", milestones)
    steps = [integer(name, f"milestones[{i}]", milestone, low=1) for i, milestone in enumerate(milestones)]
    if any(late < early for early, late in pairwise(steps)):
        raise ValueError(f"{name}: milestones must not decrease, got {steps}")
    gamma = number(name, "gamma", gamma, low=0)
    return FormulaSchedule(_multistep, (value, tuple(steps), gamma))


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
    return FormulaSchedule(_exponential, (value, gamma))


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
    return FormulaSchedule(_inverse_time, (value, decay_rate, decay_steps, power))


def inverse_sqrt(value: float, warmup_steps: int) -> Schedule:
    r"""Climb linearly, then decay with the inverse square root of the time (the Transformer's, or Noam's, schedule).

    .. math:: s(t) = v \min\left(\frac{t}{w}, \sqrt{\frac{w}{t}}\right)

    Parameters
    ----------
    value : float
        Greatest value :math:`v`, that of step :math:`w`; finite.
    warmup_steps : int
        Steps :math:`w` of the climb; at least 1.

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
    The paper writes :math:`d^{-1/2} \min(t^{-1/2}, t w^{-3/2})` with the width :math:`d` of the model and steps counted
    from 1: the values of ``inverse_sqrt((d * w) ** -0.5, w)`` from step 1 on. Steps counted from 0 begin with a value
    of 0, as in `warmup` and in transformers' ``get_inverse_sqrt_schedule``. The decay needs no last step, so a run may
    go on for as long as one likes.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762, section 5.3.

    Examples
    --------
    >>> lr = inverse_sqrt(1.0, 4)
    >>> [lr(t) for t in (0, 1, 2, 4, 16, 64)]
    [0.0, 0.25, 0.5, 1.0, 0.5, 0.25]
    """
    name = "schedules.inverse_sqrt"
    value = number(name, "value", value)
    warmup_steps = integer(name, "warmup_steps", warmup_steps, low=1)
    return FormulaSchedule(_inverse_sqrt, (value, warmup_steps))


def _step(step: int, value: float, step_size: int, gamma: float) -> float:
    return times_power(value, gamma, step // step_size)


def _multistep(step: int, value: float, milestones: tuple[int, ...], gamma: float) -> float:
    return times_power(value, gamma, bisect_right(milestones, step))


def _exponential(step: int, value: float, gamma: float) -> float:
    return times_power(value, gamma, step)


def _inverse_time(step: int, value: float, decay_rate: float, decay_steps: int, power: float) -> float:
    units = step / decay_steps
    base = 1.0 + decay_rate * units
    if math.isinf(base):  # the 1 is lost beside the product, which is taken apart
        return times_power(times_power(value, decay_rate, -power), units, -power)
    try:
        return value / math.pow(base, power)
    except OverflowError:
        return times_power(value, base, -power)


def _inverse_sqrt(step: int, value: float, warmup_steps: int) -> float:
    return value * (step / warmup_steps if step < warmup_steps else math.sqrt(warmup_steps / step))
