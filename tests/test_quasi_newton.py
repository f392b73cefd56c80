"""L-BFGS against PyTorch's, evaluation by evaluation, and what it remembers."""

import copy
import pickle

import numpy as np
import pytest
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.formulas.optimizer_lines import LBFGS_MOVE
from fastloa_kernels.formulas.totals import MAGNITUDE

import fastloa as fl
from tests.scalars import refused
from tests.shim import catalogue
from tests.shim.compare import gpu, in_place_of_cupy, needs_compiler, same

pytestmark = pytest.mark.shares("lbfgs")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 8))
Y = (X @ RNG.standard_normal(8) + RNG.standard_normal(60) > 0) * 1.0
SEARCH = {"line_search_fn": "strong_wolfe"}


def rosenbrock(p):
    """Give the value and gradients of a chain of banana-shaped valleys."""
    (x,) = p
    bend = x[1:] - x[:-1] ** 2
    gradient = np.zeros_like(x)
    gradient[1:] += 200.0 * bend
    gradient[:-1] += -400.0 * x[:-1] * bend - 2.0 * (1.0 - x[:-1])
    return (100.0 * bend**2 + (1.0 - x[:-1]) ** 2).sum(), [gradient]


def logistic(p):
    """Give those of a logistic regression with weights, a bias and a penalty."""
    w, b = p
    z = X.astype(w.dtype) @ w + b
    pull = (1.0 / (1.0 + np.exp(-z)) - Y).astype(w.dtype) / len(Y)
    value = np.mean(np.logaddexp(0.0, z) - Y * z) + 0.01 * (w @ w)
    return value, [X.T.astype(w.dtype) @ pull + 0.02 * w, np.asarray(pull.sum())]


STARTS = {rosenbrock: [np.array([-1.2, 1.0])], logistic: [np.zeros(8), np.zeros(())]}
CASES = [
    (rosenbrock, {"lr": 0.05}),
    (rosenbrock, {"lr": 0.05, "max_iter": 7, "max_eval": 5}),
    (rosenbrock, SEARCH),
    (rosenbrock, {**SEARCH, "history_size": 3, "max_iter": 10}),
    (rosenbrock, {**SEARCH, "lr": 3.0, "max_eval": 4}),
    (rosenbrock, {**SEARCH, "lr": 1e-3}),
    (logistic, {}),
    (logistic, {"lr": 0.5, "max_iter": 7}),
    (logistic, SEARCH),
    (logistic, {**SEARCH, "tolerance_grad": 1e-2}),
    (logistic, {**SEARCH, "tolerance_change": 1e-3}),
]


def begun(function, dtype="float64"):
    return [x.astype(dtype) for x in STARTS[function]]


@pytest.mark.parametrize(("function", "options"), CASES)
def test_moves_and_evaluations_are_pytorchs(function, options):
    torch = pytest.importorskip("torch")
    p, theirs, seen = begun(function), [torch.from_numpy(x) for x in begun(function)], []
    ours, golden = fl.LBFGS(p, **options), torch.optim.LBFGS(theirs, **options)

    def closure():
        value, gradients = function([x.numpy() for x in theirs])
        for tensor, g in zip(theirs, gradients, strict=True):
            tensor.grad = torch.from_numpy(g)
        seen.append([x.numpy().copy() for x in theirs])
        return torch.tensor(float(value), dtype=torch.float64)

    count = 0

    def evaluated():
        nonlocal count
        for x, wanted in zip(p, seen[count], strict=True):
            np.testing.assert_allclose(x, wanted, rtol=1e-12, atol=1e-12)
        count += 1
        return function(p)

    for _ in range(6):
        golden.step(closure)
        ours.step(evaluated)
        assert ours.evaluations == count == len(seen)
        assert ours.iterations == golden.state[theirs[0]]["n_iter"]
        for x, wanted in zip(p, theirs, strict=True):
            np.testing.assert_allclose(x, wanted.numpy(), rtol=1e-12, atol=1e-12)


def test_it_ends_where_scipys_does():
    scipy = pytest.importorskip("scipy.optimize")
    p = begun(logistic)
    fl.LBFGS(p, max_iter=100, tolerance_change=0.0, **SEARCH).step(lambda: logistic(p))

    def flat(x):
        value, (w, b) = logistic([x[:8], x[8]])
        return value, np.append(w, b)

    found = scipy.minimize(flat, np.zeros(9), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 0.0})
    np.testing.assert_allclose(np.append(p[0], p[1]), found.x, atol=1e-6)


