"""Gumbel-softmax: its samples and their distribution, hard and soft, their gradients, layouts and engines."""

import ml_dtypes
import numba
import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax

import fastloa as fl
from tests import harness
from tests.philox import uniforms
from tests.samples import rng_for
from tests.shim.compare import gpu, in_place_of_cupy, needs_compiler
from tests.subjects import DTYPES
from tests.test_arrays import LAYOUTS

HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
RNG = fl.Philox(5, stream=1, counter=7)
AXES = [((4,), 0), ((7, 9), -1), ((7, 9), 0), ((2, 3, 50), 1), ((3, 700), 1)]


def drawn(shape, dtype):
    rng = rng_for("gumbel", str(shape))
    return tuple((2.0 * rng.normal(size=shape)).astype(dtype) for _ in range(2))


def expected(x, tau, axis, dtype):
    """Give the sample, and the greatest of the scores' sizes, in float64."""
    u = uniforms(RNG.seed, RNG.stream, RNG.counter, x.size, dtype).astype(np.float64).reshape(x.shape)
    scores = (x.astype(np.float64) - np.log(-np.log(u))) / tau
    return softmax(scores, axis), np.abs(scores).max()


@pytest.mark.parametrize("tau", [1.0, 0.25])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_samples_and_gradients(shape, axis, dtype, tau, engine):
    g, x = drawn(shape, dtype)
    options = {"tau": tau, "axis": axis, **engine}
    wanted, size = expected(x, tau, axis, dtype)
    y = fl.gumbel_softmax(x, rng=RNG, **options)
    rtol = (4 * size + 8) * np.finfo(dtype).eps  # a score's rounding is an error of its exponential
    np.testing.assert_allclose(y, wanted, rtol=rtol)
    wide = g.astype(np.float64)
    slope = wanted * (wide - (wide * wanted).sum(axis, keepdims=True)) / tau
    dx = fl.gumbel_softmax.backward(g, x, rng=RNG, **options)
    np.testing.assert_allclose(dx, slope, rtol=rtol, atol=rtol * np.abs(wide * wanted).max() / tau)  # terms that cancel
    harness.check_same_bits(fl.gumbel_softmax.backward_from_output(g, y, **options), dx)
    harness.check_same_bits(fl.gumbel_softmax.backward(g, x, rng=RNG, hard=True, **options), dx)
    hard = fl.gumbel_softmax(x, rng=RNG, hard=True, **options)
    harness.check_dtype((y, dx, hard), dtype)
    np.testing.assert_array_equal(hard.argmax(axis), wanted.argmax(axis))
    np.testing.assert_array_equal(np.sort(hard, axis).take(range(-1, 0), axis), 1)
    np.testing.assert_array_equal(hard.sum(axis), 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pytorch_agrees(dtype):
    """Given the same noise: PyTorch's draws exponentially distributed numbers, whose logarithm is it, negated."""
    torch = pytest.importorskip("torch")
    g, x = drawn((7, 9), dtype)
    u = uniforms(RNG.seed, RNG.stream, RNG.counter, x.size, dtype).reshape(x.shape)
    noise = torch.distributions.Gumbel(torch.tensor(0.0, dtype=torch.float64), 1.0).icdf(
        torch.tensor(u, dtype=torch.float64)
    )
    theirs = torch.tensor(x, requires_grad=True)
    y = torch.softmax((theirs + noise.to(theirs.dtype)) / 0.5, -1)
    y.backward(torch.tensor(g))
    rtol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(fl.gumbel_softmax(x, tau=0.5, rng=RNG), y.detach().numpy(), rtol=rtol)
    dx = fl.gumbel_softmax.backward(g, x, tau=0.5, rng=RNG)
    np.testing.assert_allclose(dx, theirs.grad.numpy(), rtol=rtol, atol=rtol)


def test_samples_have_the_probabilities_of_the_softmax(engine):
    logits, count = np.array([0.5, -1.0, 2.0, 0.0]), 40_000
    hard = fl.gumbel_softmax(np.broadcast_to(logits, (count, 4)), hard=True, tau=0.1, rng=3, **engine)
    assert stats.chisquare(hard.sum(0), count * softmax(logits)).pvalue > 1e-3


def test_the_noise_is_gumbels(engine):
    """The difference of two has a logistic distribution."""
    y = fl.gumbel_softmax(np.zeros((50_000, 2)), rng=4, **engine)
    assert stats.kstest(np.log(y[:, 0] / y[:, 1]), "logistic").pvalue > 1e-3


def test_every_number_that_is_drawn_gives_a_finite_score(monkeypatch):
    """0 and the number below 1 are rare: here they are all there is."""
    for dtype, last in (("float32", 2.0**-24), ("float64", 2.0**-53)):
        ends = np.array([[0.0, 1.0 - last, last, 0.5]], dtype)
        monkeypatch.setattr(fl.Philox, "drawn", lambda self, engine, shape, dtype, ends=ends: ends.copy())
        y = fl.gumbel_softmax(np.zeros((1, 4), dtype), tau=10.0, rng=0)
        u = np.array([[2.0**-25, 1.0 - last, last, 0.5]])
        np.testing.assert_allclose(
            y, softmax(-np.log(-np.log(u)) / 10.0, 1), rtol=1e-5 if dtype == "float32" else 1e-14
        )


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
@pytest.mark.parametrize("axis", [0, 1])
def test_layouts(axis, dtype, engine):
    g, x = drawn((7, 40), dtype)
    options = {"rng": RNG, "axis": axis, **engine}
    wanted = fl.gumbel_softmax(x, **options), fl.gumbel_softmax.backward(g, x, **options)
    for name, layout in LAYOUTS.items():
        own = layout(g), layout(x)
        got = fl.gumbel_softmax(own[1], **options), fl.gumbel_softmax.backward(*own, **options)
        harness.check_same_bits(got, wanted, name)
        if name not in ("read-only", "byte-swapped"):
            out = layout(np.zeros_like(x))
            assert fl.gumbel_softmax.backward(g, x, out=out, **options) is out
            harness.check_same_bits(out, wanted[1], f"to {name}")
    own = x.copy()
    assert fl.gumbel_softmax(own, out=own, **options) is own
    harness.check_same_bits(own, wanted[0], "in place")
    if axis == 1:
        part = fl.gumbel_softmax(x[3:5], **{**options, "rng": RNG.skip(120)})
        harness.check_same_bits(part, wanted[0][3:5], "some rows")


def test_any_number_of_threads():
    (_, x), before = drawn((3001, 40), "float32"), numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        wanted = fl.gumbel_softmax(x, rng=RNG)
        for count in range(2, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(count)
            harness.check_same_bits(fl.gumbel_softmax(x, rng=RNG), wanted)
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize("half", HALVES, ids=str)
def test_16_bits_are_float32_rounded_once(half, engine):
    g, x = (array.astype(half) for array in drawn((7, 40), "float32"))
    for hard in (False, True):
        harness.check_rounded_once(lambda x, h=hard: fl.gumbel_softmax(x, rng=RNG, hard=h, **engine), (x,))
    harness.check_rounded_once(lambda *arrays: fl.gumbel_softmax.backward(*arrays, rng=RNG, **engine), (g, x))


def test_nan_infinities_and_nothing(engine):
    x = np.zeros((4, 3))
    x[0, 1], x[1, 1], x[2, 1] = np.nan, np.inf, -np.inf
    for hard in (False, True):
        y = fl.gumbel_softmax(x, rng=0, hard=hard, **engine)
        assert np.isnan(y[0]).all()
        np.testing.assert_array_equal(y[1], [0, 1, 0])
        assert y[2, 1] == 0
        np.testing.assert_allclose(y[2:].sum(1), 1, rtol=1e-15)
        for shape in ((0, 3), (3, 0)):
            assert fl.gumbel_softmax(np.zeros(shape), rng=0, hard=hard, **engine).shape == shape
    assert fl.gumbel_softmax(np.zeros(3, np.int16), rng=0, **engine).dtype == np.float32


@needs_compiler
@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
def test_the_cupy_engine_gives_the_bits_of_the_cpu(dtype, monkeypatch):
    in_place_of_cupy(monkeypatch, gpu())
    g, x = drawn((7, 40), dtype)
    for layout in (np.copy, np.asfortranarray):
        own, found = (layout(g), layout(x)), []
        for backend in ("cpu", "cupy"):
            options = {"tau": 0.5, "rng": RNG, "backend": backend}
            hard = fl.gumbel_softmax(own[1], hard=True, **options)
            found.append((fl.gumbel_softmax(own[1], **options), hard, fl.gumbel_softmax.backward(*own, **options)))
        harness.check_same_bits(*found, layout.__name__)


X, OWN = np.zeros((2, 3)), np.zeros((2, 3))
REFUSALS = [
    (lambda: fl.gumbel_softmax(X), TypeError, "gumbel_softmax: rng must be an integer or a Philox, got NoneType"),
    (
        lambda: fl.gumbel_softmax.backward(X, X), TypeError,
        "gumbel_softmax.backward: rng must be an integer or a Philox, got NoneType",
    ),
    (lambda: fl.gumbel_softmax(X, tau=0.0, rng=0), ValueError, "gumbel_softmax: tau must be positive and finite, got 0.0"),
    (lambda: fl.gumbel_softmax(X, hard=1, rng=0), TypeError, "gumbel_softmax: hard must be True or False, got int"),
    (lambda: fl.gumbel_softmax(X, axis=2, rng=0), ValueError, "gumbel_softmax: axis must be in -2..1 for 2 dimensions, got 2"),
    (lambda: fl.gumbel_softmax(X, rng=0, out=OWN[0]), ValueError, "gumbel_softmax: out must have shape (2, 3), got (3,)"),
    (lambda: fl.gumbel_softmax([0.0], rng=0), TypeError, "gumbel_softmax: logits must be a NumPy or CuPy array, got list"),
    (
        lambda: fl.gumbel_softmax.backward_from_output(X[0], X), ValueError,
        "gumbel_softmax.backward_from_output: grad_output and y must have the same shape, got (3,) and (2, 3)",
    ),
    (
        lambda: fl.gumbel_softmax.backward(X, rng=0), TypeError,
        "gumbel_softmax.backward: takes grad_output and logits, got 1 positional arguments",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:60] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
    assert not OWN.any()
