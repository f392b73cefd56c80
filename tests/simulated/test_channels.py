"""Activations with a number for each channel on the cuda engine: the bits of the CPU, in the simulator or on a GPU."""

import numpy as np
import pytest
from fastloa_kernels import engines

import fastloa as fl
from tests.harness import check_same_bits

try:
    engines.load_engine("cuda")
except engines.Unavailable as reason:
    pytest.skip(f"no device for cuda: {reason}", allow_module_level=True)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_both_gradients(dtype, count):
    rng = np.random.default_rng(count)
    g, x, w = (rng.normal(size=shape).astype(dtype) for shape in ((2, 3, 5), (2, 3, 5), (count,)))
    x[0, 0, :2] = 0.0, np.nan
    found = [(fl.prelu(x, w, backend=b), *fl.prelu.backward(g, x, w, backend=b)) for b in ("cuda", "cpu")]
    check_same_bits(*found)
