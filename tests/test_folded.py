"""What is folded into steps against NumPy's float64 and PyTorch: scales, clips, steps passed over, means, zeros."""

import copy
import functools
import pickle

import ml_dtypes
import mpmath
import numpy as np
import pytest

import fastloa as fl
from fastloa import backends
from fastloa.optimizer_steps import Alone
from tests.scalars import refused
from tests.shim.compare import needs_compiler
from tests.shim.driver import ShimDriver
from tests.trajectories import CASES, begin, gradients, walk

SCALE, LIMIT, NORM, DECAY = 8.0, 1.25, 3.0, 0.75
ALL = {"grad_scale": SCALE, "clip_value": LIMIT, "clip_norm": NORM, "ema": DECAY, "zero_grad": True}


def descents(gs):
    """Give the gradients of one step as they should be followed."""
    found = [np.clip(np.asarray(g, np.float64) / SCALE, -LIMIT, LIMIT) for g in gs]
    norm = np.sqrt(sum((d**2).sum() for d in found))
    return norm, [d * min(1.0, NORM / (norm + 1e-6)) for d in found]


@pytest.mark.parametrize(("case", "options", "dtype"), walk(("float64", "float32")))
def test_all_that_is_folded_against_float64(case, options, dtype):
    tolerance = {"float64": 1e-12, "float32": 2e-5}[dtype]
    start = [np.random.default_rng(1).standard_normal(shape).astype(dtype) for shape in ((3, 4), (5,))]
    p, made_p = [x.astype(np.float64) for x in start], [x.copy() for x in start]
    states, means = [begin(case, options, x) for x in p], [x.copy() for x in p]
    made = getattr(fl, case.optimizer)(made_p, **options, **ALL)
    for t, (a, b) in enumerate(zip(gradients((3, 4), dtype, 30), gradients((5,), dtype, 30), strict=True), 1):
        g = [SCALE * a, 2 * SCALE * b]
        norm, ds = descents(g)
        made.step(g)
        assert not any(x.any() for x in g)
        np.testing.assert_allclose(made.last_grad_norm, norm, rtol=1e-6 if dtype == "float32" else 1e-14)
        p = [
            case.reference(x, d, s, step=t, **case.step_options(options)) for x, d, s in zip(p, ds, states, strict=True)
        ]
        means = [DECAY * m + (1 - DECAY) * x for m, x in zip(means, p, strict=True)]
    for found, wanted in (*zip(made_p, p, strict=True), *zip(made.ema, means, strict=True)):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("case", "options"), [pytest.param(c, c.options[-1], id=c.optimizer) for c in CASES])
def test_what_changes_nothing_leaves_every_bit(case, options, dtype):
    p, q = (np.random.default_rng(1).standard_normal(50).astype(dtype) for _ in range(2))
    plain = getattr(fl, case.optimizer)(p, **options)
    folded = getattr(fl, case.optimizer)(q, **options, clip_norm=1e9, ema=0.0, zero_grad=True)
    for g in gradients(50, dtype, 5):
        plain.step(g)
        folded.step(g)
    np.testing.assert_array_equal(p, q)
    np.testing.assert_array_equal(p, folded.ema)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clips_are_pytorchs(torch, dtype):
    hard = [[3.0, -4.0, 0.5, 12.0], [np.nan, 1.0, -9.0, 2.0], [np.inf, 1.0, -np.inf, 2.0], [1e-3, 0.0, -1e-3, 0.0]]
    for values in hard:
        for option, clip in (
            ("clip_norm", torch.nn.utils.clip_grad_norm_),
            ("clip_value", torch.nn.utils.clip_grad_value_),
        ):
            theirs = [torch.zeros(4, dtype=getattr(torch, dtype)), torch.zeros(1, dtype=getattr(torch, dtype))]
            theirs[0].grad, theirs[1].grad = (torch.tensor(v, dtype=theirs[0].dtype) for v in (values, [2.0]))
            clip(theirs, 2.5)
            p, g = [np.zeros(4, dtype), np.zeros(1, dtype)], [np.array(values, dtype), np.array([2.0], dtype)]
            with np.errstate(all="raise"):
                fl.SGD(p, lr=1.0, **{option: 2.5}).step(g)
            for ours, tensor in zip(p, theirs, strict=True):
                np.testing.assert_allclose(-ours, tensor.grad.numpy(), rtol=3e-7)
            assert g[1].tolist() == [2.0]


