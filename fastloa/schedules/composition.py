"""Schedules made of schedules: one in front of another, one after another, one times another."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from fastloa.checks import integer, items, number
from fastloa.schedules.arithmetic import ramp
from fastloa.schedules.schedule import FormulaSchedule, Schedule, as_schedule

__all__ = ["join", "multiply", "warmup"]


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
    >>> from fastloa.schedules import cosine
    >>> lr = warmup(cosine(1.0, 100), 4)
    >>> [lr(t) for t in (0, 1, 2, 3, 4, 104)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 0.0]
    """
    name = "schedules.warmup"
    schedule = as_schedule(name, "schedule", schedule)
    steps = integer(name, "steps", steps, low=0)
    start = number(name, "start", start)
    return FormulaSchedule(_warmup, (schedule, steps, start))


def join(schedules: Sequence[Schedule | float], boundaries: Sequence[int]) -> Schedule:
    r"""Follow one schedule after another.

    .. math:: s(t) = u_i(t - b_i), \quad b_i \le t < b_{i + 1}, \quad b_0 = 0

    as PyTorch's ``SequentialLR`` and optax's ``join_schedules``; plain numbers for `schedules` are a piecewise constant
    one.

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
    >>> from fastloa.schedules import exponential
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
    return FormulaSchedule(_join, (tuple(pieces), tuple(starts)))


def multiply(*schedules: Schedule | float) -> Schedule:
    r"""Multiply schedules with one another.

    .. math:: s(t) = \prod_i u_i(t)

    Parameters
    ----------
    *schedules : Schedule or float
        The schedules :math:`u_i`, at least one; all see the same steps.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is no schedule, or there is none; at the call, the step, what a schedule gives or the product is out
        of range.

    Notes
    -----
    What PyTorch's ``ChainedScheduler`` does: its schedulers each multiply the learning rate by a factor. Here the
    learning rate is given once, and the others give factors, as below. The product is right wherever it can be
    represented, whatever the order.

    Examples
    --------
    An eighth of 0.5 for 2 steps, and an exponential decay all the while:

    >>> from fastloa.schedules import exponential
    >>> lr = multiply(0.5, join([0.125, 1.0], [2]), exponential(1.0, 0.5))
    >>> [lr(t) for t in range(4)]
    [0.0625, 0.03125, 0.125, 0.0625]
    """
    name = "schedules.multiply"
    if not schedules:
        raise ValueError(f"{name}: schedules must be at least one schedule, got none")
    return FormulaSchedule(_multiply, tuple(as_schedule(name, f"schedules[{i}]", s) for i, s in enumerate(schedules)))


def _warmup(step: int, schedule: Schedule, steps: int, start: float) -> float:
    inner = max(step - steps, 0)
    value = number("schedules.warmup", f"schedule({inner})", schedule(inner))
    return value if step >= steps else ramp("linear", start, value, step, steps)


def _join(step: int, schedules: tuple[Schedule, ...], boundaries: tuple[int, ...]) -> float:
    piece = bisect_right(boundaries, step)
    inner = step - boundaries[piece - 1] if piece else step
    return number("schedules.join", f"schedules[{piece}]({inner})", schedules[piece](inner))


def _multiply(step: int, *schedules: Schedule) -> float:
    # digits and exponents apart: a product in between may leave the range of float64 where the last one does not
    digits, exponent = 1.0, 0
    for i, schedule in enumerate(schedules):
        factor, shift = math.frexp(number("schedules.multiply", f"schedules[{i}]({step})", schedule(step)))
        digits, carry = math.frexp(digits * factor)
        exponent += shift + carry
    try:
        return math.ldexp(digits, exponent)
    except OverflowError:
        return math.copysign(math.inf, digits)
