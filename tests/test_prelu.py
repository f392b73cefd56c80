"""PReLU beyond what every operation is asked: channels and one weight, PyTorch's own, exact sums, buffers and engines."""

import ml_dtypes
import numba
import numpy as np
import pytest
from mpmath import mpf

import fastloa as fl
from fastloa import channel_operations
from tests import harness
from tests.samples import rng_for
from tests.shim.compare import gpu, in_place_of_cupy, needs_compiler
from tests.subjects import DTYPES
from tests.test_arrays import LAYOUTS

SHAPES = [
    ((), 1),
    ((2, 3, 5000), 1),
    ((5000, 3), 3),
    ((5, 3000), 3000),
    ((3, 4, 2000), 4),
    ((5,), 1),
    ((3, 4), 1),
    ((3, 4), 4),
    ((2, 3, 700), 3),
    ((4, 1, 3), 1),
    ((2, 2, 3, 5), 2),
    ((3, 2049), 1),
]
HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


def drawn(shape, count, dtype):
    rng = rng_for("prelu", str(shape), str(count))
    return tuple(np.asarray(rng.normal(size=own)).astype(dtype) for own in (shape, shape, (count,)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "count"), SHAPES)
def test_pytorch_agrees(shape, count, dtype, engine):
    torch = pytest.importorskip("torch")
    g, x, w = drawn(shape, count, dtype)
    value, (dx, dw) = fl.prelu(x, w, **engine), fl.prelu.backward(g, x, w, **engine)
    a, b = (torch.tensor(array, requires_grad=True) for array in (x, w))
    theirs = torch.nn.functional.prelu(a, b)
    theirs.backward(torch.tensor(g))
    np.testing.assert_array_equal(value, theirs.detach().numpy())
    np.testing.assert_array_equal(dx, a.grad.numpy())
    np.testing.assert_allclose(dw, b.grad.numpy(), rtol=1e-5 if dtype == "float32" else 1e-13, atol=1e-5)
    assert (value.dtype, dx.dtype, dw.dtype, dw.shape) == (dtype, dtype, dtype, w.shape)


@pytest.mark.parametrize("count", [1, 3])
def test_the_gradient_of_a_weight_is_the_exact_sum_rounded(count, engine):
    """Float32 products are exact in float64, large and small ones too, and their sum is rounded once."""
    g, x, w = drawn((40, 3, 50), count, "float32")
    g[0], x[0], g[1] = g[0] * 1e30, x[0] * 1e-35, g[1] * 1e-40
    dw = fl.prelu.backward(g, x, w, **engine)[1]
    below = [x < 0] if count == 1 else [(x < 0) & (np.arange(3)[:, None] == c) for c in range(3)]
    for one, where in zip(dw, below, strict=True):
        exact = sum(mpf(float(a)) * mpf(float(b)) for a, b in zip(g[where], x[where], strict=True))
        assert one == np.float32(float(exact))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "count"), [((6, 3, 50), 3), ((6, 3, 50), 1), ((9, 5), 5)])
def test_layouts(shape, count, dtype, engine):
    g, x, w = drawn(shape, count, dtype)
    wanted = fl.prelu(x, w, **engine), *fl.prelu.backward(g, x, w, **engine)
    for name, layout in LAYOUTS.items():
        own = tuple(map(layout, (g, x, w)))
        got = fl.prelu(*own[1:], **engine), *fl.prelu.backward(*own, **engine)
        harness.check_same_bits(got, wanted, name)
        if name not in ("read-only", "byte-swapped"):
            out, outs = layout(np.zeros_like(x)), (layout(np.zeros_like(x)), layout(np.zeros_like(w)))
            assert fl.prelu(x, w, out=out, **engine) is out
            got = fl.prelu.backward(g, x, w, out=outs, **engine)
            assert all(one is other for one, other in zip(got, outs, strict=True))
            harness.check_same_bits((out, *outs), wanted, f"to {name}")


@pytest.mark.parametrize("count", [1, 3])
def test_results_may_overwrite_operands(count, engine):
    g, x, w = drawn((700, 3), count, "float32")
    value, wanted = fl.prelu(x, w, **engine), fl.prelu.backward(g, x, w, **engine)
    own = x.copy()
    assert fl.prelu(own, w, out=own, **engine) is own
    harness.check_same_bits(own, value)
    for place in (None, 0, 1):
        arrays = [array.copy() for array in (g, x, w)]
        outs = None if place is None else arrays[place], arrays[2]
        got = fl.prelu.backward(*arrays, out=outs, **engine)
        assert got[1] is arrays[2]
        assert place is None or got[0] is arrays[place]
        harness.check_same_bits(got, wanted, f"over {place}")


@pytest.mark.parametrize("count", [1, 3])
def test_weights_are_not_laid_out_for_the_whole_array(count, monkeypatch):
    _, x, w = drawn((300, 3, 50), count, "float32")
    own = x.copy()
    wanted = fl.prelu(own, w, out=own)  # for which they are
    monkeypatch.setattr(channel_operations.Call, "buffer", None)
    harness.check_same_bits((fl.prelu(x, w), fl.prelu(x, w, out=np.empty_like(x))), (wanted, wanted))


