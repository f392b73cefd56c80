"""Few numbers of 16 bits: the bits of float32 rounded once, by kernels that look into the arrays themselves."""

import ml_dtypes
import numpy as np
import pytest
from fastloa_kernels.engines.numba_cpu.elementwise import MapKernel
from fastloa_kernels.engines.numba_cpu.engine import RowKernel
from fastloa_kernels.engines.numba_cpu.launching import LOCKED

import fastloa as fl
from tests.harness import check_same_bits
from tests.samples import rng_for

HALVES = pytest.mark.parametrize("dtype", [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)], ids=str)
MAPS, ROWS = ("relu", "gelu", "leaky_relu", "sigmoid"), ("softmax", "log_softmax", "sparsemax")
SHAPES = ((1,), (3,), (65,), (2047,), (2048,), (2049,), (1, 3), (4, 7), (64, 32), (33, 65), (3, 700))


def numbers(shape, dtype, seed=0):
    return (4.0 * rng_for(f"halves {seed}").standard_normal(shape)).astype(dtype)


def layouts(x):
    """The same numbers as they are, apart from each other, backwards, and read-only."""
    yield x
    apart = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    apart[..., ::2] = x
    yield apart[..., ::2]
    yield x[..., ::-1].copy()[..., ::-1]
    locked = x.copy()
    locked.flags.writeable = False
    yield locked


@HALVES
@pytest.mark.parametrize("name", [*MAPS, *ROWS])
def test_few_are_float32_rounded_once(name, dtype):
    operation = getattr(fl, name)
    for shape in SHAPES:
        x, g = numbers(shape, dtype), numbers(shape, dtype, 1)
        wide = operation(x.astype(np.float32)).astype(dtype)
        slope = operation.backward(g.astype(np.float32), x.astype(np.float32)).astype(dtype)
        for given in layouts(x):
            check_same_bits(operation(given), wide)
            check_same_bits(operation.backward(g, given), slope)
        own = x.copy()
        assert operation(own, out=own) is own
        check_same_bits(own, wide)
        own = g.copy()
        check_same_bits(operation.backward(own, x, out=own), slope)
        if name not in ("gelu", "sparsemax"):
            wanted = operation.backward_from_output(g.astype(np.float32), wide.astype(np.float32)).astype(dtype)
            check_same_bits(operation.backward_from_output(g, wide), wanted)


@HALVES
@pytest.mark.skipif(not LOCKED, reason="threads would share the room")
def test_they_go_straight(dtype, monkeypatch):
    x, calls = numbers((2, 3), dtype), {}
    for name in (*MAPS, *ROWS):
        operation = getattr(fl, name)
        calls[name] = operation(x)  # for the kernels, the second time those of rows side by side
        operation(x)

    def no(*args):
        raise AssertionError("not straight")

    outputs = {name: getattr(fl, name)(x, backend="cpu") for name in calls}  # by the long way
    for name in ("relu", "sigmoid", "softmax"):
        getattr(fl, name).backward_from_output(x, outputs[name])
        getattr(fl, name).backward_from_output(x, outputs[name])
    monkeypatch.setattr(MapKernel, "__call__", no)
    monkeypatch.setattr(RowKernel, "__call__", no)
    for name, wanted in calls.items():
        check_same_bits(getattr(fl, name)(x), wanted)
        assert outputs[name].dtype is x.dtype
    for name in ("relu", "sigmoid", "softmax"):
        assert getattr(fl, name).backward_from_output(x, outputs[name]).dtype is x.dtype
    with pytest.raises(AssertionError, match="not straight"):
        fl.relu(numbers((2049,), dtype))
