"""Losses of rows of vectors: PyTorch's results, reductions, axes, buffers, zeros, large numbers, and refusals."""

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl
from tests import harness
from tests.samples import rng_for

ROWS, LENGTH = 6, 5
LABELS = np.array([1, -1, 1, -1, 0, -1])
VECTORS = {
    "cosine_embedding_loss": 2, "cosine_distance": 2, "triplet_margin_loss": 3, "dice_loss": 2, "jaccard_loss": 2,
    "tversky_loss": 2,
}  # fmt: skip
OVERLAPS = ("dice_loss", "jaccard_loss", "tversky_loss")
EVERY = pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.shares(f"{n}-float64")) for n in VECTORS])
# A vector of zeros costs nothing in most of PyTorch's conventions, but has a gradient.
OPTIONS = {
    "cosine_embedding_loss": [{}, {"margin": 0.3}, {"margin": -0.5}],
    "cosine_distance": [{}, {"eps": 0.7}],
    "triplet_margin_loss": [
        {"p": p, "swap": swap, "margin": margin, "eps": eps}
        for p in (2.0, 1.0, 1.5, 3.0) for swap in (False, True) for margin, eps in ((1.0, 1e-6), (0.1, 0.01))
    ],
    "dice_loss": [{}, {"smooth": 0.1}],
    "jaccard_loss": [{}, {"smooth": 0.1}],
    "tversky_loss": [{}, {"alpha": 0.3, "beta": 0.9}],
}  # fmt: skip


def vectors_for(name, dtype="float64", shape=(ROWS, LENGTH)):
    rng = rng_for(name, "vectors")
    if name in OVERLAPS:
        p, t = rng.random((2, *shape))
        return p.astype(dtype), (t > 0.5).astype(dtype)
    found = rng.normal(size=(VECTORS[name], *shape))
    found[0, 0] = found[1, 2 % shape[0]] = 0.0
    return tuple(found.astype(dtype))


def with_labels(name, vectors, shape=(ROWS,)):
    return (*vectors, np.resize(LABELS, shape)) if name == "cosine_embedding_loss" else vectors


def in_torch(torch, name):
    """Give PyTorch's function, or what its tensors say of it."""
    cosine = torch.nn.functional.cosine_similarity

    def tversky(p, t, alpha=0.5, beta=0.5, smooth=1.0):
        both = (p * t).sum(-1)
        return 1 - (both + smooth) / (both + alpha * (p * (1 - t)).sum(-1) + beta * (t * (1 - p)).sum(-1) + smooth)

    own = {
        "cosine_distance": lambda a, b, eps=1e-8: 1 - cosine(a, b, dim=-1, eps=eps),
        "dice_loss": lambda p, t, smooth=1.0: 1 - (2 * (p * t).sum(-1) + smooth) / (p.sum(-1) + t.sum(-1) + smooth),
        "jaccard_loss": lambda p, t, smooth=1.0: tversky(p, t, 1.0, 1.0, smooth),
        "tversky_loss": tversky,
    }
    if name not in own:
        return getattr(torch.nn.functional, name)
    reduced = {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}
    return lambda *tensors, reduction, **options: reduced[reduction](own[name](*tensors, **options))


def flat(results):
    return [part for result in results for part in (result if isinstance(result, tuple) else (result,))]


@EVERY
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_they_are_pytorchs(name, reduction, engine):
    torch = pytest.importorskip("torch")
    vectors = vectors_for(name)
    for options in OPTIONS[name]:
        tensors = [torch.tensor(x) for x in with_labels(name, vectors)]
        asked = [x.requires_grad_() for x in tensors[: 1 if name in OVERLAPS else len(vectors)]]
        wanted = in_torch(torch, name)(*tensors, **options, reduction=reduction)
        wanted_grads = torch.autograd.grad(wanted.sum(), asked)
        operation = getattr(fl, name)
        value, *grads = flat(
            operation.value_and_grad(*with_labels(name, vectors), **options, reduction=reduction, **engine)
        )
        np.testing.assert_allclose(value, wanted.detach().numpy(), rtol=1e-12, atol=1e-14)
        for got, other in zip(grads, wanted_grads, strict=True):
            np.testing.assert_allclose(got, other.numpy(), rtol=1e-12, atol=2e-12)


