"""Optimizers against float64 NumPy written from PyTorch's documentation, and how they hold their parameters."""

import io
import pickle

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl
from tests.trajectories import STEPS, begin, follow, gradients, walk

PYTORCH = {"ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"}


@pytest.mark.parametrize(("case", "options", "dtype"), walk(("float64", "float32")))
def test_trajectory(case, options, dtype):
    tolerance = {"float64": 1e-12, "float32": 2e-5}[dtype]
    start, gs = np.random.default_rng(1).standard_normal((3, 7)).astype(dtype), gradients((3, 7), dtype)
    p = start.copy()
    made = getattr(fl, case.optimizer)(p, **options)
    for g in gs:
        made.step(g)
    expected, states = follow(case, options, start.astype(np.float64), gs)
    np.testing.assert_allclose(p, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    (found,) = made.state_dict()["states"]
    assert list(found) == [state for state in case.states(options) if state is not None]
    for state, array in found.items():
        assert array.dtype == dtype
        np.testing.assert_allclose(array, states[state], rtol=tolerance, atol=tolerance * np.abs(states[state]).max())
    assert made.steps == STEPS
    assert made.params is p


@pytest.fixture
def torch():
    """PyTorch, which keeps the numbers of a step in its default dtype."""
    found = pytest.importorskip("torch")
    before = found.get_default_dtype()
    found.set_default_dtype(found.float64)
    yield found
    found.set_default_dtype(before)


@pytest.mark.parametrize(("case", "options", "dtype"), walk(wanted=lambda case: case.optimizer in PYTORCH))
def test_as_pytorch(case, options, dtype, torch):
    p = np.random.default_rng(1).standard_normal((3, 7))
    theirs = torch.from_numpy(p.copy())
    ours, golden = getattr(fl, case.optimizer)(p, **options), getattr(torch.optim, case.optimizer)([theirs], **options)
    for g in gradients((3, 7), dtype):
        theirs.grad = torch.from_numpy(g)
        ours.step(g)
        golden.step()
    np.testing.assert_allclose(p, theirs.numpy(), rtol=1e-12, atol=1e-12 * np.abs(p).max())


@pytest.mark.parametrize(("case", "options", "dtype"), walk())
def test_bare_steps_are_the_classes(case, options, dtype):
    p, q = np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)
    made, states = getattr(fl, case.optimizer)(p, **options), begin(case, options, q)
    for t, g in enumerate(gradients(9, dtype, 5), 1):
        made.step(g)
        arrays = [state and states[state] for state in case.states(options)]
        getattr(fl, case.name)(q, g, *arrays, step=t, **case.step_options(options))
    np.testing.assert_array_equal(p, q)
    (found,) = made.state_dict()["states"]
    assert found.keys() == states.keys()
    for state, array in found.items():
        np.testing.assert_array_equal(array, states[state])


@pytest.mark.parametrize(("case", "options", "dtype"), walk(("float64", "float32"), lambda case: case.alone))
def test_nan_stays_in_its_element(case, options, dtype):
    start, (first, second) = np.ones(4, dtype), gradients(4, dtype, 2)
    p, q, first_spoilt = start.copy(), start.copy(), first.copy()
    first_spoilt[1] = np.nan
    clean, spoilt = getattr(fl, case.optimizer)(p, **options), getattr(fl, case.optimizer)(q, **options)
    for g in (first, second):
        clean.step(g)
    for g in (first_spoilt, second):
        spoilt.step(g)
    assert np.isnan(q).tolist() == [False, True, False, False]
    np.testing.assert_array_equal(np.delete(q, 1), np.delete(p, 1))


def test_bare_sgd_step_with_momentum():
    p, buffer = np.array([1.0]), np.zeros(1)
    fl.sgd_step(p, np.array([2.0]), buffer, step=1, lr=0.5, momentum=0.5)
    fl.sgd_step(p, np.array([2.0]), buffer, step=2, lr=0.5, momentum=0.5)
    assert p.tolist() == [1.0 - 0.5 * 2.0 - 0.5 * 3.0]
    assert buffer.tolist() == [3.0]


@pytest.mark.parametrize("structure", [list, tuple, lambda arrays: dict(enumerate(arrays))])
def test_structures(structure):
    arrays = [np.ones((2, 3)), np.ones(4, np.float32)]
    grads = structure([np.ones((2, 3)), np.ones(4, np.float32)])
    fl.SGD(structure(arrays), lr=0.25).step(grads)
    for array in arrays:
        np.testing.assert_array_equal(array, np.full_like(array, 0.75))


