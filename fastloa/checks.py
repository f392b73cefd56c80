"""Checks of arguments, shared by the whole library.

Each check takes the names of the function and of the argument, returns the argument as a plain Python value, or raises
``<function>: <argument> must be <expected>, got <what came>``: TypeError for a wrong kind, ValueError for a wrong
value. A bool is not a number, NaN and the infinities are not hyper-parameters, and nothing here reads a device.
"""

import math
import numbers
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastloa.wording import bounds, interval, kind, shown


def number(
    function: str, argument: str, value: object, *, low: float | None = None, high: float | None = None,
    low_open: bool = False, high_open: bool = False,
) -> float:  # fmt: skip
    """Check a real, finite number, optionally within an interval.

    Parameters
    ----------
    function, argument : str
        Names for the message.
    value : object
        Python, NumPy and other real numbers, and 0-d real NumPy arrays pass.
    low, high : float, optional
        Ends of the interval.
    low_open, high_open : bool, default False
        Whether an end itself is refused.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        Not a real number.
    ValueError
        NaN, infinite or outside the interval.

    Examples
    --------
    >>> number("elu", "alpha", 1)
    1.0
    >>> number("SGD", "momentum", 1.5, low=0, high=1, high_open=True)
    Traceback (most recent call last):
        ...
    ValueError: SGD: momentum must be in [0, 1), got 1.5
    """
    x = value if type(value) is float else _real(function, argument, value)
    if (
        math.isfinite(x)
        and (low is None or x > low or (x == low and not low_open))
        and (high is None or x < high or (x == high and not high_open))
    ):
        return x
    raise ValueError(f"{function}: {argument} must be {interval(low, high, low_open, high_open)}, got {shown(value)}")


def integer(function: str, argument: str, value: object, *, low: int | None = None, high: int | None = None) -> int:
    """Check an integer, optionally within closed bounds.

    Parameters
    ----------
    function, argument : str
        Names for the message.
    value : object
        Python and NumPy integers, and 0-d integer NumPy arrays pass; a float does not, even a whole one.
    low, high : int, optional
        Smallest and largest value allowed.

    Returns
    -------
    int
        The integer.

    Raises
    ------
    TypeError
        Not an integer.
    ValueError
        Out of bounds.

    Examples
    --------
    >>> integer("schedules.step", "step_size", 0, low=1)
    Traceback (most recent call last):
        ...
    ValueError: schedules.step: step_size must be an integer >= 1, got 0
    """
    if type(value) is int:
        n = value
    elif _is_integer(value):
        n = int(value)  # type: ignore[call-overload]
    else:
        raise TypeError(f"{function}: {argument} must be {bounds(low, high)}, got {kind(value)}")
    if (low is None or n >= low) and (high is None or n <= high):
        return n
    raise ValueError(f"{function}: {argument} must be {bounds(low, high)}, got {shown(n)}")


def flag(function: str, argument: str, value: object) -> bool:
    """Check a truth value; 0 and 1 are numbers and do not pass.

    Parameters
    ----------
    function, argument : str
        Names for the message.
    value : object
        A Python or NumPy bool.

    Returns
    -------
    bool
        The truth value.

    Raises
    ------
    TypeError
        Not a bool.

    Examples
    --------
    >>> flag("SGD", "nesterov", 1)
    Traceback (most recent call last):
        ...
    TypeError: SGD: nesterov must be True or False, got int
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise TypeError(f"{function}: {argument} must be True or False, got {kind(value)}")


def choice(function: str, argument: str, value: object, options: Sequence[str]) -> str:
    """Check one word out of several.

    Parameters
    ----------
    function, argument : str
        Names for the message.
    value : object
        The word.
    options : sequence of str
        The words allowed, in the order in which the message names them.

    Returns
    -------
    str
        The word.

    Raises
    ------
    TypeError
        Not a str.
    ValueError
        Another word.

    Examples
    --------
    >>> choice("mse_loss", "reduction", "avg", ("mean", "sum", "none"))
    Traceback (most recent call last):
        ...
    ValueError: mse_loss: reduction must be 'mean', 'sum' or 'none', got 'avg'
    """
    if isinstance(value, str):
        if value in options:
            return str(value)
        raise ValueError(f"{function}: {argument} must be {listed(options)}, got {str(value)!r}")
    raise TypeError(f"{function}: {argument} must be {listed(options)}, got {kind(value)}")


def items(function: str, argument: str, value: object) -> tuple[Any, ...]:
    """Check several things in a row.

    Parameters
    ----------
    function, argument : str
        Names for the message.
    value : object
        A list, a tuple, an array or another iterable; a str does not pass.

    Returns
    -------
    tuple
        What it holds.

    Raises
    ------
    TypeError
        Not an iterable.

    Examples
    --------
    >>> items("schedules.join", "boundaries", 10)
    Traceback (most recent call last):
        ...
    TypeError: schedules.join: boundaries must be a sequence, got int
    """
    if isinstance(value, Iterable) and not isinstance(value, str) and getattr(value, "shape", None) != ():
        return tuple(value)
    raise TypeError(f"{function}: {argument} must be a sequence, got {kind(value)}")


def scalar(function: str, argument: str, value: Any) -> float:
    """What a function of the caller's returned as a loss: a number, or an array without axes; it may be infinite."""
    found = real(value)
    if found is not None:
        return found
    shape = getattr(value, "shape", ())
    wrong = ValueError if isinstance(shape, tuple) and shape else TypeError
    raise wrong(f"{function}: {argument} must return a scalar value, got {kind(value)}")


