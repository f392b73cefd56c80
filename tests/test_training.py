"""Minimize: the path it takes, why it ends, what it records, what it reads from a device, and every message."""

import math
import re
import types
from functools import partial

import numpy as np
import pytest

from fastloa import stopping
from fastloa.batches import minibatches
from fastloa.training import History, Optimizer, Result, minimize


def refused(error, message):
    """Expect an error with this message, word for word."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")


class Descent:
    """Gradient descent over one array, a list or a dict, in place."""

    def __init__(self, params, lr=0.25):
        self.params, self.lr, self.calls = params, lr, 0

    def step(self, grads):
        self.calls += 1
        keys = self.params if isinstance(self.params, dict) else range(len(self.params))
        if isinstance(self.params, np.ndarray):
            self.params -= self.lr * grads
        else:
            for key in keys:
                self.params[key] -= self.lr * grads[key]


class Scheduled(Descent):
    """The same with a rate that halves at every step, and tells it."""

    def step(self, grads):
        self.last_lr = self.lr
        super().step(grads)
        self.lr /= 2

    last_lr = None


def bowl(p):
    """Give the lecture's J(t1, t2) = t1² + t2² and its gradient."""
    return p @ p, 2 * p


def start():
    return np.array([3.0, -4.0])


def test_full_batch_descent_takes_the_path_of_the_formula():
    """With rate 1/4 each step halves t, so J falls to a quarter: 25, 25/4, 25/16."""
    p = start()
    result = minimize(bowl, p, optimizer=Descent, steps=5)
    assert result.params is p
    assert p.tolist() == [3 / 32, -4 / 32]
    assert result.history.value.tolist() == [25 / 4**k for k in range(5)]
    assert result.value == 25 / 4**4
    assert (result.steps, result.epochs, result.reason) == (5, 5, "steps")


@pytest.mark.parametrize("make", [lambda p: p, lambda p: [p], lambda p: (p,), lambda p: {"t": p}])
def test_params_of_every_structure(make):
    p = start()
    params = make(p)

    def value_and_grad(params):
        t = params if isinstance(params, np.ndarray) else params["t"] if isinstance(params, dict) else params[0]
        value, grad = bowl(t)
        return value, make(grad)

    if isinstance(params, tuple):
        params = list(params)  # only the test's optimizer assigns to its entries
    result = minimize(value_and_grad, params, optimizer=Descent(params), steps=2)
    assert result.params is params
    assert p.tolist() == [0.75, -1.0]


def test_minibatches_reach_the_least_squares_solution():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3))
    exact = np.array([1.0, -2.0, 0.5])
    y = x @ exact

    def value_and_grad(w, xb, yb):
        r = xb @ w - yb
        return r @ r / len(r), 2 * xb.T @ r / len(r)

    w = np.zeros(3)
    data = minibatches(x, y, batch_size=16, rng=0)
    result = minimize(value_and_grad, w, optimizer=lambda p: Descent(p, 0.1), data=data, epochs=60)
    np.testing.assert_allclose(w, exact, atol=1e-6)
    assert (result.steps, result.epochs, result.reason) == (240, 60, "epochs")
    assert result.history.epoch.tolist() == [epoch for epoch in range(60) for _ in range(4)]
    assert result.history.step.tolist() == list(range(240))
    assert data.state_dict()["epoch"] == 60


def test_batches_become_arguments():
    seen = []

    def value_and_grad(p, *batch):
        seen.append(batch)
        return bowl(p)

    xb = np.ones(2)
    minimize(value_and_grad, start(), optimizer=Descent, data=[xb, (xb, 1), [2, 3, 4], ()], epochs=1)
    assert [len(batch) for batch in seen] == [1, 2, 3, 0]
    assert seen[0][0] is xb
    assert seen[2] == (2, 3, 4)


