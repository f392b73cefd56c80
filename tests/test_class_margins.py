"""Margins of class scores: PyTorch's results, reductions, axes, weights, long rows, NaN, and refusals."""

from itertools import product

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl
from tests import harness
from tests.samples import rng_for

REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
ROWS, CLASSES = 5, 7


def logits(*shape):
    rng = rng_for("class margins", str(shape))
    return 3 * rng.normal(size=shape), (rng.random(shape) > 0.5).astype("float64")


@pytest.mark.shares("multilabel_soft_margin_loss-float64")
class TestSoftMargin:
    @REDUCTIONS
    @pytest.mark.parametrize("weight", [None, (CLASSES,), (ROWS, 1)])
    def test_it_is_pytorchs(self, weight, reduction, engine):
        torch = pytest.importorskip("torch")
        z, t = logits(ROWS, CLASSES)
        w = None if weight is None else rng_for("weights").random(weight)
        x = torch.tensor(z, requires_grad=True)
        wanted = torch.nn.functional.multilabel_soft_margin_loss(
            x, torch.tensor(t), weight=None if w is None else torch.tensor(w), reduction=reduction
        )
        wanted.sum().backward()
        options = {"weight": w, "reduction": reduction, **engine}
        value, grad = fl.multilabel_soft_margin_loss.value_and_grad(z, t, **options)
        np.testing.assert_allclose(value, wanted.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(grad, x.grad.numpy(), rtol=1e-12, atol=1e-15)
        harness.check_same_bits(fl.multilabel_soft_margin_loss.grad(z, t, **options), grad)
        again, hess = fl.multilabel_soft_margin_loss.grad_and_hess(z, t, **options)
        harness.check_same_bits(again, grad)
        _, other = fl.binary_cross_entropy_with_logits.grad_and_hess(z, t, weight=w, reduction="sum", **engine)
        divisor = CLASSES * (ROWS if reduction == "mean" else 1)
        np.testing.assert_allclose(hess, other / divisor, rtol=1e-14)

    def test_weights_of_rows_divide_the_mean(self, engine):
        z, t = logits(ROWS, CLASSES)
        w = np.linspace(0.5, 2.0, ROWS)
        each, slope = fl.multilabel_soft_margin_loss.value_and_grad(z, t, reduction="none", **engine)
        value, grad = fl.multilabel_soft_margin_loss.value_and_grad(z, t, sample_weight=w, **engine)
        np.testing.assert_allclose(value, (w * each).sum() / w.sum(), rtol=1e-14)
        np.testing.assert_allclose(grad, w[:, None] / w.sum() * slope, rtol=1e-14)

    @pytest.mark.parametrize("axis", [0, 1, -1])
    def test_classes_along_any_axis(self, axis, engine):
        z, t = logits(2, 3, CLASSES)
        w = rng_for("weights").random(CLASSES)
        wanted = fl.multilabel_soft_margin_loss.value_and_grad(z, t, weight=w, reduction="none", **engine)
        moved, spread = (np.moveaxis(np.broadcast_to(x, z.shape), -1, axis) for x in (z, w))
        buffers = {"out": np.zeros((2, 3)), "grad_out": np.zeros(moved.shape)}
        value, grad = fl.multilabel_soft_margin_loss.value_and_grad(
            moved, np.moveaxis(t, -1, axis), weight=spread, axis=axis, reduction="none", **buffers, **engine
        )
        assert value is buffers["out"]
        assert grad is buffers["grad_out"]
        harness.check_same_bits(value, wanted[0])
        harness.check_same_bits(np.moveaxis(grad, axis, -1), wanted[1])

    def test_mistakes_and_successes_that_are_certain(self, engine):
        z, t = np.array([[np.inf, -np.inf, 800.0], [-np.inf, 0.0, 0.0]]), np.array([[1, 0, 1], [1, 0, 0]])
        value, grad = fl.multilabel_soft_margin_loss.value_and_grad(z, t, reduction="none", **engine)
        assert value[1] == np.inf
        np.testing.assert_array_equal(value[0], 0.0)
        np.testing.assert_array_equal(grad, [[0.0, 0.0, 0.0], [-1 / 3, 1 / 6, 1 / 6]])


def label_sets(rows, classes):
    """Give rows of different labels up to the first -1: none, one, two, all, some."""
    rng = rng_for("label sets", str(classes))
    found = np.array([rng.permutation(classes) for _ in range(rows)])
    for row, count in enumerate((0, 1, 2, classes, 3)):
        found[row, count:] = -1
    return found


def check_torch(operation, function, x, labels, engine, *, reduction, weight=None, **options):
    """Hold all forms to PyTorch's value and gradient."""
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(x, requires_grad=True)
    given = {} if weight is None else {"weight": torch.tensor(weight)}
    wanted = function(torch.nn.functional)(tensor, torch.tensor(labels), reduction=reduction, **given, **options)
    wanted.sum().backward()
    own = {"reduction": reduction, **({} if weight is None else {"weight": weight}), **options, **engine}
    value, grad = operation.value_and_grad(x, labels, **own)
    np.testing.assert_allclose(value, wanted.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-12, atol=1e-15)
    harness.check_same_bits(operation(x, labels, **own), value)
    for got in (operation.grad(x, labels, **own), operation.grad_and_hess(x, labels, **own)[0]):
        harness.check_same_bits(got, grad)


@pytest.mark.shares("multi_margin_loss-float64")
class TestMultiMargin:
    @REDUCTIONS
    @pytest.mark.parametrize("p", [1, 2])
    def test_it_is_pytorchs(self, p, reduction, engine):
        (x, _), labels = logits(ROWS, CLASSES), np.arange(ROWS) % CLASSES
        for weight, margin in product((None, np.linspace(0.5, 2.0, CLASSES)), (1.0, 0.3, -0.5)):
            check_torch(
                fl.multi_margin_loss, lambda f: f.multi_margin_loss, x, labels, engine, reduction=reduction,
                weight=weight, p=p, margin=margin,
            )  # fmt: skip

    def test_weights_of_classes_leave_the_divisor_alone_and_those_of_rows_do_not(self, engine):
        (x, _), labels, own = logits(ROWS, CLASSES), np.arange(ROWS), np.linspace(0.5, 2.0, CLASSES)
        w = np.linspace(3.0, 1.0, ROWS)
        each = fl.multi_margin_loss(x, labels, weight=own, reduction="none", **engine)
        np.testing.assert_allclose(each, own[labels] * fl.multi_margin_loss(x, labels, reduction="none", **engine))
        value, grad = fl.multi_margin_loss.value_and_grad(x, labels, weight=own, sample_weight=w, **engine)
        np.testing.assert_allclose(value, (w * each).sum() / w.sum(), rtol=1e-14)
        slopes = fl.multi_margin_loss.grad(x, labels, weight=own, reduction="sum", **engine)
        np.testing.assert_allclose(grad, w[:, None] / w.sum() * slopes, rtol=1e-14)

    def test_the_hessian_is_that_of_squares(self, engine):
        x, labels = np.array([[0.0, 0.5, -2.0, 1.0]]), np.array([0])
        for p, wanted in ((1, [0.0, 0.0, 0.0, 0.0]), (2, [1.0, 0.5, 0.0, 0.5])):
            _, hess = fl.multi_margin_loss.grad_and_hess(x, labels, p=p, **engine)
            np.testing.assert_array_equal(hess, [wanted])

    def test_the_kink_and_the_digits_next_to_it(self, engine):
        x = np.array([[1.0, 0.0], [1.0, 1e-17], [1.0 + 2.0**-52, 1e-16], [1e17, 1e17 - 16]])
        value, grad = fl.multi_margin_loss.value_and_grad(x, np.zeros(4, int), reduction="none", **engine)
        np.testing.assert_array_equal(value, [0.0, 5e-18, 0.0, 0.0])
        np.testing.assert_array_equal(grad, [[0.0, 0.0], [-0.5, 0.5], [0.0, 0.0], [0.0, 0.0]])

    @pytest.mark.parametrize("shape", [(), (2, 3)])
    def test_rows_of_any_shape(self, shape, engine):
        x, _ = logits(*shape, CLASSES)
        labels = np.arange(max(1, np.prod(shape, dtype=int))).reshape(shape) % CLASSES
        flat = fl.multi_margin_loss.value_and_grad(
            x.reshape(-1, CLASSES), labels.reshape(-1), reduction="none", **engine
        )
        for axis in range(-1, len(shape)):
            moved = np.moveaxis(x, -1, axis)
            value, grad = fl.multi_margin_loss.value_and_grad(
                moved, labels.astype("uint64"), axis=axis, reduction="none", **engine
            )
            harness.check_same_bits(value.reshape(-1), flat[0])
            harness.check_same_bits(np.moveaxis(grad, axis, -1).reshape(-1, CLASSES), flat[1])


@pytest.mark.shares("multilabel_margin_loss-float64")
class TestMultilabelMargin:
    @REDUCTIONS
    def test_it_is_pytorchs(self, reduction, engine):
        x, _ = logits(ROWS, CLASSES)
        labels = label_sets(ROWS, CLASSES)
        labels[4, 1] = labels[4, 0]  # which counts twice
        check_torch(
            fl.multilabel_margin_loss, lambda f: f.multilabel_margin_loss, x, labels, engine, reduction=reduction
        )

    def test_one_label_is_multi_margin(self, engine):
        x, _ = logits(ROWS, CLASSES)
        labels = np.arange(ROWS)
        for got, wanted in zip(
            fl.multilabel_margin_loss.value_and_grad(x, labels[:, None], **engine),
            fl.multi_margin_loss.value_and_grad(x, labels, **engine),
            strict=True,
        ):
            harness.check_same_bits(got, wanted)

    @pytest.mark.parametrize("axis", [0, 1, -1])
    def test_classes_along_any_axis(self, axis, engine):
        x, _ = logits(1, ROWS, CLASSES)
        labels = label_sets(ROWS, CLASSES)[None, :, :4]
        wanted = fl.multilabel_margin_loss.value_and_grad(x, labels, reduction="none", **engine)
        moved = np.moveaxis(x, -1, axis)
        buffers = {"out": np.zeros((1, ROWS)), "grad_out": np.zeros(moved.shape)}
        value, grad = fl.multilabel_margin_loss.value_and_grad(
            moved, np.moveaxis(labels, -1, axis), axis=axis, reduction="none", **buffers, **engine
        )
        assert value is buffers["out"]
        assert grad is buffers["grad_out"]
        harness.check_same_bits(value, wanted[0])
        harness.check_same_bits(np.moveaxis(grad, axis, -1), wanted[1])

    def test_rows_of_many_blocks(self, engine):
        """More classes than a block of a sum holds: whole numbers, of which nothing is rounded."""
        rng = rng_for("long rows")
        x, labels = rng.integers(-4, 5, (2, 5000)).astype("float32"), np.array([[7, 4999, 2048], [2047, -1, 3]])
        value, grad = fl.multilabel_margin_loss.value_and_grad(x, labels, reduction="none", **engine)
        for row, own in enumerate(([7, 4999, 2048], [2047])):
            others = np.delete(np.arange(5000), own)
            gaps = 1 - x[row, own][:, None].astype(int) + x[row, others].astype(int)
            slopes = np.zeros(5000)
            slopes[others], slopes[own] = (gaps > 0).sum(axis=0), -(gaps > 0).sum(axis=1)
            np.testing.assert_array_equal(value[row], np.float32(np.maximum(gaps, 0).sum() / 5000))
            np.testing.assert_allclose(grad[row], slopes / 5000, rtol=2e-7)

    def test_nan_reaches_what_depends_on_it(self, engine):
        x, labels = np.zeros((3, 4)), np.array([[0, 1], [0, 1], [-1, 0]])
        x[0, 2] = x[1, 0] = x[2, 0] = np.nan
        value, grad = fl.multilabel_margin_loss.value_and_grad(x, labels, reduction="none", **engine)
        np.testing.assert_array_equal(np.isnan(value), [True, True, False])
        np.testing.assert_array_equal(
            np.isnan(grad), [[True, True, True, False], [True, False, True, True], [False] * 4]
        )

    def test_infinities(self, engine):
        x = np.array([[np.inf, 0.0, 1.0], [0.0, np.inf, 0.0], [0.0, -np.inf, -9.0]])
        value, grad = fl.multilabel_margin_loss.value_and_grad(x, np.zeros((3, 1), int), reduction="none", **engine)
        np.testing.assert_array_equal(value, [0.0, np.inf, 0.0])
        np.testing.assert_array_equal(grad, np.array([[0, 0, 0], [-2, 1, 1], [0, 0, 0]]) / 3)


@pytest.mark.parametrize("half", [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)], ids=str)
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.shares(f"{n}-float32")) for n in (
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss"
)])  # fmt: skip
def test_16_bits_are_float32_rounded_once(name, half, engine):
    operation, (x, t) = getattr(fl, name), logits(ROWS, CLASSES)
    targets = {"multi_margin_loss": np.arange(ROWS), "multilabel_margin_loss": label_sets(ROWS, CLASSES)}
    x, target = x.astype(half), targets.get(name, t)
    value, grad = operation.value_and_grad(x, target, **engine)
    wide, slope = operation.value_and_grad(x.astype("float32"), target, **engine)
    harness.check_same_bits(value, wide)
    harness.check_same_bits(grad, slope.astype(half))