def test_steps_are_scaled_and_passed_over_as_by_pytorchs_scaler(torch):
    weight, p = torch.zeros(3, requires_grad=True), np.zeros(3, np.float32)
    golden, scaler = (
        torch.optim.Adam([weight], lr=0.1),
        torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2),
    )
    ours = fl.Adam(p, lr=0.1, grad_scale=lambda step: scaler.get_scale(), skip_nonfinite=True)
    skipped = []
    for slope in (
        [1.0, 2.0, 3.0],
        [1e38, 0.0, 0.0],
        [0.5, -1.0, 2.0],
        [0.1, 0.2, 0.3],
        [np.nan, 0.0, 0.0],
        [1.0, 1.0, 1.0],
    ):
        golden.zero_grad()
        scaler.scale((weight * torch.tensor(slope)).sum()).backward()
        ours.step(weight.grad.numpy().copy())
        scaler.step(golden)
        scaler.update()
        skipped.append(ours.last_skipped)
        np.testing.assert_allclose(p, weight.detach().numpy(), rtol=1e-6)
    assert skipped == [False, True, False, False, True, False]
    assert ours.steps == 4


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_step_passed_over_writes_nothing_but_the_zeros_asked_for(dtype, bad):
    p, g = [np.ones(3, dtype), np.ones(2)], [np.ones(3, dtype), np.ones(2)]
    optimizer = fl.Adam(p, skip_nonfinite=True, clip_value=1.0, ema=0.5, zero_grad=True)
    optimizer.step(g)
    before = pickle.dumps((p, optimizer.state_dict()))
    g[0][1] = bad
    optimizer.step(g)
    assert pickle.dumps((p, optimizer.state_dict())) == before
    assert (optimizer.last_skipped, optimizer.steps) == (True, 1)
    assert not g[0].any()
    g[0][:] = 1.0
    optimizer.step(g)
    assert (optimizer.last_skipped, optimizer.steps) == (False, 2)
    kept = [np.full(3, bad, dtype), np.ones(2)]
    fl.SGD(p, skip_nonfinite=True).step(kept)
    assert kept[1].tolist() == [1.0, 1.0]


def test_large_gradients_are_finite():
    for dtype, size in (("float32", 3e38), ("float64", 1.7e308), ("float16", 6e4)):
        optimizer = fl.Signum([np.zeros(1000, dtype), np.zeros(1, dtype)], skip_nonfinite=True)
        optimizer.step([np.full(1000, size, dtype), np.zeros(1, dtype)])
        assert not optimizer.last_skipped
    optimizer = fl.SGD(np.zeros(1, np.float32), skip_nonfinite=True, grad_scale=0.01)
    optimizer.step(np.full(1, 3e38, np.float32))
    assert optimizer.last_skipped  # there is no such number when it is unscaled


