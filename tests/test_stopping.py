"""Stopping criteria: when they stop, what they say, what they remember, and every message word for word."""

import math
import pickle
import re

import ml_dtypes
import numpy as np
import pytest

from fastloa import stopping
from fastloa.stopping import State
from tests.stand_in_cupy import install

INF, NAN = math.inf, math.nan


def refused(error, message):
    """Expect an error with this message, word for word."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def said(criterion, values):
    """Say what a criterion answers to losses one after another."""
    return [criterion(State(step=step, value=value)) for step, value in enumerate(values)]


CRITERIA = {
    "grad_norm": stopping.grad_norm(0.1),
    "loss_change": stopping.loss_change(0.1, 0.2),
    "patience": stopping.patience(3, 0.1),
    "max_steps": stopping.max_steps(3),
    "max_seconds": stopping.max_seconds(0.5),
    "non_finite": stopping.non_finite(),
    "target": stopping.target(0.1),
}


def test_all_criteria_are_here():
    assert {name for name in stopping.__all__ if name != "State"} == set(CRITERIA)


@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_every_criterion_goes_on_and_pickles(criterion):
    state = State(step=1, epoch=0, value=1.0, grads=np.ones(2), params=np.ones(2), seconds=0.25)
    twin = pickle.loads(pickle.dumps(criterion))
    assert twin == criterion
    assert criterion(state) is None
    assert twin(state) is None


def test_criteria_with_other_arguments_differ():
    assert stopping.grad_norm(0.1) != stopping.grad_norm(0.2)
    assert stopping.patience(3) != stopping.patience(4)


class TestGradNorm:
    @pytest.mark.parametrize(
        ("grads", "norm"),
        [
            (np.array([3.0, 4.0]), 5.0),
            (np.array(-3.0), 3.0),
            (np.float64(-3.0), 3.0),
            ([np.array([1.0, 2.0]), np.array([[2.0]])], 3.0),
            ((np.array([2], np.int32), np.array([3.0], np.float16), np.array([6], ml_dtypes.bfloat16)), 7.0),
            ({"w": np.array([3.0]), "b": [np.array([4.0]), np.array([12.0])]}, 13.0),
            ([], 0.0),
            (np.zeros((0, 3)), 0.0),
            (np.zeros(5), 0.0),
        ],
    )
    def test_is_the_norm_of_all_arrays_together(self, grads, norm):
        assert stopping.grad_norm(norm)(State(grads=grads)) is not None
        if norm:
            assert stopping.grad_norm(math.nextafter(norm, 0))(State(grads=grads)) is None

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("where", ["smallest", "largest", "tiny", "huge"])
    def test_squares_neither_overflow_nor_vanish(self, dtype, where):
        info = np.finfo(dtype)
        unit = {
            "smallest": info.smallest_subnormal,
            "largest": info.max / 8,
            "tiny": np.sqrt(info.tiny) / 8,
            "huge": np.sqrt(info.max) * 8,
        }[where]
        grads = [np.array([3 * unit], dtype), np.array([4 * unit], dtype)]
        norm = 5 * float(unit)
        assert stopping.grad_norm(norm * (1 + 1e-6))(State(grads=grads)) is not None
        below = min(norm * (1 - 1e-6), math.nextafter(norm, 0.0))  # the same where the norm is a few subnormals
        assert stopping.grad_norm(below)(State(grads=grads)) is None

    def test_small_and_large_together(self):
        grads = [np.array([3e-320]), np.full(100, 4e-320)]
        norm = math.sqrt(9 + 1600) * 1e-320
        assert stopping.grad_norm(norm * 1.01)(State(grads=grads)) is not None
        assert stopping.grad_norm(norm * 0.99)(State(grads=grads)) is None

    def test_float32_is_summed_in_float64(self):
        grads = np.ones(10**6 + 1, np.float32)
        grads[0] = 2.0**13  # so that 1 is lost when added to its square in float32
        norm = math.sqrt(2.0**26 + 10**6)
        assert stopping.grad_norm(norm * (1 + 1e-12))(State(grads=grads)) is not None
        assert stopping.grad_norm(norm * (1 - 1e-12))(State(grads=grads)) is None

    @pytest.mark.parametrize("view", [np.s_[::-1], np.s_[::3], np.s_[:, ::2]])
    def test_any_layout(self, view):
        grads = np.arange(12.0).reshape(3, 4)[view]
        norm = math.sqrt(sum(x * x for x in grads.ravel().tolist()))
        assert stopping.grad_norm(norm * (1 + 1e-14))(State(grads=grads)) is not None
        assert stopping.grad_norm(norm * (1 - 1e-14))(State(grads=grads)) is None

    @pytest.mark.parametrize("grads", [[INF, 1.0], [-INF, 0.0]])
    def test_goes_on_at_an_infinite_norm(self, grads):
        assert stopping.grad_norm(1e308)(State(grads=np.array(grads))) is None

    @pytest.mark.parametrize("grads", [[1.0, NAN], [INF, NAN]])
    def test_stops_at_nan_which_never_comes_down(self, grads):
        assert stopping.grad_norm(1e308)(State(grads=np.array(grads))) == "gradient norm is nan"

    def test_leaves_the_gradients_as_they_are(self):
        grads = np.array([1e-200, 2e-200])
        stopping.grad_norm(1.0)(State(grads=grads))
        assert grads.tolist() == [1e-200, 2e-200]

    def test_says_why(self):
        assert stopping.grad_norm(1e-6)(State(grads=np.array([9.123e-7]))) == "gradient norm 9.12e-07 <= 1e-06"

    @pytest.mark.parametrize(
        ("grads", "message"),
        [
            (None, "grads must be a NumPy or CuPy array, got NoneType"),
            ([np.ones(1), 1.0], "grads must be a NumPy or CuPy array, got float"),
            (np.array([1j]), "grads must be real, got dtype complex128"),
            (np.array([None]), "grads must be real, got dtype object"),
        ],
    )
    def test_refuses_what_are_no_gradients(self, grads, message):
        with refused(TypeError, f"stopping.grad_norm: {message}"):
            stopping.grad_norm(1.0)(State(grads=grads))


class TestLossChange:
    def test_absolute(self):
        assert said(stopping.loss_change(0.25), [2.0, 1.0, 0.5, 0.25]) == [None, None, None, "loss change 0.25 <= 0.25"]
        assert said(stopping.loss_change(0.25), [2.0, 2.25]) == [None, "loss change 0.25 <= 0.25"]

    def test_relative_to_the_larger_of_both(self):
        assert said(stopping.loss_change(relative=0.5), [4.0, 2.0]) == [None, "loss change 2 <= 2"]
        assert said(stopping.loss_change(relative=0.5), [-2.0, -4.0]) == [None, "loss change 2 <= 2"]
        assert said(stopping.loss_change(relative=0.49), [4.0, 2.0]) == [None, None]

    def test_either_is_enough(self):
        assert said(stopping.loss_change(0.1, 0.5), [4.0, 2.0])[1] == "loss change 2 <= 2"
        assert said(stopping.loss_change(2.5, 0.1), [4.0, 2.0])[1] == "loss change 2 <= 2.5"

    @pytest.mark.parametrize("values", [[NAN, NAN], [1.0, NAN], [INF, INF], [1.0, INF], [INF, 1.0], [-INF, INF]])
    def test_goes_on_where_there_is_no_change_to_speak_of(self, values):
        assert said(stopping.loss_change(1.0, 1.0), values) == [None, None]

    def test_forgets_at_reset(self):
        criterion = stopping.loss_change(0.1)
        assert said(criterion, [1.0]) == [None]
        criterion.reset()
        assert said(criterion, [1.0, 1.0]) == [None, "loss change 0 <= 0.1"]


class TestPatience:
    def test_waits_for_a_lower_loss(self):
        criterion = stopping.patience(3)
        assert said(criterion, [5.0, 4.0, 4.0, 4.5, 3.0, 3.0, 3.0]) == [None] * 7
        assert said(criterion, [3.5]) == ["no loss below 3 in 3 steps"]

    def test_min_delta_is_what_counts_as_lower(self):
        criterion = stopping.patience(2, min_delta=0.5)
        assert said(criterion, [4.0, 3.5, 3.0, 2.75, 2.5]) == [None, None, None, None, "no loss below 2.5 in 2 steps"]

    def test_nan_is_never_better(self):
        assert said(stopping.patience(2), [NAN, NAN]) == [None, "no loss below inf in 2 steps"]
        assert said(stopping.patience(2), [1.0, NAN, 0.5, NAN, NAN])[-2:] == [None, "no loss below 0.5 in 2 steps"]

    def test_forgets_at_reset(self):
        criterion = stopping.patience(2)
        assert said(criterion, [1.0, 2.0]) == [None, None]
        criterion.reset()
        assert said(criterion, [3.0, 3.0, 3.0]) == [None, None, "no loss below 3 in 2 steps"]
        criterion.reset()
        assert said(criterion, [NAN, NAN]) == [None, "no loss below inf in 2 steps"]


def test_max_steps():
    criterion = stopping.max_steps(3)
    assert [criterion(State(step=step)) for step in (0, 2, 3, 4)] == [None, None, "3 steps", "3 steps"]


def test_max_seconds():
    criterion = stopping.max_seconds(1.5)
    assert [criterion(State(seconds=s)) for s in (0.0, 1.4999, 1.5)] == [None, None, "1.5 seconds"]


def test_target():
    assert said(stopping.target(0.5), [1.0, 0.5000001, 0.5, 0.25, -INF, NAN]) == [
        None,
        None,
        "loss 0.5 <= 0.5",
        "loss 0.25 <= 0.5",
        "loss -inf <= 0.5",
        None,
    ]


class TestNonFinite:
    @pytest.mark.parametrize(
        ("value", "text"), [(NAN, "nan"), (INF, "inf"), (-INF, "-inf"), (np.float32("nan"), "nan")]
    )
    def test_loss(self, value, text):
        assert stopping.non_finite()(State(value=value, grads=np.ones(2))) == f"loss is {text}"

    @pytest.mark.parametrize("bad", [NAN, INF, -INF])
    @pytest.mark.parametrize("place", [0, 40_000, 99_999])
    def test_gradient(self, bad, place):
        grads = {"w": np.ones(3), "b": np.ones((2, 50_000), np.float32)}
        criterion = stopping.non_finite()
        assert criterion(State(value=1.0, grads=grads)) is None
        grads["b"].flat[place] = bad
        assert criterion(State(value=1.0, grads=grads)) == "gradient is not finite"
        assert criterion(State(grads=grads)) == "gradient is not finite"

    def test_large_is_finite(self):
        grads = np.full(1000, np.finfo(np.float64).max)
        assert stopping.non_finite()(State(value=1.7e308, grads=grads)) is None

    @pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.int64])
    def test_other_dtypes(self, dtype):
        assert stopping.non_finite()(State(grads=np.ones(3, dtype))) is None

    def test_half_infinity(self):
        assert stopping.non_finite()(State(grads=np.array([INF], ml_dtypes.bfloat16))) == "gradient is not finite"


@pytest.mark.parametrize("value", [np.float32(0.5), np.array(0.5), 0.5, np.float16(0.5)])
def test_a_loss_may_be_any_scalar(value):
    state = State(value=value)
    assert stopping.target(0.5)(state) == "loss 0.5 <= 0.5"
    assert type(state.value) is float


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (None, "NoneType"),
        ("a", "str"),
        (1j, "complex"),
        (np.ones(1), "numpy.ndarray of shape (1,) and dtype float64"),
        (np.ones((2, 1), np.float32), "numpy.ndarray of shape (2, 1) and dtype float32"),
    ],
)
@pytest.mark.parametrize("name", ["target", "loss_change", "patience", "non_finite"])
def test_a_loss_must_be_a_scalar(name, value, came):
    if name == "non_finite" and value is None:
        assert CRITERIA[name](State(value=value)) is None
        return
    with refused(TypeError, f"stopping.{name}: state.value must be a real scalar, got {came}"):
        CRITERIA[name](State(value=value))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: stopping.grad_norm(-1), ValueError, "grad_norm: tolerance must be non-negative and finite, got -1"),
        (lambda: stopping.grad_norm("a"), TypeError, "grad_norm: tolerance must be a real number, got str"),
        (
            stopping.loss_change,
            ValueError,
            "loss_change: absolute or relative must be positive, got 0.0 and 0.0",
        ),
        (lambda: stopping.loss_change(-1), ValueError, "loss_change: absolute must be non-negative and finite, got -1"),
        (
            lambda: stopping.loss_change(1, NAN),
            ValueError,
            "loss_change: relative must be non-negative and finite, got nan",
        ),
        (lambda: stopping.patience(0), ValueError, "patience: steps must be an integer >= 1, got 0"),
        (lambda: stopping.patience(1, -1), ValueError, "patience: min_delta must be non-negative and finite, got -1"),
        (lambda: stopping.max_steps(0), ValueError, "max_steps: n must be an integer >= 1, got 0"),
        (lambda: stopping.max_steps(1.0), TypeError, "max_steps: n must be an integer >= 1, got float"),
        (lambda: stopping.max_seconds(0), ValueError, "max_seconds: s must be positive and finite, got 0"),
        (lambda: stopping.target(INF), ValueError, "target: value must be finite, got inf"),
    ],
)
def test_arguments_are_refused(make, kind, message):
    with refused(kind, f"stopping.{message}"):
        make()


@pytest.fixture
def cupy(monkeypatch):
    return install(monkeypatch)


def test_the_gradients_of_a_device_are_read_once(cupy):
    grads = {"w": cupy.ndarray(np.array([3.0, 0.0]), cupy.device), "b": [cupy.ndarray(np.array([[4.0]]), cupy.device)]}
    assert stopping.grad_norm(4.999)(State(grads=grads)) is None
    assert stopping.grad_norm(5.0)(State(grads=grads)) == "gradient norm 5 <= 5"
    assert cupy.device.reads == 2
    assert stopping.non_finite()(State(grads=grads)) is None
    grads["b"][0].host[0, 0] = NAN
    assert stopping.non_finite()(State(grads=grads)) == "gradient is not finite"
    assert cupy.device.reads == 4


def test_squares_on_a_device_neither_overflow_nor_vanish(cupy):
    for unit in (1e-300, 1e300):
        state = State(grads=[cupy.ndarray(np.array([3 * unit, 4 * unit]), cupy.device)])
        assert stopping.grad_norm(5 * unit * (1 + 1e-12))(state) is not None
        assert stopping.grad_norm(5 * unit * (1 - 1e-12))(state) is None


def test_the_loss_of_a_device_is_read_once_by_all_criteria(cupy):
    state = State(value=cupy.ndarray(np.array(2.0), cupy.device))
    for name in ("target", "patience", "loss_change", "non_finite"):
        assert CRITERIA[name](state) is None
    assert cupy.device.reads == 1


def test_on_a_gpu():
    real = pytest.importorskip("cupy")
    if not real.is_available():
        pytest.skip("no CUDA device")
    for unit in (1e-300, 1.0, 1e300):
        state = State(value=real.asarray(unit), grads=[real.asarray([3.0, 4.0]) * unit])
        assert stopping.grad_norm(5 * unit * (1 + 1e-12))(state) is not None
        assert stopping.grad_norm(5 * unit * (1 - 1e-12))(state) is None
        assert stopping.non_finite()(state) is None
        assert stopping.target(unit)(state) is not None
    assert stopping.non_finite()(State(grads=real.asarray([NAN]))) == "gradient is not finite"
