"""What the steps so far add up to, as a function of the step: optimizers need no state of their own for it."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

KEPT = 16  # optimizers that share a history and take their steps by turns


class History(Generic[Value]):
    """A value that every step changes, the same to the bit whichever steps are asked for.

    Parameters
    ----------
    start : Value
        The value before the first step.
    change : callable
        ``change(value, step)`` gives the value after the step of that number, counted from 1, from the one before it.
    settles : bool, default False
        Whether a value that one step leaves as it is, all later ones do.
    """

    def __init__(self, start: Value, change: Callable[[Value, int], Value], *, settles: bool = False) -> None:
        self._start, self._change, self._settles = start, change, settles
        self._found: dict[int, Value] = {}

    def __call__(self, step: int) -> Value:
        """Give the value after a step, from the last step before it that has been asked for of late."""
        found = self._found
        if step not in found:
            nearest = max((known for known in found if known < step), default=0)
            value = found[nearest] if nearest else self._start
            for passed in range(nearest + 1, step + 1):
                before, value = value, self._change(value, passed)
                if self._settles and value == before:
                    break
            # A new dict: another thread may be reading this one.
            self._found = found = {**dict(list(found.items())[1 - KEPT :]), step: value}
        return found[step]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_found": {}}
