"""16-bit arrays on the CPU: conversions against NumPy's, and kernels against float32 arrays of the same numbers."""

import itertools

import ml_dtypes
import numba
import numpy as np
import pytest
from fastloa_kernels.engines.numba_cpu import over_stored, stored
from fastloa_kernels.sums import BLOCK

import fastloa as fl
from fastloa import backends

FLOAT16, BFLOAT16 = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)
HALVES = pytest.mark.parametrize("half", [FLOAT16, BFLOAT16], ids=str)
FROM = {FLOAT16: (stored.from_float16, stored.from_float16_by_integers), BFLOAT16: (stored.from_bfloat16,)}
TO = {FLOAT16: (stored.to_float16, stored.to_float16_by_integers), BFLOAT16: (stored.to_bfloat16,)}
SIZES = [1, 2, 7, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5]


def mapped(function, result, array):
    """A function of compiled code, of the elements of an array."""

    def run(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    out = np.empty(array.shape, result)
    numba.njit(run)(array, out)
    return out


def rounded(x, half):
    with np.errstate(all="ignore"):
        return x.astype(half)


def bits(x):
    return np.ascontiguousarray(x).view(f"u{x.itemsize}")


def same(got, expected):
    """The same bits, but for those of what is no number."""
    assert got.dtype == expected.dtype
    nan = np.isnan(expected)
    assert (np.isnan(got) == nan).all()
    assert (bits(got)[~nan] == bits(expected)[~nan]).all()


def every(half):
    return np.arange(1 << 16, dtype=np.uint16).view(half)


def numbers(half):
    """float32 numbers around all those between two of 16 bits, and of all magnitudes."""
    found = every(half).astype(np.float32)
    found = np.sort(found[np.isfinite(found)])
    middle = (found[1:] / 2 + found[:-1] / 2).view(np.int32)
    near = np.concatenate([middle + step for step in (-1, 0, 1)]).view(np.float32)
    drawn = np.random.default_rng(1).integers(0, 1 << 32, 1 << 19, np.uint32).view(np.float32)
    ends = np.array([0.0, np.inf, np.nan, 65519.996, 65520.0, 65536.0, 3.3895314e38, 3.4e38, 1e-45], np.float32)
    return np.concatenate([near, drawn, ends, -ends])


@HALVES
def test_every_number_is_widened(half):
    with np.errstate(all="ignore"):
        expected = every(half).astype(np.float32)
    found = [mapped(one, np.float32, bits(every(half))) for one in FROM[half]]
    for got in found:
        same(got, expected)
        assert (bits(got) == bits(found[0])).all()  # those of what is no number too


@HALVES
def test_numbers_are_rounded_once_to_even(half):
    x = numbers(half)
    found = [mapped(one, np.uint16, x).view(half) for one in TO[half]]
    for got in found:
        same(got, rounded(x, half))
        assert (bits(got) == bits(found[0])).all()


def test_integers_are_numbers_as_they_are():
    x = np.arange(-(1 << 15), 1 << 15, dtype=np.int16)
    wide = mapped(stored.from_int16, np.float32, x.view(np.uint16))
    assert (wide == x).all()
    assert (mapped(stored.to_int16, np.uint16, wide).view(np.int16) == x).all()


@pytest.mark.parametrize("size", SIZES)
@HALVES
def test_maps_and_sums_are_those_of_float32(half, size):
    rng = np.random.default_rng(size)
    x, g, t = (rng.normal(0.0, 3.0, size).astype(half) for _ in range(3))
    fx, fg, ft = (array.astype(np.float32) for array in (x, g, t))
    weight = rng.uniform(0.5, 2.0, size).astype(np.float32)
    same(fl.gelu(x), rounded(fl.gelu(fx), half))
    same(fl.tanh.backward(g, x), rounded(fl.tanh.backward(fg, fx), half))
    for got, expected in zip(fl.swiglu.backward(g, x, t), fl.swiglu.backward(fg, fx, ft), strict=True):
        same(got, rounded(expected, half))
    for options in ({}, {"sample_weight": weight}, {"weight": weight, "reduction": "sum"}):
        value, grad = fl.huber_loss.value_and_grad(x, t, **options)
        expected, wide = fl.huber_loss.value_and_grad(fx, ft, **options)
        same(value, expected)
        same(grad, rounded(wide, half))
    for form, name in (("value_and_grad", "out"), ("grad", "grad_out")):  # what is written may be the weight
        given = (x, t) if name == "out" else (fx, t)
        options, written = {"reduction": "none"}, weight.copy()
        wanted = getattr(fl.huber_loss, form)(*given, sample_weight=weight, **options)
        found = getattr(fl.huber_loss, form)(*given, sample_weight=written, **options, **{name: written})
        for got, expected in zip(found, wanted, strict=True) if name == "out" else [(found, wanted)]:
            same(got, expected)
    losses, grad = fl.huber_loss.value_and_grad(x, t, reduction="none")
    same(losses, fl.huber_loss(fx, ft, reduction="none"))
    fl.relu(x, out=x)
    same(x, rounded(fl.relu(fx), half))


@pytest.mark.parametrize(
    ("shape", "axis"), [((6, 200), -1), ((4, 3, 5000), 0), ((2, 10, 301), 1), ((1, 6), 1)], ids=str
)
@HALVES
def test_stretches_of_arrays_are_those_of_float32(half, shape, axis):
    rng = np.random.default_rng(6)
    x, slopes = rng.normal(0.0, 3.0, shape).astype(half), rng.normal(size=shape[1]).astype(half)
    fx, fs = x.astype(np.float32), slopes.astype(np.float32)
    y = fl.glu(x, axis=axis)
    same(y, rounded(fl.glu(fx, axis=axis), half))
    same(fl.glu.backward(y, x, axis=axis), rounded(fl.glu.backward(y.astype(np.float32), fx, axis=axis), half))
    same(fl.prelu(x, slopes), rounded(fl.prelu(fx, fs), half))
    same(fl.prelu(x, slopes[:1]), rounded(fl.prelu(fx, fs[:1]), half))


@pytest.mark.parametrize("shape", [(3, 5), (200, 10), (70, 33), (5, 3 * BLOCK + 1)], ids=str)
@pytest.mark.parametrize("at_a_time", [1, 700, 1 << 17])
@HALVES
def test_rows_are_those_of_float32(half, at_a_time, shape, monkeypatch):
    monkeypatch.setattr(over_stored, "WIDENED", at_a_time)
    rng = np.random.default_rng(3)
    x, g = (rng.normal(0.0, 4.0, shape).astype(half) for _ in range(2))
    fx, fg, labels = x.astype(np.float32), g.astype(np.float32), rng.integers(0, shape[1], shape[0])
    for operation in (fl.softmax, fl.log_softmax, fl.sparsemax):
        same(operation(x), rounded(operation(fx), half))
        same(operation.backward(g, x), rounded(operation.backward(fg, fx), half))
    share = fl.softmax(x)
    for target, wide in ((labels, labels), (share, share.astype(np.float32))):
        value, grad = fl.cross_entropy.value_and_grad(x, target)
        expected, slopes = fl.cross_entropy.value_and_grad(fx, wide)
        same(value, expected)
        same(grad, rounded(slopes, half))
        losses, hess = fl.cross_entropy(x, target, reduction="none"), fl.cross_entropy.grad_and_hess(x, target)[1]
        same(losses, fl.cross_entropy(fx, wide, reduction="none"))
        same(hess, rounded(fl.cross_entropy.grad_and_hess(fx, wide)[1], half))
    fl.softmax(x, out=x)
    same(x, share)


@pytest.mark.parametrize("at_a_time", [1, 700, 1 << 17])
@HALVES
def test_vectors_and_pairs_are_those_of_float32(half, at_a_time, monkeypatch):
    monkeypatch.setattr(over_stored, "WIDENED", at_a_time)
    rng = np.random.default_rng(7)
    a, b, c = (rng.normal(size=(300, 20)).astype(half) for _ in range(3))
    fa, fb, fc = (x.astype(np.float32) for x in (a, b, c))
    sides, labels, weight = rng.choice([-1, 1], 300), rng.integers(0, 20, 300), rng.uniform(0.5, 2.0, 300)
    calls = [
        (fl.triplet_margin_loss, (a, b, c), (fa, fb, fc)), (fl.cosine_embedding_loss, (a, b, sides), (fa, fb, sides)),
        (fl.triplet_margin_loss, (a, fb, c.astype(np.float64)), (fa, fb, fc)), (fl.multi_margin_loss, (a, labels), (fa, labels)),
    ]  # fmt: skip
    for (loss, given, wide), reduction in itertools.product(calls, ("mean", "none")):
        options = {"reduction": reduction, "sample_weight": weight.astype(np.float32)}
        value, grads = loss.value_and_grad(*given, **options)
        expected, slopes = loss.value_and_grad(*wide, **options)
        same(value, expected)
        pairs = zip(grads, slopes, strict=True) if isinstance(grads, tuple) else [(grads, slopes)]
        for got, slope in pairs:
            same(got, rounded(slope, half))


@HALVES
@pytest.mark.parametrize("compensated", [False, True])
def test_arrays_of_all_dtypes_are_stepped_in_one_call(half, compensated):
    dtypes = itertools.cycle([half, np.dtype(np.float32), BFLOAT16, np.dtype(np.float64)])
    rng = np.random.default_rng(4)
    params = [rng.normal(size=size).astype(next(dtypes)) for size in (5, 1, BLOCK, 3 * BLOCK + 1, 40, 7, 9, 2)]
    grads = [[rng.normal(size=p.shape).astype(p.dtype) for p in params] for _ in range(4)]
    # LAMB takes norms of parameters, and the clip that of all gradients.
    made = [fl.LAMB([p.copy() for p in params], clip_norm=1.0, ema=0.9, compensated=compensated) for _ in range(2)]
    made[1]._groups = []  # one by one
    for g in grads:
        for optimizer in made:
            optimizer.step([array.copy() for array in g])
    # One for each dtype of the arithmetic, and each of parameters in two parts.
    assert len(made[0]._groups) == 2 + compensated * len({half, BFLOAT16})
    for p, q in zip(made[0].params, made[1].params, strict=True):
        same(p, q)
    for own, other in zip(made[0].state_dict()["states"], made[1].state_dict()["states"], strict=True):
        assert own.keys() == other.keys()
        for name in own:
            assert (bits(own[name]) == bits(other[name])).all()


@HALVES
def test_conversions_take_any_layout(half):
    engine = backends.engine("test", "cpu")
    x = np.random.default_rng(5).normal(0.0, 1e3, (6, 4, 10)).astype(half)
    laid = [x, x[::2, :, ::-3], x.transpose(2, 0, 1), x[0, 0, 0], x[:0], np.asfortranarray(x)]
    if half == FLOAT16:
        laid.append(x.astype(">f2"))
    for array in laid:
        array = np.asarray(array)  # noqa: PLW2901
        got = engine.converted(array, np.dtype(np.float32))
        assert got.flags.c_contiguous
        same(got, array.astype(np.float32))
        same(engine.converted(got, half), array.astype(half))
    if half == FLOAT16:
        same(engine.converted(x.astype(np.float32), np.dtype(">f2")), x.astype(">f2"))
