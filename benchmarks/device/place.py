"""Where the tables are measured: on a GPU, or for a dry run on the CPU, with kernels built by g++ or simulated."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastloa as fl
from fastloa import backends
from fastloa.cli.bench_case import Place
from fastloa.cli.timing import on_host


@dataclass(frozen=True)
class Device(Place):
    """A backend of a GPU; `dry` means that there is none, and that arrays are NumPy's."""

    dry: bool = False

    @property
    def xp(self) -> Any:
        """The library of its arrays."""
        return backends.load_engine(self.backend).xp

    @property
    def gpu(self) -> bool:
        """Whether there is a GPU."""
        return not self.dry

    def array(self, array: Any) -> Any:
        """A copy there."""
        return self.xp.array(array)

    def wait(self) -> None:
        """Wait for the device."""
        if not self.dry:
            self.xp.cuda.get_current_stream().synchronize()

    def inside(self, run: Callable[[], Any]) -> Callable[[], Any]:
        """The call with this backend in force."""

        def chosen() -> Any:
            with fl.use_backend(self.backend):
                return run()

        return chosen


def tiled(xp: Any, array: Any, count: int) -> Any:
    """`count` copies of a NumPy array, one behind the other, in the library `xp`."""
    result = xp.empty((count, *array.shape), array.dtype)
    result[...] = xp.asarray(array)
    return result.reshape(count * array.shape[0], *array.shape[1:])


def without_gpu(*, prepared: bool) -> None:
    """Let kernels built by g++ stand in for the cupy engine's; most of them in few pieces, if they are `prepared`."""
    from fastloa_kernels.engines.cupy_native.engine import Engine

    from tests.shim import catalogue
    from tests.shim.driver import ShimDriver

    driver = ShimDriver("-O0")
    for dtype in catalogue.DTYPES if prepared else ():
        driver.prepare([*_sources(catalogue, dtype)])
    engine, load = Engine(driver), backends.load_engine
    backends.load_engine = functools.cache(lambda name: engine if name == "cupy" else load(name))


def _sources(catalogue: Any, dtype: str) -> Iterator[Any]:
    yield from catalogue.map_sources(dtype)
    yield from catalogue.row_sources(dtype)
    yield from catalogue.other_sources(dtype)


def ends(result: Any, count: int = 1 << 12) -> Any:
    """The first and the last elements of an array of whatever library, or all of a small one."""
    flat = result.reshape(-1)
    if flat.shape[0] <= 2 * count:
        return flat
    return np.concatenate(on_host([flat[:count], flat[-count:]]))