@pytest.mark.parametrize(
    ("dtype", "sizes"),
    [
        ("float32", (1e30, -2e38, 1e-30)), ("float32", (1e-30, 1e-44, 3e-38)), ("float32", (0.0, 0.0, 0.0)),
        ("float64", (1e300, -1e308, 1.0)), ("float64", (1e-300, 5e-324, 1e-310)), ("float64", (1.0, 1e200, 1e-200)),
    ],
)  # fmt: skip
def test_norms_of_any_size(dtype, sizes):
    p, g = [np.zeros(100, dtype) for _ in sizes], [np.full(100, size, dtype) for size in sizes]
    optimizer = fl.SGD(p, lr=1.0, clip_norm=2.0)
    optimizer.step(g)
    with mpmath.workprec(200):
        exact = mpmath.sqrt(100 * sum(mpmath.mpf(float(x[0])) ** 2 for x in g))
        np.testing.assert_allclose(optimizer.last_grad_norm, float(exact), rtol=2e-7 if dtype == "float32" else 1e-15)
        share = min(mpmath.mpf(1), 2 / (exact + mpmath.mpf(1e-6)))
        wanted = [float(share * mpmath.mpf(float(x[0]))) for x in g]
    for got, value in zip(p, wanted, strict=True):
        np.testing.assert_allclose(-got, np.full(100, value), rtol=1e-6, atol=3 * np.finfo(dtype).smallest_subnormal)


def arrays(seed, dtypes=("float32", "float64")):
    rng = np.random.default_rng(seed)
    shapes = [(3,), (), (4, 5), (2, 3, 4), (70001,), (1,), *[(7,)] * 200]
    return [rng.standard_normal(shape).astype(dtypes[i % len(dtypes)]) for i, shape in enumerate(shapes)]


@pytest.mark.parametrize("dtypes", [("float32",), ("float64",), ("float32", "float64")], ids=str)
def test_many_arrays_in_one_call_have_the_bits_of_single_ones(dtypes, monkeypatch):
    p, q = arrays(1, dtypes), arrays(1, dtypes)
    together, single = fl.Adam(p, **ALL, skip_nonfinite=True), fl.Adam(q, **ALL, skip_nonfinite=True)
    single._groups, calls, original = [], [], Alone.step
    monkeypatch.setattr(Alone, "step", lambda *a: (calls.append(a), original(*a)))
    for seed in range(2, 5):
        g = arrays(seed, dtypes)
        together.step(g)
        assert not calls
        assert not any(x.any() for x in g)
    for seed in range(2, 5):
        single.step(arrays(seed, dtypes))
    assert together.last_grad_norm == single.last_grad_norm
    for a, b in (*zip(p, q, strict=True), *zip(together.ema, single.ema, strict=True)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "change", [np.asfortranarray, lambda g: np.repeat(g, 2)[::2].reshape(g.shape), lambda g: g.astype(">f8")]
)
def test_a_gradient_of_any_layout_is_clipped_and_zeroed(change):
    p, q, g = np.ones((4, 5)), np.ones((4, 5)), np.arange(20.0).reshape(4, 5)
    other = change(g.copy())
    for array, grad in ((p, g), (q, other)):
        fl.SGD([array, np.ones(2)], lr=0.5, **ALL).step([grad, np.ones(2)])
        assert not grad.any()
    np.testing.assert_array_equal(p, q)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_means_of_16_bit_parameters_are_float32(dtype):
    p, g, wide = np.ones(5, dtype), np.full(5, 3.0, dtype), np.ones(5, np.float32)
    optimizer = fl.SGD(p, lr=0.25, ema=0.5, clip_value=2.0, zero_grad=True)
    fl.SGD(wide, lr=0.25, clip_value=2.0).step(np.full(5, 3.0, np.float32))
    optimizer.step(g)
    np.testing.assert_array_equal(p, wide.astype(dtype))
    assert optimizer.ema.dtype == np.float32
    np.testing.assert_array_equal(optimizer.ema, 0.5 + 0.5 * wide)
    assert not g.any()


