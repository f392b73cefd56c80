"""Wrong kernels, fed to every check of the harness: each check must fail, and pass the right kernel."""

import ml_dtypes
import numba
import numpy as np
import pytest
from mpmath import mpf

import fastloa as fl
from tests import harness
from tests.subjects import DTYPES, SUBJECTS, group

HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
FLOATS = pytest.mark.parametrize("dtype", DTYPES)


def subject_of(operation, form="value"):
    return next(s for s in SUBJECTS if (s.operation, s.form, dict(s.options)) == (operation, form, {}))


def run(operation, form, dtype):
    """Give a right kernel's result, its reference, the ulp that it may be off, and its operands."""
    subject = subject_of(operation, form)
    operands = subject.operands(dtype)
    return subject.call(*operands), subject.exact(dtype)[0], subject.outputs[0].allowed[dtype], operands


def fails(message=None):
    return pytest.raises(AssertionError, match=message)


def put(array, where, value):
    """Give a copy with `value` at the first of the places."""
    array = array.copy()
    array[np.flatnonzero(where)[0]] = value
    return array


def steps(y, count, toward=np.inf):
    """Give the numbers that lie `count` further; infinities stay."""
    moved = y
    for _ in range(count):
        moved = np.nextafter(moved, y.dtype.type(toward))
    return np.where(np.isfinite(y) & np.isfinite(moved), moved, y)


def one_off(y, count):
    middle = (np.abs(y) > 0.1) & (np.abs(y) < 1e4)
    return put(y, middle, steps(y, count)[middle][0])


INACCURATE = {
    "up": ("sigmoid", "value", lambda y, x: steps(y, 3)),
    "down": ("tanh", "value", lambda y, x: steps(y, 3, -np.inf)),
    "inward": ("mse_loss", "grad", lambda y, x, t: steps(y, 3, 0)),
    "one element": ("sigmoid", "value", lambda y, x: one_off(y, 3)),
    "one element of a derivative": ("sigmoid", "derivative", lambda y, x: one_off(y, 4)),
    "one ulp where none is allowed": ("relu", "value", lambda y, x: one_off(y, 1)),
    "constant": ("leaky_relu", "value", lambda y, x: fl.leaky_relu(x, negative_slope=0.010001)),
    "slope of the argument": ("sigmoid", "value", lambda y, x: fl.sigmoid(x * x.dtype.type(1 + 1e-5))),
    "textbook's elu": ("elu", "value", lambda y, x: np.where(x > 0, x, np.exp(x) - 1)),
    "textbook's sigmoid": ("sigmoid", "value", lambda y, x: 1 / (1 + np.exp(-x))),
    "textbook's derivative": ("tanh", "derivative", lambda y, x: 1 - np.tanh(x) ** 2),
    "another function": ("sigmoid", "value", lambda y, x: fl.tanh(x)),
    "its input": ("tanh", "value", lambda y, x: x.copy()),
    "infinity for a number": ("sigmoid", "value", lambda y, x: put(y, y == 0.5, np.inf)),
    "infinity for the greatest": ("relu", "value", lambda y, x: put(y, y == np.finfo(y.dtype).max, np.inf)),
    "the greatest for infinity": ("relu", "value", lambda y, x: put(y, y == np.inf, np.finfo(y.dtype).max)),
    "the other infinity": ("leaky_relu", "value", lambda y, x: put(y, y == np.inf, -np.inf)),
    "NaN for a number": ("sigmoid", "value", lambda y, x: put(y, y == 0.5, np.nan)),
    "a number for NaN": ("l1_loss", "value", lambda y, x, t: put(y, np.isnan(y), 0.0)),
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [pytest.param(n, d, id=f"{n}-{d}", marks=group(INACCURATE[n][0], d)) for n in INACCURATE for d in DTYPES],
)
def test_accuracy(name, dtype):
    operation, form, wrong = INACCURATE[name]
    got, reference, allowed, operands = run(operation, form, dtype)
    harness.check_accuracy(got, reference, allowed, operands)
    with np.errstate(all="ignore"):
        spoilt = wrong(got, *operands).astype(dtype)
    with fails(r"ulp at \("):
        harness.check_accuracy(spoilt, reference, allowed, operands)