def namespace(function: str, argument: str, value: object) -> Any:
    """Return the library whose array came, importing none.

    Parameters
    ----------
    function, argument : str
        Names for the message.
    value : object
        A NumPy or CuPy array.

    Returns
    -------
    module
        ``numpy`` or ``cupy``.

    Raises
    ------
    TypeError
        Anything else, a list or a scalar among them.

    Examples
    --------
    >>> namespace("clip", "x", np.zeros(3)).__name__
    'numpy'
    """
    if isinstance(value, np.ndarray):
        return np
    if is_cupy(value):
        return sys.modules["cupy"]
    raise TypeError(f"{function}: {argument} must be a NumPy or CuPy array, got {kind(value)}")


def leaves(structure: Any) -> Iterator[Any]:
    """Walk over the arrays of an array, or of lists, tuples and dicts of them.

    Parameters
    ----------
    structure : array, sequence or dict of arrays
        The arrays; whatever is no list, tuple or dict counts as one.

    Yields
    ------
    array
        Each array, in order.

    Examples
    --------
    >>> list(leaves({"w": 1, "b": [2, 3]}))
    [1, 2, 3]
    """
    if isinstance(structure, Mapping):
        structure = tuple(structure.values())
    if isinstance(structure, list | tuple):
        for part in structure:
            yield from leaves(part)
    else:
        yield structure


def is_cupy(value: object) -> bool:
    """Tell whether a value is a CuPy array, without importing CuPy.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    bool
        True for a CuPy array.

    Examples
    --------
    >>> is_cupy(np.zeros(3))
    False
    """
    cupy = sys.modules.get("cupy")  # an array of it cannot exist before it was imported
    return cupy is not None and isinstance(value, getattr(cupy, "ndarray", ()))


def listed(options: Sequence[str]) -> str:
    """List words for a message.

    Parameters
    ----------
    options : sequence of str
        The words; at least one.

    Returns
    -------
    str
        The words in quotes.

    Examples
    --------
    >>> listed(("mean", "sum", "none"))
    "'mean', 'sum' or 'none'"
    """
    *most, last = [repr(option) for option in options]
    return f"{', '.join(most)} or {last}" if most else last


def real(value: Any) -> float | None:
    """A real scalar, or any library's array of one without axes, as a float, infinite beyond float64; else None."""
    known = isinstance(value, np.ndarray | np.generic | numbers.Number)
    if not (_is_real(value) if known else getattr(value, "shape", None) == ()):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value > 0 or -1)
    except (TypeError, ValueError, RuntimeError):
        return None


def _real(function: str, argument: str, value: object) -> float:
    """Turn any real scalar but a bool into a float; what lies beyond float64 becomes infinite."""
    found = real(value) if _is_real(value) else None
    if found is not None:
        return found
    raise TypeError(f"{function}: {argument} must be a real number, got {kind(value)}")


def _is_real(value: object) -> bool:
    if isinstance(value, np.ndarray | np.generic):  # by dtype: bfloat16 is real, yet registered nowhere as such
        return value.shape == () and value.dtype.kind != "b" and np.can_cast(value.dtype, np.float64, "same_kind")
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    if isinstance(value, np.ndarray | np.generic):  # by dtype: NumPy counts its timedelta among the integers
        return value.shape == () and value.dtype.kind in "iu"
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