@EVERY
def test_all_forms_and_reductions_agree(name, engine):
    vectors, operation, weights = vectors_for(name), getattr(fl, name), np.linspace(0.5, 2.0, ROWS)
    arrays = with_labels(name, vectors)
    each, *slopes = flat(operation.value_and_grad(*arrays, reduction="none", **engine))
    harness.check_same_bits(operation(*arrays, reduction="none", **engine), each)
    own, *grads = flat(operation.value_and_grad(*arrays, reduction="none", sample_weight=weights, **engine))
    np.testing.assert_allclose(own, weights * each, rtol=1e-15)
    for got, wanted in zip(grads, slopes, strict=True):
        np.testing.assert_allclose(got, weights[:, None] * wanted, rtol=1e-14, atol=1e-16)
    mean, *means = flat(operation.value_and_grad(*arrays, sample_weight=weights, **engine))
    np.testing.assert_allclose(mean, own.sum() / weights.sum(), rtol=1e-14)
    for got, wanted in zip(means, grads, strict=True):
        np.testing.assert_allclose(got, wanted / weights.sum(), rtol=1e-14, atol=1e-16)
    found = operation.grad(*arrays, sample_weight=weights, **engine)
    for got, wanted in zip(found if isinstance(found, tuple) else (found,), means, strict=True):
        harness.check_same_bits(got, wanted)


@EVERY
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_rows_along_any_axis_and_results_where_they_are_wanted(name, axis, engine):
    vectors, operation = vectors_for(name, shape=(2, 3, LENGTH)), getattr(fl, name)
    wanted = flat(operation.value_and_grad(*with_labels(name, vectors, (2, 3)), reduction="none", **engine))
    moved = [np.moveaxis(x, -1, axis) for x in vectors]
    buffers = [np.zeros_like(x) for x in moved[: len(wanted) - 1]]
    given = {"out": np.zeros((2, 3)), "grad_out": buffers[0] if name in OVERLAPS else tuple(buffers)}
    arrays = with_labels(name, moved, (2, 3))
    results = flat(operation.value_and_grad(*arrays, axis=axis, reduction="none", **given, **engine))
    assert all(got is own for got, own in zip(results, (given["out"], *buffers), strict=True))
    for got, other in zip(results, wanted, strict=True):
        harness.check_same_bits(got if got.ndim == 2 else np.moveaxis(got, axis, -1), other)


@EVERY
def test_results_may_overwrite_what_is_read(name, engine):
    vectors, operation = vectors_for(name), getattr(fl, name)
    wanted = flat(operation.value_and_grad(*with_labels(name, vectors), **engine))
    own = [x.copy() for x in vectors]
    buffers = own[0] if name in OVERLAPS else tuple(own[::-1])
    results = flat(operation.value_and_grad(*with_labels(name, own), grad_out=buffers, **engine))
    for got, other in zip(results, wanted, strict=True):
        harness.check_same_bits(got, other)
    assert results[1] is (own[0] if name in OVERLAPS else own[-1])


@EVERY
@pytest.mark.parametrize("half", [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)], ids=str)
def test_16_bits_are_float32_rounded_once(name, half, engine):
    vectors, operation = vectors_for(name, half), getattr(fl, name)
    value, *grads = flat(operation.value_and_grad(*with_labels(name, vectors), **engine))
    wide = with_labels(name, [x.astype("float32") for x in vectors])
    wide_value, *wide_grads = flat(operation.value_and_grad(*wide, **engine))
    harness.check_same_bits(value, wide_value)
    with np.errstate(over="ignore"):
        for got, wanted in zip(grads, wide_grads, strict=True):
            harness.check_same_bits(got, wanted.astype(half))