@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("float32", "float64"), ("float16", "float16")])
def test_other_dtypes_come_as_near_as_their_digits_let_them(dtypes):
    p, exact = [x.astype(dtype) for x, dtype in zip(begun(logistic), dtypes, strict=True)], begun(logistic)
    fl.LBFGS(p, **SEARCH).step(
        lambda: (
            logistic([x.astype("float64") for x in p])[0],
            [g.astype(x.dtype) for g, x in zip(logistic([x.astype("float64") for x in p])[1], p, strict=True)],
        )
    )
    fl.LBFGS(exact, max_iter=100, **SEARCH).step(lambda: logistic(exact))
    for x, wanted, dtype in zip(p, exact, dtypes, strict=True):
        assert x.dtype == dtype
        np.testing.assert_allclose(x.astype("float64"), wanted, atol=1e-3 if "float16" not in dtypes else 2e-2)


def test_minimize_makes_the_same_evaluations():
    p, q, count = begun(rosenbrock), begun(rosenbrock), 0

    def counted(params):
        nonlocal count
        count += 1
        return rosenbrock(params)

    optimizer = fl.LBFGS(p, tolerance_change=1e-15, **SEARCH)
    result = fl.minimize(counted, p, optimizer=optimizer, stop=fl.stopping.grad_norm(1e-6), steps=50)
    assert "gradient norm" in result.reason
    single = fl.LBFGS(q, tolerance_change=1e-15, **SEARCH)
    for _ in range(result.steps):
        single.step(lambda: rosenbrock(q))
    assert count == optimizer.evaluations + 1 == single.evaluations + 1  # one more saw that it had come there
    np.testing.assert_array_equal(p[0], q[0])
    assert len(result.history) == result.steps + 1
    assert result.value < 1e-12


def test_a_schedule_is_the_length_of_a_steps_moves():
    p = np.array([8.0])
    optimizer = fl.LBFGS(p, lr=fl.schedules.step(1.0, 1, gamma=0.5), max_iter=1)
    for rate, place in ((1.0, 7.0), (0.5, 3.5), (0.25, 2.625)):  # the first move is no longer than its rate
        optimizer.step(lambda: (0.5 * p[0] ** 2, p.copy()))
        assert (optimizer.last_lr, p[0]) == (rate, place)


@needs_compiler
def test_the_cuda_engine_makes_the_same_moves_to_the_bit(monkeypatch):
    wanted = [(LBFGS_MOVE, "step"), (LBFGS_MOVE, "total_summed"), (MAGNITUDE, "value_summed_wide")]
    texts = [catalogue.map_source(*one, "float64") for one in wanted]
    gpu()._driver.prepare([*texts, source.finish_source("float64")])
    in_place_of_cupy(monkeypatch, gpu())
    p, q = begun(rosenbrock), begun(rosenbrock)
    host, device = fl.LBFGS(p, **SEARCH), fl.LBFGS(q, backend="cupy", **SEARCH)
    for _ in range(4):
        host.step(lambda: rosenbrock(p))
        device.step(lambda: rosenbrock(q))
    same(q[0], p[0])
    assert host.evaluations == device.evaluations


@pytest.mark.parametrize("options", [SEARCH, {"lr": 0.05}])
def test_a_run_goes_on_from_its_state(options):
    p = begun(rosenbrock)
    first = fl.LBFGS(p, max_iter=4, **options)
    for _ in range(3):
        first.step(lambda: rosenbrock(p))
    second = fl.LBFGS(copy.deepcopy(p), max_iter=4, **options)
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    third = copy.deepcopy(second)
    for optimizer in (first, second, third):
        for _ in range(3):
            optimizer.step(lambda own=optimizer: rosenbrock(own.params))
        np.testing.assert_array_equal(optimizer.params[0], p[0])
        assert (optimizer.steps, optimizer.evaluations) == (6, first.evaluations)
    state, past = first.state_dict(), first.state_dict()["past"]
    for wrong, message in (
        ({"steps": 1, "states": [{}], "hyper": state["hyper"]}, "state_dict must have the key 'past', got ['hyper', 'states', 'steps']"),
        ({**state, "past": {**past, "moves": []}}, f"moves, changes and products must be of one length, got 0, {len(past['changes'])}, {len(past['changes'])}"),
        ({**state, "past": {**past, "gradient": np.ones(3)}}, "gradient must be float64 of shape (2,), got float64 of shape (3,)"),
    ):  # fmt: skip
        with refused(ValueError, f"LBFGS.load_state_dict: {message}"):
            second.load_state_dict(wrong)


def test_where_there_is_nothing_to_gain_nothing_moves():
    for p in (np.zeros(3), np.zeros(0)):
        optimizer = fl.LBFGS(p)
        optimizer.step(lambda x=p: (0.0, x.copy()))
        assert (optimizer.evaluations, optimizer.iterations, optimizer.steps) == (1, 0, 1)


