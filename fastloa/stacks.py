"""Small matrices of one shape side by side, so that what NumPy does for one it does for all of them at once."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from fastloa.optimizer_steps import Alone

SMALL = 1 << 14  # elements of a matrix up to which NumPy's calls take longer than their work
TOGETHER = 1 << 18  # elements of all those that are side by side, which a cache holds
P = TypeVar("P", bound=Alone)


def stacks(parts: Sequence[P]) -> Iterator[list[P]]:
    """Parameters whose matrices may lie side by side, on the CPU; others by themselves."""
    alike: dict[Any, list[P]] = {}
    for part in parts:
        if part.on_cpu and 0 < part.sizes <= SMALL:
            alike.setdefault((part.form(part.dtype), part.shape), []).append(part)
        else:
            yield [part]
    for some in alike.values():
        count = TOGETHER // some[0].sizes
        for first in range(0, len(some), count):
            yield some[first : first + count]


def stacked(some: Sequence[Alone], arrays: Sequence[Any]) -> Any:
    """An array of each of some parameters, ready for the engine, as one; of one parameter, itself if it is that."""
    ready = [part.ready(own) for part, own in zip(some, arrays, strict=True)]
    return ready[0] if len(ready) == 1 else some[0].xp.stack(ready)


def give(some: Sequence[Alone], arrays: Sequence[Any], result: Any) -> None:
    """See to it that their arrays hold what was made of what `stacked` gave."""
    for part, own, array in zip(some, arrays, [result] if len(some) == 1 else result, strict=True):
        part.give(own, array)
