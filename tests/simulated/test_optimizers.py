"""Optimizers that need more than one kernel for a step, on the cuda engine: the CPU's bits, as `test_engine` says."""

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