def test_gradients_are_left_alone():
    g = np.ones(5)
    g.flags.writeable = False
    fl.Adam(np.zeros(5)).step(g)
    assert g.tolist() == [1.0] * 5


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[::2], np.s_[:, 1]])
def test_parameters_of_any_layout(view):
    whole = np.arange(36.0).reshape(6, 6)
    expected = whole.copy()
    expected[view] -= 0.5
    fl.SGD(whole[view], lr=0.5).step(np.ones(whole[view].shape))
    np.testing.assert_array_equal(whole, expected)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_16_bit_parameters_are_computed_in_float32_and_rounded_once(dtype):
    p = np.array([1.0, 0.1], dtype)
    wide = p.astype(np.float32)
    fl.AdamW(p, lr=0.01).step(np.array([0.5, -0.5], dtype))
    fl.AdamW(wide, lr=0.01).step(np.array([0.5, -0.5], np.float32))
    np.testing.assert_array_equal(p, wide.astype(dtype))


@pytest.mark.parametrize("through", ["pickle", "npz"])
@pytest.mark.parametrize(("case", "options", "dtype"), walk())
def test_the_next_hundred_steps_are_the_same_to_the_bit(case, options, dtype, through):
    p, gs = np.random.default_rng(2).standard_normal(17), gradients(17, dtype, 110)
    first = getattr(fl, case.optimizer)(p, **options)
    for g in gs[:10]:
        first.step(g)
    q = p.copy()
    state = first.state_dict()
    if through == "pickle":
        state = pickle.loads(pickle.dumps(state))
    else:
        file = io.BytesIO()
        np.savez(file, **state["states"][0])
        file.seek(0)
        state = {**state, "states": [dict(np.load(file))]}
    second = getattr(fl, case.optimizer)(q, **options)
    second.load_state_dict(state)
    for g in gs[10:]:
        first.step(g)
        second.step(g)
    np.testing.assert_array_equal(p, q)


def test_a_state_dict_is_a_copy():
    p = np.ones(3)
    optimizer = fl.SGD(p, lr=0.1, momentum=0.9)
    optimizer.step(np.ones(3))
    state = optimizer.state_dict()
    optimizer.step(np.ones(3))
    assert state["steps"] == 1
    assert state["states"][0]["momentum_buffer"].tolist() == [1.0] * 3


def test_hyper_parameters_follow_schedules():
    p = np.zeros(1)
    optimizer = fl.SGD(p, lr=fl.schedules.step(1.0, 2, gamma=0.5), weight_decay=lambda step: 0.0)
    rates = []
    for _ in range(5):
        optimizer.step(np.array([1.0]))
        rates.append(optimizer.last_lr)
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25]
    assert p.tolist() == [-3.25]


def test_nothing_is_written_when_one_gradient_is_wrong():
    p = {"w": np.ones(3), "b": np.ones(2)}
    optimizer = fl.SGD(p, lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match="same shape"):
        optimizer.step({"w": np.ones(3), "b": np.ones(3)})
    with pytest.raises(ValueError, match="lr must be non-negative"):
        fl.SGD(p, lr=lambda step: -1.0).step(p)
    assert p["w"].tolist() == [1.0] * 3
    assert optimizer.steps == 0
    assert optimizer.state_dict()["states"][0]["momentum_buffer"].tolist() == [0.0] * 3


def test_saved_hyper_parameters_are_checked_like_new_ones():
    for change, message in (
        ({"amsgrad": True}, "hyper must want the states"),
        ({"lr": -1.0}, "lr must be non-negative"),
        ({"betas": (2.0, 3.0)}, r"betas\[0\] must be in"),
    ):
        optimizer = fl.Adam(np.ones(3))
        state = optimizer.state_dict()
        state["hyper"].update(change)
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(state)
        optimizer.step(np.ones(3))
    with pytest.raises(TypeError, match="state_dict must be a dict, got int"):
        optimizer.load_state_dict(5)


def test_written_arrays_must_be_apart_and_a_gradient_that_overlaps_is_read_first():
    p, g, m, v = np.ones(5), np.ones(5), np.zeros(5), np.zeros(5)
    for arrays in ((p, g, m, m), (p, g, p, v), (p[:4], g[:4], p[1:], v[:4])):
        with pytest.raises(ValueError, match="must be arrays apart, got overlapping memory"):
            fl.adam_step(*arrays, step=1)
    with pytest.raises(TypeError, match="exp_avg must be a NumPy or CuPy array, got NoneType"):
        fl.adam_step(p, g, None, m, v, step=1, amsgrad=True)
    room = np.arange(6.0)
    expected = room[:-1] - 0.5 * room[1:]
    fl.sgd_step(room[:-1], room[1:], lr=0.5)
    np.testing.assert_array_equal(room[:-1], expected)
