"""How long work takes on a GPU: by the device's own clock where much is moved, by the host's where a call is small."""

import time
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Any

import numpy as np

from fastloa.cli.timing import Competitor, Time

SAMPLE = 2e-3  # seconds of work in one sample


class Clock:
    """Seconds of a call among several, one behind the other."""

    def __init__(self, xp: Any) -> None:
        cuda = getattr(xp, "cuda", None)
        self._events = None if cuda is None else (cuda.Event(), cuda.Event())
        self._elapsed = None if cuda is None else cuda.get_elapsed_time
        self._synchronize: Callable[[], object] = (lambda: None) if cuda is None else cuda.Device().synchronize

    def host(self, run: Callable[[], object], loops: int) -> float:
        """By the host's clock, until the device has done all of it."""
        self._synchronize()
        start = time.perf_counter()
        for _ in repeat(None, loops):
            run()
        self._synchronize()
        return (time.perf_counter() - start) / loops

    def device(self, run: Callable[[], object], loops: int) -> float:
        """By events on the device, which do not see what the host does beside it."""
        if self._events is None or self._elapsed is None:
            return self.host(run, loops)
        start, stop = self._events
        start.record()
        for _ in repeat(None, loops):
            run()
        stop.record()
        stop.synchronize()
        return float(self._elapsed(start, stop)) * 1e-3 / loops


def measure(
    seconds: Callable[[Callable[[], object], int], float], competitors: Mapping[str, Competitor], samples: int
) -> dict[str, Time]:
    """Time the competitors in turns, so many times each."""
    loops, taken = {}, {name: list[float]() for name in competitors}
    for name, competitor in competitors.items():
        least = min(seconds(competitor.run, 1) for _ in range(3))
        loops[name] = max(1, min(1000, round(SAMPLE / max(least, 1e-6))))
    for _ in range(samples):
        for name, competitor in competitors.items():
            taken[name].append(seconds(competitor.run, loops[name]))
    return {name: Time(*(float(q) for q in np.quantile(times, (0.5, 0.2, 0.8)))) for name, times in taken.items()}
