"""What a start costs, each in a process of its own: an import, a first call; and what a call allocates."""

import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
IMPORT = "import time; start = time.perf_counter(); import {name}; print(time.perf_counter() - start)"
CALL = """
import numpy as np, time
import fastloa as fl
x = np.linspace(-1, 1, {size}, dtype=np.float32)
start = time.perf_counter()
fl.gelu(x)
print(time.perf_counter() - start)
"""


def rows(repeat: int) -> Iterator[dict[str, Any]]:
    """Seconds of each, as the median and what a fifth of the samples stayed below or above."""
    imports: dict[str, list[float]] = {"numpy": [], "fastloa": []}
    _seconds(CALL.format(size=3))  # of which all modules are compiled
    for _ in range(repeat):
        for name, taken in imports.items():
            taken.append(_seconds(IMPORT.format(name=name)))
    for name, taken in imports.items():
        yield {"what": f"import {name}", "seconds": _quantiles(taken)}
    for size, kernel in ((3, "on 3 elements"), (1_000_000, "on a million")):
        cold, warm = [], []
        for _ in range(min(repeat, 5)):
            with tempfile.TemporaryDirectory() as cache:
                there = {"NUMBA_CACHE_DIR": cache, "FASTLOA_CACHE_DIR": cache}
                cold.append(_seconds(CALL.format(size=size), **there))
                warm.append(_seconds(CALL.format(size=size), **there))
        yield {"what": f"the first call of gelu {kernel}, compiled", "seconds": _quantiles(cold)}
        yield {"what": f"the first call of gelu {kernel}, from the disk", "seconds": _quantiles(warm)}


def _seconds(script: str, **environment: str) -> float:
    """What a script prints, run by a Python that finds the modules compiled, as it does from its second start on."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    compiled = {
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "fastloa-bytecode"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    given = os.environ | {"PYTHONPATH": path} | compiled | environment
    done = subprocess.run([sys.executable, "-c", script], env=given, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _quantiles(taken: list[float]) -> dict[str, float]:
    return dict(zip(("median", "low", "high"), map(float, np.quantile(taken, (0.5, 0.2, 0.8))), strict=True))


def peak(call: Callable[[], Any]) -> int:
    """Bytes that a call holds at once beside what there was before; the first, which may compile, does not count."""
    call()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = call()
        most = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    del result
    return most
