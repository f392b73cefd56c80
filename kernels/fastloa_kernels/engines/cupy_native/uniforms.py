"""Launches the kernel that fills an array with random numbers."""

import struct
from typing import Any

from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.driver import Driver
from fastloa_kernels.engines.cupy_native.teams import THREADS


class Uniforms:
    """Numbers from [0, 1) in float32 or float64."""

    def __init__(self, driver: Driver, dtype: str) -> None:
        self._driver, self._pack = driver, struct.Struct("P3Q2q").pack
        (self._launch,) = driver.load(source.uniforms_source(dtype))

    def __call__(self, out: Any, seed: int, stream: int, start: int) -> None:
        """Fill a contiguous array with the numbers of a stream from that one on."""
        block, odd = divmod(start, 2)
        if out.size:
            blocks = -(-((odd + out.size + 1) // 2) // THREADS)
            arguments = self._pack(self._driver.pointer(out), seed, stream, block, out.size, odd)
            self._launch(blocks, THREADS, arguments)
