"""What a schedule is: its type, the class of those made here, and the plainest, a constant."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from fastloa.checks import integer, number
from fastloa.wording import kind

__all__ = ["Schedule", "constant"]

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

    Notes
    -----
    PyTorch's ``ConstantLR`` keeps a share of the learning rate for some steps only: ``join([factor * lr, lr],
    [total_iters])``.

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    return FormulaSchedule(_constant, (number("schedules.constant", "value", value),))


def as_schedule(function: str, argument: str, value: object) -> Schedule:
    """Take a schedule, or a number as a constant one; `function` and `argument` name the place in the message."""
    if callable(value):
        return value
    try:
        return FormulaSchedule(_constant, (number(function, argument, value),))
    except TypeError:
        expected = "a real number or a schedule (a callable of the step)"
        raise TypeError(f"{function}: {argument} must be {expected}, got {kind(value)}") from None


@dataclass(frozen=True, slots=True, repr=False)
class FormulaSchedule:
    """A formula of the step, a function ``_name`` for the schedule ``name``, and its other arguments, checked."""

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
        _, *parameters = inspect.signature(self.formula).parameters.values()
        if parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
            shown = [repr(argument) for argument in self.arguments]
        else:
            shown = [f"{p.name}={a!r}" for p, a in zip(parameters, self.arguments, strict=True)]
        return f"{self._name}({', '.join(shown)})"

    @property
    def _name(self) -> str:
        return "schedules." + self.formula.__name__.removeprefix("_")


def _constant(_step: int, value: float) -> float:
    return value