def test_gradients_to_be_zeroed_must_be_writable_and_apart():
    for many in (1, 2):
        p, g = [np.ones(3) for _ in range(many)], [np.ones(3) for _ in range(many)]
        optimizer = fl.SGD(p, lr=0.5, zero_grad=True)
        g[-1].flags.writeable = False
        with refused(ValueError, f"SGD.step: grads[{many - 1}] must be writable, got a read-only array"):
            optimizer.step(g)
        with refused(ValueError, "SGD.step: grads[0] and params[0] must be arrays apart, got overlapping memory"):
            optimizer.step([p[0], *g[1:-1], *[np.ones(3)] * (many - 1)])
    shared = np.ones(3)
    with refused(ValueError, "SGD.step: grads[0] and grads[1] must be arrays apart, got overlapping memory"):
        optimizer.step([shared, shared])
    assert (p[0].tolist(), shared.tolist(), optimizer.steps) == ([1.0] * 3, [1.0] * 3, 0)
    with refused(ValueError, "sgd_step: g must be writable, got a read-only array"):
        fl.sgd_step(p[0], g[-1], zero_grad=True)
    with refused(ValueError, "sgd_step: p and g must be arrays apart, got overlapping memory"):
        fl.sgd_step(p[0], p[0], zero_grad=True)


@pytest.mark.parametrize("structure", [list, tuple, lambda x: dict(enumerate(x)), lambda x: x[0]])
def test_means_have_the_structure_of_the_parameters_and_are_saved_with_the_states(structure):
    make = lambda p: fl.Adam(p, lr=0.1, ema=fl.schedules.linear(0.5, 0.75, 3))  # noqa: E731
    p, g = structure([np.ones(3), np.zeros((2, 2))]), structure([np.ones(3), np.ones((2, 2))])
    first = make(p)
    assert type(first.ema) is type(p)
    first.step(g)
    second = make(copy.deepcopy(p))
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    third = copy.deepcopy(second)
    for optimizer in (first, second, third):
        optimizer.step(g)
        optimizer.step(g)
        for a, b in zip(*(fl.checks.leaves(x) for x in (optimizer.ema, first.ema)), strict=True):
            np.testing.assert_array_equal(a, b)
    with refused(
        ValueError,
        "Adam.load_state_dict: states must be ['exp_avg', 'exp_avg_sq'], got ['ema', 'exp_avg', 'exp_avg_sq']",
    ):
        fl.Adam(p).load_state_dict(first.state_dict())
    assert fl.Adam(p).ema is None


def test_a_mean_follows_its_schedule_and_keeps_to_infinities():
    p = np.array([4.0, np.inf])
    optimizer = fl.SGD(p, lr=1.0, ema=lambda step: (0.0, 0.5)[step])
    optimizer.step(np.ones(2))
    assert optimizer.ema.tolist() == [3.0, np.inf]
    optimizer.step(np.ones(2))
    assert optimizer.ema.tolist() == [2.5, np.inf]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bare_steps_take_scales_clips_and_zeros(dtype):
    for case in (case for case in CASES if case.optimizer in ("SGD", "Adam", "ScheduleFreeSGD")):
        options = case.options[0]
        p, q = np.ones(9, dtype), np.ones(9, dtype)
        made, states = (
            getattr(fl, case.optimizer)(p, **options, clip_norm=0.5, clip_value=0.25, grad_scale=2.0),
            begin(case, options, q),
        )
        for t, g in enumerate(gradients(9, dtype, 3), 1):
            made.step(g)
            given = [state and states[state] for state in case.states(options)]
            getattr(fl, case.name)(
                q, g, *given, step=t, clip_norm=0.5, clip_value=0.25, grad_scale=2.0, zero_grad=True,
                **case.step_options(options),
            )  # fmt: skip
            assert not g.any()
        np.testing.assert_array_equal(p, q)


