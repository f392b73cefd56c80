"""Losses with gradients in two arrays: reductions, weights, buffers in twos, refusals, and PyTorch's results."""

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl
from tests import harness
from tests.samples import rng_for

SHAPE = (7, 5)
OPTIONS = {
    "gaussian_nll_loss": ({}, {"full": True}, {"eps": 0.3}, {"full": True, "eps": 0.3}),
    "margin_ranking_loss": ({}, {"margin": 0.5}, {"margin": -0.25}),
}
PLACES = {"gaussian_nll_loss": (0, 2), "margin_ranking_loss": (0, 1)}
EVERY = pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.shares(f"{n}-float64")) for n in OPTIONS])


def arrays_for(name, dtype="float64", shape=SHAPE):
    rng = rng_for(name, "joint")
    x, t, v = rng.normal(size=(3, *shape))
    return tuple(a.astype(dtype) for a in (x, t, np.abs(v) if name == "gaussian_nll_loss" else np.sign(v)))


@EVERY
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_they_are_pytorchs(name, reduction, engine):
    torch = pytest.importorskip("torch")
    arrays, plain = arrays_for(name), getattr(torch.nn.functional, name)
    for options in OPTIONS[name]:
        tensors = [torch.tensor(x) for x in arrays]
        asked = [tensors[i].requires_grad_() for i in PLACES[name]]
        wanted = plain(*tensors, **options, reduction=reduction)
        wanted_grads = torch.autograd.grad(wanted.sum(), asked)
        value, grads = getattr(fl, name).value_and_grad(*arrays, **options, reduction=reduction, **engine)
        np.testing.assert_allclose(value, wanted.detach().numpy(), rtol=1e-12, atol=1e-14)
        for got, other in zip(grads, wanted_grads, strict=True):
            np.testing.assert_allclose(got, other.numpy(), rtol=1e-12, atol=1e-14)


@EVERY
def test_hessians_are_the_gradients_slopes(name, engine):
    arrays, step, operation = arrays_for(name), 1e-6, getattr(fl, name)
    grads, hesses = operation.grad_and_hess(*arrays, reduction="sum", **engine)
    for got, wanted in zip(grads, operation.grad(*arrays, reduction="sum", **engine), strict=True):
        harness.check_same_bits(got, wanted)
    for place, own in enumerate(PLACES[name]):
        moved = [[x + sign * step * (i == own) for i, x in enumerate(arrays)] for sign in (1.0, -1.0)]
        above, below = (operation.grad(*some, reduction="sum", **engine)[place] for some in moved)
        np.testing.assert_allclose(hesses[place], (above - below) / (2 * step), rtol=1e-5, atol=1e-5)


@EVERY
def test_all_forms_and_reductions_agree(name, engine):
    arrays, operation, weights = arrays_for(name), getattr(fl, name), np.linspace(0.5, 2.0, 5)
    each, slopes = operation.value_and_grad(*arrays, reduction="none", **engine)
    harness.check_same_bits(operation(*arrays, reduction="none", **engine), each)
    for given in ({"weight": weights}, {"sample_weight": np.broadcast_to(weights, SHAPE)}):
        own, grads = operation.value_and_grad(*arrays, reduction="none", **given, **engine)
        for got, wanted in zip((own, *grads), (each, *slopes), strict=True):
            harness.check_same_bits(got, weights * wanted)
        divisor = 7 * weights.sum() if "sample_weight" in given else each.size
        mean, means = operation.value_and_grad(*arrays, **given, **engine)
        np.testing.assert_allclose(mean, own.sum() / divisor, rtol=1e-14)
        for got, wanted in zip(means, grads, strict=True):
            np.testing.assert_allclose(got, wanted / divisor, rtol=1e-15)
        _, hesses = operation.grad_and_hess(*arrays, **given, **engine)
        _, sums = operation.grad_and_hess(*arrays, reduction="sum", **engine)
        for got, wanted in zip(hesses, sums, strict=True):
            np.testing.assert_allclose(got, weights * wanted / divisor, rtol=1e-15)


@EVERY
def test_results_may_overwrite_what_is_read(name, engine):
    arrays, operation = arrays_for(name, shape=(3, 1000)), getattr(fl, name)
    for form in ("value_and_grad", "grad_and_hess"):
        for reduction in ("none", "mean"):
            wanted = flat(getattr(operation, form)(*arrays, reduction=reduction, **engine))
            own = [x.copy() for x in arrays]
            buffers = {"grad_out": (own[2], own[0])}
            if form == "grad_and_hess":
                buffers["hess_out"] = [own[1], None]
            results = flat(getattr(operation, form)(*own, reduction=reduction, **buffers, **engine))
            first = form == "value_and_grad"
            assert results[first] is own[2]
            assert results[first + 1] is own[0]
            for got, other in zip(results, wanted, strict=True):
                harness.check_same_bits(got, other)


