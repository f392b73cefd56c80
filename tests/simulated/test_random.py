"""Random numbers on the cuda engine, and what draws them: the bits of the CPU, in the simulator or on a GPU."""

import numpy as np
import pytest
from fastloa_kernels import engines

import fastloa as fl
from tests.harness import check_same_bits
from tests.philox import KNOWN, uniforms

try:
    CUDA = engines.load_engine("cuda")
except engines.Unavailable as reason:
    pytest.skip(f"no device for cuda: {reason}", allow_module_level=True)


def filled(dtype, size, seed, stream, start):
    out = CUDA.xp.empty(size, dtype)
    CUDA.fill_uniform(out, seed, stream, start)
    return out if isinstance(out, np.ndarray) else out.get()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers(dtype):
    for seed, stream, block, (a, b, c, d) in KNOWN:
        wanted = [b >> 8, d >> 8] if dtype == "float32" else [(a | b << 32) >> 11, (c | d << 32) >> 11]
        scaled = np.ldexp(np.array(wanted, float), -24 if dtype == "float32" else -53)
        np.testing.assert_array_equal(filled(dtype, 2, seed, stream, 2 * block), scaled)
    for size, start in ((0, 1), (1, 0), (1, 1), (2, 1), (37, 2**64 - 1)):
        np.testing.assert_array_equal(filled(dtype, size, 3, 5, start), uniforms(3, 5, start, size, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_rrelu(dtype):
    g, x = np.random.default_rng(0).normal(size=(2, 3, 7)).astype(dtype)
    x[0, :2] = 0.0, np.nan
    found = [
        (fl.rrelu(x, **options), fl.rrelu.derivative(x, **options), fl.rrelu.backward(g, x, **options))
        for options in ({"training": True, "rng": 1, "backend": b} for b in ("cuda", "cpu"))
    ]
    check_same_bits(*found)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_gumbel_softmax(dtype):
    g, x = np.random.default_rng(0).normal(size=(2, 3, 7)).astype(dtype)
    found = [
        (
            fl.gumbel_softmax(x, **options),
            fl.gumbel_softmax(x, hard=True, **options),
            fl.gumbel_softmax.backward(g, x, **options),
        )
        for options in ({"tau": 0.5, "rng": 1, "backend": b} for b in ("cuda", "cpu"))
    ]
    check_same_bits(*found)