def test_a_search_does_not_end_where_the_value_is_none():
    p = np.array([2.0])
    optimizer = fl.LBFGS(p, lr=8.0, max_iter=3, **SEARCH)
    optimizer.step(lambda: (p[0] - np.log(p[0]), 1.0 - 1.0 / p) if p[0] > 0.0 else (np.nan, np.full(1, np.nan)))
    assert np.isfinite(p).all()


def test_an_error_within_a_search_leaves_the_parameters_where_it_began():
    p, count = begun(rosenbrock), 0

    def closure():
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        return rosenbrock(p)

    optimizer = fl.LBFGS(p, **SEARCH)
    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    np.testing.assert_array_equal(p[0], begun(rosenbrock)[0])
    optimizer.step(closure)
    assert rosenbrock(p)[0] < 1.0


def test_a_layout_is_kept():
    whole = np.ones((3, 8))
    p = whole[:, ::2].T
    assert not p.flags.c_contiguous
    fl.LBFGS(p, **SEARCH).step(lambda: (0.5 * (p**2).sum(), p.copy()))
    np.testing.assert_allclose(whole[:, ::2], 0.0, atol=1e-6)
    np.testing.assert_array_equal(whole[:, 1::2], 1.0)


def test_options():
    p = np.ones(3)
    for options, message in (
        ({"max_iter": 0}, "max_iter must be an integer >= 1, got 0"),
        ({"max_eval": 0}, "max_eval must be an integer >= 1, got 0"),
        ({"history_size": 0}, "history_size must be an integer >= 1, got 0"),
        ({"tolerance_grad": -1.0}, "tolerance_grad must be non-negative and finite, got -1.0"),
        ({"tolerance_change": -1.0}, "tolerance_change must be non-negative and finite, got -1.0"),
        ({"line_search_fn": "armijo"}, "line_search_fn must be 'strong_wolfe', got 'armijo'"),
        ({"lr": -1.0}, "lr must be non-negative and finite, got -1.0"),
    ):
        with refused(ValueError, f"LBFGS: {message}"):
            fl.LBFGS(p, **options)
    optimizer = fl.LBFGS(p)
    for given, error, message in (
        (p, TypeError, "closure must be callable, got numpy.ndarray of shape (3,) and dtype float64"),
        (lambda: p, TypeError, "closure must return (value, grads), got numpy.ndarray of shape (3,) and dtype float64"),
        (lambda: (1.0, np.ones(2)), ValueError, "params and grads must have the same shape, got (3,) and (2,)"),
    ):
        with refused(error, f"LBFGS.step: {message}"):
            optimizer.step(given)
    with refused(TypeError, "Lookahead: optimizer must be one whose steps take gradients, got LBFGS"):
        fl.Lookahead(optimizer)
    assert p.tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("iterations", "a"), ("iterations", -5), ("scale", "x"), ("length", None), ("moves", None), ("products", 1.0)],
)
def test_what_is_remembered_is_checked(name, value):
    optimizer = fl.LBFGS(np.ones(3))
    state = optimizer.state_dict()
    state["past"][name] = value
    with pytest.raises((TypeError, ValueError), match=rf"^LBFGS\.load_state_dict: {name} must be"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("value", [np.ones(2), None, 1j, "3"])
def test_a_value_is_a_number(value):
    p = np.ones(2)
    with pytest.raises((TypeError, ValueError), match=r"^LBFGS\.step: closure must return a scalar value, got"):
        fl.LBFGS(p).step(lambda: (value, p * 0 + 1))
    with pytest.raises((TypeError, ValueError), match=r"^minimize: value_and_grad must return a scalar value, got"):
        fl.minimize(lambda p: (value, p), p, optimizer=fl.SGD(p), steps=1)
    assert (p == 1.0).all()


@pytest.mark.parametrize(
    ("past", "error", "message"),
    [
        ({"gradient": None}, ValueError, "LBFGS.load_state_dict: gradient must be a vector after a step, got None"),
        (3, TypeError, "LBFGS.load_state_dict: past must be a dict, got int"),
    ],
)
def test_a_past_that_is_none_is_refused(past, error, message):
    p = np.ones(3)
    optimizer = fl.LBFGS(p)
    optimizer.step(lambda: (p @ p, 2.0 * p))
    saved = optimizer.state_dict()
    saved["past"] = {**saved["past"], **past} if isinstance(past, dict) else past
    with pytest.raises(error) as caught:
        optimizer.load_state_dict(saved)
    assert str(caught.value) == message
