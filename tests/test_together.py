"""Steps over many arrays at once give the bits of steps over one after the other, whatever the arrays."""

import copy
import pickle

import numpy as np
import pytest

import fastloa as fl
from fastloa import backends
from fastloa.optimizer_steps import Alone
from fastloa.together import together
from tests.shim import catalogue
from tests.shim.compare import gpu, in_place_of_cupy, needs_compiler
from tests.trajectories import CASES

OPTIMIZERS = [
    pytest.param(case.optimizer, options, id=f"{case.optimizer}-{i}")
    for case in CASES
    for i, options in enumerate(case.options)
]
SHAPES = [(3,), (), (4, 5), (1000,), (2, 3, 4), (70001,), (1,)]


@pytest.fixture(scope="module")
def cupy():
    """The CUDA C++ engine on NumPy arrays, with the kernels that most of these tests want."""
    wanted = [one for one in catalogue.many_forms() if one[1] in ("step", "value_summed_wide", "measured_summed")]
    gpu()._driver.prepare(catalogue.many_source(*one, "float64") for one in wanted)
    return gpu()


@pytest.fixture(params=["cpu", pytest.param("cupy", marks=[needs_compiler, pytest.mark.shares("cupy_native")])])
def backend(request, monkeypatch):
    """Each backend in turn, with NumPy arrays."""
    if request.param == "cupy":
        in_place_of_cupy(monkeypatch, request.getfixturevalue("cupy"))
    with fl.use_backend(request.param):
        yield request.param


pytestmark = pytest.mark.usefixtures("backend")


def arrays(dtypes, seed, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtypes[i % len(dtypes)]) for i, shape in enumerate(shapes)]


def one_by_one(make, params, grads, steps):
    """Give what an optimizer of each array makes of it."""
    for p, g in zip(params, grads, strict=True):
        optimizer = make(p)
        optimizer._groups = []
        for _ in range(steps):
            optimizer.step(g)
    return params


def counted(monkeypatch):
    """Count the calls of kernels for single arrays."""
    calls, original = [], Alone.step
    monkeypatch.setattr(Alone, "step", lambda *a: (calls.append(a), original(*a)))
    return calls


@pytest.mark.parametrize("dtypes", [("float32",), ("float64",), ("float32", "float64")], ids=str)
@pytest.mark.parametrize("make", [fl.Adam, lambda p: fl.SGD(p, lr=0.1, momentum=0.9), fl.RMSprop])
def test_the_bits_are_those_of_single_arrays(make, dtypes, monkeypatch):
    p, g = arrays(dtypes, 1), arrays(dtypes, 2)
    wanted = one_by_one(make, [x.copy() for x in p], g, 3)
    calls, optimizer = counted(monkeypatch), make(p)
    for _ in range(3):
        optimizer.step(g)
    assert not calls
    for got, expected in zip(p, wanted, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_thousand_arrays_are_one_call(monkeypatch):
    p, g = ([x.copy() for x in np.random.default_rng(seed).random((1000, 7))] for seed in (1, 2))
    calls, expected = counted(monkeypatch), [x - 0.5 * y for x, y in zip(p, g, strict=True)]
    fl.SGD(p, lr=0.5).step(g)
    assert not calls
    np.testing.assert_array_equal(p, expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda g: np.asfortranarray(g), lambda g: g[::-1], lambda g: g.astype(">f8"),
        lambda g: np.frombuffer(b"x" + g.tobytes(), np.uint8)[1:].view(np.float64).reshape(g.shape),
    ],
    ids=["Fortran", "reversed", "byte order", "misaligned"],
)  # fmt: skip
def test_a_gradient_of_another_kind_is_taken_all_the_same(change, monkeypatch):
    p, g = np.ones((4, 5)), np.arange(20.0).reshape(4, 5)
    calls, other = counted(monkeypatch), np.ones(3)
    fl.SGD([p, other], lr=0.5).step([change(g), np.ones(3)])
    assert len(calls) == 2
    np.testing.assert_array_equal(p, 1.0 - 0.5 * np.asarray(change(g)))
    np.testing.assert_array_equal(other, np.full(3, 0.5))


