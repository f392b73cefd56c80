"""Losses of embeddings against each other: the paper's formula in PyTorch, reductions, chunks, zeros, and refusals."""

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl
from fastloa import contrastive_loss_operations
from tests import harness
from tests.samples import rng_for

pytestmark = pytest.mark.shares("nt_xent_loss-float64")
VIEWS, SETS = np.array([3, 0, 1, 3, 1, 0, 7, 7]), np.array([2, 2, -5, 2, 9, -5, 2, 1])


def embeddings(dtype="float64"):
    return (rng_for("contrastive").normal(size=(8, 5)) * np.arange(1, 9)[:, None]).astype(dtype)


def in_torch(x, labels, temperature, weights):
    """Give the rows' losses and their number of pairs, pair by pair."""
    torch = pytest.importorskip("torch")
    z = torch.nn.functional.normalize(x, eps=1e-8)
    s, losses, counts = z @ z.T / temperature, [], []
    for i, own in enumerate(labels):
        others = [k for k, label in enumerate(labels) if label != own]
        positives = [j for j, label in enumerate(labels) if label == own and j != i]
        one = [torch.logsumexp(s[i, [j, *others]], 0) - s[i, j] for j in positives]
        losses.append(weights[i] * sum(one, torch.zeros((), dtype=x.dtype)))
        counts.append(weights[i] * len(positives))
    return torch.stack(losses), sum(counts)


@pytest.mark.parametrize("labels", [VIEWS, SETS], ids=["views", "sets"])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_papers(labels, weighted, engine, monkeypatch):
    torch = pytest.importorskip("torch")
    x, w = embeddings(), np.linspace(0.5, 2.0, 8)
    for reduction, temperature, held in (("mean", 0.07, 1 << 23), ("sum", 0.5, 24), ("none", 2.0, 1)):
        monkeypatch.setattr(contrastive_loss_operations, "SCORES", held)
        tensor = torch.tensor(x, requires_grad=True)
        rows, count = in_torch(tensor, labels, temperature, w if weighted else np.ones(8))
        wanted = {"mean": rows.sum() / count, "sum": rows.sum(), "none": rows}[reduction]
        wanted.sum().backward()
        options = {"temperature": temperature, "reduction": reduction, **engine}
        options |= {"sample_weight": w} if weighted else {}
        value, grad = fl.nt_xent_loss.value_and_grad(x, labels, **options)
        np.testing.assert_allclose(value, wanted.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-11, atol=1e-13)
        harness.check_same_bits(fl.nt_xent_loss(x, labels, **options), value)
        harness.check_same_bits(fl.nt_xent_loss.grad(x, labels, **options), grad)


@pytest.mark.parametrize("half", [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)], ids=str)
def test_16_bits_are_float32_rounded_once(half, engine):
    x = embeddings(half)
    value, grad = fl.nt_xent_loss.value_and_grad(x, VIEWS, **engine)
    wide, slope = fl.nt_xent_loss.value_and_grad(x.astype("float32"), VIEWS, **engine)
    harness.check_same_bits(value, wide)
    harness.check_same_bits(grad, slope.astype(half))


def test_zeros_and_rows_without_a_positive(engine):
    x = embeddings()
    x[0] = 0.0
    value, grad = fl.nt_xent_loss.value_and_grad(x, VIEWS, **engine)
    assert np.isfinite(value)
    assert np.isfinite(grad).all()
    each = fl.nt_xent_loss(x, SETS, reduction="none", **engine)
    assert each[4] == each[7] == 0.0
    alone = np.arange(8)
    assert fl.nt_xent_loss(x, alone, reduction="sum", **engine) == 0.0
    assert np.isnan(fl.nt_xent_loss(x, alone, **engine))
    assert not fl.nt_xent_loss.grad(x, alone, reduction="sum", **engine).any()
    assert np.isnan(fl.nt_xent_loss(x[:0], VIEWS[:0], **engine))