@pytest.mark.parametrize("dtype", [pytest.param(d, marks=group("sigmoid", d)) for d in DTYPES])
def test_accuracy_of_another_dtype_or_shape(dtype):
    got, reference, allowed, operands = run("sigmoid", "value", dtype)
    other = DTYPES[dtype == "float32"]
    with fails("dtype must be"):
        harness.check_accuracy(got.astype(other), reference, allowed, operands)
    with fails("shape must be"):
        harness.check_accuracy(got[:-1], reference, allowed, operands)


def flushed(y):
    return np.where(np.abs(y) < np.finfo(y.dtype).tiny, y.dtype.type(0), y)


LOST = {
    "every subnormal": flushed,
    "one subnormal": lambda y: put(y, (y > 0) & (y < np.finfo(y.dtype).tiny), 0),
    "one of size 0.5": lambda y: put(y, y == 0.5, -0.0),
}


@pytest.mark.parametrize("wrong", LOST.values(), ids=LOST)
@pytest.mark.parametrize("dtype", [pytest.param(d, marks=group("sigmoid", d)) for d in DTYPES])
def test_not_lost(wrong, dtype):
    got, reference, _, operands = run("sigmoid", "value", dtype)
    harness.check_not_lost(got, reference, operands)
    with fails("results are lost"):
        harness.check_not_lost(wrong(got), reference, operands)


@FLOATS
def test_only_less_than_the_least_number_may_be_lost(dtype):
    least, x = mpf(float(np.finfo(dtype).smallest_subnormal)), np.ones(1, dtype)
    for sign in (1, -1):
        harness.check_not_lost(0 * x, harness.exact([sign * least * mpf(0.9)], dtype), (x,))
        with fails("results are lost"):
            harness.check_not_lost(0 * x, harness.exact([sign * least], dtype), (x,))
        with fails("results are lost"):
            harness.check_not_lost(0 * x, harness.exact([sign * least * mpf(1.1)], dtype), (x,))


@FLOATS
def test_dtype(dtype):
    right, wrong = np.ones(3, dtype), np.ones(3, DTYPES[dtype == "float32"])
    harness.check_dtype(right, dtype)
    harness.check_dtype((right, right), dtype)
    for results in (wrong, (right, wrong), (wrong, right)):
        with fails("dtype must be"):
            harness.check_dtype(results, dtype)


SIGNS = {
    "positive for -0": ("tanh", True, lambda y, x: y + 0),
    "negative for 0": ("tanh", True, lambda y, x: put(y, (x == 0) & ~np.signbit(x), -0.0)),
    "positive for underflow": ("leaky_relu", True, lambda y, x: put(y, (y == 0) & (x < 0), 0.0)),
    "negative for underflow": ("sigmoid", False, lambda y, x: put(y, y == 0, -0.0)),
    "all negative": ("sigmoid", False, lambda y, x: np.where(y == 0, -y, y)),
}


@pytest.mark.parametrize(
    ("name", "dtype"), [pytest.param(n, d, id=f"{n}-{d}", marks=group(SIGNS[n][0], d)) for n in SIGNS for d in DTYPES]
)
def test_signs(name, dtype):
    operation, keeps, wrong = SIGNS[name]
    got, reference, _, operands = run(operation, "value", dtype)
    harness.check_signs(got, reference, operands, keeps_zero=keeps)
    with fails("have the wrong sign"):
        harness.check_signs(wrong(got, *operands), reference, operands, keeps_zero=keeps)


def last_bit(x):
    words = x.copy().view(harness.WORD[x.itemsize])
    words[2] ^= 1
    return words.view(x.dtype)


OTHER_BITS = {
    "last bit": (last_bit, "1 of 4 elements differ"),
    "zero's sign": (lambda x: np.where(x == 0, -x, x), "1 of 4 elements differ"),
    "NaN for infinity": (lambda x: np.where(np.isinf(x), x.dtype.type(np.nan), x), "1 of 4 elements differ"),
    "infinity for NaN": (lambda x: np.where(np.isnan(x), x.dtype.type(np.inf), x), "1 of 4 elements differ"),
    "dtype": (lambda x: x.astype(DTYPES[x.dtype == "float32"]), "dtype"),
    "shape": (lambda x: x.reshape(2, 2), "shape"),
    "one result less": (lambda x: (), None),
}


@pytest.mark.parametrize(("wrong", "message"), OTHER_BITS.values(), ids=OTHER_BITS)
@FLOATS
def test_same_bits(wrong, message, dtype):
    x = np.array([0.0, np.nan, 1.5, np.inf], dtype)
    harness.check_same_bits(x.copy(), x)
    harness.check_same_bits((x, -x), (x.copy(), np.where(np.isnan(x), x, -x)))
    with fails(message):
        harness.check_same_bits(wrong(x), x)
    with fails(message):
        harness.check_same_bits((x, *harness.as_tuple(wrong(x))), (x, x))


