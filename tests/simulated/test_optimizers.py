"""Optimizers that need more than one kernel for a step, on the cuda engine: the CPU's bits, as `test_engine` says."""

import ml_dtypes
import numpy as np
import pytest
from fastloa_kernels import engines
from fastloa_kernels.engines.numba_cuda import toolchain

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


SIZES = (3, 2049, 1, 5)  # one is more than a block of a sum


def lists(seed, dtype, sizes):
    """Give arrays of these sizes."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=size).astype(dtype) for size in sizes]


def stepped(name, dtype, backend, options, sizes=SIZES):
    """Give parameters and states after some steps over a list, whose gradients lie elsewhere each time."""
    p = lists(0, dtype, sizes)
    optimizer = getattr(fl, name)(p, backend=backend, **options)
    for seed in range(1, 4):
        optimizer.step(lists(seed, dtype, sizes))
    states = [x for state in optimizer.state_dict()["states"] for x in state.values()]
    return [*p, *(x for x in states if isinstance(x, np.ndarray))]


own_arrays = pytest.mark.skipif(engines.load_engine("cuda").xp is not np, reason="NumPy's arrays are not the engine's")


@own_arrays
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9}), ("AdamW", {"clip_norm": 0.5, "ema": 0.9, "zero_grad": True}),
        ("LAMB", {"clip_norm": 0.5}), ("LARS", {"lr": 0.1}), ("Prodigy", {}),
    ],
)  # fmt: skip
def test_a_list_takes_as_many_launches_as_one_array_and_has_the_cpus_bits(monkeypatch, name, options, dtype):
    launches, original = [], toolchain.Kernel._simulate
    monkeypatch.setattr(toolchain.Kernel, "_simulate", lambda *a: (launches.append(a), original(*a)))
    got, count = stepped(name, dtype, "cuda", options), len(launches)
    stepped(name, dtype, "cuda", options, sizes=(2,))
    assert len(launches) == 2 * count > 0
    for own, wanted in zip(got, stepped(name, dtype, "cpu", options), strict=True):
        np.testing.assert_array_equal(own, wanted)


@own_arrays
def test_a_list_whose_launches_are_recorded_goes_one_by_one_and_all_at_once_again(monkeypatch):
    engine, launches, original = engines.load_engine("cuda"), [], toolchain.Kernel._simulate
    monkeypatch.setattr(toolchain.Kernel, "_simulate", lambda *a: (launches.append(a), original(*a)))
    p, q, recording, counts = lists(0, "float32", SIZES), lists(0, "float32", SIZES), [True, False, True, False], []
    monkeypatch.setattr(engine, "tables_serve", lambda: not recording[0])
    optimizer, expected = fl.Adam(p, backend="cuda"), fl.Adam(q)
    for seed in range(1, 5):
        optimizer.step(lists(seed, "float32", SIZES))
        expected.step(lists(seed, "float32", SIZES))
        counts.append(len(launches))
        recording.pop(0)
        launches.clear()
    assert counts == [len(SIZES), 1, len(SIZES), 1]
    for own, wanted in zip(p, q, strict=True):
        np.testing.assert_array_equal(own, wanted)


@own_arrays
def test_16_bit_lists_go_one_by_one():
    found = [stepped("AdamW", ml_dtypes.bfloat16, backend, {}) for backend in ("cuda", "cpu")]
    for own, wanted in zip(*found, strict=True):
        np.testing.assert_array_equal(own.astype(float), wanted.astype(float))
