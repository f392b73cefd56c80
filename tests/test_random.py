"""Random numbers: Philox's own, on every engine and in every layout; and activations that draw some."""

import pickle

import ml_dtypes
import numba
import numpy as np
import pytest
from fastloa_kernels.engines import load_engine
from scipy import stats

import fastloa as fl
from tests import harness
from tests.philox import KNOWN, uniforms
from tests.samples import rng_for
from tests.shim.compare import gpu, in_place_of_cupy, needs_compiler
from tests.subjects import DTYPES
from tests.test_arrays import LAYOUTS

HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
ENGINES = {"cpu": lambda: load_engine("cpu"), "shim": gpu}
PLACES = pytest.mark.parametrize("made", [pytest.param("cpu"), pytest.param("shim", marks=needs_compiler)])


@PLACES
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("seed", "stream", "block", "words"), KNOWN)
def test_known_answers(seed, stream, block, words, dtype, made):
    """Those of the authors' library Random123."""
    out = np.empty(2, dtype)
    ENGINES[made]().fill_uniform(out, seed, stream, 2 * block)
    a, b, c, d = words
    wanted = [b >> 8, d >> 8] if dtype == "float32" else [(a | b << 32) >> 11, (c | d << 32) >> 11]
    np.testing.assert_array_equal(out, np.ldexp(np.array(wanted, float), -24 if dtype == "float32" else -53))


@PLACES
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_stretch_of_any_stream(dtype, made):
    for size in (0, 1, 2, 3, 4, 9, 700):
        for seed, stream, start in ((5, 0, 0), (2**64 - 1, 7, 1), (2**40 + 3, 2**63, 2**64 - 3)):
            room = np.full(size + 2, -1.0, dtype)
            ENGINES[made]().fill_uniform(room[1:-1], seed, stream, start)
            np.testing.assert_array_equal(room[1:-1], uniforms(seed, stream, start, size, dtype))
            assert room[0] == room[-1] == -1.0


def test_any_number_of_threads():
    before, rng = numba.get_num_threads(), fl.Philox(3, counter=1)
    try:
        numba.set_num_threads(1)
        wanted = rng.uniform(150_001)
        for count in range(2, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(count)
            harness.check_same_bits(rng.uniform(150_001), wanted)
    finally:
        numba.set_num_threads(before)
    harness.check_same_bits(rng.skip(90_000).uniform(7), wanted[90_000:90_007])
    harness.check_same_bits(rng.uniform(np.int64(7)), wanted[:7])


def test_numbers_are_uniform_and_those_of_streams_and_seeds_apart_independent():
    count = 200_000
    drawn = [rng.uniform(count) for rng in (fl.Philox(1), fl.Philox(2), fl.Philox(1, 1), fl.Philox(1).skip(count))]
    for x in drawn:
        assert stats.kstest(x, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 4 / count**0.5
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 4 / count**0.5


def test_a_place_is_a_value(engine):
    rng = fl.Philox(7, stream=2, counter=5)
    assert pickle.loads(pickle.dumps(rng)) == rng == fl.Philox(np.int64(7), 2, 5)
    assert rng.skip(3) == fl.Philox(7, 2, 8)
    assert repr(rng) == "Philox(seed=7, stream=2, counter=5)"
    x = rng.uniform((2, 3), "float32", **engine)
    assert (x.shape, x.dtype) == ((2, 3), np.float32)


def slopes_of(shape, dtype, rng, lower=1 / 8, upper=1 / 3):
    u = uniforms(rng.seed, rng.stream, rng.counter, int(np.prod(shape)), dtype).reshape(shape).astype(np.float64)
    low, high = (float(np.dtype(dtype).type(x)) for x in (lower, upper))
    return (low + float(np.dtype(dtype).type(high - low)) * u).astype(dtype)


RNG = fl.Philox(11, counter=3)


def drawn(shape, dtype, count=2):
    rng = rng_for("rrelu", str(shape))
    return tuple(np.asarray(rng.normal(size=shape)).astype(dtype) for _ in range(count))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (5,), (7, 9), (3, 2, 700)])
def test_slopes_are_those_of_the_numbers(shape, dtype, engine):
    g, x = drawn(shape, dtype)
    slope, options = slopes_of(shape, dtype, RNG), {"training": True, "rng": RNG, **engine}
    rtol = 2 * np.finfo(dtype).eps
    y = fl.rrelu(x, **options)
    np.testing.assert_allclose(y, np.where(x > 0, x, slope * x), rtol=rtol)
    derivative = fl.rrelu.derivative(x, **options)
    np.testing.assert_allclose(derivative, np.where(x > 0, 1, slope), rtol=rtol)
    dx = fl.rrelu.backward(g, x, **options)
    harness.check_same_bits(dx, np.asarray(g * derivative))
    harness.check_same_bits(fl.rrelu.backward_from_output(g, y, **options), dx)


