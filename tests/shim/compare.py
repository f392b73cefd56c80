"""The CPU engine beside the CUDA C++ engine on NumPy arrays: what both are given, and how their results compare."""

import functools

import numpy as np
import pytest
from fastloa_kernels.engines import load_engine
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.engines.numba_cpu import engine as numba_cpu

from fastloa import backends
from tests.shim import catalogue
from tests.shim.driver import ShimDriver, compiler

needs_compiler = pytest.mark.skipif(compiler() is None, reason="g++ is not installed")
both = pytest.mark.parametrize("dtype", catalogue.DTYPES)

HARD = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -1e-45, 1e-38, 88.8, -104.0, 710.0, 3e38]


def parametrize(*kinds):
    """Mark a test to take each record of these kinds."""
    found = catalogue.records(*kinds)
    return pytest.mark.parametrize("record", found.values(), ids=found)


@functools.cache
def cpu():
    """Give the engine whose bits are the right ones."""
    return numba_cpu.Engine()


def numbers(count, dtype, seed, shift=0):
    """Ordinary numbers of all sizes among hard ones; each array begins `shift` elements after a multiple of 16 bytes."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=count) * 10.0 ** rng.uniform(-4, 2, count)
    hard = rng.permutation(HARD)[: count // 2]
    values[: hard.size] = hard
    room = np.empty(count + shift, dtype)
    with np.errstate(over="ignore"):
        room[shift:] = rng.permutation(values)
    return room[shift:]


def same(got, expected):
    """Compare bit for bit, but for what a NaN holds."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    word = f"u{got.dtype.itemsize}"
    wrong = (got.view(word) != expected.view(word)) & ~(np.isnan(got) & np.isnan(expected))
    assert not wrong.any(), (got[wrong][:5], expected[wrong][:5]) if got.ndim else (got, expected)


@functools.cache
def gpu():
    """Give the CUDA C++ engine on NumPy arrays."""
    return Engine(ShimDriver())


def in_place_of_cupy(monkeypatch, engine):
    """Have the public functions find this engine under the name of CuPy's."""
    monkeypatch.setattr(backends, "load_engine", lambda name: engine if name == "cupy" else load_engine(name))
