"""16-bit parameters with a compensation: float32's bits for every optimizer, and what else comes with them."""

import pickle

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl
from fastloa.optimizer_operations import Optimizer
from tests.scalars import refused

BFLOAT16, FLOAT16 = np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16)
DTYPES = [pytest.param(BFLOAT16, id="bfloat16"), pytest.param(FLOAT16, id="float16")]
FOUND = [getattr(fl, name) for name in fl.optimizers.__all__]
OPTIMIZERS = {
    found.__name__: found
    for found in FOUND
    if isinstance(found, type) and issubclass(found, Optimizer) and not (found.takes_closure or found is fl.Lookahead)
}
SHAPE = (6, 5)


def start(dtype, shape=SHAPE):
    return np.random.default_rng(1).uniform(0.5, 2.0, shape).astype(dtype)


def gradients(dtype, count, shape=SHAPE):
    rng = np.random.default_rng(2)
    return [rng.normal(1.0, 1.0, shape).astype(dtype) for _ in range(count)]


def whole(p, compensation):
    """A parameter and its compensation as float32: its bits, and so many float32 numbers further from 0."""
    return (p.astype(np.float32).view(np.int32) + compensation).view(np.float32)


def compensation_of(optimizer, i=0):
    return optimizer.state_dict()["states"][i]["compensation"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_float32(name, dtype, engine):
    # Rates so small that most steps change no 16-bit number.
    p, w = start(dtype), start(dtype).astype(np.float32)
    options = {"lr": {"Prodigy": 1e-2, "Adadelta": 1.0}.get(name, 3e-5)}
    made = OPTIMIZERS[name](p, **options, compensated=True, **engine)
    other = OPTIMIZERS[name](w, **options, **engine)
    for g in gradients(dtype, 40):
        made.step(g)
        other.step(g.astype(np.float32))
        assert (whole(p, compensation_of(made)).view(np.int32) == w.view(np.int32)).all()
        assert (abs(p.astype(np.float64) - w) <= abs(w) * 2.0 ** (-8 if dtype == BFLOAT16 else -11)).all()
    assert not (w == start(dtype)).all()


def test_small_steps_are_not_lost():
    plain, compensated = np.ones(3, BFLOAT16), np.ones(3, BFLOAT16)
    optimizers = fl.SGD(plain, lr=1e-4), fl.SGD(compensated, lr=1e-4, compensated=True)
    for _ in range(1000):
        for optimizer in optimizers:
            optimizer.step(np.ones(3, BFLOAT16))
    assert (plain == 1.0).all()
    np.testing.assert_allclose(compensated.astype(float), 0.9, rtol=2.0**-8)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("base", [1.0, 1.0 + 2.0**-7])
@pytest.mark.parametrize("step", [2.0**-8, -(2.0**-9)])
def test_the_middle_between_two_numbers_is_kept(base, step, sign):
    p = np.full(1, sign * base, BFLOAT16)
    optimizer = fl.SGD(p, lr=1.0, compensated=True)
    optimizer.step(np.full(1, -sign * step, BFLOAT16))
    for _ in range(3):
        assert whole(p, compensation_of(optimizer)) == np.float32(sign * (base + step))
        assert abs(float(p[0]) - sign * (base + step)) <= 2.0**-8
        optimizer.step(np.zeros(1, BFLOAT16))


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_small_number_of_float16_keeps_the_side_it_was_rounded_from(one_by_one):
    p = np.array([2.0**-20], FLOAT16)  # the next is 2**-24 away, and 2**-28 are 32,768 float32 numbers
    optimizer = fl.SGD(p, lr=2.0**-28, compensated=True)
    if one_by_one:
        optimizer._groups = []
    optimizer.step(np.array([-1.0], FLOAT16))
    assert (p[0], compensation_of(optimizer)[0]) == (2.0**-20, 2**15 - 1)


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("bits", [0x7FFF8000, 0x7FC00000, 0xFFFF8000])
def test_no_nan_becomes_a_number(bits, one_by_one):
    p, nan = np.array([1.0], BFLOAT16), np.array([bits], np.uint32).view(np.float32)
    optimizer = fl.SGD(p, lr=0.5, momentum=0.9, compensated=True)
    if one_by_one:
        optimizer._groups = []
    state = optimizer.state_dict()
    state["steps"], state["states"][0]["momentum_buffer"] = 1, nan
    optimizer.load_state_dict(state)
    optimizer.step(np.zeros(1, BFLOAT16))
    assert np.isnan(p[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_no_number_stays_so_and_what_is_too_large_is_infinite(dtype):
    p = np.array([1.0, 1.0, 1.0, ml_dtypes.finfo(dtype).max], dtype)
    optimizer = fl.SGD(p, lr=1.0, compensated=True)
    optimizer.step(np.array([np.inf, np.nan, 0.0, -float(ml_dtypes.finfo(dtype).max)], dtype))
    for _ in range(2):
        assert p[0] == -np.inf
        assert np.isnan(p[1])
        assert p[2] == 1.0
        assert p[3] == np.inf
        assert (compensation_of(optimizer) == 0).all()
        optimizer.step(np.zeros(4, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_run_goes_on_from_its_state_and_from_a_copy(dtype):
    p, gs = start(dtype), gradients(dtype, 20)
    first = fl.Adam(p, lr=1e-4, compensated=True)
    for g in gs[:10]:
        first.step(g)
    q = p.copy()
    second = fl.Adam(q, lr=1e-4, compensated=True)
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    third = pickle.loads(pickle.dumps(first))
    for g in gs[10:]:
        for optimizer in (first, second, third):
            optimizer.step(g)
    for other in (q, third.params):
        assert (other.view(np.uint16) == p.view(np.uint16)).all()
    for other in (second, third):
        assert (compensation_of(other) == compensation_of(first)).all()


def test_a_state_without_it_is_refused():
    p = start(BFLOAT16)
    optimizer, plain = fl.Adam(p, compensated=True), fl.Adam(p).state_dict()
    names = "['compensation', 'exp_avg', 'exp_avg_sq'], got ['exp_avg', 'exp_avg_sq']"
    with refused(ValueError, f"Adam.load_state_dict: states must be {names}"):
        optimizer.load_state_dict(plain)


def test_gradients_are_zeroed_and_steps_passed_over():
    p, g = start(BFLOAT16), gradients(BFLOAT16, 1)[0]
    optimizer = fl.SGD(p, lr=1e-3, compensated=True, zero_grad=True, skip_nonfinite=True)
    optimizer.step(g)
    assert (g == 0).all()
    before, kept, g[0, 0] = p.copy(), compensation_of(optimizer), np.nan
    optimizer.step(g)
    assert optimizer.last_skipped
    assert (g == 0).all()
    assert (p.view(np.uint16) == before.view(np.uint16)).all()
    assert (compensation_of(optimizer) == kept).all()


def test_means_and_clips_are_those_of_float32():
    p, w = start(BFLOAT16), start(BFLOAT16).astype(np.float32)
    folded = {"ema": 0.9, "clip_norm": 0.5, "grad_scale": 8.0}
    made, other = fl.AdamW(p, lr=1e-4, compensated=True, **folded), fl.AdamW(w, lr=1e-4, **folded)
    for g in gradients(BFLOAT16, 10):
        made.step(g)
        other.step(g.astype(np.float32))
    assert (made.ema == other.ema).all()
    assert made.last_grad_norm == other.last_grad_norm


def test_wider_parameters_have_none():
    params = [start(BFLOAT16), start(np.float32), start(np.float64)]
    plain = [x.copy() for x in params]
    made, other = fl.Adam(params, compensated=True), fl.Adam(plain)
    for g in gradients(BFLOAT16, 5):
        for optimizer, arrays in ((made, params), (other, plain)):
            optimizer.step([g.astype(x.dtype) for x in arrays])
    assert ["compensation" in own for own in made.state_dict()["states"]] == [True, False, False]
    for x, y in zip(params[1:], plain[1:], strict=True):
        assert (x == y).all()


@pytest.mark.parametrize("value", [0.0, -0.0, -1.5, 1e-30, 3e38])
def test_a_parameter_may_be_written_to_between_steps(value):
    p = np.array([1.0, -1.0, 0.125], BFLOAT16)
    optimizer = fl.SGD(p, lr=1e-3, compensated=True)
    for sign in (1.0, -1.0):
        optimizer.step(np.array([sign, -sign, sign], BFLOAT16))
        p[...] = value
        optimizer.step(np.zeros(3, BFLOAT16))
        wanted = float(np.array(value, BFLOAT16))
        np.testing.assert_allclose(p.astype(float), wanted, rtol=2.0**-6, atol=2.0**-120)


def test_strided_and_swapped_parameters():
    held = start(BFLOAT16, (12, 10))
    p, q = held[::2, ::-2], held[::2, ::-2].copy()
    made, other = fl.Adam(p, lr=1e-4, compensated=True), fl.Adam(q, lr=1e-4, compensated=True)
    for g in gradients(BFLOAT16, 5):
        made.step(g)
        other.step(g)
    assert (np.ascontiguousarray(p).view(np.uint16) == q.view(np.uint16)).all()


def test_what_cannot_be_is_refused():
    p, rows = start(BFLOAT16), (np.array([0, 1]), gradients(BFLOAT16, 1)[0][:2])
    adam, sparse = fl.Adam(p, compensated=True), fl.SparseAdam(p, compensated=True)
    with refused(ValueError, "Lookahead: optimizer must be one without compensated=True"):
        fl.Lookahead(adam)
    with refused(
        ValueError, "SparseAdam.step: compensated must be left out where a gradient is rows, got compensated="
    ):
        sparse.step(rows)
    with pytest.raises(TypeError, match=r"^Adam: compensated must be True or False, got str"):
        fl.Adam(p, compensated="yes")
    with pytest.raises(TypeError, match="compensated"):
        fl.adam_step(p, p.copy(), *(np.zeros(SHAPE, np.float32),) * 2, step=1, compensated=True)


@pytest.mark.parametrize("strided", [False, True])
def test_a_step_that_failed_leaves_nothing_for_the_next(strided):
    given = []

    def rate(step):
        if not given:
            raise RuntimeError("no rate")
        return 0.5

    p, g = np.ones(4, FLOAT16), np.ones(8, FLOAT16)[::2] if strided else np.ones(4, FLOAT16)
    optimizer = fl.SGD(p, lr=rate, compensated=True)
    with pytest.raises(RuntimeError, match="no rate"):
        optimizer.step(g)
    given.append(True)
    optimizer.step(np.ones(4, FLOAT16))
    assert p.tolist() == [0.5] * 4