def test_slopes_are_uniform_and_their_ends_are_held(engine):
    x = np.full(100_000, -1.0)
    slopes = -fl.rrelu(x, lower=-0.5, upper=1.5, training=True, rng=0, **engine)
    assert stats.kstest((slopes + 0.5) / 2, "uniform").pvalue > 1e-3
    assert -0.5 <= slopes.min() < -0.4999
    assert 1.4999 < slopes.max() <= 1.5
    np.testing.assert_array_equal(fl.rrelu(x[:9], lower=0.25, upper=0.25, training=True, rng=0, **engine), x[:9] / 4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pytorch_agrees(dtype, engine):
    torch = pytest.importorskip("torch")
    _, x = drawn((7, 9), dtype)
    for options in ({}, {"lower": 0.1, "upper": 0.7}):
        wanted = torch.nn.functional.rrelu(torch.tensor(x), **options).numpy()
        np.testing.assert_array_equal(fl.rrelu(x, **options, **engine), wanted)


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
def test_layouts(dtype, engine):
    g, x = drawn((7, 9), dtype)
    options = {"training": True, "rng": RNG, **engine}
    wanted = fl.rrelu(x, **options), fl.rrelu.backward(g, x, **options)
    for name, layout in LAYOUTS.items():
        own = layout(g), layout(x)
        harness.check_same_bits((fl.rrelu(own[1], **options), fl.rrelu.backward(*own, **options)), wanted, name)
        if name not in ("read-only", "byte-swapped"):
            out = layout(np.zeros_like(x))
            assert fl.rrelu(x, out=out, **options) is out
            harness.check_same_bits(out, wanted[0], f"to {name}")
    own = x.copy()
    assert fl.rrelu(own, out=own, **options) is own
    harness.check_same_bits(own, wanted[0], "in place")
    harness.check_same_bits(fl.rrelu(x[4:6], **{**options, "rng": RNG.skip(36)}), wanted[0][4:6], "a part")


@pytest.mark.parametrize("half", HALVES, ids=str)
def test_16_bits_are_float32_rounded_once(half, engine):
    g, x = (array.astype(half) for array in drawn((7, 9), "float32"))
    options = {"training": True, "rng": RNG, **engine}
    harness.check_rounded_once(lambda x: fl.rrelu(x, **options), (x,))
    harness.check_rounded_once(lambda *arrays: fl.rrelu.backward(*arrays, **options), (g, x))


def test_nan_zeros_and_integers(engine):
    x = np.array([np.nan, 0.0, -0.0, -np.inf, np.inf, -1e-45], np.float32)
    y = fl.rrelu(x, training=True, rng=0, **engine)
    np.testing.assert_array_equal(y, [np.nan, 0.0, -0.0, -np.inf, np.inf, -0.0])
    np.testing.assert_array_equal(np.signbit(y[1:]), [False, True, True, False, True])
    np.testing.assert_array_equal(
        np.isnan(fl.rrelu.backward(np.ones_like(x), x, training=True, rng=0, **engine)), np.isnan(x)
    )
    assert fl.rrelu(np.array([-1], np.int16), training=True, rng=0, **engine).dtype == np.float32
    assert fl.rrelu(np.zeros((0, 3)), training=True, rng=0, **engine).shape == (0, 3)


@needs_compiler
@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
def test_the_cupy_engine_gives_the_bits_of_the_cpu(dtype, monkeypatch):
    in_place_of_cupy(monkeypatch, gpu())
    g, x = drawn((7, 90), dtype)
    options = {"training": True, "rng": RNG}
    wanted = fl.rrelu(x, **options), fl.rrelu.derivative(x, **options), fl.rrelu.backward(g, x, **options)
    for layout in (np.copy, np.asfortranarray):
        own, there = (layout(g), layout(x)), {**options, "backend": "cupy"}
        got = fl.rrelu(own[1], **there), fl.rrelu.derivative(own[1], **there), fl.rrelu.backward(*own, **there)
        harness.check_same_bits(got, wanted, layout.__name__)


X, OWN = -np.ones((2, 3)), np.zeros((2, 3))
REFUSALS = [
    (lambda: fl.rrelu(X, training=True), TypeError, "rrelu: rng must be an integer or a Philox, got NoneType"),
    (lambda: fl.rrelu(X, training=True, rng=1.0), TypeError, "rrelu: rng must be an integer or a Philox, got float"),
    (lambda: fl.rrelu(X, training=True, rng=True), TypeError, "rrelu: rng must be an integer or a Philox, got bool"),
    (
        lambda: fl.rrelu(X, training=True, rng=-1), ValueError,
        "rrelu: rng must be an integer in 0..18446744073709551615, got -1",
    ),
    (lambda: fl.rrelu(X, training=1), TypeError, "rrelu: training must be True or False, got int"),
    (lambda: fl.rrelu(X, lower=0.5), ValueError, "rrelu: lower must be at most upper, got 0.5 and 0.3333333333333333"),
    (lambda: fl.rrelu(X, upper=np.inf), ValueError, "rrelu: upper must be finite, got inf"),
    (lambda: fl.rrelu(X, training=True, rng=0, out=OWN[0]), ValueError, "rrelu: out must have shape (2, 3), got (3,)"),
    (
        lambda: fl.rrelu.backward(X, training=True, rng=0), TypeError,
        "rrelu.backward: takes grad_output and x, got 1 positional arguments",
    ),
    (
        lambda: fl.rrelu.backward(X[0], X, training=True, rng=0), ValueError,
        "rrelu.backward: grad_output and x must have the same shape, got (3,) and (2, 3)",
    ),
    (
        lambda: fl.rrelu.backward_from_output(X, X, lower=-0.5, training=True, rng=0), ValueError,
        "rrelu.backward_from_output: lower must be non-negative where only the output is known, got -0.5",
    ),
    (lambda: fl.Philox(2**64), ValueError, "Philox: seed must be an integer in 0..18446744073709551615, got 18446744073709551616"),
    (lambda: fl.Philox(0, stream=0.5), TypeError, "Philox: stream must be an integer in 0..18446744073709551615, got float"),
    (lambda: fl.Philox(0).skip(-1), ValueError, "Philox.skip: count must be an integer >= 0, got -1"),
    (lambda: fl.Philox(0).uniform(-1), ValueError, "Philox.uniform: shape must be an integer >= 0, got -1"),
    (lambda: fl.Philox(0).uniform(2, "float16"), ValueError, "Philox.uniform: dtype must be 'float32' or 'float64', got 'float16'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:60] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
    assert not OWN.any()