@pytest.mark.parametrize(
    ("limits", "steps", "epochs", "reason"),
    [
        ({"epochs": 2}, 6, 2, "epochs"),
        ({"steps": 4}, 4, 2, "steps"),
        ({"steps": 3}, 3, 1, "steps"),
        ({"epochs": 2, "steps": 4}, 4, 2, "steps"),
        ({"epochs": 1, "steps": 4}, 3, 1, "epochs"),
        ({"epochs": 2, "steps": 6}, 6, 2, "steps"),
        ({"stop": stopping.max_steps(4)}, 4, 2, "4 steps"),
        ({"stop": [stopping.target(-1.0), stopping.max_steps(4)], "steps": 9}, 4, 2, "4 steps"),
        ({"stop": (), "steps": np.int64(1)}, 1, 1, "steps"),
    ],
)
def test_limits(limits, steps, epochs, reason):
    optimizer = Descent(start())
    result = minimize(lambda p, _: bowl(p), optimizer.params, optimizer=optimizer, data=[1, 2, 3], **limits)
    assert (result.steps, result.epochs, result.reason) == (steps, epochs, reason)
    assert optimizer.calls == steps


def test_an_epoch_without_data_is_one_step():
    result = minimize(bowl, start(), optimizer=Descent, epochs=3)
    assert (result.steps, result.epochs, result.reason) == (3, 3, "epochs")


class TestCriteria:
    def test_stops_before_the_step_so_that_the_value_is_that_of_the_params(self):
        p = start()
        result = minimize(bowl, p, optimizer=Descent, stop=stopping.target(2.0))
        assert (result.steps, result.reason) == (2, "loss 1.5625 <= 2")
        assert result.value == 1.5625 == p @ p
        assert result.history.value.tolist() == [25.0, 6.25, 1.5625]

    def test_a_nan_gradient_does_not_reach_the_params(self):
        p = start()

        def value_and_grad(p):
            value, grad = bowl(p)
            return value, grad if value > 2 else grad * math.nan

        result = minimize(value_and_grad, p, optimizer=Descent, stop=[stopping.non_finite()], steps=9)
        assert result.reason == "gradient is not finite"
        assert p.tolist() == [0.75, -1.0]

    def test_no_nan_is_watched_for_unless_asked(self):
        result = minimize(lambda p: (math.nan, p * 0), start(), optimizer=Descent, steps=3)
        assert (result.steps, result.reason) == (3, "steps")
        assert math.isnan(result.value)

    def test_are_reset_at_the_start(self):
        criterion = stopping.patience(2)
        for _ in range(2):
            result = minimize(lambda p: (1.0, p * 0), start(), optimizer=Descent, stop=criterion)
            assert (result.steps, result.reason) == (2, "no loss below 1 in 2 steps")

    def test_are_told_everything(self):
        p, states = start(), []

        def criterion(state):
            states.append((state.step, state.epoch, state.value, state.grads.tolist(), state.params is p))
            assert state.seconds >= 0
            return "enough" if len(states) == 3 else None

        result = minimize(lambda p, _: bowl(p), p, optimizer=Descent, data=[1, 2], stop=criterion)
        assert result.reason == "enough"
        assert states == [
            (0, 0, 25.0, [6.0, -8.0], True),
            (1, 0, 6.25, [3.0, -4.0], True),
            (2, 1, 1.5625, [1.5, -2.0], True),
        ]

    def test_seconds_count_from_the_start(self):
        result = minimize(bowl, start(), optimizer=Descent, stop=stopping.max_seconds(0.02))
        assert result.reason == "0.02 seconds"
        assert 0.02 <= result.seconds < 5

    @pytest.mark.parametrize(("answer", "came"), [(True, "bool"), (False, "bool"), (np.True_, "bool"), (1, "int")])
    def test_must_give_a_reason_or_none(self, answer, came):
        with refused(TypeError, f"minimize: stop must give a reason (a str) or None, got {came}"):
            minimize(bowl, start(), optimizer=Descent, stop=lambda _: answer)


def test_callback_sees_each_step_after_it_was_made():
    p, seen = start(), []
    minimize(bowl, p, optimizer=Descent, steps=2, callback=lambda s: seen.append((s.step, s.value, p.tolist())))
    assert seen == [(0, 25.0, [1.5, -2.0]), (1, 6.25, [0.75, -1.0])]


