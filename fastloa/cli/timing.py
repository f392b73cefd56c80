"""Who takes how long: competitors take turns, so that whatever else the machine does slows them all alike."""

import functools
import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np

SAMPLE = 2e-3  # seconds, below which calls are repeated within one sample


def nothing() -> None:
    """Wait for a CPU, which has done its work when a call returns."""


def as_given(returned: Any) -> Sequence[Any]:
    """Take what a call returned for its results."""
    return returned if isinstance(returned, tuple) else (returned,)


@dataclass(frozen=True)
class Competitor:
    """One way to do the work.

    ``run`` does it once, ``results`` finds the arrays and numbers computed, given what `run` returned, and ``wait``
    returns when a device has done all that was asked of it.
    """

    run: Callable[[], Any]
    results: Callable[[Any], Sequence[Any]] = as_given
    wait: Callable[[], object] = nothing

    def outcome(self) -> Sequence[Any]:
        """Do the work once, and give its results."""
        returned = self.run()
        self.wait()
        return self.results(returned)

    def seconds(self, loops: int) -> float:
        """Take one sample: the seconds of a call among so many."""
        run = self.run
        start = time.perf_counter()
        for _ in repeat(None, loops):
            run()
        self.wait()
        return (time.perf_counter() - start) / loops


@dataclass(frozen=True)
class Time:
    """Seconds of a call: the median of the samples, and what a fifth of them stayed below, or above."""

    median: float
    low: float
    high: float


def measure(competitors: Mapping[str, Competitor], samples: int) -> dict[str, Time]:
    """Time the competitors in turn, so many times each."""
    loops = {name: _loops(competitor) for name, competitor in competitors.items()}
    names, taken = list(competitors), {name: list[float]() for name in competitors}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for i in range(samples):
            first = i % len(names)
            for name in names[first:] + names[:first]:
                time.sleep(SAMPLE)  # another library's threads, still spinning for work, go to sleep
                competitors[name].outcome()  # and its own wake up
                taken[name].append(competitors[name].seconds(loops[name]))
    finally:
        if collecting:
            gc.enable()
    return {name: Time(*(float(q) for q in np.quantile(times, (0.5, 0.2, 0.8)))) for name, times in taken.items()}


def _loops(competitor: Competitor) -> int:
    """Warm up, and find how many calls make a sample."""
    competitor.outcome()
    return max(1, math.ceil(SAMPLE / min(competitor.seconds(1) for _ in range(3))))


def copies(xp: Any, size: int, wait: Callable[[], object]) -> dict[str, Competitor]:
    """Give the ways to copy `size` // 2 bytes, which moves `size`: half read, half written. The fastest counts."""
    source, target = xp.ones(max(size // 2, 1), np.uint8), xp.empty(max(size // 2, 1), np.uint8)
    found = {"copy": Competitor(functools.partial(xp.copyto, target, source), wait=wait)}
    if xp is np:
        found["copy by threads"] = Competitor(functools.partial(_parallel_copy(), source, target))
    return found


@functools.cache
def _parallel_copy() -> Callable[[Any, Any], None]:
    import numba

    def copied(source: Any, target: Any) -> None:
        size, threads = source.size, numba.get_num_threads()
        part = (size + threads - 1) // threads
        for i in numba.prange(threads):
            target[i * part : min(size, (i + 1) * part)] = source[i * part : min(size, (i + 1) * part)]

    compiled: Callable[[Any, Any], None] = numba.njit(copied, parallel=True, nogil=True)
    return compiled


def flat(results: Any) -> Iterator[Any]:
    """Results one by one, and those of tuples."""
    for result in results:
        if isinstance(result, tuple):
            yield from flat(result)
        else:
            yield result


def on_host(results: Any) -> list[Any]:
    """Results of whatever library as NumPy's float64 arrays; gradients may be several."""
    arrays = []
    for result in flat(results):
        array = result.detach().cpu().double().numpy() if hasattr(result, "detach") else result
        arrays.append(np.asarray(array.get() if hasattr(array, "get") else array, np.float64))
    return arrays