X, T = np.zeros((2, 3)), np.ones((2, 3))
LABELS, SETS = np.array([0, 2]), np.array([[0, -1], [1, 2]])
REFUSALS = [
    (
        lambda: fl.multi_margin_loss(X, LABELS + 1), ValueError,
        "multi_margin_loss: target must be in 0..2, got 3 at index 1",
    ),
    (
        lambda: fl.multi_margin_loss.grad(X, LABELS - 1), ValueError,
        "multi_margin_loss.grad: target must be in 0..2, got -1 at index 0",
    ),
    (
        lambda: fl.multi_margin_loss(X, T), TypeError,
        "multi_margin_loss: target must be integer labels of shape (2,), got float64 of shape (2, 3)",
    ),
    (
        lambda: fl.multi_margin_loss(X, SETS), ValueError,
        "multi_margin_loss: target must be integer labels of shape (2,), got int64 of shape (2, 2)",
    ),
    (
        lambda: fl.multi_margin_loss(X, LABELS, p=3), ValueError,
        "multi_margin_loss: p must be an integer in 1..2, got 3",
    ),
    (
        lambda: fl.multi_margin_loss(X, LABELS, margin=np.nan), ValueError,
        "multi_margin_loss: margin must be finite, got nan",
    ),
    (
        lambda: fl.multi_margin_loss(X, LABELS, weight=np.ones(2)), ValueError,
        "multi_margin_loss: weight must have shape (3,), got (2,)",
    ),
    (
        lambda: fl.multi_margin_loss(X, LABELS, weight=[1.0] * 3), TypeError,
        "multi_margin_loss: weight must be a NumPy or CuPy array, got list",
    ),
    (
        lambda: fl.multi_margin_loss(X, LABELS, check=1), TypeError,
        "multi_margin_loss: check must be True or False, got int",
    ),
    (
        lambda: fl.multilabel_margin_loss(X, SETS - 1), ValueError,
        "multilabel_margin_loss: target must be in -1..2, got -2 at index (0, 1)",
    ),
    (
        lambda: fl.multilabel_margin_loss(X.T, SETS.T + 2, axis=0), ValueError,
        "multilabel_margin_loss: target must be in -1..2, got 3 at index (0, 1)",
    ),
    (
        lambda: fl.multilabel_margin_loss(X, LABELS), ValueError,
        "multilabel_margin_loss: target must be integer labels of shape (2, any), got int64 of shape (2,)",
    ),
    (
        lambda: fl.multilabel_soft_margin_loss(X, T[:1]), ValueError,
        "multilabel_soft_margin_loss: input and target must have the same shape, got (2, 3) and (1, 3)",
    ),
    (
        lambda: fl.multilabel_soft_margin_loss(X, T, weight=np.ones(2)), ValueError,
        "multilabel_soft_margin_loss: weight must broadcast to shape (2, 3), got (2,)",
    ),
    (
        lambda: fl.multilabel_soft_margin_loss(X[:, :0], T[:, :0]), ValueError,
        "multilabel_soft_margin_loss: input must have at least one element along axis 1, got shape (2, 0)",
    ),
    (
        lambda: fl.multilabel_soft_margin_loss(X, T, hess_out=X), TypeError,
        "multilabel_soft_margin_loss: hess_out is not a result of this call",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:60] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
