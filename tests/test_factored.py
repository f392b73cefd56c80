"""Adafactor against PyTorch's."""

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.formulas.folded import DESCENT_SQUARE
from fastloa_kernels.formulas.optimizer_factored import ADAFACTOR, ADAFACTOR_MATRIX, ADAFACTOR_MEAN

import fastloa as fl
from fastloa import stacks
from fastloa.optimizers import factored
from tests.harness import check_same_bits
from tests.scalars import refused
from tests.shim import catalogue
from tests.shim.compare import gpu, in_place_of_cupy, needs_compiler, same
from tests.test_folded import ALL, descents
from tests.trajectories import gradients

pytestmark = pytest.mark.shares("adafactor")

SHAPES = [(5, 8), (7,), (2, 3, 4), ()]
OPTIONS = (
    {},
    {"lr": 0.1, "beta2_decay": -0.5, "eps": (1e-3, 0.1), "d": 2.0, "weight_decay": 0.1, "maximize": True},
    {"eps": (0.5, 1e-3), "beta2_decay": 0.0},
)


def starts(dtype, shapes=SHAPES):
    return [np.random.default_rng(1).standard_normal(shape).astype(dtype) for shape in shapes]


def walk(dtype, steps, shapes=SHAPES):
    return [list(map(np.asarray, g)) for g in zip(*(gradients(s, dtype, steps) for s in shapes), strict=True)]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize(("options", "steps"), list(zip(OPTIONS, (1000, 1000, 100), strict=True)))
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_trajectories_are_pytorchs(options, steps, dtype, tolerance, torch):
    p, steps = starts(dtype), steps if dtype == "float64" else 100
    theirs = [torch.from_numpy(x.copy()) for x in p]
    ours, golden = fl.Adafactor(p, **options), torch.optim.Adafactor(theirs, **options)
    for gs in walk(dtype, steps):
        for tensor, g in zip(theirs, gs, strict=True):
            tensor.grad = torch.from_numpy(g)
        golden.step()
        ours.step(gs)
    for got, wanted in zip(p, theirs, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, wanted.numpy(), rtol=tolerance, atol=tolerance * np.abs(got).max())
    for own, tensor in zip(ours.state_dict()["states"], theirs, strict=True):
        wanted = {k: v for k, v in golden.state[tensor].items() if k != "step"}
        assert own.keys() == wanted.keys()
        for name, state in own.items():
            np.testing.assert_allclose(state, wanted[name].numpy(), rtol=tolerance, atol=tolerance)


def test_a_schedule_is_the_rate_of_its_step(torch):
    p = starts("float64")
    theirs = [torch.from_numpy(x.copy()) for x in p]
    ours, golden = fl.Adafactor(p, lr=fl.schedules.step(0.1, 2)), torch.optim.Adafactor(theirs, lr=0.1)
    turns = torch.optim.lr_scheduler.StepLR(golden, 2)
    for gs in walk("float64", 7):
        for tensor, g in zip(theirs, gs, strict=True):
            tensor.grad = torch.from_numpy(g)
        golden.step()
        turns.step()
        ours.step(gs)
    for got, wanted in zip(p, theirs, strict=True):
        np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-12)


def test_what_is_folded_is_done_before_the_moments_and_after_the_step():
    p, q = starts("float64"), starts("float64")
    plain, folded, mean = fl.Adafactor(p), fl.Adafactor(q, **ALL), starts("float64")
    for gs in walk("float64", 10):
        plain.step(descents(gs)[1])
        folded.step(gs)
        assert not any(g.any() for g in gs)
        mean = [0.75 * a + 0.25 * x for a, x in zip(mean, p, strict=True)]
    for a, b in (*zip(p, q, strict=True), *zip(mean, folded.ema, strict=True)):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@needs_compiler