def relu(x):
    return np.where(x > 0, x, np.where(np.isnan(x), x, x.dtype.type(0)))


def unless_nan(x, other):
    return other if np.isnan(x).any() else relu(x)


NAN = {
    "swallows it": (lambda x: np.fmax(x, 0), "gave"),
    "swallows it by comparing": (lambda x: np.where(x > 0, x, x.dtype.type(0)), "gave"),
    "swallows it at the end": (lambda x: np.append(relu(x)[:-1], np.fmax(x[-1:], 0)), "gave"),
    "swallows it in the second result": (lambda x: (relu(x), (x > 0).astype(x.dtype)), "gave"),
    "spreads it to the neighbour": (lambda x: relu(x) + 0 * np.roll(x, 1), "changed"),
    "spreads it to all that follow": (lambda x: relu(x) + 0 * np.cumsum(x), "changed"),
    "changes another's last bit": (lambda x: unless_nan(x, np.nextafter(relu(x), x.dtype.type(9))), "changed"),
    "changes another's sign of zero": (lambda x: unless_nan(x, np.where(relu(x) == 0, -relu(x), relu(x))), "changed"),
}


@pytest.mark.parametrize(("wrong", "message"), NAN.values(), ids=NAN)
@FLOATS
def test_nan(wrong, message, dtype):
    x = np.linspace(-2, 3, 11).astype(dtype)
    harness.check_nan(relu, (x,))
    with fails(message):
        harness.check_nan(wrong, (x,))


@FLOATS
def test_nan_in_any_operand(dtype):
    g, x = np.linspace(1, 2, 11).astype(dtype), np.linspace(-2, 3, 11).astype(dtype)
    harness.check_nan(lambda g, x: g * x, (g, x))
    with fails("NaN in operand 1 at 0 gave"):
        harness.check_nan(lambda g, x: g * (x > 0), (g, x))
    with fails("NaN in operand 0 at 0 gave"):
        harness.check_nan(lambda g, x: np.where(x > 0, g, x.dtype.type(0)), (g, x))


@FLOATS
def test_nan_in_rows(dtype):
    x = np.linspace(-2, 3, 12).astype(dtype).reshape(3, 4)

    def rows_of(place, i, result):
        return range(i // 4 * 4, i // 4 * 4 + 4)

    def shares(x, axis):
        return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)

    harness.check_nan(lambda x: shares(x, 1), (x,), rows_of)
    for axis in (0, None):
        with fails("NaN in operand 0 at 0"):
            harness.check_nan(lambda x, axis=axis: shares(x, axis), (x,), rows_of)
    with fails("gave"):
        harness.check_nan(np.tanh, (x,), rows_of)


def rounded_twice(y, half):
    """Round to two bits more than the dtype has, and then to the dtype."""
    spread = y * np.float32(2.0 ** (21 - ml_dtypes.finfo(half).nmant) + 1)
    return (spread - (spread - y)).astype(half)


def truncated(y, half):
    rounded = y.astype(half)
    outward = np.abs(rounded.astype(np.float32)) > np.abs(y)
    return np.where(outward, np.nextafter(rounded, half.type(0)), rounded)


BADLY_ROUNDED = {
    "twice": lambda x: rounded_twice(fl.sigmoid(x.astype(np.float32)), x.dtype),
    "toward zero": lambda x: truncated(fl.sigmoid(x.astype(np.float32)), x.dtype),
    "at every operation": lambda x: x.dtype.type(1) / (x.dtype.type(1) + np.exp(-x)),
    "never": lambda x: fl.sigmoid(x.astype(np.float32)),
}


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("name", [pytest.param(name, marks=group("sigmoid", "float32")) for name in BADLY_ROUNDED])
def test_rounded_once(name, half):
    x = np.linspace(-8, 8, 4001).astype(half)

    def wrong(x):
        return BADLY_ROUNDED[name](x) if x.dtype == half else fl.sigmoid(x)

    harness.check_rounded_once(fl.sigmoid, (x,))
    harness.check_rounded_once(lambda x: (fl.sigmoid(x), fl.sigmoid(-x)), (x,))
    for call in (wrong, lambda x: (fl.sigmoid(x), wrong(x))):
        with fails(f"{half} against float32"):
            harness.check_rounded_once(call, (x,))


