"""Gated activations beyond what every operation is asked: two results, halves along any axis, and PyTorch's own."""

import ml_dtypes
import numba
import numpy as np
import pytest

import fastloa as fl
from fastloa import gated_operations
from tests import cases, harness
from tests.samples import rng_for
from tests.subjects import DTYPES, SUBJECTS, group
from tests.test_arrays import LAYOUTS

CASES = [case for case in cases.CASES if isinstance(case, cases.GatedCase)]
PAIRED = [fl.swiglu, fl.geglu, fl.reglu]
HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
AXES = [((6,), 0), ((4, 5), 0), ((3, 8), -1), ((3, 256), 1), ((2, 6, 40), 1), ((4, 3, 2), -3), ((0, 4), 1), ((3, 0), 1)]


def drawn(shape, dtype, count=3):
    rng = rng_for("gated", str(shape), str(dtype))
    return tuple((3.0 * rng.normal(size=shape)).astype(dtype) for _ in range(count))


def over_halves(x, axis, g=None):
    """Give what `glu` is of two arrays that are copies of the halves, joined along an axis of their own."""
    a, b = np.split(x, 2, axis)
    if g is None:
        return fl.glu(np.stack([a, b]), axis=0)[0]
    return np.concatenate(list(fl.glu.backward(g[None], np.stack([a, b]), axis=0)), axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_halves_along_any_axis(shape, axis, dtype, engine):
    (x,), half = drawn(shape, dtype, 1), list(shape)
    half[axis] //= 2
    (g,) = drawn(tuple(half), dtype, 1)
    y, d = over_halves(x, axis), over_halves(x, axis, g)
    harness.check_same_bits(fl.glu(x, axis=axis, **engine), y)
    harness.check_same_bits(fl.glu.backward(g, x, axis=axis, **engine), d)
    for name, layout in (LAYOUTS if x.size else {}).items():
        harness.check_same_bits(fl.glu(layout(x), axis=axis, **engine), y, name)
        harness.check_same_bits(fl.glu.backward(layout(g), layout(x), axis=axis, **engine), d, name)
        if name not in ("read-only", "byte-swapped"):
            out, out_d = layout(np.zeros_like(y)), layout(np.zeros_like(d))
            assert fl.glu(x, axis=axis, out=out, **engine) is out
            assert fl.glu.backward(g, x, axis=axis, out=out_d, **engine) is out_d
            harness.check_same_bits((out, out_d), (y, d), f"to {name}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), [((6,), 0), ((3, 256), 1), ((2, 6, 40), 1)])
def test_the_gradient_of_halves_overwrites_them(shape, axis, dtype, engine):
    x = drawn(shape, dtype, 1)[0]
    g = np.split(drawn(shape, dtype, 2)[1], 2, axis)[0].copy()
    wanted, own = over_halves(x, axis, g), x.copy()
    assert fl.glu.backward(g, own, axis=axis, out=own, **engine) is own
    harness.check_same_bits(own, wanted)
    room = np.zeros(x.size + 1, dtype)
    room[:-1] = x.reshape(-1)
    source, target = room[:-1].reshape(shape), room[1:].reshape(shape)
    fl.glu.backward(g, source, axis=axis, out=target, **engine)
    harness.check_same_bits(target, wanted, "one element on")


@pytest.mark.parametrize(("shape", "axis"), [((64, 2048), -1), ((5, 128, 3), 1), ((200, 50), 0)])
def test_long_halves_in_order_are_not_copied(shape, axis, monkeypatch):
    (x,) = drawn(shape, "float32", 1)
    g = np.split(x, 2, axis)[1].copy()
    wanted = over_halves(x, axis), over_halves(x, axis, g)
    monkeypatch.setattr(gated_operations, "Call", None)
    harness.check_same_bits((fl.glu(x, axis=axis), fl.glu.backward(g, x, axis=axis)), wanted)


@pytest.mark.parametrize("operation", PAIRED, ids=lambda o: o.__name__)
@pytest.mark.parametrize("size", [5, 3000, 70_001])
def test_gradients_may_overwrite_operands(operation, size, engine):
    operands = drawn((size,), "float32")
    wanted = operation.backward(*operands, **engine)
    for first in (None, 0, 1, 2):
        for second in (None, 0, 1, 2):
            if first is not None and first == second:
                continue
            own = [x.copy() for x in operands]
            outs = tuple(None if i is None else own[i] for i in (first, second))
            got = operation.backward(*own, out=outs, **engine)
            assert all(out is None or result is out for out, result in zip(outs, got, strict=True))
            harness.check_same_bits(got, wanted, f"over {first} and {second}")
            for i in {0, 1, 2} - {first, second}:
                harness.check_same_bits(own[i], operands[i], "an operand that is not named")


@pytest.mark.parametrize("operation", PAIRED, ids=lambda o: o.__name__)
def test_gradients_that_overlap_operands_in_part(operation, engine):
    g, a, b = drawn((1000,), "float32")
    wanted = operation.backward(g, a, b, **engine)
    room = np.concatenate([a, b, np.zeros(3, "f")])
    operation.backward(g, room[:1000], room[1000:2000], out=(room[3:1003], room[1003:]), **engine)
    harness.check_same_bits((room[3:1003], room[1003:]), wanted)


@pytest.mark.parametrize("name", [pytest.param(case.name, marks=group(case.name, "float32")) for case in CASES])
def test_any_number_of_threads(name):
    before, operation = numba.get_num_threads(), getattr(fl, name)
    operands = drawn((2, 150_001), "float32")
    call = {
        "glu": lambda g, a, b: fl.glu.backward(g[:1], a, axis=0),
        "prelu": lambda g, a, b: (fl.prelu(a, b[0, :1]), *fl.prelu.backward(g, a, b[0])),
    }.get(name, operation.backward)
    try:
        numba.set_num_threads(1)
        wanted = call(*operands)
        for count in range(2, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(count)
            harness.check_same_bits(call(*operands), wanted, f"{count} threads")
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("case", [pytest.param(c, id=c.name, marks=group(c.name, "float32")) for c in CASES])
def test_16_bits_are_float32_rounded_once(case, half, engine):
    for subject in (s for s in SUBJECTS if s.operation == case.name):
        with np.errstate(all="ignore"):
            operands = tuple(x.astype(half) for x in subject.operands("float32"))
            harness.check_rounded_once(lambda *x, s=subject: s.call(*x, **engine), operands)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_zeros_have_the_sign_of_the_product(name, dtype, engine):
    """Of a gate that is positive only the other operand counts."""
    for subject in (s for s in SUBJECTS if s.operation == name and s.form == "value"):
        a, b = subject.operands(dtype)
        got = subject.call(a, b, **engine)
        signs = np.signbit(a) if name == "glu" else np.signbit(a) ^ np.signbit(b)
        signs = np.where(a < 0, np.signbit(b), signs) if name == "reglu" else signs
        signs = np.where(a < 0, b > 0, np.signbit(a)) if name == "prelu" else signs
        assert (got == 0).sum() > 20
        np.testing.assert_array_equal(np.signbit(got)[got == 0], signs[got == 0])


@pytest.mark.parametrize(("given", "result"), [("bool", "float16"), ("int16", "float32"), ("int64", "float64")])
@pytest.mark.parametrize("operation", PAIRED, ids=lambda o: o.__name__)
def test_integers_become_floating_point(operation, given, result, engine):
    a, b = np.array([0, 1, 1]).astype(given), np.array([1, 0, 1]).astype(given)
    got = operation(a, b, **engine), *operation.backward(b, a, b, **engine)
    harness.check_dtype(got, result)
    wide = a.astype(result), b.astype(result)
    harness.check_same_bits(got, (operation(*wide, **engine), *operation.backward(wide[1], *wide, **engine)))


def torch_of(name, torch):
    functional = torch.nn.functional
    return {
        "glu": lambda a, b: functional.glu(torch.stack([a, b]), 0)[0],
        "swiglu": lambda a, b: functional.silu(a) * b,
        "geglu": lambda a, b, **options: functional.gelu(a, **options) * b,
        "reglu": lambda a, b: functional.relu(a) * b,
        "prelu": lambda a, b: functional.prelu(a[None], b)[0],
    }[name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_pytorch_agrees(name, dtype):
    torch = pytest.importorskip("torch")
    g, a, b = drawn((700,), dtype)
    limit = 1e-5 if dtype == "float32" else 1e-13
    for subject in (s for s in SUBJECTS if s.operation == name and s.form == "value"):
        x, y = (torch.tensor(array, requires_grad=True) for array in (a, b))
        value = torch_of(name, torch)(x, y, **subject.options)
        value.backward(torch.tensor(g))
        backward = next(s for s in SUBJECTS if (s.operation, s.form, s.options) == (name, "backward", subject.options))
        found = subject.call(a, b), *backward.call(g, a, b)
        for got, wanted in zip(found, (value.detach(), x.grad, y.grad), strict=True):
            np.testing.assert_allclose(got, wanted.numpy(), rtol=limit, atol=limit)


X, OWN = np.zeros((2, 4)), np.zeros((2, 4))
REFUSALS = [
    (lambda: fl.swiglu(X), TypeError, "swiglu: takes a and b, got 1 positional arguments"),
    (lambda: fl.swiglu(X, None), TypeError, "swiglu: b must be a NumPy or CuPy array, got NoneType"),
    (lambda: fl.swiglu(X, X[0]), ValueError, "swiglu: a and b must have the same shape, got (2, 4) and (4,)"),
    (
        lambda: fl.swiglu(X, X.astype("f")), TypeError,
        "swiglu: a and b must have the same dtype, got float64 and float32",
    ),
    (lambda: fl.reglu(X, X, out=X[0].copy()), ValueError, "reglu: out must have shape (2, 4), got (4,)"),
    (lambda: fl.geglu(X, X, approximate="erf"), ValueError, "geglu: approximate must be 'none' or 'tanh', got 'erf'"),
    (
        lambda: fl.reglu.backward(X, X), TypeError,
        "reglu.backward: takes grad_output and a and b, got 2 positional arguments",
    ),
    (lambda: fl.reglu.backward(X, X, X, out=X.copy()), TypeError, "reglu.backward: out must be two arrays, got ndarray"),
    (lambda: fl.reglu.backward(X, X, X, out=(OWN,)), TypeError, "reglu.backward: out must be two arrays, got 1"),
    (
        lambda: fl.reglu.backward(X, X, X, out=(OWN, OWN)), ValueError,
        "reglu.backward: out[0] and out[1] must be arrays apart, got overlapping memory",
    ),
    (
        lambda: fl.reglu.backward(X, X, X, out=(OWN, OWN.astype("f"))), TypeError,
        "reglu.backward: out[1] must be float64, got float32",
    ),
    (lambda: fl.glu(X[:, :3]), ValueError, "glu: x must have an even length along axis 1, got shape (2, 3)"),
    (lambda: fl.glu(X, axis=2), ValueError, "glu: axis must be in -2..1 for 2 dimensions, got 2"),
    (lambda: fl.glu(X, axis=None), TypeError, "glu: axis must be an integer, got NoneType"),
    (lambda: fl.glu(X, out=OWN), ValueError, "glu: out must have shape (2, 2), got (2, 4)"),
    (lambda: fl.glu.backward(X, X), ValueError, "glu.backward: grad_output must have shape (2, 2), got (2, 4)"),
    (
        lambda: fl.glu.backward(X[:, :2], X, out=OWN[0]), ValueError,
        "glu.backward: out must have shape (2, 4), got (4,)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:60] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
    assert not X.any()
    assert not OWN.any()
