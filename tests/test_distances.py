"""Prodigy against the paper's algorithm in NumPy's float64, and its distance over many arrays, engines and runs."""

import copy
import math
import pickle

import ml_dtypes
import numpy as np
import pytest
from fastloa_kernels.formulas.optimizer_distances import PRODIGY, PRODIGY_DISTANCE
from fastloa_kernels.formulas.totals import IDENTITY, MAGNITUDE

import fastloa as fl
from tests.harness import check_same_bits
from tests.scalars import refused
from tests.shim import catalogue
from tests.shim.compare import gpu, in_place_of_cupy, needs_compiler, same
from tests.test_folded import ALL, descents

pytestmark = pytest.mark.shares("prodigy")

SHAPES = ((3, 4), (5,))
OPTIONS = (
    {},
    {"betas": (0.8, 0.9), "beta3": 0.5, "eps": 1e-3, "weight_decay": 0.1, "d_coef": 2.0, "d0": 1e-3},
    {"weight_decay": 0.01, "decouple": False, "use_bias_correction": True, "maximize": True, "lr": 0.5},
    {"lr": fl.schedules.warmup(fl.schedules.constant(1.0), 50), "safeguard_warmup": True, "growth_rate": 1.25},
)


def paper(
    ps, gradients_of, steps, *, lr=1.0, betas=(0.9, 0.999), beta3=None, eps=1e-8, weight_decay=0.0, decouple=True,
    use_bias_correction=False, safeguard_warmup=False, d0=1e-6, d_coef=1.0, growth_rate=math.inf, maximize=False,
):  # fmt: skip
    """Follow the paper's algorithm 4 with the options of the authors' code; give the parameters and all distances."""
    firsts, (m, v, s) = [p.copy() for p in ps], ([np.zeros_like(p) for p in ps] for _ in range(3))
    r, d, largest, beta3 = 0.0, d0, d0, betas[1] ** 0.5 if beta3 is None else beta3
    distances = []
    for t in range(1, steps + 1):
        gamma = lr(t - 1) if callable(lr) else lr
        if use_bias_correction:
            gamma *= (1 - betas[1] ** t) ** 0.5 / (1 - betas[0] ** t)
        gs = [-g if maximize else g for g in gradients_of(t, ps)]
        if not decouple:
            gs = [g + weight_decay * p for g, p in zip(gs, ps, strict=True)]
        m = [betas[0] * a + (1 - betas[0]) * d * g for a, g in zip(m, gs, strict=True)]
        v = [betas[1] * a + (1 - betas[1]) * d**2 * g**2 for a, g in zip(v, gs, strict=True)]
        way = sum(np.sum(g * (first - p)) for g, first, p in zip(gs, firsts, ps, strict=True))
        r = beta3 * r + (1 - beta3) * gamma * d**2 * way
        pull = d**2 if safeguard_warmup else gamma * d**2
        s = [beta3 * a + (1 - beta3) * pull * g for a, g in zip(s, gs, strict=True)]
        shrink = gamma * d * weight_decay if decouple else 0.0
        ps = [
            (1 - shrink) * p - gamma * d * a / (np.sqrt(b) + d * eps) for p, a, b in zip(ps, m, v, strict=True)
        ]  # fmt: skip
        estimate = d_coef * r / sum(np.abs(a).sum() for a in s)
        largest = max(largest, estimate)
        d = min(largest, growth_rate * (max(d, estimate) if d == d0 else d))
        distances.append(d)
    return ps, distances


def starts(dtype):
    return [np.random.default_rng(1).standard_normal(shape).astype(dtype) for shape in SHAPES]


def slopes(dtype, sign=1.0, scale=1.0):
    """Give what makes the gradients at a step of a bowl, from parameters, with noise."""
    noise = [np.random.default_rng(2).standard_normal((1000, *shape)).astype(dtype) for shape in SHAPES]
    return lambda t, ps: [
        (scale * sign * (p - 7.0 + x[t % 1000])).astype(p.dtype) for p, x in zip(ps, noise, strict=True)
    ]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_trajectories_are_the_papers(options, dtype):
    steps, tolerance = {"float64": (1000, 1e-11), "float32": (100, 1e-4)}[dtype]
    if dtype == "float32":  # which holds few digits of what steps of 1e-6 change
        options = {**options, "d0": 0.01}
    gradients_of = slopes(dtype, sign=-1.0 if options.get("maximize") else 1.0)
    p = starts(dtype)
    made, distances = fl.Prodigy(p, **options), []
    for t in range(1, steps + 1):
        made.step(gradients_of(t, p))
        distances.append(made.distance)
    wide = [x.astype("float64") for x in starts(dtype)]
    expected, wanted = paper(wide, gradients_of, steps, **options)
    np.testing.assert_allclose(distances, wanted, rtol=tolerance)
    assert distances[-1] > 10 * distances[0]
    for got, exact in zip(p, expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, exact, rtol=tolerance, atol=tolerance * np.abs(exact).max())


