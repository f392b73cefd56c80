"""How far to go along a direction: a search for a point that satisfies the strong Wolfe conditions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

LESS, FLATTER = 1e-4, 0.9  # the share of the slope that the value must fall by, and that which the slope may keep


@dataclass(frozen=True, eq=False)
class Point:
    """A point on a line: how far along it lies, and the value, the slope and the gradient there."""

    length: Any
    value: Any
    slope: Any
    gradient: Any


def strong_wolfe(
    at: Callable[[Any], Point], start: Point, length: float, *, reach: float, tolerance: float, most: int
) -> tuple[Point, int]:
    """A point to go to, and how many have been looked at; `reach` is the largest part of the direction.

    `most` limits the tries after the first. Intervals shorter than the tolerance are not searched. The steps are those
    of PyTorch, and so is their order, for the sake of equal numbers of evaluations.
    """
    with np.errstate(all="ignore"):
        ends, tries, found = _bracketed(at, start, np.float64(length), most)
        if found or tries == most:
            return min(ends, key=lambda end: end.value) if len(ends) > 1 else ends[0], tries + 1
        low, close = int(not ends[0].value <= ends[1].value), False
        while not found and tries < most and abs(ends[1].length - ends[0].length) * reach >= tolerance:
            length, close = _tried(ends, close=close)
            new, tries = at(length), tries + 1
            if _too_high(new, start) or new.value >= ends[low].value:
                ends[1 - low] = new
                low = int(not ends[0].value <= ends[1].value)
                continue
            found = _flat(new, start)
            if not found and new.slope * (ends[1 - low].length - ends[low].length) >= 0.0:
                ends[1 - low] = ends[low]
            ends[low] = new
        return ends[low], tries + 1


def _bracketed(at: Callable[[Any], Point], start: Point, length: Any, most: int) -> tuple[list[Point], int, bool]:
    """A point that will do, or two with one between them; how many came after the first; and which of the two it is."""
    before, new, tries = start, at(length), 0
    while tries < most:
        if _too_high(new, start) or (tries > 1 and new.value >= before.value):
            return [before, new], tries, False
        if _flat(new, start):
            return [new], tries, True
        if new.slope >= 0.0:
            return [before, new], tries, False
        bounds = new.length + 0.01 * (new.length - before.length), new.length * 10.0
        length = _interpolated(before, new, *bounds)
        before, new, tries = new, at(length), tries + 1
    return [start, new], tries, False


def _too_high(new: Point, start: Point) -> bool:
    return bool(new.value > start.value + LESS * new.length * start.slope)


def _flat(new: Point, start: Point) -> bool:
    return bool(abs(new.slope) <= -FLATTER * start.slope)


def _tried(ends: list[Point], *, close: bool) -> tuple[Any, bool]:
    """Where to look between two ends, and whether that is close to one: not twice in a row."""
    first, last = sorted(end.length for end in ends)
    length, margin = _interpolated(ends[0], ends[1], first, last), 0.1 * (last - first)
    if not min(last - length, length - first) < margin:
        return length, False
    if close or length >= last or length <= first:
        return (last - margin if abs(length - last) < abs(length - first) else first + margin), False
    return length, True


def _interpolated(a: Point, b: Point, low: Any, high: Any) -> Any:
    """Where the cubic through two points, with their slopes, is least; kept within bounds."""
    a, b = (a, b) if a.length <= b.length else (b, a)
    mean = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.length - b.length)
    square = mean**2 - a.slope * b.slope
    if not square >= 0.0:
        return (low + high) / 2.0
    root = np.sqrt(square)
    place = b.length - (b.length - a.length) * ((b.slope + root - mean) / (b.slope - a.slope + 2.0 * root))
    return high if place > high else (low if place < low else place)
