"""Losses of few elements, which go straight to a kernel that looks into its arrays itself."""

import itertools

import numpy as np
import pytest

import fastloa as fl
from fastloa.operations import Found
from tests.harness import as_tuple, check_same_bits

LOSSES = ("mse_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
FORMS = {"value": (), "grad": ("grad_out",), "value_and_grad": ("grad_out",), "grad_and_hess": ("grad_out", "hess_out")}
SIZES = (1, 2, 3, 5, 64, 2047, 2048)  # a block has 2,048 elements
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def called(name, form):
    operation = getattr(fl, name)
    return operation if form == "value" else getattr(operation, form)


def operands(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random(shape).astype(dtype), rng.random(shape).astype(dtype)


@pytest.fixture
def straight(monkeypatch):
    """See to it that `mse_loss` knows no other way."""

    def no(*args, **options):
        raise AssertionError("not straight")

    monkeypatch.setattr(fl.mse_loss, "_compute", no)
    monkeypatch.setattr(fl.mse_loss._straight, "_many", Found(no))


@DTYPES
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", LOSSES)
def test_they_have_the_bits_of_the_long_way(name, form, dtype):
    call = called(name, form)
    for shape, reduction in itertools.product(
        [*((n,) for n in SIZES), (2049,), (3, 5), (1, 1)], ("mean", "sum", "none")
    ):
        x, t = operands(shape, dtype)
        got, wanted = call(x, t, reduction=reduction), call(x, t, reduction=reduction, backend="cpu")
        assert [type(r) for r in as_tuple(got)] == [type(r) for r in as_tuple(wanted)]
        check_same_bits(as_tuple(got), as_tuple(wanted), (shape, reduction))


@DTYPES
@pytest.mark.usefixtures("straight")
@pytest.mark.parametrize("form", FORMS)
def test_they_go_straight(form, dtype):
    call = called("mse_loss", form)
    for n in SIZES:
        x, t = operands(n, dtype)
        buffers = {name: np.empty_like(x) for name in FORMS[form]}
        new, given = as_tuple(call(x, t)), as_tuple(call(x, t, **buffers))
        check_same_bits(new, given, n)
        assert all(any(buffer is result for result in given) for buffer in buffers.values())
    x, t = operands((3, 5), dtype)
    call(x, t)


UNFIT = {
    "strided": lambda room, x, t: fl.mse_loss.grad(room[:40:2], x),
    "three dimensions": lambda room, x, t: fl.mse_loss.grad(x.reshape(2, 2, 5), t.reshape(2, 2, 5)),
    "overlapping": lambda room, x, t: fl.mse_loss.grad(room[:20], t, grad_out=room[1:21]),
    "in place": lambda room, x, t: fl.mse_loss.grad(x, t, grad_out=x),
    "two in one place": lambda room, x, t: fl.mse_loss.grad_and_hess(x, t, grad_out=room[:20], hess_out=room[1:21]),
    "another dtype": lambda room, x, t: fl.mse_loss.grad(x, t.astype(np.float16)),
}


@pytest.mark.usefixtures("straight")
@pytest.mark.parametrize("name", UNFIT)
def test_what_they_cannot_take_goes_the_long_way(name):
    room, (x, t) = np.ones(100, np.float32), operands(20, "float32")
    with pytest.raises(AssertionError, match="not straight"):
        UNFIT[name](room, x, t)


@pytest.mark.parametrize("name", ["x", "t", "both"])
def test_results_on_operands_are_as_if_these_were_copied_first(name):
    x, t = operands(20, "float32")
    out = {"x": x, "t": t, "both": x}[name]
    t = x if name == "both" else t
    wanted = fl.huber_loss.value_and_grad(x.copy(), t.copy())
    got = fl.huber_loss.value_and_grad(x, t, grad_out=out)
    assert got[1] is out
    check_same_bits(got, wanted)


@DTYPES
def test_sums_that_are_not_finite_are_looked_at(dtype):
    big = np.finfo(dtype).max
    x, t = np.full(4, np.sqrt(big) * 0.9, dtype), np.zeros(4, dtype)
    assert fl.mse_loss(x, t) == pytest.approx(0.81 * float(big), rel=1e-6)  # the sum alone is infinite
    assert fl.mse_loss(x, t, reduction="sum") == np.inf
    x[1] = np.nan
    assert np.isnan(fl.mse_loss(x, t))
    with pytest.raises(ValueError, match="binary_cross_entropy: input must be in"):
        fl.binary_cross_entropy(np.array([0.5, 2.0], dtype), np.array([1.0, 0.0], dtype))


def test_what_is_wrong_is_told():
    x, t = operands(3, "float32")
    grad = np.empty_like(x)
    grad.flags.writeable = False
    with pytest.raises(ValueError, match=r"mse_loss\.grad: grad_out"):
        fl.mse_loss.grad(x, t, grad_out=grad)
    with pytest.raises(ValueError, match="shape"):
        fl.mse_loss(x, t[:2])
    with pytest.raises(ValueError, match="reduction"):
        fl.mse_loss(x, t, reduction="average")
    with pytest.raises((TypeError, ValueError), match="reduction"):
        fl.mse_loss(x, t, reduction=["mean"])
    assert np.isnan(fl.mse_loss(x[:0], t[:0]))
