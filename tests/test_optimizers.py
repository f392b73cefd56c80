"""Optimizers against float64 NumPy written from PyTorch's documentation, and how they hold their parameters."""

import io
import itertools
import pickle

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl

STEPS = 300


def sgd(p, gradients, *, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False):
    buffer = None
    for g in gradients:
        d = (-g if maximize else g) + weight_decay * p
        if momentum != 0:
            buffer = d if buffer is None else momentum * buffer + (1 - dampening) * d
            d = d + momentum * buffer if nesterov else buffer
        p = p - lr * d
    return p


def adam(
    p, gradients, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, maximize=False, decoupled=False
):
    m, v, top = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    for t, gradient in enumerate(gradients, 1):
        g = -gradient if maximize else gradient
        if decoupled:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        top = np.maximum(top, v)
        denominator = np.sqrt(top if amsgrad else v) / np.sqrt(1 - betas[1] ** t) + eps
        p = p - lr / (1 - betas[0] ** t) * m / denominator
    return p


SGDS = [
    {"lr": 0.05, "momentum": momentum, "dampening": dampening, "weight_decay": decay, "nesterov": nesterov,
     "maximize": maximize}
    for momentum, dampening, decay, nesterov, maximize in itertools.product(
        (0.0, 0.9), (0.0, 0.3), (0.0, 0.02), (False, True), (False, True)
    )
    if not (nesterov and (momentum == 0.0 or dampening != 0.0))
]  # fmt: skip
ADAMS = [
    {"lr": 0.01, "weight_decay": decay, "amsgrad": amsgrad, "maximize": maximize, **more}
    for decay, amsgrad, maximize, more in itertools.product(
        (0.0, 0.1), (False, True), (False, True), ({}, {"betas": (0.5, 0.8), "eps": 1e-3})
    )
]
RUNS = [
    *((fl.SGD, sgd, options, {}) for options in SGDS),
    *((fl.Adam, adam, options, {}) for options in ADAMS),
    *((fl.AdamW, adam, options, {"decoupled": True}) for options in ADAMS),
]


def gradients(shape, dtype, steps=STEPS):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for _ in range(steps)]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize(("optimizer", "reference", "options", "more"), RUNS)
def test_trajectory(optimizer, reference, options, more, dtype, tolerance):
    start = np.random.default_rng(1).standard_normal((3, 7))
    p, gs = start.astype(dtype), gradients((3, 7), dtype)
    made = optimizer(p, **options)
    for g in gs:
        made.step(g)
    expected = reference(start.astype(dtype).astype(np.float64), [g.astype(np.float64) for g in gs], **options, **more)
    np.testing.assert_allclose(p, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    assert made.steps == STEPS
    assert made.params is p


def test_bare_steps_are_the_classes():
    p, q = np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)
    m, v = np.zeros(9), np.zeros(9)
    optimizer = fl.AdamW(p, lr=0.1)
    for t, g in enumerate(gradients(9, "float64", 5), 1):
        optimizer.step(g)
        fl.adamw_step(q, g, m, v, step=t, lr=0.1)
    np.testing.assert_array_equal(p, q)


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
@pytest.mark.parametrize(
    "make",
    [lambda p: fl.SGD(p, lr=0.1, momentum=0.9, dampening=0.1), lambda p: fl.Adam(p, lr=0.1, amsgrad=True), fl.AdamW],
)
def test_the_next_hundred_steps_are_the_same_to_the_bit(make, through):
    rng = np.random.default_rng(2)
    p = rng.standard_normal(17)
    first = make(p)
    for g in gradients(17, "float64", 10):
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
    second = make(q)
    second.load_state_dict(state)
    for g in gradients(17, "float64", 110)[10:]:
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


def test_an_infinite_parameter_without_decay_keeps_its_gradient():
    p = np.array([np.inf, 1.0])
    fl.SGD(p, lr=0.5).step(np.array([1.0, 1.0]))
    assert p.tolist() == [np.inf, 0.5]


def test_nan_stays_in_its_element():
    p, optimizer = np.ones(4), None
    optimizer = fl.Adam(p, amsgrad=True)
    optimizer.step(np.array([1.0, np.nan, 1.0, 1.0]))
    assert np.isnan(p).tolist() == [False, True, False, False]


def test_a_gradient_whose_square_is_no_number_still_moves_the_parameter():
    p = np.ones(1, np.float32)
    fl.Adam(p).step(np.array([2e19], np.float32))
    np.testing.assert_allclose(p, [0.999], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_small_gradient_after_a_large_one_is_not_drowned(dtype):
    p, m, v = np.zeros(1, dtype), np.array([1e17], dtype), np.zeros(1, dtype)
    fl.adam_step(p, np.ones(1, dtype), m, v, step=2, betas=(0.0, 0.999))
    np.testing.assert_array_equal(m, [1.0])


def test_a_small_decay_keeps_its_digits_in_float32():
    p = np.ones(1, np.float32)
    optimizer = fl.AdamW(p, lr=1e-3, weight_decay=0.01)
    for _ in range(2000):
        optimizer.step(np.zeros(1, np.float32))
    np.testing.assert_allclose(p, [(1.0 - 1e-5) ** 2000], rtol=3e-5)


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