def test_callback_is_not_asked_where_no_step_was_made():
    seen = []
    minimize(bowl, start(), optimizer=Descent, stop=stopping.target(100.0), callback=seen.append)
    assert seen == []


class TestInterruption:
    @pytest.mark.parametrize("where", [1, 3])
    def test_returns_the_result_so_far(self, where):
        p, calls = start(), []

        def value_and_grad(p):
            calls.append(1)
            if len(calls) == where:
                raise KeyboardInterrupt
            return bowl(p)

        result = minimize(value_and_grad, p, optimizer=Descent, epochs=9)
        assert (result.reason, result.steps, result.epochs) == ("interrupted", where - 1, where)
        assert result.history.value.tolist() == [25.0, 6.25][: where - 1]
        assert p.tolist() == [3.0 / 2 ** (where - 1), -4.0 / 2 ** (where - 1)]
        assert result.value == 6.25 if where == 3 else math.isnan(result.value)

    def test_in_the_middle_of_a_step_keeps_the_loss(self):
        class Broken(Descent):
            def step(self, _):
                raise KeyboardInterrupt

        result = minimize(bowl, start(), optimizer=Broken, steps=3)
        assert (result.reason, result.steps, result.value, len(result.history)) == ("interrupted", 0, 25.0, 1)

    def test_other_errors_are_the_callers(self):
        def value_and_grad(_):
            raise ZeroDivisionError("mine")

        with refused(ZeroDivisionError, "mine"):
            minimize(value_and_grad, start(), optimizer=Descent, steps=3)


class TestHistory:
    def test_columns(self):
        history = minimize(bowl, start(), optimizer=Descent, steps=3).history
        assert [history.value.dtype, history.step.dtype, history.epoch.dtype] == [np.float64, np.int64, np.int64]
        assert history.lr is None
        assert len(history) == 3

    def test_learning_rate_of_each_step(self):
        history = minimize(bowl, start(), optimizer=Scheduled, steps=3).history
        assert history.lr.dtype == np.float64
        assert history.lr.tolist() == [0.25, 0.125, 0.0625]

    def test_learning_rate_where_a_criterion_stopped(self):
        history = minimize(bowl, start(), optimizer=Scheduled, stop=stopping.max_steps(2)).history
        assert len(history) == 3
        assert history.lr[:2].tolist() == [0.25, 0.125]
        assert math.isnan(history.lr[2])

    def test_prints_its_size_and_ends(self):
        result = minimize(bowl, start(), optimizer=Descent, steps=3)
        assert repr(result.history) == "History(evaluations=3, first=25, last=1.5625)"
        assert isinstance(result.history, History)

    @pytest.mark.parametrize("value", [np.float32(0.1), np.array(0.1), 1, np.array(1, np.int8)])
    def test_any_scalar_is_recorded_as_a_float(self, value):
        result = minimize(lambda p: (value, p * 0), start(), optimizer=Descent, steps=2)
        assert type(result.value) is float
        assert result.history.value.tolist() == [float(value)] * 2

    def test_a_loss_written_into_one_array_is_recorded_each_time(self):
        out = np.zeros(())

        def value_and_grad(p):
            out[...], grad = bowl(p)
            return out, grad

        history = minimize(value_and_grad, start(), optimizer=Descent, steps=3).history
        assert history.value.tolist() == [25.0, 6.25, 1.5625]


def test_result_prints_without_its_arrays():
    result = minimize(bowl, start(), optimizer=Descent, steps=3)
    pattern = r"Result\(value=1\.5625, steps=3, epochs=3, reason='steps', seconds=\d[\d.e-]*\)"
    assert re.fullmatch(pattern, repr(result))
    assert isinstance(result, Result)


def test_result_cannot_be_changed():
    result = minimize(bowl, start(), optimizer=Descent, steps=1)
    with pytest.raises(AttributeError):
        result.value = 0.0


def test_an_empty_history_prints():
    def value_and_grad(_):
        raise KeyboardInterrupt

    assert repr(minimize(value_and_grad, start(), optimizer=Descent, steps=1).history) == "History(evaluations=0)"