@EVERY
def test_one_row_and_none(name, engine):
    operation, vectors = getattr(fl, name), vectors_for(name)
    whole = flat(operation.value_and_grad(*with_labels(name, vectors), reduction="none", **engine))
    alone = [x[0] for x in with_labels(name, vectors)]
    alone = [np.asarray(x) for x in alone]
    for got, other in zip(flat(operation.value_and_grad(*alone, reduction="none", **engine)), whole, strict=True):
        harness.check_same_bits(np.asarray(got), np.asarray(other[0]))
    empty = [x[:0] for x in with_labels(name, vectors)]
    with np.errstate(invalid="ignore"):
        assert np.isnan(operation(*empty, **engine))
    assert operation(*empty, reduction="sum", **engine) == 0.0
    assert operation(*empty, reduction="none", **engine).shape == (0,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_rows_of_any_length_are_the_short_ones_sums(dtype, engine):
    """More than a block of a sum: the cosine of rows that repeat is that of what they repeat."""
    a, b = (rng_for("long", str(seed)).integers(-8, 9, (3, 8)).astype(dtype) for seed in range(2))
    short, _ = fl.cosine_distance.value_and_grad(a, b, reduction="none", **engine)
    for times in (64, 300, 1000):
        long, grads = fl.cosine_distance.value_and_grad(
            np.tile(a, times), np.tile(b, times), reduction="none", **engine
        )
        np.testing.assert_allclose(long, short, rtol=1e-6 if dtype == "float32" else 1e-14)
        assert all(np.isfinite(grad).all() for grad in grads)


def test_float32_vectors_of_any_size_do_not_overflow_on_the_way(engine):
    a, b = np.array([[3e38, 0.0], [1e-30, 1e-30]], np.float32), np.array([[3e38, 3e38], [0.0, 2e-30]], np.float32)
    np.testing.assert_allclose(fl.cosine_distance(a[:1], b[:1], **engine), 1 - 0.5**0.5, rtol=1e-6)
    np.testing.assert_allclose(fl.cosine_embedding_loss(a[:1], b[:1], np.array([-1]), **engine), 0.5**0.5, rtol=1e-6)
    far = fl.triplet_margin_loss(a[:1] / 2, b[:1] / 4, a[:1] / 2, **engine)
    np.testing.assert_allclose(far, 3e38 * 0.125**0.5, rtol=1e-6)
    assert np.isfinite(fl.cosine_distance(a, b, **engine))


def test_nothing_at_all_overlaps_with_nothing(engine):
    nothing = np.zeros((2, 3))
    for operation in (fl.dice_loss, fl.jaccard_loss, fl.tversky_loss):
        value, grad = operation.value_and_grad(nothing, nothing, smooth=0.0, **engine)
        assert value == 0.0
        assert not grad.any()
    value, grad = fl.jaccard_loss.value_and_grad(np.ones((1, 2)) - 1e-17, np.ones((1, 2)), smooth=0.0, **engine)
    assert value == 0.0
    small = np.array([[1.0, 1e-20]])
    np.testing.assert_allclose(fl.jaccard_loss(small, np.array([[1, 0]]), smooth=0.0, **engine), 1e-20, rtol=1e-15)


def test_equal_distances_have_the_gradient_that_is_stated(engine):
    zeros, ones = np.zeros((1, 4)), np.ones((1, 4))
    for p in (2.0, 3.0):
        value, grads = fl.triplet_margin_loss.value_and_grad(zeros, zeros, ones, margin=2.0, eps=0.0, p=p, **engine)
        assert np.isfinite(value)
        assert not grads[1].any()
        swapped = fl.triplet_margin_loss.grad(zeros, zeros, ones, margin=2.0, eps=0.0, p=p, swap=True, **engine)
        for got, wanted in zip(swapped, grads, strict=True):
            np.testing.assert_array_equal(got, wanted)
    assert all(not g.any() for g in fl.triplet_margin_loss.grad(zeros, zeros, ones, eps=0.0, **engine))
    assert all(not g.any() for g in fl.cosine_embedding_loss.grad(zeros, ones, np.array([-1]), **engine))


X, OWN, T = np.full((2, 3), 0.5), np.zeros((2, 3)), np.array([1, -1])
REFUSALS = [
    (
        lambda: fl.cosine_embedding_loss(X, X, T[:1]), ValueError,
        "cosine_embedding_loss: target must have shape (2,), got (1,)",
    ),
    (
        lambda: fl.cosine_embedding_loss(X, X[:1], T), ValueError,
        "cosine_embedding_loss: x1 and x2 must have the same shape, got (2, 3) and (1, 3)",
    ),
    (
        lambda: fl.cosine_embedding_loss(X, X, T, margin=np.inf), ValueError,
        "cosine_embedding_loss: margin must be finite, got inf",
    ),
    (
        lambda: fl.cosine_distance(X, X, eps=0.0), ValueError,
        "cosine_distance: eps must be positive and finite, got 0.0",
    ),
    (
        lambda: fl.cosine_distance(X, X, axis=2), ValueError,
        "cosine_distance: axis must be in -2..1 for 2 dimensions, got 2",
    ),
    (
        lambda: fl.cosine_distance(X[:, :0], X[:, :0]), ValueError,
        "cosine_distance: x1 must have at least one element along axis 1, got shape (2, 0)",
    ),
    (
        lambda: fl.cosine_distance(X[0, 0, ...], X[0, 0, ...]), ValueError,
        "cosine_distance: x1 must have at least one dimension, got a 0-d array",
    ),
    (
        lambda: fl.cosine_distance(X, X, sample_weight=X), ValueError,
        "cosine_distance: sample_weight must have shape (2,), got (2, 3)",
    ),
    (
        lambda: fl.cosine_distance(X, X, out=np.zeros(2)), ValueError,
        "cosine_distance: out must be None unless reduction is 'none', got an array",
    ),
    (
        lambda: fl.cosine_distance.grad(X, X, grad_out=(OWN, OWN)), ValueError,
        "cosine_distance.grad: grad_out[0] and grad_out[1] must be arrays apart, got overlapping memory",
    ),
    (
        lambda: fl.triplet_margin_loss.grad(X, X, X, grad_out=(OWN, None)), TypeError,
        "triplet_margin_loss.grad: grad_out must be three arrays, got 2",
    ),
    (
        lambda: fl.triplet_margin_loss(X, X, X, margin=0.0), ValueError,
        "triplet_margin_loss: margin must be positive and finite, got 0.0",
    ),
    (
        lambda: fl.triplet_margin_loss(X, X, X, p=0.0), ValueError,
        "triplet_margin_loss: p must be positive and finite, got 0.0",
    ),
    (
        lambda: fl.triplet_margin_loss(X, X, X, swap=1), TypeError,
        "triplet_margin_loss: swap must be True or False, got int",
    ),
    (
        lambda: fl.dice_loss(X, X + 1.0), ValueError,
        "dice_loss: target must be in [0, 1], got 1.5 at index (0, 0)",
    ),
    (
        lambda: fl.dice_loss(X, X, smooth=-1.0), ValueError,
        "dice_loss: smooth must be non-negative and finite, got -1.0",
    ),
    (
        lambda: fl.jaccard_loss.grad(-X, X), ValueError,
        "jaccard_loss.grad: input must be in [0, 1], got -0.5 at index (0, 0)",
    ),
    (
        lambda: fl.tversky_loss(X, X, beta=-0.5), ValueError,
        "tversky_loss: beta must be non-negative and finite, got -0.5",
    ),
    (
        lambda: fl.tversky_loss(X, X, reduction="avg"), ValueError,
        "tversky_loss: reduction must be 'mean', 'sum' or 'none', got 'avg'",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:60] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
    assert not OWN.any()
