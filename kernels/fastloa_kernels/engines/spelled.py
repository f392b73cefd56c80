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


def _of_block(i: int, size: int) -> str:
    """The arguments that say of a block what it is of the array j in row i, and which `size` bytes of a room it has."""
    return f"kinds[{i}, j], places[{i}, j], start, count, room + {size * (i + 1)}"


def addresses(read: tuple[bool, ...], summed: int | None, size: int, call: Callable[..., int]) -> Callable[..., Any]:
    """``given(kinds, places, j, start, count, room)``: what `call` makes of the address of element j of each row.

    It is told the kind, and whether the array is `read`, and gets `size` bytes of the room for each. Before array
    `summed` there is the room's very first address.
    """
    parts = [f"call({_of_block(i, size)}, {once}), " for i, once in enumerate(read)]
    if summed is not None:
        parts.insert(summed, "room, ")
    lines = ["def given(kinds, places, j, start, count, room):", f"    return ({''.join(parts)})"]
    return _written("given", lines, call=call)


def for_places(places: tuple[int, ...], size: int, call: Callable[..., None]) -> Callable[..., None]:
    """``settled(kinds, places, j, start, count, room)``: `call` likewise, for the rows at these places."""
    lines = [f"    call({_of_block(i, size)})" for i in places]
    heading = "def settled(kinds, places, j, start, count, room):"
    return _written("settled", [heading, *(lines or ["    pass"])], call=call)


def numbers(count: int) -> Callable[..., Any]:
    """``numbers(array)``: the `count` numbers of an array."""
    return _written(
        "numbers", ["def numbers(array):", f"    return ({''.join(f'array[{i}], ' for i in range(count))})"]
    )


def terms(formula: Any, vectors: int, sums: int, parameters: int, wide: Any) -> Callable[..., None]:
    """``fill(blocks, rows, start, parameters)``: a formula's results for all elements of rows, to as many blocks."""
    rows, blocks = _numbered("x", vectors), _numbered("b", sums)
    scalars = _numbered("p", parameters)
    named = ("blocks", blocks), ("rows", rows), ("parameters", scalars)
    elements = ", ".join([*(f"wide({x}[i])" for x in rows), *scalars])
    return _written("fill", [
        "def fill(blocks, rows, start, parameters):",
        *(f"    {name} = {source}[{i}]" for source, names in named for i, name in enumerate(names)),
        f"    for i in range({rows[0]}.size):",
        f"        {', '.join(f'{b}[i]' for b in blocks)} = formula({elements})",
    ], formula=formula, wide=wide)  # fmt: skip


def slopes(formula: Any, shares: int, vectors: int, gradients: int, parameters: int, wide: Any) -> Callable[..., None]:
    """``write(grads, coefficients, rows, parameters)``: a formula's results for all elements, to the gradients."""
    rows, outs, results = _numbered("x", vectors), _numbered("g", gradients), _numbered("r", gradients)
    factors, scalars = _numbered("c", shares), _numbered("p", parameters)
    named = ("grads", outs), ("coefficients", factors), ("rows", rows), ("parameters", scalars)
    elements = ", ".join([*factors, *(f"wide({x}[i])" for x in rows), *scalars])
    return _written("write", [
        "def write(grads, coefficients, rows, parameters):",
        *(f"    {name} = {source}[{i}]" for source, names in named for i, name in enumerate(names)),
        f"    for i in range({rows[0]}.size):",
        f"        {', '.join(results)} = formula({elements})",
        *(f"        {out}[i] = {result}" for out, result in zip(outs, results, strict=True)),
    ], formula=formula, wide=wide)  # fmt: skip


def row_sums(sums: int, block: int, **names: Any) -> Callable[..., Any]:
    """``sums(rows, parameters, room)``: the sums over some rows of what `fill` leaves in blocks; it names the rest.

    `fill` is told where in the rows a part starts. The room holds two blocks for the sums, then one for each of them.
    """
    places = [f"room[{(2 + k) * block}:{(3 + k) * block}]" for k in range(sums)]
    return _written("sums", [
        "def sums(rows, parameters, room):",
        f"    upper, lower = room[:{block}], room[{block}:{2 * block}]",
        *(f"    t{k}, e{k} = 0.0, 0.0" for k in range(sums)),
        f"    for start in range(0, rows[0].size, {block}):",
        f"        stop = min(rows[0].size, start + {block})",
        f"        fill(({''.join(f'{place}, ' for place in places)}), cut(rows, start, stop), start, parameters)",
        *(line for k, place in enumerate(places) for line in (
            f"        high, low = leaf({place}, stop - start, upper, lower)",
            f"        t{k}, e{k} = added(t{k}, e{k}, high, low)",
        )),
        f"    return ({''.join(f'corrected(t{k}, e{k}), ' for k in range(sums))})",
    ], **names)  # fmt: skip


def term_at(formula: Any, vectors: int, sums: int, which: int, wide: Any) -> Callable[..., Any]:
    """``term(arrays, same, base, j, parameters)``: one of the formula's `sums` results for elements of arrays."""
    elements = "".join(f"wide(arrays[{i}][base + j]), " for i in range(vectors))
    result = f"formula({elements}*parameters)" + (f"[{which}]" if sums > 1 else "")
    lines = ["def term(arrays, same, base, j, parameters):", f"    return {result}"]
    return _written("term", lines, formula=formula, wide=wide)


def sums_at(wholes: list[Any], corrected: Any) -> Callable[..., Any]:
    """``sums(arrays, base, columns, parameters, high, low)``: what each of some functions gives, without its error."""
    names, given = _numbered("whole", len(wholes)), "arrays, arrays, base, columns, parameters, high, low"
    return _written("sums", [
        "def sums(arrays, base, columns, parameters, high, low):",
        *(f"    t{k}, e{k} = {name}({given})" for k, name in enumerate(names)),
        f"    return ({''.join(f'corrected(t{k}, e{k}), ' for k in range(len(names)))})",
    ], corrected=corrected, **dict(zip(names, wholes, strict=True)))  # fmt: skip


def slope_at(formula: Any, vectors: int, gradients: int, wide: Any) -> Callable[..., None]:
    """``write(grads, coefficients, arrays, i, parameters)``: a formula's results for one element, to the gradients."""
    results = _numbered("r", gradients)
    elements = "".join(f"wide(arrays[{i}][i]), " for i in range(vectors))
    return _written("write", [
        "def write(grads, coefficients, arrays, i, parameters):",
        f"    {', '.join(results)} = formula(*coefficients, {elements}*parameters)",
        *(f"    grads[{k}][i] = {result}" for k, result in enumerate(results)),
    ], formula=formula, wide=wide)  # fmt: skip


def found(count: int, pointer: Callable[..., Any]) -> Callable[..., Any]:
    """``found(places, row, arrays, array, size)``: what `pointer` makes of that array's addresses, from the row on."""
    parts = "".join(f"pointer(places[(row + {k}) * arrays + array], size), " for k in range(count))
    lines = ["def found(places, row, arrays, array, size):", f"    return ({parts})"]
    return _written("found", lines, pointer=pointer)


def numbers_of(count: int) -> Callable[..., Any]:
    """``numbers(places, steps, i)``: the i-th number of each array whose step is 1, the only one of others."""
    parts = "".join(f"places[{k}][steps[{k}] * i], " for k in range(count))
    return _written("numbers", ["def numbers(places, steps, i):", f"    return ({parts})"])


def by_value(numbers: Any, steps: Any, i: Any) -> Any:
    """The same of numbers that are no arrays."""
    return numbers


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
