"""Lookahead against NumPy's float64, over several optimizers and many arrays."""

import copy
import pickle

import numpy as np
import pytest

import fastloa as fl
from tests.scalars import refused
from tests.trajectories import gradients

MADE = {"SGD": {"lr": 0.1, "momentum": 0.9}, "Adam": {"lr": 0.01}, "LAMB": {"lr": 0.01}}


@pytest.mark.parametrize(("k", "alpha"), [(5, 0.5), (1, 0.25), (3, 1.0), (4, 0.0)])
@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slow_parameters_follow(name, k, alpha, dtype):
    start = [np.random.default_rng(1).standard_normal(shape).astype(dtype) for shape in ((3, 4), (70,))]
    p, q = [x.copy() for x in start], [x.copy() for x in start]
    made, fast, slow = (
        fl.Lookahead(getattr(fl, name)(p, **MADE[name]), k, alpha),
        getattr(fl, name)(q, **MADE[name]),
        start,
    )
    for t, g in enumerate(zip(gradients((3, 4), dtype, 23), gradients(70, dtype, 23), strict=True), 1):
        made.step(list(g))
        fast.step(list(g))
        if t % k == 0:
            slow = [s + alpha * (x.astype("float64") - s) for s, x in zip(slow, q, strict=True)]
            for x, s in zip(q, slow, strict=True):
                x[...] = s
        for got, wanted in zip(p, q, strict=True):
            np.testing.assert_allclose(
                got, wanted, rtol=1e-12 if dtype == "float64" else 2e-5, atol=1e-6 if dtype == "float32" else 1e-13
            )
    assert (made.steps, made.optimizer.steps, made.last_lr) == (23, 23, MADE[name]["lr"])
    assert made.params is p


def test_a_run_goes_on_from_its_state():
    def make(p):
        return fl.Lookahead(fl.Adam(p, lr=fl.schedules.cosine(0.1, 30), ema=0.5), k=3)

    p, gs = (
        [np.ones(3), np.zeros((2, 2))],
        list(zip(gradients(3, "float64", 20), gradients((2, 2), "float64", 20), strict=True)),
    )
    first = make(p)
    for g in gs[:10]:
        first.step(g)
    second = make(copy.deepcopy(p))
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    third = copy.deepcopy(second)
    for optimizer in (first, second, third):
        for g in gs[10:]:
            optimizer.step(g)
        for a, b in (*zip(optimizer.params, p, strict=True), *zip(optimizer.ema, first.ema, strict=True)):
            np.testing.assert_array_equal(a, b)
    state = first.state_dict()
    before = pickle.dumps(second.state_dict())
    state["optimizer"]["states"][1]["exp_avg"] = np.zeros(7)
    with pytest.raises(ValueError, match=r"Lookahead\.load_state_dict: exp_avg must be float64 of shape"):
        second.load_state_dict(state)
    with pytest.raises(ValueError, match="state_dict must have the key 'optimizer'"):
        second.load_state_dict({key: state[key] for key in ("steps", "states", "hyper")})
    assert pickle.dumps(second.state_dict()) == before


def test_what_is_folded_is_the_optimizers():
    p, g = np.ones(3), np.ones(3)
    made = fl.Lookahead(fl.SGD(p, lr=0.5, skip_nonfinite=True, clip_norm=9.0, zero_grad=True), k=2)
    made.step(g)
    made.step(np.full(3, np.nan))
    assert (made.last_skipped, made.steps, p.tolist()) == (True, 1, [0.5] * 3)
    g[:] = 1.0
    made.step(g)
    assert (made.last_skipped, made.steps, p.tolist(), g.tolist()) == (False, 2, [0.5] * 3, [0.0] * 3)
    assert made.last_grad_norm == pytest.approx(3**0.5)


def test_an_infinite_parameter_stays():
    p = np.array([np.inf, 1.0])
    made = fl.Lookahead(fl.SGD(p, lr=0.5), k=1)
    made.step(np.ones(2))
    assert p.tolist() == [np.inf, 0.75]


def test_options():
    p = np.ones(3)
    with refused(
        TypeError, "Lookahead: optimizer must be an optimizer, got numpy.ndarray of shape (3,) and dtype float64"
    ):
        fl.Lookahead(p)
    with refused(ValueError, "Lookahead: k must be an integer >= 1, got 0"):
        fl.Lookahead(fl.SGD(p), k=0)
    with refused(ValueError, "Lookahead: alpha must be in [0, 1], got 1.5"):
        fl.Lookahead(fl.SGD(p), alpha=1.5)
    assert "Lookahead over 1 arrays, 0 steps: k=5, alpha=0.5 of <fastloa SGD" in repr(fl.Lookahead(fl.SGD(p)))


def test_rows_of_gradients_are_for_the_fast_optimizer():
    t, plain = np.ones((3, 2)), np.ones((3, 2))
    made, fast = fl.Lookahead(fl.SparseAdam(t, lr=0.5), k=2, alpha=0.25), fl.SparseAdam(plain, lr=0.5)
    for _ in range(2):
        for optimizer in (made, fast):
            optimizer.step((np.array([0]), np.ones((1, 2))))
    np.testing.assert_allclose(t, 1.0 + 0.25 * (plain - 1.0))
    assert (made.steps, made.optimizer.steps) == (2, 2)


def test_one_over_another_takes_rows():
    p = np.ones((4, 2))
    optimizer = fl.Lookahead(fl.Lookahead(fl.SparseAdam(p), k=1), k=1)
    optimizer.step((np.array([1]), np.ones((1, 2))))
    np.testing.assert_allclose(p[:2], [[1.0, 1.0], [0.99975, 0.99975]], rtol=1e-9)
    assert optimizer.steps == optimizer.optimizer.steps == 1


def test_what_numpy_has_saved_is_taken(tmp_path):
    for make in (lambda p: fl.Lookahead(fl.Adam(p), k=2), fl.Adam, fl.LBFGS):
        p, q = np.ones(3), np.ones(3)
        first, second = make(p), make(q)
        steps = [lambda p=p: (p @ p, 2.0 * p)] if first.takes_closure else [np.ones(3)]
        first.step(*steps)
        np.savez(tmp_path / "state.npz", **first.state_dict())
        with np.load(tmp_path / "state.npz", allow_pickle=True) as saved:
            second.load_state_dict(saved)
        assert repr(second) == repr(first)
        assert second.steps == 1