def flat(results):
    return [part for result in results for part in (result if isinstance(result, tuple) else (result,))]


@EVERY
@pytest.mark.parametrize("half", [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)], ids=str)
def test_16_bits_are_float32_rounded_once(name, half, engine):
    arrays = arrays_for(name, half)
    value, grads = getattr(fl, name).value_and_grad(*arrays, **engine)
    wide, wide_grads = getattr(fl, name).value_and_grad(*(x.astype("float32") for x in arrays), **engine)
    harness.check_same_bits(value, wide)
    for got, wanted in zip(grads, wide_grads, strict=True):
        harness.check_same_bits(got, wanted.astype(half))


@EVERY
@pytest.mark.parametrize("shape", [(), (0, 3)])
def test_nothing_and_one(name, shape, engine):
    arrays, operation = arrays_for(name, shape=shape), getattr(fl, name)
    with np.errstate(invalid="ignore"):
        value, grads = operation.value_and_grad(*arrays, **engine)
    assert [grad.shape for grad in grads] == [shape] * 2
    assert np.isnan(value) == (0 in shape)
    assert operation(*arrays, reduction="sum", **engine) == (0.0 if 0 in shape else value)


def test_a_mean_that_overflows_on_the_way_is_finite():
    x = np.full(4, 1.5e154)
    value = fl.gaussian_nll_loss(x, -x, np.full(4, 8.0))
    np.testing.assert_allclose(value, 0.5625 * 1e308, rtol=1e-12)


X, OWN = np.ones((2, 3)), np.ones((2, 3))
REFUSALS = [
    (
        lambda: fl.gaussian_nll_loss(X, X, np.array([[1.0, 0.0, 1.0], [1.0, -2.0, 1.0]])), ValueError,
        "gaussian_nll_loss: var must be non-negative, got -2.0 at index (1, 1)",
    ),
    (
        lambda: fl.gaussian_nll_loss.grad(X, X, -X, reduction="none"), ValueError,
        "gaussian_nll_loss.grad: var must be non-negative, got -1.0 at index (0, 0)",
    ),
    (
        lambda: fl.gaussian_nll_loss(X, X, X, eps=0.0), ValueError,
        "gaussian_nll_loss: eps must be positive and finite, got 0.0",
    ),
    (
        lambda: fl.gaussian_nll_loss(X, X, X, full=1), TypeError,
        "gaussian_nll_loss: full must be True or False, got int",
    ),
    (
        lambda: fl.gaussian_nll_loss(X, X, X[:, :1]), ValueError,
        "gaussian_nll_loss: input and var must have the same shape, got (2, 3) and (2, 1)",
    ),
    (
        lambda: fl.margin_ranking_loss(X, X, X, margin=np.nan), ValueError,
        "margin_ranking_loss: margin must be finite, got nan",
    ),
    (
        lambda: fl.margin_ranking_loss(X, X[0], X), ValueError,
        "margin_ranking_loss: input1 and input2 must have the same shape, got (2, 3) and (3,)",
    ),
    (
        lambda: fl.margin_ranking_loss(X, X, X.astype(complex)), TypeError,
        "margin_ranking_loss: target must be float16, bfloat16, float32, float64, integer or bool, got complex128",
    ),
    (
        lambda: fl.margin_ranking_loss.grad(X, X, X, grad_out=X.copy()), TypeError,
        "margin_ranking_loss.grad: grad_out must be two arrays, got ndarray",
    ),
    (
        lambda: fl.margin_ranking_loss.grad(X, X, X, grad_out=(X.copy(),)), TypeError,
        "margin_ranking_loss.grad: grad_out must be two arrays, got 1",
    ),
    (
        lambda: fl.margin_ranking_loss.grad(X, X, X, grad_out=(None, X[0].copy())), ValueError,
        "margin_ranking_loss.grad: grad_out[1] must have shape (2, 3), got (3,)",
    ),
    (
        lambda: fl.margin_ranking_loss.grad(X, X, X, grad_out=(OWN, OWN)), ValueError,
        "margin_ranking_loss.grad: grad_out[0] and grad_out[1] must be arrays apart, got overlapping memory",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:60] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
    assert (X == 1.0).all()
