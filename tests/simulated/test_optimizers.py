"""Optimizers that need more than one kernel for a step, on the cuda engine: the CPU's bits, as `test_engine` says."""

import ml_dtypes
import numpy as np
import pytest
from fastloa_kernels import engines

import fastloa as fl

try:
    engines.load_engine("cuda")
except engines.Unavailable as reason:
    pytest.skip(f"no device for cuda: {reason}", allow_module_level=True)


def bowl(p):
    """Give the value and the gradients of a bowl whose axes are not alike."""
    bent = [x * np.linspace(1.0, 3.0, x.size).reshape(x.shape) for x in p]
    return sum(0.5 * (a * x).sum() for a, x in zip(bent, p, strict=True)), bent


@pytest.mark.parametrize("name", ["Prodigy", "Adafactor", "LBFGS"])
def test_steps_are_the_cpus(name):
    options = {"Prodigy": {"d0": 0.5}, "LBFGS": {"line_search_fn": "strong_wolfe", "max_iter": 3}}.get(name, {})
    found = []
    for backend in ("cpu", "cuda"):
        p = [np.arange(1.0, 7.0).reshape(2, 3), np.ones(3)]
        optimizer = getattr(fl, name)(p, backend=backend, **options)
        for _ in range(3):
            optimizer.step((lambda p=p: bowl(p)) if optimizer.takes_closure else bowl(p)[1])
        found.append(p)
    for own, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(own, wanted, rtol=1e-12 if name == "Adafactor" else 0.0)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", ["Adam", "LAMB", "Muon", "Adafactor"])
def test_what_16_bits_lose_is_kept_as_on_the_cpu(name, dtype):
    found = []
    for backend in ("cpu", "cuda"):
        p = np.arange(1.0, 7.0).reshape(2, 3).astype(dtype)
        optimizer = getattr(fl, name)(p, lr=1e-4, compensated=True, ema=0.9, zero_grad=True, backend=backend)
        for _ in range(3):
            g = np.linspace(-1.0, 2.0, 6).reshape(2, 3).astype(dtype)
            optimizer.step(g)
            assert not g.any()
        (states,) = optimizer.state_dict()["states"]
        assert states["compensation"].any()
        found.append([p, *states.values()])
    for own, wanted in zip(*found, strict=True):
        exact = own.dtype.itemsize == 2 and name in ("Adam", "LAMB", "Muon")
        np.testing.assert_allclose(own.astype(float), wanted.astype(float), rtol=0.0 if exact else 1e-6)