@pytest.mark.parametrize("count", [1, 7])
def test_any_number_of_threads(count):
    g, x, w = drawn((3001, 7, 5), count, "float32")
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        wanted = fl.prelu(x, w), *fl.prelu.backward(g, x, w)
        for threads in range(2, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            harness.check_same_bits((fl.prelu(x, w), *fl.prelu.backward(g, x, w)), wanted, f"{threads} threads")
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 3])
def test_elements_do_not_see_the_others(count, engine):
    g, x, w = drawn((40, 3, 50), count, "float32")
    value, dx = fl.prelu(x, w, **engine), fl.prelu.backward(g, x, w, **engine)[0]
    for part in (slice(7, 8), slice(3, 20)):
        harness.check_same_bits(fl.prelu(x[part], w, **engine), value[part])
        harness.check_same_bits(fl.prelu.backward(g[part], x[part], w, **engine)[0], dx[part])


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("count", [1, 3])
def test_16_bits_are_float32_rounded_once(count, half, engine):
    g, x, w = (array.astype(half) for array in drawn((6, 3, 50), count, "float32"))
    harness.check_rounded_once(lambda *arrays: fl.prelu(*arrays, **engine), (x, w))
    harness.check_rounded_once(lambda *arrays: fl.prelu.backward(*arrays, **engine), (g, x, w))


def test_nan_reaches_its_channel_and_no_other(engine):
    g, x, w = (abs(array) + 0.5 for array in drawn((4, 3), 3, "float64"))  # above 0, where no weight counts
    for place, name in enumerate(("grad_output", "x", "weight")):
        own = [array.copy() for array in (g, x, w)]
        own[place][..., 1] = np.nan
        value, (dx, dw) = fl.prelu(*own[1:], **engine), fl.prelu.backward(*own, **engine)
        assert np.isnan(value).any() == (name != "grad_output")
        np.testing.assert_array_equal(np.isnan(dw), [False, True, False])
        np.testing.assert_array_equal(np.isnan(dx), [[False, True, False]] * 4)


def test_kinks_and_ends(engine):
    x, g = np.array([0.0, -0.0, -np.inf, np.inf]), np.full(4, 3.0)
    np.testing.assert_array_equal(fl.prelu(x, np.array(0.0), **engine), [0.0, -0.0, 0.0, np.inf])
    dx, dw = fl.prelu.backward(g[:2], x[:2], np.array(0.5), **engine)
    np.testing.assert_array_equal(dx, [1.5, 1.5])
    assert (dw, dw.shape) == (0.0, ())


def test_no_elements_at_all(engine):
    for shape, count in (((0, 3), 3), ((0,), 1), ((4, 0), 0)):
        g, x, w = np.zeros(shape), np.zeros(shape), np.ones(count)
        dx, dw = fl.prelu.backward(g, x, w, **engine)
        assert (fl.prelu(x, w, **engine).shape, dx.shape) == (shape, shape)
        np.testing.assert_array_equal(dw, np.zeros(count))


def test_integers_become_floating_point(engine):
    x, w = np.array([[-2, 3]], np.int16), np.array([1, 2], np.int16)
    harness.check_same_bits(fl.prelu(x, w, **engine), np.array([[-2, 3]], np.float32))


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_cupy_engine_gives_the_bits_of_the_cpu(dtype, monkeypatch):
    in_place_of_cupy(monkeypatch, gpu())
    for count in (1, 4):
        g, x, w = drawn((3, 4, 700), count, dtype)
        wanted = fl.prelu(x, w), *fl.prelu.backward(g, x, w)
        for layout in (np.copy, np.asfortranarray):
            own = layout(g), layout(x), w
            got = fl.prelu(*own[1:], backend="cupy"), *fl.prelu.backward(*own, backend="cupy")
            harness.check_same_bits(got, wanted, layout.__name__)


X, W, OWN = np.zeros((2, 3)), np.zeros(3), np.zeros((2, 3))
REFUSALS = [
    (lambda: fl.prelu(X), TypeError, "prelu: takes x and weight, got 1 positional arguments"),
    (lambda: fl.prelu(X, None), TypeError, "prelu: weight must be a NumPy or CuPy array, got NoneType"),
    (lambda: fl.prelu(X, 0.25), TypeError, "prelu: weight must be a NumPy or CuPy array, got float"),
    (lambda: fl.prelu(X, W[:2]), ValueError, "prelu: weight must have one number, or 3, as x has channels along axis 1, got 2"),
    (lambda: fl.prelu(W, W), ValueError, "prelu: weight must have one number, got 3"),
    (lambda: fl.prelu(X, X), ValueError, "prelu: weight must have at most one dimension, got shape (2, 3)"),
    (lambda: fl.prelu(X, W.astype("f")), TypeError, "prelu: x and weight must have the same dtype, got float64 and float32"),
    (lambda: fl.prelu(X, W, out=W.copy()), ValueError, "prelu: out must have shape (2, 3), got (3,)"),
    (lambda: fl.prelu(X, W, slope=1.0), TypeError, "prelu() got an unexpected keyword argument 'slope'"),
    (
        lambda: fl.prelu.backward(X, W), TypeError,
        "prelu.backward: takes grad_output and x and weight, got 2 positional arguments",
    ),
    (
        lambda: fl.prelu.backward(X[:1], X, W), ValueError,
        "prelu.backward: grad_output and x must have the same shape, got (1, 3) and (2, 3)",
    ),
    (lambda: fl.prelu.backward(X, X, W, out=OWN), TypeError, "prelu.backward: out must be two arrays, got ndarray"),
    (
        lambda: fl.prelu.backward(X, X, W, out=(OWN, OWN[0])), ValueError,
        "prelu.backward: out[0] and out[1] must be arrays apart, got overlapping memory",
    ),
    (
        lambda: fl.prelu.backward(X, X, W, out=(OWN, W[:1].copy())), ValueError,
        "prelu.backward: out[1] must have shape (3,), got (1,)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:60] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
    assert not OWN.any()
