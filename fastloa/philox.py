"""Random numbers that follow from a seed and their place alone: the same on every backend, in every layout."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

from fastloa import backends
from fastloa.checks import choice, integer, items
from fastloa.wording import kind

Array = Any
WORDS = 1 << 64


@dataclass(frozen=True)
class Philox:
    r"""A place in a stream of random numbers: what `rng` is to every function that draws some.

    It never changes: a function that is given the same `Philox` draws the same numbers, so a backward pass finds those
    of the forward pass again, and nothing depends on what was drawn elsewhere. For other numbers give another one:
    ``rng.skip(x.size)`` goes on after the numbers of an array, and a `stream` of its own for each layer, worker or step
    keeps them apart without counting.

    Parameters
    ----------
    seed : int
        The key; 0 to 2**64 - 1.
    stream : int, default 0
        Which of the seed's streams; 0 to 2**64 - 1.
    counter : int, default 0
        The first number of the stream that is drawn; 0 to 2**64 - 1.

    Raises
    ------
    TypeError
        Not integers.
    ValueError
        Out of range.

    Notes
    -----
    Numbers come from Philox-4x32-10, whose key is the seed. Its counter's lower 64 bits number the blocks of a stream,
    its upper 64 bits are the stream. Of a block's words of 32 bits, w0 to w3, the first two make number 2 k of block k
    and the others number 2 k + 1, as the integer w0 + 2**32 w1. Of that a float64 takes the upper 53 bits, over 2**53,
    and a float32 the upper 24, over 2**24: so a float32 is the float64 rounded down, and 16-bit arrays are computed
    with float32 ones. Element i of an array, in C order, gets number `counter` + i, whatever its layout or backend.

    References
    ----------
    Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, doi:10.1145/2063384.2063405.

    Examples
    --------
    >>> rng = Philox(0)
    >>> rng.uniform(3)
    array([0.8805202 , 0.60548185, 0.36209112])
    >>> rng.skip(1).uniform(2)
    array([0.60548185, 0.36209112])
    """

    seed: int
    stream: int = 0
    counter: int = 0

    def __post_init__(self) -> None:
        for name in ("seed", "stream", "counter"):
            checked = integer("Philox", name, getattr(self, name), low=0, high=WORDS - 1)
            object.__setattr__(self, name, checked)

    def skip(self, count: int) -> "Philox":
        """Return the place so many numbers on."""
        count = integer("Philox.skip", "count", count, low=0)
        return Philox(self.seed, self.stream, self.counter + count)

    def uniform(self, shape: int | tuple[int, ...], dtype: str = "float64", *, backend: str | None = None) -> Array:
        """Return numbers from [0, 1), in float32 or float64: an array of the library that the backend computes on."""
        function = "Philox.uniform"
        sizes = (shape,) if isinstance(shape, Integral) else items(function, "shape", shape)
        sizes = tuple(integer(function, "shape", size, low=0) for size in sizes)
        choice(function, "dtype", dtype, ("float32", "float64"))
        return self.drawn(backends.choose(function, "numpy", backend), sizes, dtype)

    def drawn(self, engine: Any, shape: tuple[int, ...], dtype: str) -> Array:
        """The same on an engine that has been chosen."""
        out = engine.xp.empty(shape, dtype)
        engine.fill_uniform(out, self.seed, self.stream, self.counter)
        return out


def generator(function: str, rng: Any) -> Philox:
    """What is given as `rng`: a place, or a seed."""
    if isinstance(rng, Philox):
        return rng
    if isinstance(rng, bool) or not isinstance(rng, Integral):
        raise TypeError(f"{function}: rng must be an integer or a Philox, got {kind(rng)}")
    return Philox(integer(function, "rng", rng, low=0, high=WORDS - 1))