class TestOptimizer:
    def test_object_class_or_function(self):
        for optimizer in (Descent, partial(Descent, lr=0.25)):
            p = start()
            minimize(bowl, p, optimizer=optimizer, steps=1)
            assert p.tolist() == [1.5, -2.0]
        made: Optimizer = Descent(start())
        assert minimize(bowl, made.params, optimizer=made, steps=1).params.tolist() == [1.5, -2.0]

    def test_goes_on_where_it_was(self):
        optimizer = Scheduled(start())
        for _ in range(2):
            history = minimize(bowl, optimizer.params, optimizer=optimizer, steps=2).history
        assert history.lr.tolist() == [0.0625, 0.03125]

    @pytest.mark.parametrize(
        "make",
        [
            lambda p: Descent(p.copy()),
            lambda p: Descent([p, p]),
            lambda _: Descent([]),
            lambda _: lambda q: Descent(q.copy()),
            lambda p: Descent(p[:]),
        ],
    )
    def test_over_other_arrays(self, make):
        p = start()
        message = "minimize: optimizer must update the arrays of params, got an optimizer over other arrays"
        with refused(ValueError, message):
            minimize(bowl, p, optimizer=make(p), steps=1)
        assert p.tolist() == start().tolist()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"value_and_grad": 1}, TypeError, "value_and_grad must be callable, got int"),
        ({"params": 1.0}, TypeError, "params must be an array, or a sequence or dict of arrays, got float"),
        (
            {"params": {"w": np.float64(1)}},
            TypeError,
            "params must be an array, or a sequence or dict of arrays, got float64",
        ),
        ({"optimizer": "sgd"}, TypeError, "optimizer must be callable, got str"),
        ({"optimizer": None}, TypeError, "optimizer must be callable, got NoneType"),
        ({"optimizer": lambda _: 3}, TypeError, "optimizer must have params and step, got int"),
        (
            {"optimizer": types.SimpleNamespace(step=1)},
            TypeError,
            "optimizer must have params and step, got SimpleNamespace",
        ),
        ({"data": 3}, TypeError, "data must be an iterable of batches, got int"),
        ({"epochs": 0}, ValueError, "epochs must be an integer >= 1, got 0"),
        ({"steps": -1}, ValueError, "steps must be an integer >= 1, got -1"),
        ({"steps": 1.0}, TypeError, "steps must be an integer >= 1, got float"),
        ({"stop": 3}, TypeError, "stop must be a sequence, got int"),
        ({"stop": [None]}, TypeError, "stop[0] must be callable, got NoneType"),
        ({"progress": 1}, TypeError, "progress must be True or False, got int"),
        ({"callback": 1}, TypeError, "callback must be callable, got int"),
        ({"steps": None}, ValueError, "epochs, steps or stop must bound the run, got none of them"),
        ({"data": []}, ValueError, "data must give batches in every epoch, got none in epoch 0"),
        ({"data": iter([()])}, ValueError, "data must give batches in every epoch, got none in epoch 1"),
        (
            {"value_and_grad": lambda _: 1.0},
            TypeError,
            "value_and_grad must return (value, grads), got float",
        ),
        (
            {"value_and_grad": lambda p: (1.0, p, p)},
            TypeError,
            "value_and_grad must return (value, grads), got a tuple of 3",
        ),
        (
            {"value_and_grad": lambda p: (p, p)},
            ValueError,
            "value_and_grad must return a scalar value, got numpy.ndarray of shape (2,) and dtype float64",
        ),
        (
            {"value_and_grad": lambda p: (None, p)},
            TypeError,
            "value_and_grad must return a scalar value, got NoneType",
        ),
    ],
)
def test_arguments_are_refused(options, kind, message):
    arguments = {"value_and_grad": bowl, "params": start(), "optimizer": Descent, "steps": 2} | options
    with refused(kind, f"minimize: {message}"):
        minimize(arguments.pop("value_and_grad"), arguments.pop("params"), **arguments)
