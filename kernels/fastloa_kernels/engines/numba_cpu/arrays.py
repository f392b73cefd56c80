"""Reading, writing and cutting a tuple of arrays at one index: numba wants these spelled out by length."""

from typing import Any

from fastloa_kernels.engines.numba_cpu.compilation import jitable, uncounted


@uncounted
def _load1(arrays, i):
    return (arrays[0][i],)


@uncounted
def _load2(arrays, i):
    return arrays[0][i], arrays[1][i]


@uncounted
def _load3(arrays, i):
    return arrays[0][i], arrays[1][i], arrays[2][i]


@uncounted
def _load4(arrays, i):
    return arrays[0][i], arrays[1][i], arrays[2][i], arrays[3][i]


@uncounted
def _load5(arrays, i):
    return arrays[0][i], arrays[1][i], arrays[2][i], arrays[3][i], arrays[4][i]


@uncounted
def _load6(arrays, i):
    return arrays[0][i], arrays[1][i], arrays[2][i], arrays[3][i], arrays[4][i], arrays[5][i]


@uncounted
def _cut1(arrays, start, stop):
    return (arrays[0][start:stop],)


@uncounted
def _cut2(arrays, start, stop):
    return arrays[0][start:stop], arrays[1][start:stop]


@uncounted
def _cut3(arrays, start, stop):
    return arrays[0][start:stop], arrays[1][start:stop], arrays[2][start:stop]


@uncounted
def _cut4(arrays, start, stop):
    return arrays[0][start:stop], arrays[1][start:stop], arrays[2][start:stop], arrays[3][start:stop]


@uncounted
def _cut5(arrays, start, stop):
    a, b = _cut2(arrays, start, stop)
    return a, b, arrays[2][start:stop], arrays[3][start:stop], arrays[4][start:stop]


@uncounted
def _cut6(arrays, start, stop):
    a, b, c = _cut3(arrays, start, stop)
    return a, b, c, arrays[3][start:stop], arrays[4][start:stop], arrays[5][start:stop]


@uncounted
def _one(value):
    return (value,)


@uncounted
def _all(values):
    return values


@uncounted
def _joined1(arrays, last):
    return arrays[0], last


@uncounted
def _joined2(arrays, last):
    return arrays[0], arrays[1], last


@uncounted
def _joined3(arrays, last):
    return arrays[0], arrays[1], arrays[2], last


@uncounted
def _joined4(arrays, last):
    return arrays[0], arrays[1], arrays[2], arrays[3], last


LOAD = (None, _load1, _load2, _load3, _load4, _load5, _load6)
CUT = (None, _cut1, _cut2, _cut3, _cut4, _cut5, _cut6)
JOINED = (None, _joined1, _joined2, _joined3, _joined4)  # and one more array


def as_tuple(outputs: int) -> Any:
    """A formula with one output returns it bare; this makes it a tuple like the others."""
    return _one if outputs == 1 else _all


def store(places: tuple[int, ...], first: int = 0) -> Any:
    """``store(arrays, i, values)`` writes ``values[first:]`` to the arrays at `places`."""
    count = len(places)
    if count == 0:

        def store0(arrays, i, values):
            pass

        return jitable(store0)
    a = places[0]
    if count == 1:

        def store1(arrays, i, values):
            arrays[a][i] = values[first]

        return jitable(store1)
    b, second = places[1], first + 1
    if count == 2:

        def store2(arrays, i, values):
            arrays[a][i] = values[first]
            arrays[b][i] = values[second]

        return jitable(store2)
    c, third = places[2], first + 2
    if count == 3:

        def store3(arrays, i, values):
            arrays[a][i] = values[first]
            arrays[b][i] = values[second]
            arrays[c][i] = values[third]

        return jitable(store3)
    d, fourth = places[3], first + 3

    def store4(arrays, i, values):
        arrays[a][i] = values[first]
        arrays[b][i] = values[second]
        arrays[c][i] = values[third]
        arrays[d][i] = values[fourth]

    return jitable(store4)


def narrowed(scalar: Any, count: int) -> Any:
    """``narrow(parameters)``: `count` float64 numbers as a tuple of `scalar`."""

    def none(parameters):
        return ()

    def one(parameters):
        return (scalar(parameters[0]),)

    def two(parameters):
        return scalar(parameters[0]), scalar(parameters[1])

    def three(parameters):
        return scalar(parameters[0]), scalar(parameters[1]), scalar(parameters[2])

    return jitable((none, one, two, three)[count])