def test_a_gradient_that_is_a_parameter_or_overlaps_one():
    room = np.arange(6.0)
    p, other = room[:3], np.ones(3)
    g = room[2:5].copy()
    fl.SGD([p, other], lr=0.5).step([room[2:5], other])
    np.testing.assert_array_equal(p, np.arange(3.0) - 0.5 * g)
    np.testing.assert_array_equal(other, np.full(3, 0.5))
    np.testing.assert_array_equal(room[3:], [3.0, 4.0, 5.0])


def test_parameters_must_be_apart():
    room = np.ones((5, 2))
    with pytest.raises(ValueError, match=r"params\[0\] and params\[1\] must be arrays apart, got overlapping memory"):
        fl.SGD([room[:3], room[2:]])
    with pytest.raises(ValueError, match=r"params must hold each array once, got params\['a'\] again as params\['b'\]"):
        fl.SGD({"a": room, "b": room})
    columns = [room[:, 0], room[:, 1]]
    fl.SGD(columns, lr=0.5).step([np.ones(5), np.zeros(5)])
    np.testing.assert_array_equal(room, [[0.5, 1.0]] * 5)


def test_all_gradients_are_read_before_one_that_is_a_parameter_is_written():
    a, b = np.array([1.0]), np.array([2.0])
    fl.SGD([a, b], lr=0.5).step([b, a])
    assert (a.tolist(), b.tolist()) == ([0.0], [1.5])


class Made(dict):
    """Arrays that are made when they are asked for, and live no longer than they are held."""

    def __getitem__(self, key):
        return np.full(5_000_000, super().__getitem__(key))


def test_gradients_live_while_they_are_read():
    p = {"a": np.zeros(5_000_000), "b": np.zeros(5_000_000)}
    fl.SGD(p, lr=1.0).step(Made(a=1.0, b=2.0))
    assert (p["a"][-1], p["b"][-1]) == (-1.0, -2.0)


def test_a_parameter_that_has_moved_is_found():
    p = np.zeros(4)
    optimizer = fl.SGD(p, lr=1.0)
    optimizer.step(np.ones(4))
    p.resize(10**6, refcheck=False)
    p.resize(4, refcheck=False)
    optimizer.step(np.ones(4))
    assert p.tolist() == [-2.0] * 4


def test_a_gradient_may_be_read_only_and_a_parameter_may_not():
    p, g = np.ones(3), np.ones(3)
    g.flags.writeable = False
    optimizer = fl.SGD(p, lr=0.25)
    optimizer.step(g)
    p.flags.writeable = False
    with pytest.raises(ValueError, match="params must be writable, got a read-only array"):
        optimizer.step(g)
    assert optimizer.steps == 1
    assert p.tolist() == [0.75] * 3


@pytest.mark.parametrize("grads", [[np.ones(3)], [np.ones(3), np.ones(4)], (np.ones(3), "x"), {"a": np.ones(3)}])
def test_wrong_gradients_are_refused_before_anything_is_written(grads):
    p = [np.ones(3), np.ones(3)]
    optimizer = fl.Adam(p)
    with pytest.raises((ValueError, TypeError), match=r"Adam\.step: "):
        optimizer.step(grads)
    assert optimizer.steps == 0
    assert [x.tolist() for x in p] == [[1.0] * 3] * 2


def test_the_gradients_of_a_dict_are_found_by_name():
    p = {"a": np.zeros(2), "b": np.zeros(2)}
    optimizer = fl.SGD(p, lr=1.0)
    optimizer.step({"b": np.full(2, 2.0), "a": np.ones(2)})
    assert (p["a"].tolist(), p["b"].tolist()) == ([-1.0, -1.0], [-2.0, -2.0])
    optimizer.step({"b": np.full(4, 2.0)[::2], "a": np.ones(2)})  # one by one
    assert (p["a"].tolist(), p["b"].tolist()) == ([-2.0, -2.0], [-4.0, -4.0])


