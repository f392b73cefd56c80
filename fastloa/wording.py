"""The words of messages: what is expected, and what came."""

import numpy as np


def kind(value: object) -> str:
    """Name what came, for the end of a TypeError: its type, and for arrays the library, shape and dtype.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    str
        The name.

    Examples
    --------
    >>> kind("huber"), kind(np.zeros(3))
    ('str', 'numpy.ndarray of shape (3,) and dtype float64')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None or isinstance(value, np.generic):
        return name
    return f"{type(value).__module__.partition('.')[0]}.{name} of shape {tuple(shape)} and dtype {dtype}"


def interval(low: float | None, high: float | None, low_open: bool, high_open: bool) -> str:
    """Say an interval in the words of a message."""
    if low is not None and high is not None:
        return f"in {'(' if low_open else '['}{_plain(low)}, {_plain(high)}{')' if high_open else ']'}"
    if low is not None:
        if low == 0:
            return "positive and finite" if low_open else "non-negative and finite"
        return f"finite and {'>' if low_open else '>='} {_plain(low)}"
    if high is not None:
        return f"finite and {'<' if high_open else '<='} {_plain(high)}"
    return "finite"


def bounds(low: int | None, high: int | None) -> str:
    """Say integer bounds in the words of a message."""
    if low is not None and high is not None:
        return f"an integer in {low}..{high}"
    if low is not None:
        return f"an integer >= {low}"
    return "an integer" if high is None else f"an integer <= {high}"


def _plain(bound: float) -> str:
    return str(bound).removesuffix(".0")


def shown(value: object) -> str:
    """Show a number as the caller wrote it, unless it would fill the screen."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    return str(value)
