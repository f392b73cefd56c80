"""Functions of so many arrays: numba wants arrays spelled out one by one, so the functions are written when needed."""

from collections.abc import Callable
from typing import Any


def _written(name: str, lines: list[str], **names: Any) -> Callable[..., Any]:
    """The function of that name that the lines define; numba is told that they stand in this file."""
    names["__name__"] = __name__
    exec(compile("\n".join(lines), __file__, "exec"), names)
    function: Callable[..., Any] = names[name]
    return function


def _numbered(letter: str, count: int) -> list[str]:
    return [f"{letter}{i}" for i in range(count)]


def cut(count: int) -> Callable[..., Any]:
    """``cut(arrays, start, stop)``: the same part of each of `count` arrays."""
    parts = "".join(f"arrays[{i}][start:stop], " for i in range(count))
    return _written("cut", ["def cut(arrays, start, stop):", f"    return ({parts})"])


def rooms(count: int, size: int, scalar: Any) -> Callable[..., Any]:
    """``rooms(room, length)``: `count` arrays of that length, of numbers of a type, each in `size` of a room."""
    parts = "".join(f"room[{size * i}:{size * (i + 1)}].view(scalar)[:length], " for i in range(count))
    return _written("rooms", ["def rooms(room, length):", f"    return ({parts})"], scalar=scalar)


def each(places: tuple[tuple[int, int], ...], call: Callable[..., Any]) -> Callable[..., None]:
    """``each(arrays, others)``: ``call(arrays[i], others[j])`` for each of the places (i, j)."""
    lines = [f"    call(arrays[{i}], others[{j}])" for i, j in places]
    return _written("each", ["def each(arrays, others):", *(lines or ["    pass"])], call=call)


def load(count: int) -> Callable[..., Any]:
    """``load(arrays, i)``: the same element of each of `count` arrays."""
    elements = "".join(f"arrays[{i}][i], " for i in range(count))
    return _written("load", ["def load(arrays, i):", f"    return ({elements})"])


def store(places: tuple[int, ...], first: int = 0) -> Callable[..., None]:
    """``store(arrays, i, values)`` writes ``values[first:]`` to the arrays at `places`."""
    lines = [f"    arrays[{place}][i] = values[{first + k}]" for k, place in enumerate(places)]
    return _written("store", ["def store(arrays, i, values):", *(lines or ["    pass"])])


def as_tuple(outputs: int) -> Callable[..., Any]:
    """A formula with one output returns it bare; this makes it a tuple like the others."""
    return _written("as_tuple", ["def as_tuple(values):", f"    return {'(values,)' if outputs == 1 else 'values'}"])


def called(function: Any, count: int) -> Callable[..., Any]:
    """``called(a0, a1, ...)``: `function` of so many arguments."""
    names = ", ".join(_numbered("a", count))
    return _written("called", [f"def called({names}):", f"    return function({names})"], function=function)


def stub(count: int, call: Callable[..., Any], name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A function of `count` arguments that does nothing, and one that gives them to `call` as a tuple."""
    names = _numbered("a", count)
    made = [
        _written("made", [f"def made({', '.join(names)}):", f"    {line}"], call=call)
        for line in ("pass", f"return call(({', '.join(names)},))")
    ]
    for function, kind in zip(made, ("stub", "call"), strict=True):
        function.__qualname__ = f"{kind}_{name}"
    return made[0], made[1]


def always(count: int, result: Any) -> Callable[..., Any]:
    """A function of `count` arguments that gives the same result whatever they are."""
    return _written("always", [f"def always({', '.join(_numbered('a', count))}):", "    return result"], result=result)