def test_states_that_are_loaded_are_stepped_from():
    p, g = [np.ones(3), np.ones(4)], [np.ones(3), np.full(4, 2.0)]
    first = fl.SGD(p, lr=0.1, momentum=0.5)
    first.step(g)
    state, before = first.state_dict(), [x.copy() for x in p]
    first.step(g)
    second = fl.SGD(before, lr=0.1, momentum=0.5)
    second.step([np.zeros(3), np.zeros(4)])
    second.load_state_dict(state)
    second.step(g)
    for got, expected in zip(before, p, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_arrays_that_no_kernel_takes_as_they_are(backend):
    engine = backends.engine("step", backend)

    def found(*params):
        return together(engine, params, [[]] * len(params), [None] * len(params))

    single, half = np.ones(3, np.float32), np.ones(3, np.float16)
    assert len(found(half)) == 1
    assert len(found(np.ones(3), half)) == 2
    assert len(found(single, half)) == (1 if backend == "cpu" else 2)
    assert found(np.ones(3, np.int16)) == []
    assert found(np.ones((3, 4)).T) == []
    assert found(np.ones(6)[::2]) == []
    assert found(np.ones(3), np.ones(0)) == []


def test_an_empty_array_has_its_gradient_checked():
    p = [np.ones(3), np.ones((0, 2))]
    optimizer = fl.SGD(p, lr=0.5)
    with pytest.raises(ValueError, match="same shape"):
        optimizer.step([np.ones(3), np.ones((0, 3))])
    optimizer.step([np.ones(3), np.ones((0, 2))])
    assert p[0].tolist() == [0.5] * 3


@pytest.mark.parametrize("through", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
@pytest.mark.parametrize(("optimizer", "options"), OPTIMIZERS)
def test_a_copy_of_an_optimizer_goes_on_by_itself(optimizer, options, through):
    p, g = [np.ones(3), np.ones(4)], [np.array([1.0, -2.0, 0.5]), np.ones(4)]
    first = getattr(fl, optimizer)(p, **options)
    first.step(g)
    second, before = through(first), p[0].copy()
    second.step(g)
    assert (first.steps, second.steps) == (1, 2)
    np.testing.assert_array_equal(p[0], before)
    first.step(g)
    np.testing.assert_array_equal(p[0], second.params[0])


def test_the_order_of_a_dict_may_change():
    p = {"a": np.zeros(2), "b": np.zeros(2)}
    a, b = p["a"], p["b"]
    optimizer = fl.SGD(p, lr=1.0, ema=0.5)
    p["a"] = p.pop("a")
    for grads in ({"a": np.full(2, 1.0), "b": np.full(2, 2.0)}, {"b": np.full(4, 2.0)[::2], "a": np.full(2, 1.0)}):
        optimizer.step(grads)
    assert (a.tolist(), b.tolist()) == ([-2.0, -2.0], [-4.0, -4.0])
    assert abs(optimizer.ema["b"]).sum() > abs(optimizer.ema["a"]).sum()


class Unnamed:
    def __repr__(self):
        return "unnamed"


def test_structures_are_told_apart():
    with pytest.raises(
        ValueError, match=r"^SGD: params must have keys that read differently, got \[unnamed, unnamed\]"
    ):
        fl.SGD({Unnamed(): np.zeros(2), Unnamed(): np.zeros(2)})
    two, named = [np.zeros(2), np.zeros(2)], {0: np.zeros(2), 1: np.zeros(2)}
    for params, grads in ((two, named), (named, two)):
        with pytest.raises(ValueError, match=r"^SGD\.step: grads must have the structure of params"):
            fl.SGD(params).step(grads)


def test_each_element_of_a_parameter_has_its_place():
    with pytest.raises(ValueError, match=r"^SGD: params must have a place for each element, got strides \(0,\)"):
        fl.SGD(np.lib.stride_tricks.as_strided(np.ones(1), (3,), (0,)))
    with pytest.raises(ValueError, match=r"^sgd_step: p must have a place for each element, got strides \(0,\)"):
        fl.sgd_step(np.lib.stride_tricks.as_strided(np.ones(1), (3,), (0,)), np.ones(3))