def test_what_is_folded_is_done_to_the_gradients_of_the_distance_too():
    gradients_of, p = slopes("float64", scale=8.0), starts("float64")
    made, mean = fl.Prodigy(p, d0=0.01, **ALL), [x.copy() for x in p]
    for t in range(1, 11):  # later steps answer to the rounding of the first ones
        g = gradients_of(t, p)
        made.step(g)
        assert not any(x.any() for x in g)
        mean = [0.75 * a + 0.25 * x for a, x in zip(mean, p, strict=True)]
    expected, distances = paper(starts("float64"), lambda t, ps: descents(gradients_of(t, ps))[1], 10, d0=0.01)
    np.testing.assert_allclose(made.distance, distances[-1], rtol=1e-11)
    for got, wanted in (*zip(p, expected, strict=True), *zip(made.ema, mean, strict=True)):
        np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-11)


def many(seed):
    rng = np.random.default_rng(seed)
    shapes = [(3,), (), (4, 5), (70001,), *[(7,)] * 20]
    return [rng.standard_normal(shape).astype(("float32", "float64")[i % 2]) for i, shape in enumerate(shapes)]


def test_many_arrays_in_one_call_have_the_bits_of_single_ones():
    p, q = many(1), many(1)
    together, single = fl.Prodigy(p, d0=1e-3), fl.Prodigy(q, d0=1e-3)
    single._groups = []
    for seed in range(2, 12):
        for optimizer in (together, single):
            optimizer.step([x + y for x, y in zip(optimizer.params, many(seed), strict=True)])
    assert together.distance == single.distance > 1e-3
    for a, b in zip(p, q, strict=True):
        np.testing.assert_array_equal(a, b)


@needs_compiler
def test_the_cuda_engine_finds_the_same_distance_to_the_bit(monkeypatch):
    wanted = [(PRODIGY, "step"), (PRODIGY, "total_summed"), (MAGNITUDE, "value_summed_wide")]
    texts = [catalogue.many_source(*one, dtype) for dtype in catalogue.DTYPES for one in wanted]
    texts += [catalogue.map_source(*one, "float64") for one in ((PRODIGY_DISTANCE, "step"), (IDENTITY, "value_summed"))]
    gpu()._driver.prepare([*texts, *catalogue.other_sources("float64")])
    in_place_of_cupy(monkeypatch, gpu())
    ps = [[x[:3000] if x.ndim == 1 else x for x in many(1)] for _ in range(2)]
    makers = [fl.Prodigy(p, d0=1e-3, backend=name) for p, name in zip(ps, ("cpu", "cupy"), strict=True)]
    for seed in range(2, 12):
        for optimizer in makers:
            gs = [x[:3000] if x.ndim == 1 else x for x in many(seed)]
            optimizer.step([x + y for x, y in zip(optimizer.params, gs, strict=True)])
    assert makers[0].distance == makers[1].distance > 1e-3
    for a, b in zip(*ps, strict=True):
        same(b, a)
    bare = []
    for p, optimizer in zip(ps, makers, strict=True):
        saved = optimizer.state_dict()
        states, backend = [x.copy() for x in saved["states"][0].values()], optimizer._backend
        fl.prodigy_step(p[0], p[0] + 1.0, *states, saved["distance"], step=11, d0=1e-3, backend=backend)
        bare.append((p[0], *states, saved["distance"]))
    for a, b in zip(*bare, strict=True):
        same(b, a)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_16_bit_parameters_are_computed_in_float32_and_rounded_once(dtype):
    p, g = np.ones(3, dtype), np.array([0.5, -0.5, 3.0], dtype)
    wide = p.astype(np.float32)
    fl.Prodigy(p, d0=0.01).step(g)
    fl.Prodigy(wide, d0=0.01).step(g.astype(np.float32))
    np.testing.assert_array_equal(p, wide.astype(dtype))