def test_the_cuda_engine_makes_the_same_steps(monkeypatch):
    wanted = [(record, name) for record in (ADAFACTOR, ADAFACTOR_MATRIX) for name in ("step", "measured_summed")]
    wanted += [(ADAFACTOR_MEAN, "step"), (DESCENT_SQUARE, "value"), (DESCENT_SQUARE, "value_summed_wide")]
    texts = [catalogue.map_source(*one, "float32") for one in wanted]
    gpu()._driver.prepare([*texts, source.finish_source("float64")])
    in_place_of_cupy(monkeypatch, gpu())
    shapes = [(70, 30), (41,), (2, 3, 4)]
    p, q = starts("float32", shapes), starts("float32", shapes)
    host, device = fl.Adafactor(p, weight_decay=0.1), fl.Adafactor(q, weight_decay=0.1, backend="cupy")
    for gs in walk("float32", 5, shapes):
        host.step(gs)
        device.step(gs)
    for a, b in zip(p, q, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    for a, b in zip(host.state_dict()["states"], device.state_dict()["states"], strict=True):
        for name in a:
            same(b[name], a[name])


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
def test_16_bit_parameters_are_computed_in_float32_and_rounded_once(dtype):
    shapes, eps = [(4, 3), (5,)], float(ml_dtypes.finfo(dtype).eps)
    p, gs = starts(dtype, shapes), walk(dtype, 1, shapes)[0]
    wide = [x.astype(np.float32) for x in p]
    fl.Adafactor(p).step(gs)
    fl.Adafactor(wide, eps=(eps, 1e-3)).step([g.astype(np.float32) for g in gs])
    for a, b in zip(p, wide, strict=True):
        np.testing.assert_array_equal(a, b.astype(dtype))


def test_a_run_goes_on_from_its_state_and_takes_any_layout():
    p, gs = [x.copy(order="F") for x in starts("float64")], walk("float64", 20)
    first = fl.Adafactor(p, lr=fl.schedules.linear(0.1, 0.01, 20), ema=0.5)
    for g in gs[:10]:
        first.step(g)
    second = fl.Adafactor([x.copy(order="C") for x in p], lr=fl.schedules.linear(0.1, 0.01, 20), ema=0.5)
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    third = copy.deepcopy(second)
    for optimizer in (first, second, third):
        for g in gs[10:]:
            optimizer.step([x.copy(order="F") for x in g] if optimizer is first else g)
    for a, b, c in zip(p, second.params, third.params, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    shapes = [{name: x.shape for name, x in own.items()} for own in first.state_dict()["states"][1:3]]
    assert shapes == [
        {"variance": (7,), "ema": (7,)},
        {"row_var": (2, 3, 1), "col_var": (2, 1, 4), "ema": (2, 3, 4)},
    ]


def test_numbers_that_are_none_keep_to_their_array_and_to_their_element_of_a_vector():
    p, q = [np.ones(3), np.ones((2, 2)), np.ones((2, 2)), np.ones((0, 3)), np.ones(0)], [np.ones(3)]
    g = [np.array([1.0, np.nan, -2.0]), np.array([[1.0, np.nan], [1.0, 1.0]]), np.ones((2, 2)), p[3], p[4]]
    fl.Adafactor(p).step(g)
    fl.Adafactor(q).step([np.array([1.0, 1.0, -2.0])])
    assert np.isnan(p[0]).tolist() == [False, True, False]
    assert p[0][::2].tolist() == q[0][::2].tolist()
    assert np.isnan(p[1]).all()
    assert np.isfinite(p[2]).all()


@pytest.mark.parametrize("folded", [{}, {"grad_scale": 2.0, "clip_value": 0.5, "ema": 0.75, "zero_grad": True}])
@pytest.mark.parametrize("options", OPTIONS)
def test_many_arrays_in_one_call_have_the_bits_of_single_ones(options, folded, monkeypatch):
    shapes, joined = [(5, 8), (7,), (70, 30), (2, 3, 4), (70, 30), (5, 8), (3000,), (), (1, 1), (70, 30)], []
    monkeypatch.setattr(stacks, "TOGETHER", 5000)  # two of the larger matrices
    together = factored.together
    monkeypatch.setattr(factored, "together", lambda *given: joined.extend(together(*given)) or joined[-1:])
    p = [x for dtype in ("float32", "float64", "float16") for x in starts(dtype, shapes)]
    q = [x.copy() for x in p]
    every, single = fl.Adafactor(p, **options, **folded), [fl.Adafactor(x, **options, **folded) for x in q]
    for step in range(1, 4):
        gs = [g for dtype in ("float32", "float64", "float16") for g in walk(dtype, step, shapes)[-1]]
        for optimizer, g in zip(single, gs, strict=True):
            optimizer.step(g.copy())
        every.step(gs)
        assert len(joined) == 6 * step  # matrices and vectors of each dtype
        assert [bool(g.any()) for g in gs] == [not folded] * len(gs)
        check_same_bits(tuple(p), tuple(q))
    for own, optimizer in zip(every.state_dict()["states"], single, strict=True):
        check_same_bits(tuple(own.values()), tuple(optimizer.state_dict()["states"][0].values()))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(5, 8), (7,), (2, 3, 4), ()], ids=str)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_bare_steps_are_the_same(options, shape, dtype):
    (p,) = starts(dtype, [shape])
    q, optimizer = p.copy(), fl.Adafactor(p, **options)
    own = optimizer.state_dict()["states"][0]
    states = [own[name] for name in ("row_var", "col_var")] if len(shape) > 1 else [None, None, own["variance"]]
    for step, g in enumerate(gradients(shape, dtype, 5), 1):
        optimizer.step(np.asarray(g))
        fl.adafactor_step(q, np.asarray(g), *states, step=step, **options)
        wanted = optimizer.state_dict()["states"][0].values()
        check_same_bits((q, *(state for state in states if state is not None)), (p, *wanted))
    folded = {"grad_scale": 2.0, "clip_value": 0.5, "clip_norm": 1.0, "zero_grad": True}
    optimizer = fl.Adafactor(p, **options, **folded)
    kept = (state for state in states if state is not None)
    optimizer.load_state_dict({**optimizer.state_dict(), "steps": 5, "states": [dict(zip(own, kept, strict=True))]})
    g = np.asarray(gradients(shape, dtype, 1)[0])
    given = g.copy()
    optimizer.step(g)
    fl.adafactor_step(q, given, *states, step=6, **options, **folded)
    assert not given.any()
    check_same_bits(q, p)