def test_options_that_make_no_sense():
    p = np.ones(3)
    for make, error, message in (
        (lambda: fl.Adam(p, grad_scale=0.0), ValueError, "Adam: grad_scale must be positive and finite, got 0.0"),
        (lambda: fl.Adam(p, clip_norm=-1.0), ValueError, "Adam: clip_norm must be non-negative and finite, got -1.0"),
        (lambda: fl.Adam(p, clip_value="a"), TypeError, "Adam: clip_value must be a real number, got str"),
        (lambda: fl.Adam(p, ema=1.5), ValueError, "Adam: ema must be in [0, 1], got 1.5"),
        (lambda: fl.Adam(p, zero_grad=1), TypeError, "Adam: zero_grad must be True or False, got int"),
        (lambda: fl.Adam(p, skip=True), TypeError, "Adam: skip must be one of its options, got 'skip'"),
        (lambda: fl.sgd_step(p, p, clip_norm=abs), TypeError, "sgd_step: clip_norm must be a real number, got builtin_function_or_method"),
        (lambda: fl.SGD(p, clip_norm=lambda step: -1.0).step(p), ValueError, "SGD: clip_norm must be non-negative and finite, got -1.0"),
    ):  # fmt: skip
        with refused(error, message):
            make()
    assert p.tolist() == [1.0] * 3


@needs_compiler
@pytest.mark.parametrize("name", ["Adam", "LAMB", "LARS"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_cuda_engine_folds_the_same(dtype, name, monkeypatch):
    from fastloa_kernels.engines.cupy_native.engine import Engine

    engine = Engine(ShimDriver())
    p, q = ([x[:40] if x.ndim else x for x in arrays(1, (dtype,))[:6]] for _ in range(2))
    make = functools.partial(getattr(fl, name), **ALL, skip_nonfinite=True)
    cpu, gpu = make(p), make(q, backend="cupy")
    original = backends.load_engine
    monkeypatch.setattr(backends, "load_engine", lambda name: engine if name == "cupy" else original(name))
    for seed in range(2, 5):
        for optimizer in (cpu, gpu):
            g = [x[:40] if x.ndim else x for x in arrays(seed, (dtype,))[:6]]
            g[0][0] = np.inf if seed == 3 else 1e30 if seed == 4 and dtype == "float64" else 1.0
            optimizer.step(g)
            assert not any(x.any() for x in g)
            assert optimizer.last_skipped == (seed == 3)
    for a, b in (*zip(p, q, strict=True), *zip(cpu.ema, gpu.ema, strict=True)):
        np.testing.assert_allclose(a, b, rtol=1e-6 if dtype == "float32" else 1e-14)
    assert (cpu.steps, gpu.steps) == (2, 2)


def test_a_step_that_is_passed_over_has_no_rate():
    seen = []

    def value_and_grad(p):
        seen.append(1)
        return 1.0, np.full(2, np.nan if len(seen) in (1, 3) else 1.0)

    def make(p):
        return fl.SGD(p, lr=fl.schedules.exponential(1.0, 0.5), skip_nonfinite=True)

    result = fl.minimize(value_and_grad, np.ones(2), optimizer=make, steps=4)
    np.testing.assert_array_equal(result.history.lr, [np.nan, 1.0, np.nan, 0.5])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mean_of_parameters_too_far_apart_for_a_number_has_the_limit(dtype):
    most = np.finfo(dtype).max
    for share in (0.0, 0.25, 0.75, 1.0):
        p = np.array([1.0, 1.0, most, most, np.inf, np.nan, 1.0], dtype)
        optimizer = fl.SGD(p, lr=1.0, ema=share)
        mean = p.copy()
        p[:] = [np.inf, -np.inf, -most, most, np.inf, 1.0, np.nan]
        optimizer.step(np.zeros(7, dtype))
        wanted = {0.0: p, 1.0: mean}.get(share)
        if wanted is None:
            wanted = np.array([np.inf, -np.inf, (2 * share - 1) * float(most), most, np.inf, np.nan, np.nan], dtype)
        known = ~np.isnan(p) & ~np.isnan(mean)
        np.testing.assert_allclose(optimizer.ema[known], wanted[known], rtol=2e-7 if dtype == "float32" else 1e-15)
        assert np.isnan(optimizer.ema[~known]).all()