def test_a_run_goes_on_from_its_state():
    gradients_of, p = slopes("float64"), starts("float64")
    first = fl.Prodigy(p, lr=fl.schedules.cosine(1.0, 40), d0=1e-3)
    for t in range(10):
        first.step(gradients_of(t, p))
    second = fl.Prodigy(copy.deepcopy(p), lr=fl.schedules.cosine(1.0, 40))
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    third = copy.deepcopy(second)
    for optimizer in (first, second, third):
        for t in range(10, 40):
            optimizer.step(gradients_of(t, optimizer.params))
    for a, b, c in zip(p, second.params, third.params, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    assert first.distance == second.distance == third.distance
    assert list(first.state_dict()["states"][0]) == ["p0", "s", "exp_avg", "exp_avg_sq"]
    state = first.state_dict()
    for wrong, message in (
        ({**state, "distance": np.ones(2)}, "distance must be float64 of shape (3,), got float64 of shape (2,)"),
        ({k: v for k, v in state.items() if k != "distance"}, "state_dict must have the key 'distance', got ['hyper', 'states', 'steps']"),
    ):  # fmt: skip
        with refused(ValueError, f"Prodigy.load_state_dict: {message}"):
            second.load_state_dict(wrong)


def test_gradients_that_say_nothing_leave_the_distance():
    p = [np.ones(3), np.ones(2)]
    optimizer = fl.Prodigy(p, d0=0.5, weight_decay=0.0)
    optimizer.step([np.zeros(3), np.zeros(2)])
    assert (optimizer.distance, p[0].tolist()) == (0.5, [1.0] * 3)
    optimizer.step([np.array([np.nan, 1.0, 1.0]), np.ones(2)])
    optimizer.step([np.ones(3), np.ones(2)])
    assert optimizer.distance == 0.5
    assert np.isnan(p[0]).tolist() == [True, False, False]
    assert np.isfinite(p[1]).all()


def test_a_step_passed_over_leaves_the_distance_too():
    p = np.ones(3)
    optimizer = fl.Prodigy(p, d0=0.1, skip_nonfinite=True)
    for g in (1.0, 1.0, 1.0):
        optimizer.step(np.full(3, g))
    before = pickle.dumps((p, optimizer.state_dict()))
    optimizer.step(np.full(3, np.inf))
    assert optimizer.last_skipped
    assert pickle.dumps((p, optimizer.state_dict())) == before


@pytest.mark.parametrize("options", OPTIONS[:3])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_bare_steps_are_the_same(options, dtype):
    p = np.random.default_rng(2).standard_normal((3, 4)).astype(dtype)
    options = {**options, "d0": 0.01}  # with which float16 parameters move
    q, optimizer = p.copy(), fl.Prodigy(p, **options)
    saved = optimizer.state_dict()
    own, distance = saved["states"][0], saved["distance"]
    room = np.repeat(distance, 2)
    for step in range(1, 8):
        g = (2 * p + 1).astype(dtype)
        optimizer.step(g)
        given = room[::2] if step % 2 else distance  # numbers that do not lie in order, and that do
        fl.prodigy_step(q, g, *own.values(), given, step=step, **options)
        (room[::2] if given is distance else distance)[...] = given
        wanted = optimizer.state_dict()
        check_same_bits((q, *own.values(), distance), (p, *wanted["states"][0].values(), wanted["distance"]))
    assert optimizer.distance > 0.01
    folded = {"grad_scale": 2.0, "clip_value": 0.5, "clip_norm": 1.0, "zero_grad": True}
    another, g = fl.Prodigy(p, **options, **folded), np.ones((3, 4), dtype)
    another.load_state_dict(optimizer.state_dict())
    given = g.copy()
    another.step(g)
    fl.prodigy_step(q, given, *own.values(), distance, step=8, **options, **folded)
    assert not given.any()
    check_same_bits((q, distance), (p, another.state_dict()["distance"]))


def test_bare_steps_refuse_a_distance_that_does_not_fit_and_write_nothing():
    p, g, distance = np.ones(3), np.ones(3), np.array([1e-6, 1e-6, 0.0])
    states = [p.copy(), *np.zeros((3, 3))]
    fixed = distance.copy()
    fixed.flags.writeable = False
    for given, error, message in (
        (distance[:2], ValueError, "distance must have shape (3,), got (2,)"),
        (distance.astype("f"), TypeError, "distance must be float64, got float32"),
        (fixed, ValueError, "distance must be writable, got a read-only array"),
        (states[1], ValueError, "s and distance must be arrays apart, got overlapping memory"),
    ):
        with refused(error, f"prodigy_step: {message}"):
            fl.prodigy_step(p, g, *states, given, step=1)
    with refused(TypeError, "prodigy_step: takes the arrays p, g, p0, s, exp_avg, exp_avg_sq, distance, got 6"):
        fl.prodigy_step(p, g, *states, step=1)
    assert (p == 1.0).all()
    assert not np.any(states[1:])


def test_options():
    for options, message in (
        ({"d0": 0.0}, "d0 must be positive and finite, got 0.0"),
        ({"d_coef": -1.0}, "d_coef must be positive and finite, got -1.0"),
        ({"growth_rate": 0.5}, "growth_rate must be finite and >= 1, got 0.5"),
        ({"beta3": 1.0}, "beta3 must be in [0, 1), got 1.0"),
        ({"betas": (0.9, 1.0)}, "betas[1] must be in [0, 1), got 1.0"),
        ({"eps": -1.0}, "eps must be non-negative and finite, got -1.0"),
        ({"lr": -1.0}, "lr must be non-negative and finite, got -1.0"),
    ):
        with refused(ValueError, f"Prodigy: {message}"):
            fl.Prodigy(np.ones(3), **options)
    with refused(TypeError, "Prodigy: growth_rate must be a real number, got list"):
        fl.Prodigy(np.ones(3), growth_rate=[1.0, 2.0])
    with refused(TypeError, "Prodigy: decouple must be True or False, got int"):
        fl.Prodigy(np.ones(3), decouple=1)