def test_bare_steps_refuse_states_that_do_not_fit_and_write_nothing():
    p, g, rows, columns = np.ones((2, 3)), np.ones((2, 3)), np.zeros((2, 1)), np.zeros((1, 3))
    fixed = columns.copy()
    fixed.flags.writeable = False
    for states, error, message in (
        ((columns, rows), ValueError, "row_var must have shape (2, 1), got (1, 3)"),
        ((rows, rows), ValueError, "col_var must have shape (1, 3), got (2, 1)"),
        ((rows, columns.astype("f")), TypeError, "col_var must be float64 like p, got float32"),
        ((rows, fixed), ValueError, "col_var must be writable, got a read-only array"),
        ((rows, p[:1]), ValueError, "p and col_var must be arrays apart, got overlapping memory"),
        ((rows, columns, p), ValueError, "variance must be left out with these options, got an array"),
        ((rows,), TypeError, "takes the arrays p, g, row_var, col_var, got 3"),
    ):
        with refused(error, f"adafactor_step: {message}"):
            fl.adafactor_step(p, g, *states, step=1)
    with refused(TypeError, "adafactor_step: step must be an integer >= 1, got nothing"):
        fl.adafactor_step(p, g, rows, columns)
    with refused(ValueError, "adafactor_step: row_var must be left out with these options, got an array"):
        fl.adafactor_step(p[0], g[0], rows, None, np.zeros(3), step=1)
    assert (p == 1.0).all()
    assert not rows.any()
    assert not columns.any()


def test_options():
    for options, message in (
        ({"beta2_decay": 0.5}, "beta2_decay must be finite and <= 0, got 0.5"),
        ({"d": 0.5}, "d must be finite and >= 1, got 0.5"),
        ({"eps": (-1.0, 1.0)}, "eps[0] must be non-negative and finite, got -1.0"),
        ({"eps": (None, -1.0)}, "eps[1] must be non-negative and finite, got -1.0"),
        ({"eps": (None,)}, "eps must be two numbers, got 1"),
        ({"lr": -1.0}, "lr must be non-negative and finite, got -1.0"),
    ):
        with refused(ValueError, f"Adafactor: {message}"):
            fl.Adafactor(np.ones(3), **options)
    with refused(TypeError, "Adafactor: eps[1] must be a real number, got NoneType"):
        fl.Adafactor(np.ones(3), eps=(None, None))


def test_means_that_are_too_large_for_a_number():
    p = np.ones((2, 3), np.float32)
    optimizer = fl.Adafactor(p)
    for _ in range(2):
        optimizer.step(np.full((2, 3), 3e19, np.float32))
    q = np.ones((2, 3))
    other = fl.Adafactor(q)
    for _ in range(2):
        other.step(np.full((2, 3), 3e19))
    np.testing.assert_allclose(p, q, rtol=1e-6)