def test_results_go_where_they_are_wanted(engine):
    x = embeddings()
    losses, grad = fl.nt_xent_loss.value_and_grad(x, VIEWS, reduction="none", **engine)
    out, room = np.full(8, 7.0), np.full((8, 5), 7.0, order="F")
    value, slope = fl.nt_xent_loss.value_and_grad(x, VIEWS, reduction="none", out=out, grad_out=room, **engine)
    assert value is out
    assert slope is room
    harness.check_same_bits((value, slope), (losses, grad))
    assert fl.nt_xent_loss(x, VIEWS, reduction="none", out=x[:, 0], **engine).base is x
    harness.check_same_bits(x[:, 0].copy(), losses)
    x = embeddings()
    assert fl.nt_xent_loss.grad(x, VIEWS, reduction="sum", grad_out=x, **engine) is x
    harness.check_same_bits(x, grad)


X = np.ones((3, 2))
REFUSALS = [
    (
        lambda: fl.nt_xent_loss(X[0], VIEWS[:2]), ValueError,
        "nt_xent_loss: embeddings must have two dimensions and at least one feature, got shape (2,)",
    ),
    (
        lambda: fl.nt_xent_loss(X, VIEWS[:2]), ValueError,
        "nt_xent_loss: labels must have shape (3,), got (2,)",
    ),
    (
        lambda: fl.nt_xent_loss.grad(X, X[:, 0]), TypeError,
        "nt_xent_loss.grad: labels must be integers, got float64",
    ),
    (
        lambda: fl.nt_xent_loss(X, VIEWS[:3], temperature=0.0), ValueError,
        "nt_xent_loss: temperature must be positive and finite, got 0.0",
    ),
    (
        lambda: fl.nt_xent_loss(X, VIEWS[:3], sample_weight=X), ValueError,
        "nt_xent_loss: sample_weight must have shape (3,), got (3, 2)",
    ),
    (
        lambda: fl.nt_xent_loss(X, VIEWS[:3], out=X[:, 0]), ValueError,
        "nt_xent_loss: out must be None unless reduction is 'none', got an array",
    ),
    (
        lambda: fl.nt_xent_loss.grad(X, VIEWS[:3], grad_out=X.T), ValueError,
        "nt_xent_loss.grad: grad_out must have shape (3, 2), got (2, 3)",
    ),
    (
        lambda: fl.nt_xent_loss.grad(X, VIEWS[:3], out=X[:, 0]), TypeError,
        "nt_xent_loss.grad: out is not a result of this call",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:60] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_labels_of_64_bits_are_told_apart():
    x, labels = embeddings(), VIEWS.astype(np.uint64) + np.uint64(2**63)
    harness.check_same_bits(fl.nt_xent_loss(x, labels), fl.nt_xent_loss(x, VIEWS))
    assert fl.nt_xent_loss(x, labels) > 0.0


def test_many_rows_of_a_label_take_one_product(monkeypatch):
    counted = []
    monkeypatch.setattr(np, "matmul", lambda *arguments, kept=np.matmul: counted.append(1) or kept(*arguments))
    x = rng_for("classes").normal(size=(200, 4))
    fl.nt_xent_loss.value_and_grad(x, np.arange(200) % 2)
    assert len(counted) == 1


@pytest.mark.parametrize(
    ("dtype", "weight"), [("float32", 1e-44), ("float32", 2e38), ("float64", 1e-320), ("float64", 1e308)]
)
def test_weights_of_any_size_make_a_mean(dtype, weight):
    x = embeddings(dtype)
    plain = fl.nt_xent_loss.value_and_grad(x, VIEWS)
    weighted = fl.nt_xent_loss.value_and_grad(x, VIEWS, sample_weight=np.full(8, weight, dtype))
    for found, wanted in zip(weighted, plain, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_rows_without_a_pair_decide_nothing(engine):
    x, labels = embeddings("float32"), np.array([0, 0, 1, 2, 3, 4, 5, 6])
    w = np.where(labels == 0, 1e-20, 1e31).astype("float32")
    found = fl.nt_xent_loss.value_and_grad(x, labels, sample_weight=w, **engine)
    wanted = fl.nt_xent_loss.value_and_grad(x, labels, **engine)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-12)
    x[7] = np.nan
    losses, grad = fl.nt_xent_loss.value_and_grad(x[2:], labels[2:], reduction="none", **engine)
    assert not losses.any()
    assert not grad[:5].any()