def halved(x, out=None):
    """The right result, in `out` if given."""
    result = x * x.dtype.type(0.5)
    if out is None:
        return result
    out[...] = result
    return out


def unless(wrong, condition):
    """`halved` whose result is spoilt in calls that the condition is true for."""

    def call(x, out=None):
        spoil = condition(x, out)
        result = halved(x, out)
        if spoil:
            wrong(result)
        return result

    return call


def nudge_last(result):
    last = (-1,) * result.ndim
    result[last] = np.nextafter(result[last], result.dtype.type(np.inf))


def walked_in_memory(x, out=None):
    """Takes the elements in the order of the memory, as a kernel that forgets strides does."""
    flat = np.sort(x.reshape(-1)) if not x.flags.c_contiguous and x.flags.aligned else x.reshape(-1)
    return halved(flat.reshape(x.shape), out)


STRAYING = {
    "strides": walked_in_memory,
    "length": unless(nudge_last, lambda x, out: x.size % 8 == 1 and x.size > 8),
    "no elements left over": unless(nudge_last, lambda x, out: x.size % 4 == 0),
    "one element": unless(nudge_last, lambda x, out: x.size == 1),
    "many elements": unless(nudge_last, lambda x, out: x.size > 1000),
    "dimensions": unless(nudge_last, lambda x, out: x.ndim == 2),
    "address": unless(nudge_last, lambda x, out: x.ctypes.data % 16 != 0),
    "alignment": unless(nudge_last, lambda x, out: not x.flags.aligned),
    "direction": unless(nudge_last, lambda x, out: x.strides[-1] < 0),
    "Fortran": unless(nudge_last, lambda x, out: x.ndim == 2 and x.flags.f_contiguous and not x.flags.c_contiguous),
    "out": unless(nudge_last, lambda x, out: out is not None),
    "layout of out": unless(nudge_last, lambda x, out: out is not None and not out.flags.c_contiguous),
    "in place": unless(nudge_last, lambda x, out: out is x),
    "another array": lambda x, out=None: halved(x),
    "threads": unless(nudge_last, lambda x, out: numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS),
}


@pytest.mark.parametrize("wrong", STRAYING.values(), ids=STRAYING)
@FLOATS
def test_probes(wrong, dtype):
    x = np.linspace(-4, 4, 700).astype(dtype)
    harness.check_probes(halved, (x,), 4_000, np.random.default_rng(0), in_place=True)
    with fails():
        harness.check_probes(
            wrong, (x,), 100_000, np.random.default_rng(0), in_place=True, threads=numba.config.NUMBA_NUM_THREADS
        )


def test_probes_of_rows_and_of_two_results():
    x = np.linspace(-4, 4, 700).reshape(100, 7)

    def shares(x):
        e = np.exp(x)
        return e / e.sum(axis=1, keepdims=True), x.max(axis=1)

    def shares_of_all(x):
        return np.exp(x) / np.exp(x).sum(axis=0), x.max(axis=1)

    def call(function):
        def results(x, out=None, grad_out=None):
            found = function(np.ascontiguousarray(x))
            return tuple(halved(2 * a, b) for a, b in zip(found, (out, grad_out), strict=True))

        return results

    buffers = ("out", "grad_out")
    harness.check_probes(call(shares), (x,), 4_000, np.random.default_rng(0), buffers=buffers, rows=True)
    with fails("elements differ"):
        harness.check_probes(call(shares_of_all), (x,), 4_000, np.random.default_rng(0), buffers=buffers, rows=True)


@pytest.mark.parametrize("tenth", range(10))
@FLOATS
def test_spans(tenth, dtype):
    low, high = -4.0, 6.0
    sample = np.append(np.random.default_rng(1).permutation(np.linspace(low, high, 1000)), [np.nan, np.inf, -1e9, 1e9])
    harness.check_spans(sample.astype(dtype), low, high)
    left_out = (sample > low + tenth - 0.1) & (sample < low + tenth + 1.1)
    with fails(rf"leaves out tenths \[{tenth}\]"):
        harness.check_spans(sample[~left_out].astype(dtype), low, high)


def test_every_check_is_fed_a_wrong_kernel():
    checks = [name for name in vars(harness) if name.startswith("check_")]
    assert len(checks) >= 8
    assert not [name for name in checks if name.replace("check_", "test_", 1) not in globals()]
